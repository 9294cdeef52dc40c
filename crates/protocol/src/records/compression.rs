//! Which codecs there are, and their levels.

use super::RecordsError;

/// How the records of a batch are compressed (`org.apache.kafka.common.record.internal.CompressionType`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Compression {
    /// Not at all.
    #[default]
    None = 0,
    /// RFC 1952.
    Gzip = 1,
    /// Snappy blocks in the framing of the Java library (xerial); raw blocks are read as well.
    Snappy = 2,
    /// LZ4 frames of independent blocks.
    Lz4 = 3,
    /// RFC 8878.
    Zstd = 4,
}

impl Compression {
    /// All of them, by id.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// The id in attribute bits 0-2.
    pub fn id(self) -> u8 {
        self as u8
    }

    /// The codec with this id, if there is one.
    pub fn from_id(id: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.id() == id)
    }

    /// The name in `compression.type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// The codec that `compression.type` means. `uncompressed` is the topic's word for none, `none` the
    /// producer's; `producer` is no codec.
    pub fn from_name(name: &str) -> Option<Self> {
        if name == "uncompressed" {
            return Some(Self::None);
        }
        Self::ALL.into_iter().find(|codec| codec.name() == name)
    }

    /// The level used when none is configured; 0 where the codec has no levels.
    pub fn default_level(self) -> i32 {
        match self {
            Self::None | Self::Snappy => 0,
            Self::Gzip => -1,
            Self::Lz4 => 9,
            Self::Zstd => 3,
        }
    }

    /// Whether `compression.<codec>.level` may be `level`.
    pub fn is_valid_level(self, level: i32) -> bool {
        match self {
            Self::None | Self::Snappy => level == 0,
            Self::Gzip => (1..=9).contains(&level) || level == -1,
            Self::Lz4 => (1..=17).contains(&level),
            Self::Zstd => (-131_072..=22).contains(&level),
        }
    }
}

impl std::fmt::Display for Compression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// How hard a codec tries; the codec's default unless one was asked for.
///
/// LZ4 has one speed here: its levels are checked and then have no effect on the size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CompressionLevel(Option<i32>);

impl CompressionLevel {
    /// The codec's own default.
    pub const DEFAULT: Self = Self(None);

    /// `level`, if `codec` has it.
    pub fn new(codec: Compression, level: i32) -> Result<Self, RecordsError> {
        if codec.is_valid_level(level) {
            Ok(Self(Some(level)))
        } else {
            Err(RecordsError::InvalidLevel { codec, level })
        }
    }

    /// The level for `codec`: its default when the one asked for belongs to another codec.
    pub fn for_codec(self, codec: Compression) -> i32 {
        self.0.filter(|level| codec.is_valid_level(*level)).unwrap_or(codec.default_level())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_names_round_trip() {
        for codec in Compression::ALL {
            assert_eq!(Compression::from_id(codec.id()), Some(codec));
            assert_eq!(Compression::from_name(codec.name()), Some(codec));
            assert!(codec.is_valid_level(codec.default_level()));
        }
        assert_eq!(Compression::from_name("uncompressed"), Some(Compression::None));
        assert_eq!(Compression::from_name("producer"), None);
        assert_eq!(Compression::from_id(5), None);
    }

    #[test]
    fn levels_are_those_of_kafka() {
        assert!(CompressionLevel::new(Compression::Gzip, 0).is_err());
        assert!(CompressionLevel::new(Compression::Gzip, 10).is_err());
        assert!(CompressionLevel::new(Compression::Lz4, 18).is_err());
        assert!(CompressionLevel::new(Compression::Zstd, 23).is_err());
        assert_eq!(
            CompressionLevel::new(Compression::Zstd, -5).map(|l| l.for_codec(Compression::Zstd)),
            Ok(-5)
        );
        assert_eq!(CompressionLevel::DEFAULT.for_codec(Compression::Gzip), -1);
        assert_eq!(
            CompressionLevel::new(Compression::Zstd, 22).map(|l| l.for_codec(Compression::Gzip)),
            Ok(-1)
        );
    }
}
