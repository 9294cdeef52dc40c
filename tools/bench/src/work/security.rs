//! Producers, consumers and handshakes over TLS 1.3, and with passwords. The CPU time is the broker's; the generator's own TLS is not in
//! it, but takes its part of the machine.

use std::time::Duration;

use anyhow::{Result, ensure};
use rustls::HandshakeKind;

use super::consume::{self, Tail};
use super::quiet::{QuietProducer, growth};
use super::{KIB, SLICE_BYTES_MAX, Work, by_bytes, by_count, size_text, with_cpu};
use crate::contestant::Broker;
use crate::load::batch::BatchKind;
use crate::load::fetch::fetch;
use crate::load::produce::{Produce, create_writable};
use crate::load::reconnect::storm_by;
use crate::metric::{Metric, Slice};
use crate::secure::Door;

/// The protocol of a listener.
#[derive(Clone, Copy)]
pub enum Over {
    /// TLS.
    Ssl,
    /// TLS, and SCRAM-SHA-512 at the beginning of a connection.
    SaslSsl,
}

/// What is done over it.
#[derive(Clone, Copy)]
pub enum What {
    /// One producer of 1 KB records, in batches of so many bytes, pipelined.
    Produce(usize),
    /// One consumer from the beginning.
    Consume,
    /// One consumer at the tail of what a producer of 50 MB/s writes.
    Tail,
}

/// A load that other rows have without TLS.
#[derive(Clone, Copy)]
pub struct Secure {
    /// The listener.
    pub over: Over,
    /// The load.
    pub what: What,
}

impl Secure {
    fn door(self, broker: &Broker<'_>) -> Result<Door> {
        match self.over {
            Over::Ssl => broker.secure()?.ssl(),
            Over::SaslSsl => broker.secure()?.sasl_ssl(),
        }
    }
}

impl Work for Secure {
    fn name(&self) -> String {
        let over = match self.over {
            Over::Ssl => "SSL",
            Over::SaslSsl => "SASL_SSL",
        };
        let what = match self.what {
            What::Produce(batch) => {
                format!("produce 1 KB, {} batches, acks=1, pipelined", size_text(batch))
            }
            What::Consume => "consume 1 KB, pipelined".to_string(),
            What::Tail => "consume at the tail, 1 group, 50 MB/s produced".to_string(),
        };
        format!("over {over}: {what}")
    }

    fn is_secure(&self) -> bool {
        true
    }

    fn writes(&self) -> bool {
        !matches!(self.what, What::Consume)
    }

    fn prepare(&self, broker: &Broker<'_>, topic: &str) -> Result<()> {
        match self.what {
            What::Consume => consume::fill(broker, topic),
            _ => create_writable(broker.port, topic, 1, &[]),
        }
    }

    fn slice(&self, broker: &Broker<'_>, topic: &str, time: Duration) -> Result<Slice> {
        let door = self.door(broker)?;
        let (moved, cpu) = with_cpu(broker, || match self.what {
            What::Produce(batch_size) => {
                let load = Produce { batch: BatchKind::plain(KIB, batch_size), acks: 1, in_flight: 5 };
                load.run(&door, topic, time, SLICE_BYTES_MAX)
            }
            What::Consume => fetch(&door, topic, 1 << 20, time),
            What::Tail => Tail { groups: 1 }.load(&door, topic, time),
        })?;
        Ok(by_bytes(moved, cpu))
    }
}

/// Clients that connect, agree on keys, ask for the versions, and leave.
pub struct Handshakes {
    /// By the ticket of the connection before, not with a certificate.
    pub resumed: bool,
}

impl Work for Handshakes {
    fn name(&self) -> String {
        let kind = if self.resumed { "resumed" } else { "full" };
        format!("over SSL: {kind} handshakes of TLS 1.3, P-256")
    }

    fn is_secure(&self) -> bool {
        true
    }

    fn prepare(&self, _: &Broker<'_>, _: &str) -> Result<()> {
        Ok(())
    }

    fn slice(&self, broker: &Broker<'_>, _: &str, time: Duration) -> Result<Slice> {
        let ports = broker.secure()?;
        let door = || if self.resumed { ports.resumed() } else { ports.ssl() };
        let wanted = if self.resumed { HandshakeKind::Resumed } else { HandshakeKind::Full };
        let (moved, cpu) = with_cpu(broker, || {
            storm_by(time, door, |connection| {
                let kind = connection.tls().and_then(|tls| tls.handshake_kind());
                ensure!(kind == Some(wanted), "the handshake was {kind:?}");
                Ok(())
            })
        })?;
        Ok(by_count(moved.requests, moved.seconds, cpu, [Metric::CpuPerConnection, Metric::Connections]))
    }

    fn clean_up(&self, _: &Broker<'_>, _: &str) -> Result<()> {
        Ok(())
    }
}

/// A record every two milliseconds, first alone, then while other clients come and go as fast as they can.
pub struct Flood;

impl Work for Flood {
    fn name(&self) -> String {
        "over SSL: a quiet producer (500 records/s) beside full handshakes of 16 clients".to_string()
    }

    fn is_secure(&self) -> bool {
        true
    }

    fn prepare(&self, broker: &Broker<'_>, topic: &str) -> Result<()> {
        create_writable(broker.port, topic, 1, &[])
    }

    fn slice(&self, broker: &Broker<'_>, topic: &str, time: Duration) -> Result<Slice> {
        let ports = broker.secure()?;
        let quiet = QuietProducer { door: ports.ssl()?, topic, acks: 1 };
        let alone = quiet.latencies(time / 2)?;
        // A little longer than the other.
        let longer = time + Duration::from_millis(50);
        let (took, _) = quiet.beside(time, || storm_by(longer, || ports.ssl(), |_| Ok(())))?;
        Ok(Slice::of([growth(&alone, &took)]).with_latencies(took, &[Metric::P50, Metric::P99]))
    }
}

/// Clients that log in with a password of 4096 rounds, over TLS, and leave.
pub struct Logins;

impl Work for Logins {
    fn name(&self) -> String {
        "over SASL_SSL: full handshakes, and logins with SCRAM-SHA-512".to_string()
    }

    fn is_secure(&self) -> bool {
        true
    }

    fn prepare(&self, _: &Broker<'_>, _: &str) -> Result<()> {
        Ok(())
    }

    fn slice(&self, broker: &Broker<'_>, _: &str, time: Duration) -> Result<Slice> {
        let ports = broker.secure()?;
        let (moved, cpu) = with_cpu(broker, || storm_by(time, || ports.sasl_ssl(), |_| Ok(())))?;
        Ok(by_count(moved.requests, moved.seconds, cpu, [Metric::CpuPerConnection, Metric::Connections]))
    }

    fn clean_up(&self, _: &Broker<'_>, _: &str) -> Result<()> {
        Ok(())
    }
}
