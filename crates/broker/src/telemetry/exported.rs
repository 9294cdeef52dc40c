//! What clients have pushed, as `/metrics` tells it: bounded in clients, in figures and in texts, and forgotten when a client
//! is not heard of any more.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ottla_protocol::Uuid;
use ottla_protocol::otlp::{self, Kind, Point};
use ottla_protocol::records::{Compression, decompress};
use parking_lot::Mutex;

use super::instance::is_expired;
use super::subscription::{ClientFacts, Subscription};

/// Clients whose figures are kept; a Java client has about a hundred.
pub const CLIENTS_MAX: usize = 1_000;
/// Figures of one client that are kept.
pub const FIGURES_MAX: usize = 250;
/// A push may be as large once it is decompressed.
const BYTES_MAX: usize = 4 << 20;
/// Texts are cut off here, in bytes.
const TEXT_MAX: usize = 200;

/// The figures of all clients.
#[derive(Debug, Default)]
pub struct Exported {
    clients: Mutex<HashMap<Uuid, Arc<ClientFigures>>>,
    pushes: AtomicU64,
    failures: AtomicU64,
    left_out: AtomicU64,
}

/// The figures of one client.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClientFigures {
    /// Its instance id.
    pub instance_id: String,
    /// `client.id`.
    pub client_id: String,
    /// Name and version of its software: `apache-kafka-java 4.3.1`.
    pub software: String,
    /// Figures by name and attributes.
    pub figures: BTreeMap<(String, String), Figure>,
    last_push_ms: i64,
    push_interval_ms: i64,
}

/// A figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// Its value; finite.
    pub value: f64,
    /// It only grows.
    pub is_total: bool,
}

/// How much was pushed since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportedCounts {
    /// Pushes whose figures were taken.
    pub pushes: u64,
    /// Pushes that could not be understood.
    pub failures: u64,
    /// Figures that were left out, because there are too many or nobody has asked for them.
    pub left_out: u64,
}

/// The push can't be decompressed or understood.
#[derive(Debug, PartialEq, Eq)]
pub struct NotUnderstood;

impl Exported {
    /// Takes a push of a client that has this subscription.
    ///
    /// # Errors
    /// When it can't be understood; what was there before stays.
    pub fn take(
        &self,
        instance_id: Uuid,
        client: &ClientFacts<'_>,
        subscription: &Subscription,
        (compression, bytes): (i8, &[u8]),
        now_ms: i64,
    ) -> Result<(), NotUnderstood> {
        let codec = u8::try_from(compression).ok().and_then(Compression::from_id);
        let read = codec.ok_or(NotUnderstood).and_then(|codec| {
            let bytes = decompress(codec, bytes, BYTES_MAX).map_err(|_| NotUnderstood)?;
            self.read(&bytes, subscription)
        });
        let Ok(read) = read else {
            self.failures.fetch_add(1, Ordering::Relaxed);
            return Err(NotUnderstood);
        };
        self.pushes.fetch_add(1, Ordering::Relaxed);
        let mut clients = self.clients.lock();
        if clients.len() >= CLIENTS_MAX && !clients.contains_key(&instance_id) {
            clients.retain(|_, client| !client.is_expired(now_ms));
        }
        if clients.len() >= CLIENTS_MAX && !clients.contains_key(&instance_id) {
            self.left_out.fetch_add(read.len() as u64, Ordering::Relaxed);
            return Ok(());
        }
        // A scrape may hold the old ones; they are copied then.
        let figures = Arc::make_mut(clients.entry(instance_id).or_default());
        figures.instance_id = instance_id.to_string();
        figures.client_id = cut(client.client_id).to_owned();
        figures.software =
            cut(format!("{} {}", client.software_name, client.software_version).trim()).to_owned();
        figures.last_push_ms = now_ms;
        figures.push_interval_ms = i64::from(subscription.push_interval_ms);
        let left_out = figures.update(read);
        self.left_out.fetch_add(left_out, Ordering::Relaxed);
        Ok(())
    }

    /// The figures that were asked for.
    fn read(&self, bytes: &[u8], subscription: &Subscription) -> Result<Vec<Read>, NotUnderstood> {
        let (mut all, mut left_out) = (Vec::new(), 0);
        let wanted = |name: &str| {
            subscription.metrics.iter().any(|prefix| prefix == "*" || name.starts_with(prefix.as_str()))
        };
        let each = otlp::each_point(bytes, |point| {
            if all.len() < FIGURES_MAX && wanted(point.name) {
                all.push(Read::of(&point));
            } else {
                left_out += 1;
            }
        });
        each.map_err(|_| NotUnderstood)?;
        self.left_out.fetch_add(left_out, Ordering::Relaxed);
        Ok(all)
    }

    /// The clients that were heard of lately, in the order of their instance ids.
    pub fn clients(&self, now_ms: i64) -> Vec<Arc<ClientFigures>> {
        let mut clients = self.clients.lock();
        clients.retain(|_, client| !client.is_expired(now_ms));
        let mut all: Vec<Arc<ClientFigures>> = clients.values().cloned().collect();
        drop(clients);
        all.sort_by(|a, b| a.instance_id.cmp(&b.instance_id));
        all
    }

    /// How much was pushed.
    pub fn counts(&self) -> ExportedCounts {
        ExportedCounts {
            pushes: self.pushes.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            left_out: self.left_out.load(Ordering::Relaxed),
        }
    }
}

/// A figure of a push.
struct Read {
    name: String,
    attributes: String,
    kind: Kind,
    value: f64,
}

impl Read {
    fn of(point: &Point<'_>) -> Self {
        let mut attributes = String::new();
        for (key, value) in &point.attributes {
            let separator = if attributes.is_empty() { "" } else { "," };
            // Writing to a String cannot fail.
            let _ = write!(attributes, "{separator}{key}={value}");
        }
        let attributes = cut(&attributes).to_owned();
        Self { name: cut(point.name).to_owned(), attributes, kind: point.kind, value: point.value }
    }
}

impl ClientFigures {
    fn is_expired(&self, now_ms: i64) -> bool {
        is_expired(self.last_push_ms, self.push_interval_ms, now_ms)
    }

    /// Takes a push; gives how many figures there was no room for.
    fn update(&mut self, read: Vec<Read>) -> u64 {
        let mut left_out = 0;
        // A gauge that is not told any more is not known any more; a total without growth may be left out of deltas.
        self.figures.retain(|_, figure| figure.is_total);
        for Read { name, attributes, kind, value } in read {
            let key = (name, attributes);
            if self.figures.len() >= FIGURES_MAX && !self.figures.contains_key(&key) {
                left_out += 1;
                continue;
            }
            let is_total = kind != Kind::Gauge;
            let figure = self.figures.entry(key).or_insert(Figure { value: 0.0, is_total });
            let sum = if kind == Kind::Delta && figure.is_total { figure.value + value } else { value };
            *figure = Figure { value: if sum.is_finite() { sum } else { figure.value }, is_total };
        }
        left_out
    }
}

/// The beginning of a text, at most [`TEXT_MAX`] bytes.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(TEXT_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or(text)
}

#[cfg(test)]
#[path = "exported_test.rs"]
mod tests;
