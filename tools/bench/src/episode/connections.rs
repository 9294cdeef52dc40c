//! Memory of connections that do nothing.

use std::any::Any;
use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::Episode;
use crate::contestant::{Broker, Kind, Workplace};
use crate::load::reconnect;
use crate::metric::{Metric, Slice};
use crate::process::memory_mb;
use crate::secure;

/// Who is idle.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Idle {
    /// Clients that have asked one question and are silent since.
    Plain,
    /// The same over TLS.
    Tls,
    /// Strangers that have sent half of the first message of a handshake.
    Strangers,
}

/// Connections that do nothing.
pub struct Connections {
    /// Whose.
    pub of: Idle,
    /// How many.
    pub count: usize,
    /// How long the broker idles before its memory counts.
    pub idle: Duration,
}

impl Episode for Connections {
    fn rows(&self) -> Vec<String> {
        let whose = match self.of {
            Idle::Plain => "",
            Idle::Tls => " over SSL",
            Idle::Strangers => " in the middle of a handshake",
        };
        vec![format!("{} idle connections{whose}", self.count)]
    }

    fn suits(&self, kind: Kind) -> bool {
        self.of == Idle::Plain || kind != Kind::Floor
    }

    fn once(&self, place: &Workplace, kind: Kind) -> Result<Vec<Slice>> {
        let broker = match self.of {
            Idle::Plain => place.start(kind, "connections")?,
            _ => place.start_secure(kind, "connections", "")?,
        };
        // What the first ones cost is not what one more costs.
        drop(self.connect(&broker, 50)?);
        thread::sleep(self.idle / 2);
        let (before, _) = memory_mb(broker.pid())?;
        let connections = self.connect(&broker, self.count)?;
        thread::sleep(self.idle / 2);
        let (with, _) = memory_mb(broker.pid())?;
        drop(connections);
        broker.stop()?;
        let each_kb = (with - before).max(0.0) * 1024.0 / self.count as f64;
        Ok(vec![Slice::of([(Metric::RssPerConnection, each_kb), (Metric::Rss, with)])])
    }
}

impl Connections {
    fn connect(&self, broker: &Broker<'_>, count: usize) -> Result<Box<dyn Any>> {
        Ok(match self.of {
            Idle::Plain => Box::new(reconnect::idle(broker.port, count)?),
            Idle::Tls => Box::new(reconnect::idle(broker.secure()?.ssl()?, count)?),
            Idle::Strangers => Box::new(secure::strangers(&broker.secure()?.ssl()?, count)?),
        })
    }
}
