//! A closed range of feature levels (`VersionRange`).

use std::fmt;

/// The levels of a feature that a node supports, both ends included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct VersionRange {
    /// Lowest level.
    pub min: i16,
    /// Highest level.
    pub max: i16,
}

impl VersionRange {
    /// What a node supports of a feature that it does not know: level 0, "off".
    pub const DISABLED: Self = Self { min: 0, max: 0 };

    /// Levels `min` to `max`.
    pub const fn new(min: i16, max: i16) -> Self {
        Self { min, max }
    }

    /// Whether `level` lies inside.
    pub const fn contains(self, level: i16) -> bool {
        level >= self.min && level <= self.max
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.min == self.max {
            write!(f, "{}", self.min)
        } else if self.max == i16::MAX {
            write!(f, "{}+", self.min)
        } else {
            write!(f, "{}-{}", self.min, self.max)
        }
    }
}
