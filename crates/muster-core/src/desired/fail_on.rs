//! The conditions that make a run fail, as text: `drift`, `unknown>1%`, `pending>5`, `stale>24h`.

use std::fmt;
use std::time::Duration;

use super::suggest::did_you_mean;
use crate::model::{format_duration, parse_duration};

/// The hundredths of a percent in a whole.
const WHOLE: u16 = 10_000;

macro_rules! conditions {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal;)+) => {
        /// A condition of a node that can make a run fail.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Condition { $($(#[doc = $doc])+ $name,)+ }

        impl Condition {
            /// Every condition.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// Returns the word for the condition in configuration and flags.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }
        }
    };
}

conditions! {
    /// An attribute differs from the desired state.
    Drift = "drift";
    /// An attribute could not be judged.
    Unknown = "unknown";
    /// The machine is between states.
    Settling = "settling";
    /// The expected value is staged and not applied yet.
    Pending = "pending";
    /// The observation is too old.
    Stale = "stale";
    /// An observed item is not declared.
    Undeclared = "undeclared";
}

/// The tolerated amount of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Over {
    /// None of it.
    Nothing,
    /// This many nodes.
    Count(u32),
    /// This share of all nodes, in hundredths of a percent.
    Share(u16),
    /// This age of an observation; only of [`Condition::Stale`].
    Age(Duration),
}

/// A condition that makes a run fail if it exceeds the tolerated amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FailOn {
    pub condition: Condition,
    pub over: Over,
}

impl FailOn {
    /// Parses a condition, and its tolerated amount after `>`, if there is one.
    ///
    /// # Errors
    /// The text is not a condition; the error describes the problem.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (word, over) = match text.split_once('>') {
            Some((word, over)) => (word.trim(), Some(over.trim())),
            None => (text.trim(), None),
        };

        let Some(condition) = Condition::ALL.iter().copied().find(|known| known.as_str() == word) else {
            let words = Condition::ALL.iter().map(|known| known.as_str());
            let hint = did_you_mean(word, words.clone())
                .unwrap_or_else(|| format!("conditions are {}", words.collect::<Vec<_>>().join(", ")));
            return Err(format!("`{word}` is no condition; {hint}"));
        };

        let over = over.map_or(Ok(Over::Nothing), Over::parse)?;
        if matches!(over, Over::Age(_)) && condition != Condition::Stale {
            return Err(format!("only `stale` is a matter of age, and `{word}` is counted: `{word}>5` or `{word}>1%`"));
        }
        Ok(Self { condition, over })
    }
}

impl Over {
    fn parse(text: &str) -> Result<Self, String> {
        let fault = || format!("`{text}` is no number such as `5`, share such as `1%` or age such as `24h`");
        if let Ok(count) = text.parse() {
            return Ok(Self::Count(count));
        }
        match text.strip_suffix('%') {
            Some(share) => share_of(share).map(Self::Share).ok_or_else(fault),
            None => parse_duration(text).map(Self::Age).map_err(|_| fault()),
        }
    }

    /// Returns whether `count` of `all` exceeds the tolerated amount; `None` if that depends on
    /// ages.
    #[must_use]
    pub fn is_exceeded_by(self, count: usize, all: usize) -> Option<bool> {
        match self {
            Self::Nothing => Some(count > 0),
            Self::Count(borne) => Some(count > borne as usize),
            Self::Share(share) => Some(count as u128 * u128::from(WHOLE) > all as u128 * u128::from(share)),
            Self::Age(_) => None,
        }
    }
}

/// Parses a percentage with up to two decimals as hundredths of a percent.
fn share_of(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(decimals) || decimals.len() > 2 {
        return None;
    }
    let share = whole.parse::<u16>().ok()?.checked_mul(100)? + format!("{decimals:0<2}").parse::<u16>().ok()?;
    (share <= WHOLE).then_some(share)
}

impl fmt::Display for FailOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.condition.as_str())?;
        match self.over {
            Over::Nothing => Ok(()),
            Over::Count(count) => write!(f, ">{count}"),
            Over::Share(share) if share % 100 == 0 => write!(f, ">{}%", share / 100),
            Over::Share(share) => write!(f, ">{}.{:02}%", share / 100, share % 100),
            Over::Age(age) => write!(f, ">{}", format_duration(age)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(text: &str) -> Over {
        FailOn::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).over
    }

    #[test]
    fn conditions_are_read() {
        assert_eq!(FailOn::parse("drift"), Ok(FailOn { condition: Condition::Drift, over: Over::Nothing }));
        assert_eq!(parsed("unknown>1%"), Over::Share(100));
        assert_eq!(parsed("unknown > 0.5%"), Over::Share(50));
        assert_eq!(parsed("pending>5"), Over::Count(5));
        assert_eq!(parsed("stale>24h"), Over::Age(Duration::from_secs(86_400)));
    }

    #[test]
    fn what_is_no_condition_says_so() {
        for (text, told) in [
            ("drfit", "did you mean `drift`?"),
            ("", "conditions are drift"),
            ("unknown>", "is no number"),
            ("unknown>1.234%", "is no number"),
            ("unknown>101%", "is no number"),
            ("unknown>-1", "is no number"),
            ("unknown>1 %", "is no number"),
            ("drift>24h", "only `stale`"),
        ] {
            let error = FailOn::parse(text).expect_err(text);
            assert!(error.contains(told), "{text}: {error}");
        }
    }

    #[test]
    fn shares_are_exact() {
        assert_eq!(parsed("unknown>1%").is_exceeded_by(1, 100), Some(false));
        assert_eq!(parsed("unknown>1%").is_exceeded_by(1, 99), Some(true));
        assert_eq!(parsed("unknown>100%").is_exceeded_by(9, 9), Some(false));
        assert_eq!(parsed("unknown>0%").is_exceeded_by(0, 0), Some(false));
        assert_eq!(parsed("drift").is_exceeded_by(1, 10_000), Some(true));
        assert_eq!(parsed("drift>2").is_exceeded_by(2, 3), Some(false));
        assert_eq!(parsed("stale>1h").is_exceeded_by(9, 9), None);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_the_same(at in 0..Condition::ALL.len(), count: u32, share in 0..=WHOLE, millis in 0..u64::MAX / 2) {
            let condition = Condition::ALL[at];
            for over in [Over::Nothing, Over::Count(count), Over::Share(share)] {
                let wanted = FailOn { condition, over };
                prop_assert_eq!(FailOn::parse(&wanted.to_string()), Ok(wanted));
            }
            let wanted = FailOn { condition: Condition::Stale, over: Over::Age(Duration::from_millis(millis)) };
            prop_assert_eq!(FailOn::parse(&wanted.to_string()), Ok(wanted));
        }
    }
}
