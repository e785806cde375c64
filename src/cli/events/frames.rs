//! Parses server-sent events from bytes in pieces of any size (the HTML standard, section 9.2.6).
//!
//! It knows neither the meaning of the events nor the source of the bytes.

/// The longest line that is kept; a longer one is dropped.
const MAX_LINE: usize = 4 * 1024 * 1024;

/// One complete event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its name; empty if it has none.
    pub kind: String,
    pub data: String,
}

/// The state of the parser.
#[derive(Debug, Default)]
pub struct Frames {
    line: Vec<u8>,
    kind: String,
    data: Option<String>,
    id: Option<String>,
    last_id: Option<String>,
}

impl Frames {
    /// Starts with another answer: an incomplete event is discarded.
    pub fn begin(&mut self) {
        self.line.clear();
        self.kind.clear();
        (self.data, self.id) = (None, None);
    }

    /// Returns the last complete id, with or without an event.
    pub fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// Parses some bytes, and returns the events that they complete.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Message> {
        let mut messages = Vec::new();
        for byte in bytes {
            match byte {
                b'\n' => {
                    let line = String::from_utf8_lossy(&self.line).into_owned();
                    self.line.clear();
                    messages.extend(self.end_line(line.strip_suffix('\r').unwrap_or(&line)));
                }
                _ if self.line.len() >= MAX_LINE => {}
                byte => self.line.push(*byte),
            }
        }

        messages
    }

    fn end_line(&mut self, line: &str) -> Option<Message> {
        if line.is_empty() {
            if let Some(id) = self.id.take() {
                self.last_id = Some(id);
            }
            let kind = std::mem::take(&mut self.kind);
            return self.data.take().map(|data| Message { kind, data });
        }

        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => self.kind = value.to_owned(),
            "id" => self.id = Some(value.to_owned()),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                none => *none = Some(value.to_owned()),
            },
            // Comments have no name; `retry` is for browsers.
            _ => {}
        }

        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STREAM: &str = "retry: 2000\nid: 4\n\n: alive\n\nid: 5\nevent: seen\ndata: {\"a\":1}\n\nevent: gap\r\ndata: x\r\ndata:y\r\n\r\nid: 6\ndata: cut";

    proptest! {
        #[test]
        fn pieces_make_no_difference(cuts in proptest::collection::vec(0..STREAM.len(), 0..8)) {
            let mut cuts = cuts;
            cuts.extend([0, STREAM.len()]);
            cuts.sort_unstable();
            let mut frames = Frames::default();
            let got: Vec<Message> =
                cuts.windows(2).flat_map(|cut| frames.feed(&STREAM.as_bytes()[cut[0]..cut[1]])).collect();
            let message = |kind: &str, data: &str| Message { kind: kind.into(), data: data.into() };
            prop_assert_eq!(got, [message("seen", "{\"a\":1}"), message("gap", "x\ny")]);
            prop_assert_eq!(frames.last_id(), Some("5"));
            frames.begin();
            prop_assert_eq!(frames.feed(b"\n"), []);
        }
    }
}
