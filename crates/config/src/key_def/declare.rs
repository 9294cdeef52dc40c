//! The words that declarations are written in: one constructor per type, then modifiers.

use super::{BrokerKey, DefaultValue, Importance, KeyDef, Support, Type, UpdateMode};
use crate::validator::{Bound, Validator};

/// A boolean key.
pub const fn boolean(name: &'static str, default: bool, importance: Importance) -> KeyDef {
    KeyDef::new(name, Type::Boolean, DefaultValue::Boolean(default), importance)
}

/// A 16-bit number.
pub const fn short(name: &'static str, default: i16, importance: Importance) -> KeyDef {
    KeyDef::new(name, Type::Short, DefaultValue::Short(default), importance)
}

/// A 32-bit number.
pub const fn int(name: &'static str, default: i32, importance: Importance) -> KeyDef {
    KeyDef::new(name, Type::Int, DefaultValue::Int(default), importance)
}

/// A 64-bit number.
pub const fn long(name: &'static str, default: i64, importance: Importance) -> KeyDef {
    KeyDef::new(name, Type::Long, DefaultValue::Long(default), importance)
}

/// A floating point number.
pub const fn double(name: &'static str, default: f64, importance: Importance) -> KeyDef {
    KeyDef::new(name, Type::Double, DefaultValue::Double(default), importance)
}

/// A text.
pub const fn string(name: &'static str, default: &'static str, importance: Importance) -> KeyDef {
    KeyDef::new(name, Type::String, DefaultValue::String(default), importance)
}

/// A list.
pub const fn list(name: &'static str, default: &'static [&'static str], importance: Importance) -> KeyDef {
    KeyDef::new(name, Type::List, DefaultValue::List(default), importance)
}

/// The name of a JVM class.
pub const fn class(name: &'static str, default: &'static str, importance: Importance) -> KeyDef {
    KeyDef::new(name, Type::Class, DefaultValue::String(default), importance)
}

/// A key of any type that is null when not set.
pub const fn unset(ty: Type, name: &'static str, importance: Importance) -> KeyDef {
    KeyDef::new(name, ty, DefaultValue::Null, importance)
}

/// A key of any type that has no default.
pub const fn required(ty: Type, name: &'static str, importance: Importance) -> KeyDef {
    KeyDef::new(name, ty, DefaultValue::Required, importance)
}

/// Modifiers.
impl KeyDef {
    /// Values are at least `min`.
    pub const fn at_least(self, min: i64) -> KeyDef {
        self.check(Validator::Range { min: Some(Bound::Int(min)), max: None })
    }

    /// Values are from `min` to `max`, both included.
    pub const fn between(self, min: i64, max: i64) -> KeyDef {
        self.check(Validator::Range { min: Some(Bound::Int(min)), max: Some(Bound::Int(max)) })
    }

    /// Values are one of `texts`.
    pub const fn one_of(self, texts: &'static [&'static str]) -> KeyDef {
        self.check(Validator::OneOf(texts))
    }

    /// A list without doubles or empty elements, of any texts.
    pub const fn no_duplicates(self) -> KeyDef {
        self.check(Validator::List { elements: &[], empty_allowed: true, null_allowed: false })
    }

    /// A list without doubles or empty elements that names something.
    pub const fn not_empty(self) -> KeyDef {
        let null_allowed = matches!(self.default, DefaultValue::Null);
        self.check(Validator::List { elements: &[], empty_allowed: false, null_allowed })
    }

    /// As [`KeyDef::no_duplicates`]; null is allowed too.
    pub const fn no_duplicates_or_null(self) -> KeyDef {
        self.check(Validator::List { elements: &[], empty_allowed: true, null_allowed: true })
    }

    /// A list of some of `elements`.
    pub const fn any_of(self, elements: &'static [&'static str]) -> KeyDef {
        self.check(Validator::List { elements, empty_allowed: true, null_allowed: false })
    }

    /// A list of at least one of `elements`.
    pub const fn some_of(self, elements: &'static [&'static str]) -> KeyDef {
        self.check(Validator::List { elements, empty_allowed: false, null_allowed: false })
    }

    /// Values fulfil `validator`.
    pub const fn check(self, validator: Validator) -> KeyDef {
        KeyDef { validator, ..self }
    }

    /// Can be changed at run time, broker by broker.
    pub const fn per_broker(self) -> KeyDef {
        KeyDef { update_mode: UpdateMode::PerBroker, ..self }
    }

    /// Can be changed at run time, for one broker or all.
    pub const fn cluster_wide(self) -> KeyDef {
        KeyDef { update_mode: UpdateMode::ClusterWide, ..self }
    }

    /// Made for tests.
    pub const fn internal(self) -> KeyDef {
        KeyDef { internal: true, ..self }
    }

    /// Falls back to these broker keys, first wins.
    pub const fn or_broker(self, broker_keys: &'static [BrokerKey]) -> KeyDef {
        KeyDef { broker_keys, ..self }
    }

    /// Has the effect it has in Kafka.
    pub const fn honoured(self) -> KeyDef {
        KeyDef { support: Support::Honoured, ..self }
    }

    /// Has the effect it has in Kafka, within limits.
    pub const fn honoured_but(self, note: &'static str) -> KeyDef {
        KeyDef { support: Support::Honoured, note, ..self }
    }

    /// Is accepted but changes nothing.
    pub const fn without_effect(self, why: &'static str) -> KeyDef {
        KeyDef { support: Support::AcceptedWithoutEffect, note: why, ..self }
    }

    /// Values other than the default are an error.
    pub const fn refused(self, why: &'static str) -> KeyDef {
        KeyDef { support: Support::Refused, note: why, ..self }
    }

    /// What it does.
    pub const fn doc(self, doc: &'static str) -> KeyDef {
        KeyDef { doc, ..self }
    }
}
