//! Where to begin when there is no offset to begin at (`auto.offset.reset`).

use ottla_config::ConfigError;

/// Timestamp that means the end of a log in ListOffsets.
pub const LATEST_TIMESTAMP: i64 = -1;
/// Timestamp that means the start of a log in ListOffsets.
pub const EARLIEST_TIMESTAMP: i64 = -2;

const KEY: &str = "auto.offset.reset";

/// What to do for a partition without a committed offset, and for a position that the log does not have any more
/// (`AutoOffsetResetStrategy`; KIP-1106).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AutoOffsetReset {
    /// Begin with what is appended from now on.
    #[default]
    Latest,
    /// Begin with the oldest record.
    Earliest,
    /// Report an error.
    None,
    /// Begin with what is at most this old, milliseconds.
    ByDuration(i64),
}

impl AutoOffsetReset {
    /// The strategy that a value of `auto.offset.reset` means.
    ///
    /// # Errors
    /// Kafka's, for any other value.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let strategy = match text {
            "latest" => Some(Self::Latest),
            "earliest" => Some(Self::Earliest),
            "none" => Some(Self::None),
            _ => text
                .strip_prefix("by_duration:")
                .and_then(ottla_config::iso_duration::parse_millis)
                .map(Self::ByDuration),
        };
        strategy.ok_or_else(|| {
            ConfigError::invalid_value(
                KEY,
                text,
                format!(
                    "Invalid value `{text}` for configuration {KEY}. The value must be either 'earliest', 'latest', \
                     'none' or of the format 'by_duration:<PnDTnHnMn.nS.>'."
                ),
            )
        })
    }

    /// The timestamp to ask ListOffsets for; nothing for [`AutoOffsetReset::None`].
    pub fn timestamp(self, now_ms: i64) -> Option<i64> {
        match self {
            Self::Latest => Some(LATEST_TIMESTAMP),
            Self::Earliest => Some(EARLIEST_TIMESTAMP),
            Self::None => None,
            // Never one of the special timestamps below zero.
            Self::ByDuration(age_ms) => Some(now_ms.saturating_sub(age_ms).max(0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        for (text, expect) in [
            ("latest", Some(AutoOffsetReset::Latest)),
            ("earliest", Some(AutoOffsetReset::Earliest)),
            ("none", Some(AutoOffsetReset::None)),
            ("by_duration:PT1H", Some(AutoOffsetReset::ByDuration(3_600_000))),
            ("by_duration", None),
            ("by_duration:", None),
            ("by_duration:-PT1H", None),
            ("Latest", None),
        ] {
            assert_eq!(AutoOffsetReset::parse(text).ok(), expect, "{text}");
        }
    }

    #[test]
    fn a_long_duration_never_becomes_a_special_timestamp() {
        assert_eq!(AutoOffsetReset::ByDuration(1000).timestamp(998), Some(0));
        assert_eq!(AutoOffsetReset::ByDuration(1000).timestamp(5000), Some(4000));
    }
}
