//! What is declared of a metric, and the words to declare it with.

/// What a metric's numbers mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, from the start of the process on.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How many measured values were not above each of some bounds; their number and sum.
    Histogram,
}

impl Kind {
    /// As the text formats call it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// What there is a series for: what can be switched off by `ottla.metrics.series`, and is bounded by
/// `ottla.metrics.series.max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Series {
    /// A few, however much the broker holds.
    Few,
    /// One for each topic.
    Topic,
    /// One for each partition.
    Partition,
    /// One or more for each group.
    Group,
    /// One for each metric of each client that pushes.
    Client,
}

/// One metric.
#[derive(Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name. That of a counter ends in `_total`.
    pub name: &'static str,
    /// What its numbers mean.
    pub kind: Kind,
    /// Its labels, in the order in which samples give them. A sample may leave out the last ones.
    pub labels: &'static [&'static str],
    /// What there is a series for, of those with labels.
    pub series: Series,
    /// What it says, in one sentence.
    pub help: &'static str,
}

/// What only grows.
pub const fn counter(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, labels: &[], series: Series::Few, help }
}

/// What goes up and down.
pub const fn gauge(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, labels: &[], series: Series::Few, help }
}

/// What is measured again and again.
pub const fn histogram(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Histogram, labels: &[], series: Series::Few, help }
}

impl Metric {
    /// With these labels.
    pub const fn by(self, labels: &'static [&'static str]) -> Metric {
        Metric { labels, ..self }
    }

    /// With series for these.
    pub const fn per(self, series: Series) -> Metric {
        Metric { series, ..self }
    }

    /// Where people know the name from.
    pub fn origin(&self) -> &'static str {
        let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| self.name.starts_with(prefix));
        if begins(&["ottla_"]) {
            "Ottla"
        } else if begins(&["process_"]) {
            "Prometheus' clients"
        } else if begins(&["kafka_consumergroup_", "kafka_topic_", "kafka_brokers", "kafka_broker_info"]) {
            "kafka_exporter"
        } else {
            "JMX exporter"
        }
    }
}
