//! The SSH wire format (RFC 4251, section 5): length-prefixed strings and numbers, read from the
//! front.

/// The error for bytes that end too early, or do not hold the expected value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut;

/// The bytes that are still unread.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wire<'b>(pub &'b [u8]);

impl<'b> Wire<'b> {
    pub(super) fn take(&mut self, count: usize) -> Result<&'b [u8], Cut> {
        let (head, rest) = self.0.split_at_checked(count).ok_or(Cut)?;
        self.0 = rest;
        Ok(head)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Cut> {
        self.take(1).map(|bytes| bytes[0])
    }

    pub(super) fn u32(&mut self) -> Result<u32, Cut> {
        self.take(4)?.try_into().map(u32::from_be_bytes).map_err(|_| Cut)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Cut> {
        self.take(8)?.try_into().map(u64::from_be_bytes).map_err(|_| Cut)
    }

    /// Reads a string of any bytes.
    pub(super) fn string(&mut self) -> Result<&'b [u8], Cut> {
        let length = self.u32()?;
        self.take(usize::try_from(length).map_err(|_| Cut)?)
    }

    /// Reads a string of UTF-8 text.
    pub(super) fn text(&mut self) -> Result<&'b str, Cut> {
        std::str::from_utf8(self.string()?).map_err(|_| Cut)
    }

    /// Reads a non-negative number, without leading zeros.
    pub(super) fn mpint(&mut self) -> Result<&'b [u8], Cut> {
        let bytes = self.string()?;
        match bytes {
            [first, ..] if first & 0x80 != 0 => Err(Cut),
            [0, next, ..] if next & 0x80 == 0 => Err(Cut),
            [0, rest @ ..] => Ok(rest),
            _ => Ok(bytes),
        }
    }

    /// Checks that no bytes are left.
    pub(super) fn end(self) -> Result<(), Cut> {
        if self.0.is_empty() { Ok(()) } else { Err(Cut) }
    }
}

/// Appends a length-prefixed string.
pub(super) fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    // A longer string than a length can express is never read either.
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(bytes);
}
