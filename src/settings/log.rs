//! The log level, or directives for parts of the program.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::SettingsError;

/// Parses a level (`warn`) or directives (`warn,muster=debug`).
///
/// The library interprets a bare word that is not a level as a part of the program, logs all of
/// that and mutes the rest; here it is a typing error.
///
/// # Errors
/// A part of the text is neither a level nor a directive.
pub fn log_filter(text: &str) -> Result<EnvFilter, SettingsError> {
    let fault = |fault: String| SettingsError::Log { text: text.to_owned(), fault };

    for part in text.split(',') {
        let is_level = part.parse::<LevelFilter>().is_ok() && !part.is_empty();
        if !is_level && !part.contains(['=', '[']) {
            return Err(fault(format!("`{part}` is not a level")));
        }
    }

    EnvFilter::try_new(text).map_err(|error| fault(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_directives_are_read_and_anything_else_is_refused() {
        for text in ["off", "error", "WARN", "info", "debug", "trace"] {
            assert!(log_filter(text).is_ok(), "{text}");
        }
        for text in ["muster=debug,hyper=warn", "warn,muster=info", "info,muster[span{a=1}]=debug"] {
            assert!(log_filter(text).is_ok(), "{text}");
        }
        for text in
            ["", "loud", "muster", "debgu", "muster=loud", "debgu,muster=info", "info,", ",", "in fo", "warn;info"]
        {
            let error = log_filter(text).unwrap_err();
            assert!(error.to_string().starts_with(&format!("`log`: `{text}` is neither a level nor")), "{error}");
        }
    }
}
