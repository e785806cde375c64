//! `muster events`.

mod frames;

use std::time::Duration;

use clap::Args;
use http_body_util::BodyExt;
use jiff::Timestamp;

use super::api::Stream;
use super::hosted::Hosted;
use super::{Failure, Format, Outcome, api, output};
use crate::model::text::plural;
use crate::model::{ApiAddress, SafeText, parse_duration};
use crate::report;
use crate::view::{EventList, EventView, GapView};
use frames::{Frames, Message};

/// The default number of printed events.
const LAST: usize = 20;

/// The number of events per request.
const PAGE: usize = 1000;

/// How long a followed server may be silent: it sends a keep-alive every 15 s.
const SILENCE: Duration = Duration::from_secs(60);

/// The initial and the maximum wait before a new attempt.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// List the history of commits: seen, accepted, held or refused with the reason, and the nodes that booted them
///
/// A running server keeps the last 10,000 events. By default the newest 20 are printed; with --since or --revision
/// all that match, oldest first. With --follow, events are printed as they happen, across restarts of the server. As
/// JSON, each event is one line.
///
/// Exit codes: 0 all events are printed, 2 no server answers.
#[derive(Debug, Args)]
pub struct Events {
    #[command(flatten)]
    hosted: Hosted,
    /// Continue, and print events as they happen
    #[arg(long, short)]
    follow: bool,
    /// Only events of this commit: its id, or the first digits of it
    #[arg(long, value_name = "REV", value_parser = digits)]
    revision: Option<String>,
    /// Only events since this time: 30m, 2h or 7d ago, or a time such as 2026-11-23T03:00:00Z
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<String>,
    /// Only the newest N
    #[arg(short = 'n', value_name = "N", value_parser = clap::value_parser!(u16).range(0..=1000))]
    newest: Option<u16>,
    /// The output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

fn digits(text: &str) -> Result<String, String> {
    match text.len() >= 4 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(text.to_owned()),
        false => Err("name a commit by its id, or by its first digits, 4 at least (git rev-parse tells it)".into()),
    }
}

fn since(text: &str) -> Result<String, String> {
    match text.parse::<Timestamp>() {
        Ok(time) => Ok(time.to_string()),
        Err(_) => parse_duration(text).map(|_| text.to_owned()).map_err(|fault| format!("{fault}, or as a time")),
    }
}

impl Events {
    /// Runs the command.
    pub fn run(self) -> Result<Outcome, Failure> {
        let api = self.hosted.api()?;
        if self.follow {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            return runtime.block_on(self.go_on(&api));
        }

        let mut count = 0;
        let mut after = 0;
        loop {
            let list: EventList = api::get(&api, &self.path(Some(after)))?;
            for event in &list.events {
                let data = serde_json::to_string(event).map_err(std::io::Error::from)?;
                self.print(&data)?;
            }
            count += list.events.len();
            match list.next.filter(|_| self.is_all()) {
                Some(next) => after = next,
                None => break,
            }
        }

        if self.format == Format::Text {
            writeln!(output::stdout(), "{}", plural(count, "event"))?;
        }

        Ok(Outcome::AsWished)
    }

    /// Returns whether all matching events are requested, not only the newest.
    fn is_all(&self) -> bool {
        self.newest.is_none() && (self.since.is_some() || self.revision.is_some())
    }

    fn path(&self, after: Option<u64>) -> String {
        let mut path = match (self.is_all(), after) {
            (true, Some(after)) => format!("/api/v1/events?limit={PAGE}&after={after}"),
            (true, None) => "/api/v1/events?".into(),
            (false, _) => format!("/api/v1/events?last={}", self.newest.map_or(LAST, usize::from)),
        };
        if let Some(revision) = &self.revision {
            path.push_str(&format!("&revision={revision}"));
        }
        if let Some(since) = &self.since {
            path.push_str(&format!("&since={since}"));
        }
        path
    }

    fn print(&self, data: &str) -> Result<(), Failure> {
        let mut out = output::stdout();
        match (self.format, serde_json::from_str::<EventView>(data)) {
            (Format::Text, Ok(event)) => out.safe(&report::event(&event))?,
            // A newer server may send events that this version cannot format.
            (Format::Json, _) | (Format::Text, Err(_)) => out.safe(&SafeText::json_line(data))?,
        }
        out.flush()?;
        Ok(())
    }

    /// Follows events until it is interrupted; a server that goes away is contacted again.
    async fn go_on(&self, api: &ApiAddress) -> Result<Outcome, Failure> {
        let path = self.path(None);
        let mut frames = Frames::default();

        // A server that never answered is not waited for.
        let mut stream = api::follow(api, &path, None).await?;
        loop {
            self.listen(&mut stream, &mut frames).await?;
            drop(stream);
            let mut wait = FIRST_WAIT;
            self.say("the server is away; asking it again");
            stream = loop {
                tokio::time::sleep(wait).await;
                match api::follow(api, &path, frames.last_id()).await {
                    Ok(stream) => break stream,
                    Err(_) => wait = (wait * 2).min(LONGEST_WAIT),
                }
            };
            self.say("the server is back");
        }
    }

    /// Prints events until the server ends the stream, or is silent for too long.
    async fn listen(&self, stream: &mut Stream, frames: &mut Frames) -> Result<(), Failure> {
        frames.begin();
        loop {
            let Ok(Some(Ok(frame))) = tokio::time::timeout(SILENCE, stream.body.frame()).await else {
                return Ok(());
            };
            let Ok(bytes) = frame.into_data() else { continue };
            for Message { kind, data } in frames.feed(&bytes) {
                match (&*kind, serde_json::from_str::<GapView>(&data)) {
                    ("gap", Ok(gap)) => self.say(&gap.message),
                    _ => self.print(&data)?,
                }
            }
        }
    }

    fn say(&self, text: &str) {
        // Stderr may be closed.
        let _ = writeln!(output::stderr(), "note: {text}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_ask_for_is_checked_before_anybody_is_asked() {
        assert!(
            digits("abcd").is_ok() && digits("abc").is_err() && digits("main").is_err() && digits("HEAD~1").is_err()
        );
        assert!(since("2h").is_ok() && since("2026-11-23T03:00:00Z").is_ok() && since("yesterday").is_err());
    }
}
