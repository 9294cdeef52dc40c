//! Metrics: what the broker tells of itself at `/metrics`.
//!
//! Each metric is declared once, in the file of its subject, which also collects it; `docs/metrics.md` is written from the
//! declarations. Nothing is looked up by name where something is counted: the counts are fields of the structures that
//! exist anyway (a log, a partition, a data thread's array by API), and a scrape reads them from outside.
//!
//! | file | what |
//! | --- | --- |
//! | `metric` | what is declared of a metric |
//! | `histogram` | counters and histograms that cost little |
//! | `text` | the text formats |
//! | `collect` | one answer, piece by piece |
//! | `requests`, `network`, `security`, `topics`, `partitions`, `groups`, `share_groups`, `transactions`, `clients`, `quotas`, `coordinators`, `logs`, `quorum`, `process` | one subject each |
//!
//! *Invariant:* a scrape takes no lock that a data thread may hold while it waits for a disk, and holds none for longer than
//! it takes to copy some pointers. What coordinators hold is looked at in pieces.

mod clients;
mod collect;
mod coordinators;
mod disk;
mod groups;
mod histogram;
mod idle;
mod logs;
mod metric;
mod network;
mod partitions;
mod process;
mod quorum;
mod quotas;
mod requests;
mod security;
mod share_groups;
mod text;
mod topics;
mod transactions;

pub(crate) use collect::{Out, Sources, collect};
pub(crate) use disk::MeasuredDisk;
pub(crate) use idle::{IdleShare, SAMPLE_INTERVAL};
pub use metric::{Kind, Metric, Series};
pub(crate) use process::Process;
pub use requests::{RequestCounts, ThreadRequests, WaitingRequest};
pub(crate) use text::{Format, SeriesLimits, Text};

/// Metrics of one subject.
pub struct Subject {
    /// Its title.
    pub title: &'static str,
    /// What there is to know of all of them.
    pub about: &'static str,
    /// The metrics, in the order in which they are told.
    pub metrics: &'static [&'static Metric],
}

/// All metrics, in the order in which they are told.
pub static SUBJECTS: [Subject; 15] = [
    Subject {
        title: "Process",
        about: "The process as the operating system sees it, and what was built.",
        metrics: process::METRICS,
    },
    Subject {
        title: "Network",
        about: "Connections and data threads. A data thread does all of a request, so it is Kafka's network thread and \
                request handler in one.",
        metrics: network::METRICS,
    },
    Subject {
        title: "Requests",
        about: "By API. Latency histograms have bounds of powers of two, from 0.032 ms to 33.6 s.",
        metrics: requests::METRICS,
    },
    Subject {
        title: "Security",
        about: "Logins on the listeners with SASL, handshakes on those with TLS, and the authorizer's decisions. Questions are \
                counted wherever a request is refused or served by them, also where an earlier answer of the same connection \
                is used again.",
        metrics: security::METRICS,
    },
    Subject {
        title: "Topics",
        about: "What went in and out, for all topics together (without a label) and for each topic. Records of internal \
                topics count too.",
        metrics: topics::METRICS,
    },
    Subject {
        title: "Partitions",
        about: "Offsets, sizes and replicas, partition by partition.",
        metrics: partitions::METRICS,
    },
    Subject {
        title: "Logs and disks",
        about: "Log directories, the log cleaner, fsyncs, logs on a disk that makes their writers wait.",
        metrics: logs::METRICS,
    },
    Subject {
        title: "Quorum, controller and metadata",
        about: "The metadata of the cluster, and who decides it.",
        metrics: quorum::METRICS,
    },
    Subject {
        title: "Coordinators",
        about: "The coordinators of groups, transactions and share groups' state at work.",
        metrics: coordinators::METRICS,
    },
    Subject {
        title: "Groups",
        about: "Groups that this broker coordinates, whatever their type, and how far they are behind. The lag is counted \
                up to the high watermark.",
        metrics: groups::METRICS,
    },
    Subject {
        title: "Share groups",
        about: "Where share groups stand. What is acquired but not yet acknowledged still counts as lag.",
        metrics: share_groups::METRICS,
    },
    Subject {
        title: "Transactions",
        about: "Transactional ids that this broker coordinates.",
        metrics: transactions::METRICS,
    },
    Subject {
        title: "Quotas",
        about: "Clients with quotas, one by one where the series of clients are told, and what was throttled. Who shares a \
                quota has one series; an empty `user` or `clientId` stands for any.",
        metrics: quotas::METRICS,
    },
    Subject {
        title: "Clients",
        about: "What clients push of themselves (KIP-714). Which metrics, of which clients and how often is said by \
                subscriptions: `ottla client-metrics`. At most 1,000 clients with 250 metrics each are kept.",
        metrics: clients::METRICS,
    },
    Subject {
        title: "This answer",
        about: "What the answer of `/metrics` says about itself.",
        metrics: collect::METRICS,
    },
];
