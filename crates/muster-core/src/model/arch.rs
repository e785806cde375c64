//! Processor architectures, and the names that iPXE and SMD have for them.

use std::fmt;

/// The architecture of a node, named as the Linux kernel names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Arch {
    X86_64,
    Aarch64,
}

impl Arch {
    /// Every architecture, in the order of the enum.
    pub const ALL: [Self; 2] = [Self::X86_64, Self::Aarch64];

    /// Reads the name that the wishes use: `x86_64` or `aarch64`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|arch| arch.as_str() == text)
    }

    /// Reads what iPXE's `${buildarch}` expands to.
    ///
    /// A BIOS iPXE says `i386` on a 64-bit machine too (<https://ipxe.org/cfg/buildarch>), so it means `x86_64` here.
    #[must_use]
    pub fn from_ipxe(text: &str) -> Option<Self> {
        match text {
            "i386" | "x86_64" => Some(Self::X86_64),
            "arm64" | "aarch64" => Some(Self::Aarch64),
            _ => None,
        }
    }

    /// Returns the name that the wishes use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipxe_names_map_to_ours() {
        assert_eq!(Arch::from_ipxe("i386"), Some(Arch::X86_64));
        assert_eq!(Arch::from_ipxe("x86_64"), Some(Arch::X86_64));
        assert_eq!(Arch::from_ipxe("arm64"), Some(Arch::Aarch64));
        assert_eq!(Arch::from_ipxe("arm32"), None);
        assert_eq!(Arch::parse("arm64"), None);
    }
}
