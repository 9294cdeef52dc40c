//! What a configuration belongs to (`ConfigResource`).

use std::fmt;

use ottla_protocol::Str;

/// Kind of a resource with configurations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(i8)]
pub enum ConfigResourceType {
    /// A code that is not known.
    Unknown = 0,
    /// A topic.
    Topic = 2,
    /// A broker, or all brokers when the name is empty.
    Broker = 4,
    /// The log levels of a broker; never in the log.
    BrokerLogger = 8,
    /// A client metrics subscription (KIP-714).
    ClientMetrics = 16,
    /// A group.
    Group = 32,
}

impl ConfigResourceType {
    const ALL: [Self; 6] =
        [Self::Unknown, Self::Topic, Self::Broker, Self::BrokerLogger, Self::ClientMetrics, Self::Group];

    /// The kind of a code; [`ConfigResourceType::Unknown`] when there is none.
    pub fn from_code(code: i8) -> Self {
        Self::ALL.into_iter().find(|kind| kind.code() == code).unwrap_or(Self::Unknown)
    }

    /// The code on the wire.
    pub const fn code(self) -> i8 {
        self as i8
    }

    /// Kafka's name, such as `CLIENT_METRICS`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Topic => "TOPIC",
            Self::Broker => "BROKER",
            Self::BrokerLogger => "BROKER_LOGGER",
            Self::ClientMetrics => "CLIENT_METRICS",
            Self::Group => "GROUP",
        }
    }
}

impl fmt::Display for ConfigResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A resource with configurations.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConfigResource {
    /// Its kind.
    pub resource_type: ConfigResourceType,
    /// Its name: a topic, a broker id or nothing for the default of all brokers, ...
    pub name: Str,
}

impl ConfigResource {
    /// The resource `name` of a kind.
    pub fn new(resource_type: ConfigResourceType, name: impl Into<Str>) -> Self {
        Self { resource_type, name: name.into() }
    }

    /// A topic.
    pub fn topic(name: impl Into<Str>) -> Self {
        Self::new(ConfigResourceType::Topic, name)
    }

    /// One broker.
    pub fn broker(id: i32) -> Self {
        Self::new(ConfigResourceType::Broker, id.to_string())
    }

    /// What holds for all brokers.
    pub fn default_broker() -> Self {
        Self::new(ConfigResourceType::Broker, Str::new())
    }
}
