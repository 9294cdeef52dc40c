//! What slices yield: numbers with a name and a unit.

use crate::histogram::Histogram;

/// A number that slices yield.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Metric {
    /// From exec to the first answered Metadata.
    Start,
    /// Resident memory.
    Rss,
    /// Proportional share of memory.
    Pss,
    /// CPU time in a second without load.
    IdleCpu,
    /// Resident memory that a connection adds.
    RssPerConnection,
    /// CPU time of the broker for each megabyte.
    CpuPerMb,
    /// CPU time of the broker for each record.
    CpuPerRecord,
    /// CPU time of the broker for each request.
    CpuPerRequest,
    /// CPU time of the broker for each connection made.
    CpuPerConnection,
    /// CPU time of the broker as a multiple of what it is without a feature.
    TimesWithout,
    /// CPU time of the broker for each transaction.
    CpuPerTransaction,
    /// CPU time of the client for each megabyte of records' values.
    ClientCpuPerMb,
    /// CPU time of the client for each record.
    ClientCpuPerRecord,
    /// The most resident memory of the client.
    ClientPeak,
    /// Mean time from sending a record until it was read.
    RoundTrip,
    /// Throughput in megabytes of records' values.
    Rate,
    /// Throughput in records.
    Records,
    /// Throughput in requests answered.
    Requests,
    /// Connections made and answered.
    Connections,
    /// Transactions committed.
    Transactions,
    /// From the first member's request until a new group is stable.
    ColdJoin,
    /// CPU time of the broker meanwhile.
    ColdJoinCpu,
    /// Until a group to which ten members come is stable again.
    TenCome,
    /// CPU time of the broker meanwhile.
    TenComeCpu,
    /// Until a group that ten members leave is stable again.
    TenLeave,
    /// CPU time of the broker meanwhile.
    TenLeaveCpu,
    /// Time to create topics, until all partitions have a leader.
    Creation,
    /// From exec to the first acknowledged record.
    FirstAck,
    /// Median latency.
    P50,
    /// 99th percentile of the latency.
    P99,
    /// 99.9th percentile of the latency.
    P999,
    /// 99th percentile of the latency beside a neighbour, as a multiple of what it is without.
    Growth,
}

impl Metric {
    /// Its name and unit.
    pub fn label(self) -> &'static str {
        match self {
            Metric::Start => "first answer, ms",
            Metric::Rss => "RSS, MB",
            Metric::Pss => "PSS, MB",
            Metric::IdleCpu => "CPU, ms/s",
            Metric::RssPerConnection => "RSS, KB/connection",
            Metric::CpuPerMb => "broker CPU, ms/MB",
            Metric::CpuPerRecord => "broker CPU, us/record",
            Metric::CpuPerRequest => "broker CPU, us/request",
            Metric::CpuPerConnection => "broker CPU, us/connection",
            Metric::TimesWithout => "broker CPU, times that without",
            Metric::CpuPerTransaction => "broker CPU, us/transaction",
            Metric::ClientCpuPerMb => "client CPU, ms/MB",
            Metric::ClientCpuPerRecord => "client CPU, us/record",
            Metric::ClientPeak => "client memory, MB",
            Metric::RoundTrip => "mean, us",
            Metric::Rate => "MB/s",
            Metric::Records => "records/s",
            Metric::Requests => "requests/s",
            Metric::Connections => "connections/s",
            Metric::Transactions => "transactions/s",
            Metric::ColdJoin => "cold join, ms",
            Metric::ColdJoinCpu => "cold join, broker CPU, ms",
            Metric::TenCome => "10 more, ms",
            Metric::TenComeCpu => "10 more, broker CPU, ms",
            Metric::TenLeave => "10 fewer, ms",
            Metric::TenLeaveCpu => "10 fewer, broker CPU, ms",
            Metric::Creation => "creation, ms",
            Metric::FirstAck => "first record acknowledged, ms",
            Metric::P50 => "p50, us",
            Metric::P99 => "p99, us",
            Metric::P999 => "p99.9, us",
            Metric::Growth => "p99, times the undisturbed",
        }
    }

    /// Whether more of it is better. Of most it is not: they are costs.
    pub fn more_is_better(self) -> bool {
        matches!(
            self,
            Metric::Rate | Metric::Records | Metric::Requests | Metric::Connections | Metric::Transactions
        )
    }
}

/// What one slice yielded.
#[derive(Clone, Default)]
pub struct Slice {
    /// Numbers, in the order of the table.
    pub values: Vec<(Metric, f64)>,
    /// How long each of many things took; empty for most rows.
    pub latencies: Histogram,
}

impl Slice {
    /// A slice of these numbers.
    pub fn of(values: impl Into<Vec<(Metric, f64)>>) -> Self {
        Self { values: values.into(), latencies: Histogram::default() }
    }

    /// Adds percentiles of latencies, and the latencies themselves.
    pub fn with_latencies(mut self, latencies: Histogram, percentiles: &[Metric]) -> Self {
        for metric in percentiles {
            let percent = match metric {
                Metric::P50 => 50.0,
                Metric::P999 => 99.9,
                _ => 99.0,
            };
            self.values.push((*metric, latencies.percentile_us(percent)));
        }
        self.latencies = latencies;
        self
    }

    /// One of its numbers; 0 when it has none of this kind.
    pub fn get(&self, metric: Metric) -> f64 {
        self.values.iter().find(|(m, _)| *m == metric).map_or(0.0, |(_, value)| *value)
    }
}
