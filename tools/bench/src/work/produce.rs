//! One producer: batches of several sizes, compressed ones, single records.

use std::time::Duration;

use anyhow::Result;
use ottla_protocol::records::Compression;

use super::{KIB, MIB, SLICE_BYTES_MAX, Work, acks_text, by_bytes, by_count, size_text, with_cpu};
use crate::contestant::{Broker, Kind};
use crate::load::batch::BatchKind;
use crate::load::produce::{Produce, create_writable};
use crate::metric::{Metric, Slice};
use crate::perf_tools::ProducerPerformance;

/// With Kafka's own tool: what a real application costs.
pub struct JavaProduce {
    /// Bytes of a record.
    pub record_size: usize,
    /// `batch.size`.
    pub batch_size: usize,
    /// As in the protocol.
    pub acks: i16,
}

impl Work for JavaProduce {
    fn name(&self) -> String {
        let (record, batch) = (size_text(self.record_size), size_text(self.batch_size));
        format!("produce {record}, {batch} batches, acks={}", acks_text(self.acks))
    }

    fn suits(&self, _: Kind) -> bool {
        true
    }

    fn takes_java(&self) -> bool {
        true
    }

    fn prepare(&self, broker: &Broker<'_>, topic: &str) -> Result<()> {
        create_writable(broker.port, topic, 1, &[])
    }

    /// So many records that both contestants do the same work.
    fn slice(&self, broker: &Broker<'_>, topic: &str, time: Duration) -> Result<Slice> {
        // Smaller records cost the client more.
        let mb_per_s = if self.record_size < KIB { 10.0 } else { 40.0 };
        let bytes = ((mb_per_s * MIB * time.as_secs_f64()) as u64).min(SLICE_BYTES_MAX);
        let Self { record_size, batch_size, acks } = *self;
        let (class_path, port) = (broker.place.class_path()?, broker.port);
        let records = bytes / record_size as u64;
        let tool = ProducerPerformance { class_path, port, topic, records, record_size, batch_size, acks };
        let (moved, cpu) = with_cpu(broker, || tool.run())?;
        Ok(by_bytes(moved, cpu))
    }
}

/// With our generator, pipelined: what the broker can do.
pub struct OwnProduce {
    /// What a request carries.
    pub batch: BatchKind,
    /// As in the protocol.
    pub acks: i16,
}

impl OwnProduce {
    /// Random records without compression; `batch_size` 0 for one record in a batch.
    pub const fn plain(record_size: usize, batch_size: usize, acks: i16) -> Self {
        Self { batch: BatchKind::plain(record_size, batch_size), acks }
    }

    /// Batches of JSON, compressed: a broker that does not compress them anew has little to do.
    pub const fn compressed(compression: Compression) -> Self {
        Self { batch: BatchKind { record_size: KIB, batch_size: 64 * KIB, compression }, acks: 1 }
    }
}

impl Work for OwnProduce {
    fn name(&self) -> String {
        let (record, acks) = (size_text(self.batch.record_size), acks_text(self.acks));
        if self.batch.batch_size == 0 {
            return format!("produce {record}, one record in a batch, acks={acks}, pipelined");
        }
        let batch = size_text(self.batch.batch_size);
        let (batch, kind) = match self.batch.compression {
            Compression::None => (format!("{batch} batches"), ""),
            codec => (format!("{batch} {} batches", codec.name()), " of JSON"),
        };
        format!("produce {record}{kind}, {batch}, acks={acks}, pipelined")
    }

    fn suits(&self, _: Kind) -> bool {
        true
    }

    fn prepare(&self, broker: &Broker<'_>, topic: &str) -> Result<()> {
        create_writable(broker.port, topic, 1, &[])
    }

    fn slice(&self, broker: &Broker<'_>, topic: &str, time: Duration) -> Result<Slice> {
        let load = Produce { batch: self.batch, acks: self.acks, in_flight: 5 };
        let (moved, cpu) = with_cpu(broker, || load.run(broker.port, topic, time, SLICE_BYTES_MAX))?;
        Ok(if self.batch.batch_size == 0 {
            by_count(moved.requests, moved.seconds, cpu, [Metric::CpuPerRequest, Metric::Requests])
        } else if self.batch.record_size < KIB {
            by_count(moved.records, moved.seconds, cpu, [Metric::CpuPerRecord, Metric::Records])
        } else {
            by_bytes(moved, cpu)
        })
    }
}
