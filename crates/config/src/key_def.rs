//! The declaration of one configuration key.
//!
//! A declaration is a constant built from a constructor per type ([`int`], [`list`], ...) and modifiers, so
//! that the tables in [`crate::keys`] read like a page of documentation. Everything else in this crate
//! (parsing, validation, DescribeConfigs, the compatibility table) follows from these constants.

use std::fmt;

use crate::validator::Validator;

mod declare;

pub use declare::{boolean, class, double, int, list, long, required, short, string, unset};

/// What a key configures; each scope has its own name space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// `server.properties`, and dynamic configurations of broker resources (Kafka's `KafkaConfig`).
    Broker,
    /// Broker keys that exist as dynamic configurations only (replication throttles).
    BrokerDynamic,
    /// Topic resources (Kafka's `LogConfig`).
    Topic,
    /// Group resources (Kafka's `GroupConfig`).
    Group,
    /// Quotas of users and client ids.
    ClientQuota,
    /// Quotas of addresses.
    IpQuota,
    /// Client metrics subscriptions (KIP-714).
    ClientMetrics,
    /// Producers (Kafka's `ProducerConfig`).
    Producer,
    /// Consumers and share consumers (Kafka's `ConsumerConfig`).
    Consumer,
    /// Admin clients (Kafka's `AdminClientConfig`).
    Admin,
}

/// Type of a value, as Kafka's `ConfigDef.Type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// `true` or `false`, in any case of letters.
    Boolean,
    /// Text.
    String,
    /// 32-bit number.
    Int,
    /// 16-bit number.
    Short,
    /// 64-bit number.
    Long,
    /// 64-bit floating point number.
    Double,
    /// Texts separated by commas.
    List,
    /// Name of a JVM class.
    Class,
    /// Text that is never shown.
    Password,
}

impl Type {
    /// Kafka's name of the type, as in its messages and documentation.
    pub const fn name(self) -> &'static str {
        match self {
            Type::Boolean => "BOOLEAN",
            Type::String => "STRING",
            Type::Int => "INT",
            Type::Short => "SHORT",
            Type::Long => "LONG",
            Type::Double => "DOUBLE",
            Type::List => "LIST",
            Type::Class => "CLASS",
            Type::Password => "PASSWORD",
        }
    }
}

/// Value of a key that nobody has set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DefaultValue {
    /// There is none: the key must be set.
    Required,
    /// Not set is a meaning of its own.
    Null,
    /// A boolean.
    Boolean(bool),
    /// A 16-bit number.
    Short(i16),
    /// A 32-bit number.
    Int(i32),
    /// A 64-bit number.
    Long(i64),
    /// A floating point number.
    Double(f64),
    /// A text or class name.
    String(&'static str),
    /// A list.
    List(&'static [&'static str]),
}

/// How much a key matters, as Kafka's documentation ranks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Importance {
    /// Most users should know it.
    High,
    /// Some users should know it.
    Medium,
    /// Few users need it.
    Low,
}

impl Importance {
    /// Kafka's name.
    pub const fn name(self) -> &'static str {
        match self {
            Importance::High => "HIGH",
            Importance::Medium => "MEDIUM",
            Importance::Low => "LOW",
        }
    }
}

/// Whether and for whom a broker key can be changed at run time (KIP-226).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UpdateMode {
    /// Only by a restart.
    ReadOnly,
    /// For one broker at a time.
    PerBroker,
    /// For one broker, or for all as the cluster default.
    ClusterWide,
}

/// What Ottla does with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Support {
    /// It has the effect it has in Kafka.
    Honoured,
    /// It is checked and shown, but changes nothing.
    AcceptedWithoutEffect,
    /// A value other than the default is an error, because ignoring it would betray who set it.
    Refused,
}

impl Support {
    /// As the compatibility table says it.
    pub const fn name(self) -> &'static str {
        match self {
            Support::Honoured => "honoured",
            Support::AcceptedWithoutEffect => "accepted without effect",
            Support::Refused => "refused",
        }
    }
}

/// Unit in which a broker key states what its topic key states in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// The same unit as the topic key.
    Same,
    /// Minutes.
    Minutes,
    /// Hours.
    Hours,
}

impl Unit {
    /// How many units of the topic key one of these is.
    pub const fn factor(self) -> i64 {
        match self {
            Unit::Same => 1,
            Unit::Minutes => 60 * 1000,
            Unit::Hours => 60 * 60 * 1000,
        }
    }
}

/// The broker key that a topic or group key falls back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BrokerKey {
    /// Name of the broker key.
    pub name: &'static str,
    /// Its unit.
    pub unit: Unit,
}

/// A broker key in the unit of the key that falls back to it.
pub const fn same(name: &'static str) -> BrokerKey {
    BrokerKey { name, unit: Unit::Same }
}

/// A broker key in minutes.
pub const fn minutes(name: &'static str) -> BrokerKey {
    BrokerKey { name, unit: Unit::Minutes }
}

/// A broker key in hours.
pub const fn hours(name: &'static str) -> BrokerKey {
    BrokerKey { name, unit: Unit::Hours }
}

/// The declaration of one configuration key.
#[derive(Clone, Copy, Debug)]
pub struct KeyDef {
    /// The name, as in `server.properties` and in the admin APIs.
    pub name: &'static str,
    /// What it configures.
    pub scope: Scope,
    /// Type of its values.
    pub ty: Type,
    /// Value when not set.
    pub default: DefaultValue,
    /// What a value of the type must fulfil.
    pub validator: Validator,
    /// Rank in Kafka's documentation.
    pub importance: Importance,
    /// Whether it can be changed at run time; for broker keys.
    pub update_mode: UpdateMode,
    /// Broker keys that hold the value when the topic or group sets none, first wins.
    pub broker_keys: &'static [BrokerKey],
    /// What it does, in a sentence or two.
    pub doc: &'static str,
    /// What Ottla does with it.
    pub support: Support,
    /// Why it is not honoured, or how far it is; may be empty.
    pub note: &'static str,
    /// Made for tests: not shown unless set.
    pub internal: bool,
}

impl KeyDef {
    const fn new(name: &'static str, ty: Type, default: DefaultValue, importance: Importance) -> KeyDef {
        KeyDef {
            name,
            scope: Scope::Broker,
            ty,
            default,
            validator: Validator::Any,
            importance,
            update_mode: UpdateMode::ReadOnly,
            broker_keys: &[],
            doc: "",
            support: Support::AcceptedWithoutEffect,
            note: "",
            internal: false,
        }
    }

    /// Values are secrets: they appear in no answer and no log.
    pub const fn sensitive(&self) -> bool {
        matches!(self.ty, Type::Password)
    }

    /// Whether the key can be changed at run time (broker keys).
    pub const fn dynamic(&self) -> bool {
        !matches!(self.update_mode, UpdateMode::ReadOnly)
    }

    /// Kafka's text for the default; `(required)` if there is none and `null` for null.
    pub fn default_text(&self) -> String {
        self.default.to_string()
    }

    /// What values are allowed, for people: the type and the validator's condition.
    pub fn allowed(&self) -> String {
        let ty = match self.ty {
            Type::Boolean => "true or false",
            Type::String => "a text",
            Type::Int => "a whole number (32 bits)",
            Type::Short => "a whole number (16 bits)",
            Type::Long => "a whole number (64 bits)",
            Type::Double => "a number",
            Type::List => "a list separated by commas",
            Type::Class => "the name of a class",
            Type::Password => "a secret text",
        };
        match self.validator.condition() {
            condition if condition.is_empty() => ty.to_owned(),
            condition => format!("{ty}, {condition}"),
        }
    }
}

impl fmt::Display for DefaultValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DefaultValue::Required => f.write_str("(required)"),
            DefaultValue::Null => f.write_str("null"),
            DefaultValue::Boolean(value) => write!(f, "{value}"),
            DefaultValue::Short(value) => write!(f, "{value}"),
            DefaultValue::Int(value) => write!(f, "{value}"),
            DefaultValue::Long(value) => write!(f, "{value}"),
            DefaultValue::Double(value) => f.write_str(&crate::java::double_to_string(*value)),
            DefaultValue::String(value) => f.write_str(value),
            DefaultValue::List(value) => f.write_str(&value.join(",")),
        }
    }
}
