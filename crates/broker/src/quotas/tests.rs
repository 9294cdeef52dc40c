//! Clients in simulated time.

use ottla_metadata::MetadataImage;
use ottla_protocol::ApiKey;
use ottla_protocol::messages::ClientQuotaRecord;
use ottla_protocol::messages::client_quota_record::EntityData;
use ottla_protocol::messages::metadata::MetadataRecord;
use ottla_security::Principal;

use super::*;

const CLIENTS: Windows = Windows { num: 11, size_ms: 1_000 };
const START_US: i64 = 1_700_000_000_000_000;
const MS: i64 = 1_000;
const SECOND: i64 = 1_000_000;

type Part = (&'static str, Option<&'static str>);

/// A broker with some limits.
struct Node {
    image: MetadataImage,
    quotas: Arc<Quotas>,
}

impl Node {
    fn new(limits: &[(&[Part], QuotaKind, f64)]) -> Self {
        let mut node =
            Self { image: MetadataImage::default(), quotas: Arc::new(Quotas::new(CLIENTS, CLIENTS)) };
        node.quotas.follow(&node.image);
        limits.iter().for_each(|(entity, kind, limit)| node.set(entity, *kind, Some(*limit)));
        node
    }

    fn set(&mut self, entity: &[Part], kind: QuotaKind, limit: Option<f64>) {
        let part = |(entity_type, name): &Part| EntityData {
            entity_type: Str::from_static(entity_type),
            entity_name: name.map(Str::from_static),
        };
        let record = ClientQuotaRecord {
            entity: entity.iter().map(part).collect(),
            key: Str::from_static(kind.key()),
            value: limit.unwrap_or(0.0),
            remove: limit.is_none(),
        };
        self.image.replay(&MetadataRecord::ClientQuota(record)).expect("a record of a quota");
        self.quotas.follow(&self.image);
    }

    fn connect(&self, user: &'static str, client_id: &'static str) -> Connection {
        Connection {
            quotas: self.quotas.clone(),
            cache: QuotaCache::default(),
            principal: Arc::new(Principal::user(user)),
            client_id: Str::from_static(client_id),
        }
    }
}

struct Connection {
    quotas: Arc<Quotas>,
    cache: QuotaCache,
    principal: Arc<Principal>,
    client_id: Str,
}

impl Connection {
    fn request(&mut self, bytes: usize, now_us: i64) -> RequestQuota {
        RequestQuota::of(&self.quotas, &mut self.cache, (&self.principal, &self.client_id), now_us, bytes)
    }

    /// A Produce that takes no time; for how long its answer is throttled.
    fn produce(&mut self, bytes: usize, now_us: i64) -> i32 {
        self.request(bytes, now_us).settle(ApiKey::Produce, now_us)
    }

    /// Whether a Fetch brings its records, and for how long it is throttled.
    fn fetch(&mut self, bytes: usize, now_us: i64) -> (bool, i32) {
        let request = self.request(100, now_us);
        let is_sent = request.settle_fetch(bytes, now_us);
        (is_sent, request.settle(ApiKey::Fetch, now_us))
    }
}

const ALICE: &[Part] = &[("user", Some("alice"))];

/// Units per second that go through between the 11th and the 41st second, of a client that does one thing after the other.
/// `step` says how much one brought, and after how many microseconds the next may come.
///
/// The client's line carries a fifth more than its limit. One that is much faster goes in bursts, here as in Kafka: ten
/// seconds' worth at once whenever the windows of the last burst have gone by, and the mean of 30 seconds depends on where
/// they begin.
fn rate_over_30_seconds(mut step: impl FnMut(i64) -> (f64, i64)) -> f64 {
    let (from_us, to_us) = (START_US + 11 * SECOND, START_US + 41 * SECOND);
    let (mut now_us, mut sum) = (START_US, 0.0);
    while now_us < to_us {
        let (value, time_us) = step(now_us);
        if now_us >= from_us {
            sum += value;
        }
        now_us += time_us;
    }
    sum / 30.0
}

/// How long the client's line takes for something, in microseconds.
fn line_us(value: f64, limit: f64) -> i64 {
    (value / (limit * 1.2) * SECOND as f64) as i64
}

fn check_rate(measured: f64, limit: f64) {
    assert!((measured / limit - 1.0).abs() <= 0.05, "{measured} where {limit} is the limit");
}

#[test]
fn producers_go_as_fast_as_they_may() {
    for (bytes, limit) in [(16_384, 1_000_000.0), (100_000, 200_000.0), (1_000, 500_000.0)] {
        let node = Node::new(&[(ALICE, QuotaKind::Produce, limit)]);
        let mut alice = node.connect("alice", "app");
        let measured = rate_over_30_seconds(|now_us| {
            let throttle_ms = alice.produce(bytes, now_us);
            (bytes as f64, line_us(bytes as f64, limit) + i64::from(throttle_ms) * MS)
        });
        check_rate(measured, limit);
        let mut bob = node.connect("bob", "app");
        assert_eq!(bob.produce(100_000_000, START_US), 0, "no limit holds for others");
    }
}

#[test]
fn consumers_go_as_fast_as_they_may() {
    for (bytes, limit) in [(16_384, 1_000_000.0), (100_000, 200_000.0)] {
        let node = Node::new(&[(ALICE, QuotaKind::Fetch, limit)]);
        let mut alice = node.connect("alice", "app");
        let measured = rate_over_30_seconds(|now_us| {
            let (is_sent, throttle_ms) = alice.fetch(bytes, now_us);
            assert_eq!(is_sent, throttle_ms == 0, "a throttled answer has no records");
            match is_sent {
                true => (bytes as f64, line_us(bytes as f64, limit)),
                false => (0.0, i64::from(throttle_ms) * MS),
            }
        });
        check_rate(measured, limit);
    }
}

#[test]
fn time_is_limited_as_well() {
    // Two per cent of a thread, by requests of 5 ms.
    let node = Node::new(&[(ALICE, QuotaKind::Request, 2.0)]);
    let mut alice = node.connect("alice", "app");
    let percent = rate_over_30_seconds(|now_us| {
        let request = alice.request(100, now_us);
        let throttle_ms = request.settle(ApiKey::Metadata, now_us + 5 * MS);
        assert!(throttle_ms <= 1_000, "never longer than a window");
        (0.5, line_us(0.5, 2.0) + i64::from(throttle_ms) * MS)
    });
    check_rate(percent, 2.0);
}

#[test]
fn waiting_and_exempt_requests_cost_no_time() {
    let node = Node::new(&[(ALICE, QuotaKind::Request, 0.001)]);
    let mut alice = node.connect("alice", "app");
    let waiting = alice.request(100, START_US);
    waiting.waits(START_US + 50);
    assert_eq!(waiting.settle(ApiKey::Fetch, START_US + 10 * SECOND), 0, "50 microseconds of ten seconds");
    let markers = alice.request(100, START_US);
    assert_eq!(markers.settle(ApiKey::WriteTxnMarkers, START_US + SECOND), 0);
    assert_eq!(node.quotas.exempt_us(), 1_000_000);
    let slow = alice.request(100, START_US);
    assert_eq!(slow.settle(ApiKey::Metadata, START_US + SECOND), 1_000);
    assert_eq!(slow.settle(ApiKey::Metadata, START_US + 2 * SECOND), 1_000, "what was said holds");
    assert_eq!(node.quotas.throttled(QuotaKind::Request), Throttled { answers: 1, total_ms: 1_000 });
}

#[test]
fn without_an_answer_the_bytes_count_but_not_the_time() {
    let node = Node::new(&[(ALICE, QuotaKind::Request, 0.001), (ALICE, QuotaKind::Produce, 10.0)]);
    let mut alice = node.connect("alice", "app");
    assert_eq!(alice.request(100, START_US).settle_silent(START_US + SECOND), 0);
    assert_eq!(node.quotas.exempt_us(), 1_000_000);
    assert_eq!(alice.request(10, START_US).settle_silent(START_US), 1_000);
}

#[test]
fn the_longest_throttle_time_holds() {
    let node = Node::new(&[(ALICE, QuotaKind::Request, 1.0), (ALICE, QuotaKind::Produce, 100.0)]);
    let mut alice = node.connect("alice", "app");
    let long = alice.request(3_000, START_US).settle(ApiKey::Produce, START_US + SECOND);
    assert_eq!(long, 20_000, "bytes: two tens of seconds; time: a second at most");
    assert_eq!(node.quotas.throttled(QuotaKind::Produce).answers, 1);
    assert_eq!(node.quotas.throttled(QuotaKind::Request).answers, 0);
}

#[test]
fn a_batch_beyond_all_windows_is_sent_when_nothing_else_counts() {
    let node = Node::new(&[(ALICE, QuotaKind::Fetch, 100.0)]);
    let mut alice = node.connect("alice", "app");
    assert_eq!(alice.request(100, START_US).max_fetch_bytes(), 1_000);
    assert_eq!(alice.fetch(900, START_US), (true, 0));
    assert_eq!(alice.fetch(2_000, START_US), (false, 19_000));
    assert_eq!(alice.fetch(2_000, START_US + 19 * SECOND), (true, 10_000));
    assert!(!alice.fetch(2_000, START_US + 29 * SECOND).0, "it was counted");
}

#[test]
fn changes_hold_for_connections_that_are_there() {
    let mut node = Node::new(&[]);
    assert!(!node.quotas.is_active());
    let mut alice = node.connect("alice", "app");
    assert_eq!(alice.produce(5_000, START_US), 0);
    node.set(ALICE, QuotaKind::Produce, Some(100.0));
    assert!(node.quotas.is_active());
    assert_eq!(alice.produce(1_000, START_US), 0, "what came before any limit was not counted");
    assert_eq!(alice.produce(1_000, START_US), 10_000);
    node.set(ALICE, QuotaKind::Produce, Some(1_000.0));
    assert_eq!(alice.produce(1_000, START_US), 0, "the sum is kept, the limit is another");
    node.set(&[("user", Some("alice")), ("client-id", Some("app"))], QuotaKind::Produce, Some(10.0));
    assert_eq!(alice.produce(200, START_US), 10_000, "a limit for fewer begins anew");
    node.set(&[("user", Some("alice")), ("client-id", Some("app"))], QuotaKind::Produce, None);
    assert_eq!(alice.produce(100, START_US), 0);
    node.set(ALICE, QuotaKind::Produce, None);
    assert!(!node.quotas.is_active());
    assert_eq!(alice.produce(1_000_000, START_US), 0);
}

#[test]
fn a_limit_is_shared_by_those_it_is_for() {
    let any_client: &[Part] = &[("client-id", None)];
    let node = Node::new(&[(ALICE, QuotaKind::Produce, 100.0), (any_client, QuotaKind::Fetch, 100.0)]);
    let (mut one, mut two) = (node.connect("alice", "one"), node.connect("alice", "two"));
    assert_eq!(one.produce(1_000, START_US), 0);
    assert_eq!(two.produce(1_000, START_US), 10_000, "the user's clients share it");
    assert_eq!(one.fetch(1_000, START_US), (true, 0));
    assert_eq!(two.fetch(1_000, START_US), (true, 0), "each client id has its own");
    // The same connection under another name.
    two.client_id = Str::from_static("one");
    assert!(!two.fetch(1_000, START_US).0);
    let measured = node.quotas.measured(QuotaKind::Fetch, START_US / MS);
    let names: Vec<&str> = measured.iter().map(|(sharers, _)| &*sharers.client_id).collect();
    assert_eq!(names, ["one", "two"]);
    assert_eq!(measured[0].1, Measured { limit: 100.0, value: 100.0, throttle_ms_mean: 10_000.0 });
}

#[test]
fn whoever_changes_names_is_not_remembered_for_ever() {
    let any_client: &[Part] = &[("client-id", None)];
    let node = Node::new(&[(any_client, QuotaKind::Produce, 100.0)]);
    let mut liar = node.connect("alice", "");
    for name in 0..60_000 {
        liar.client_id = Str::from(format!("client-{name}"));
        liar.produce(10, START_US);
    }
    assert!(node.quotas.measured(QuotaKind::Produce, START_US / MS).len() <= ENTITIES_MAX);
    let later_ms = START_US / MS + INACTIVE_MS + 20_000;
    assert_eq!(node.quotas.measured(QuotaKind::Produce, later_ms).len(), 1, "the one that is connected");
}
