//! Requests by API: how many, how long, how large, with which errors, and how many wait.
//!
//! Each data thread has an array of counters by API key, which it alone writes to. A request costs a handful of additions
//! and one look at the clock, when its answer is made; the time of its arrival is read anyway.

use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use ottla_protocol::{ApiKey, ErrorCode, Message};
use parking_lot::Mutex;

use super::collect::Out;
use super::histogram::{Counter, Histogram, HistogramNumbers};
use super::metric::{Metric, counter, gauge, histogram};
use crate::clock::now_us;

const BY: &[&str] = &["request"];

pub static REQUESTS: Metric =
    counter("kafka_network_requestmetrics_requests_total", "Requests that were read, by API.").by(BY);
pub static ERRORS: Metric = counter(
    "kafka_network_requestmetrics_errors_total",
    "Errors in responses, by API and error; a response may tell several, one for each partition for instance.",
)
.by(&["request", "error"]);
pub static TIMES: Metric = histogram(
    "kafka_network_requestmetrics_totaltimems",
    "Time from when a request was read until its response was made, waiting included, in milliseconds.",
)
.by(BY);
pub static REQUEST_BYTES: Metric =
    counter("ottla_request_bytes_total", "Bytes of requests, without their size in front, by API.").by(BY);
pub static RESPONSE_BYTES: Metric =
    counter("ottla_response_bytes_total", "Bytes of responses, by API.").by(BY);
pub static WAITING: Metric = gauge(
    "ottla_requests_waiting",
    "Requests whose answer waits for something: records, a rebalance, an fsync, a coordinator; by API.",
)
.by(BY);
pub static PURGATORY: Metric = gauge(
    "kafka_server_delayedoperationpurgatory_purgatorysize",
    "Requests that wait: for an fsync or a slow log (Produce), for records (Fetch, ShareFetch), for the group (Rebalance).",
)
.by(&["delayedOperation"]);
pub static FETCHES: Metric = counter(
    "kafka_server_brokertopicmetrics_totalfetchrequests_total",
    "Fetch requests. Apache Kafka counts each of their partitions.",
);

/// In the order in which they are told.
pub static METRICS: &[&Metric] =
    &[&REQUESTS, &ERRORS, &TIMES, &REQUEST_BYTES, &RESPONSE_BYTES, &WAITING, &PURGATORY, &FETCHES];

/// API keys are below.
const APIS_MAX: usize = 128;
/// Error codes, from -1 on.
const ERRORS_MAX: usize = ErrorCode::ALL.len();

/// What is counted of one API.
#[derive(Debug, Default)]
struct ApiCounts {
    requests: Counter,
    request_bytes: Counter,
    response_bytes: Counter,
    times: Histogram,
    began_waiting: Counter,
    ended_waiting: Counter,
    /// By code, from -1 on. Made when there is the first.
    errors: OnceLock<Box<[Counter]>>,
}

/// What one data thread counts.
#[derive(Debug)]
struct ThreadCounts {
    /// By API key.
    apis: Box<[ApiCounts]>,
    /// What the authorizer has allowed and denied.
    allowed: Counter,
    denied: Counter,
}

/// The counts of all data threads.
#[derive(Debug, Default)]
pub struct RequestCounts(Mutex<Vec<Arc<ThreadCounts>>>);

/// The counts of the data thread that this is on. A request has its own, which must cost no locked instruction.
#[derive(Clone, Debug)]
pub struct ThreadRequests(Rc<OfThread>);

#[derive(Debug)]
struct OfThread(Arc<ThreadCounts>);

/// A request that waits, until it is dropped.
#[derive(Debug)]
pub struct WaitingRequest(ThreadRequests, ApiKey);

impl RequestCounts {
    /// Counts for a new data thread, which this is.
    pub fn thread(&self) -> ThreadRequests {
        let apis = std::iter::repeat_with(ApiCounts::default).take(APIS_MAX);
        let counts = Arc::new(ThreadCounts {
            apis: apis.collect(),
            allowed: Counter::default(),
            denied: Counter::default(),
        });
        self.0.lock().push(counts.clone());
        ThreadRequests(Rc::new(OfThread(counts)))
    }

    /// What the authorizer has allowed and denied.
    pub fn decisions(&self) -> (u64, u64) {
        let threads = self.threads();
        let sum = |counter: fn(&ThreadCounts) -> &Counter| threads.iter().map(|t| counter(t).get()).sum();
        (sum(|thread| &thread.allowed), sum(|thread| &thread.denied))
    }

    fn threads(&self) -> Vec<Arc<ThreadCounts>> {
        self.0.lock().clone()
    }
}

impl ThreadCounts {
    fn api(&self, api: ApiKey) -> Option<&ApiCounts> {
        self.apis.get(usize::try_from(api.code()).ok()?)
    }
}

impl ThreadRequests {
    fn api(&self, api: ApiKey) -> Option<&ApiCounts> {
        self.0.0.api(api)
    }

    /// The authorizer has decided.
    pub fn decided(&self, is_allowed: bool) {
        let counts = &self.0.0;
        if is_allowed { counts.allowed.add(1) } else { counts.denied.add(1) }
    }

    /// A request was read.
    pub fn began(&self, api: ApiKey, bytes: usize) {
        if let Some(counts) = self.api(api) {
            counts.requests.add(1);
            counts.request_bytes.add(bytes as u64);
        }
    }

    /// The response to a request was made. The request was read at `began_us`, Unix microseconds.
    pub fn answered<M: Message>(&self, api: ApiKey, began_us: i64, response: &M, bytes: u64) {
        let Some(counts) = self.api(api) else { return };
        counts.response_bytes.add(bytes);
        counts.took(began_us);
        response.error_codes(&mut |code| {
            if code != 0 {
                counts.error(code);
            }
        });
    }

    /// A request that gets no response is done with.
    pub fn ended(&self, api: ApiKey, began_us: i64) {
        if let Some(counts) = self.api(api) {
            counts.took(began_us);
        }
    }

    /// The request begins to wait.
    pub fn wait(&self, api: ApiKey) -> WaitingRequest {
        if let Some(counts) = self.api(api) {
            counts.began_waiting.add(1);
        }
        WaitingRequest(self.clone(), api)
    }
}

impl Drop for WaitingRequest {
    fn drop(&mut self) {
        if let Some(counts) = self.0.api(self.1) {
            counts.ended_waiting.add(1);
        }
    }
}

impl ApiCounts {
    fn took(&self, began_us: i64) {
        self.times.record(u64::try_from(now_us().saturating_sub(began_us)).unwrap_or(0));
    }

    #[cold]
    fn error(&self, code: i16) {
        let errors = self.errors.get_or_init(|| {
            let counters = std::iter::repeat_with(Counter::default).take(ERRORS_MAX);
            counters.collect()
        });
        let at = usize::try_from(i32::from(code) + 1).unwrap_or(0);
        if let Some(counter) = errors.get(at).or_else(|| errors.first()) {
            counter.add(1);
        }
    }
}

/// One API, all threads together.
struct ApiSums {
    name: &'static str,
    api: ApiKey,
    requests: u64,
    request_bytes: u64,
    response_bytes: u64,
    waiting: u64,
    times: HistogramNumbers,
    /// By name.
    errors: Vec<(&'static str, u64)>,
}

fn sums(threads: &[Arc<ThreadCounts>], api: ApiKey) -> Option<ApiSums> {
    let of_threads: Vec<&ApiCounts> = threads.iter().filter_map(|thread| thread.api(api)).collect();
    let sum = |counter: fn(&ApiCounts) -> &Counter| of_threads.iter().map(|t| counter(t).get()).sum::<u64>();
    let requests = sum(|counts| &counts.requests);
    if requests == 0 {
        return None;
    }
    let mut times = HistogramNumbers::default();
    of_threads.iter().for_each(|counts| times += counts.times.numbers());
    // Ended before begun: one that comes and goes in between is not counted below zero.
    let ended = sum(|counts| &counts.ended_waiting);
    let waiting = sum(|counts| &counts.began_waiting).saturating_sub(ended);
    let (request_bytes, response_bytes) = (sum(|c| &c.request_bytes), sum(|c| &c.response_bytes));
    let errors = error_sums(&of_threads);
    Some(ApiSums { name: api.name(), api, requests, request_bytes, response_bytes, waiting, times, errors })
}

fn error_sums(of_threads: &[&ApiCounts]) -> Vec<(&'static str, u64)> {
    let mut errors: Vec<(&'static str, u64)> = Vec::new();
    for at in 0..ERRORS_MAX {
        let of_thread =
            |counts: &&ApiCounts| counts.errors.get().and_then(|e| e.get(at)).map_or(0, Counter::get);
        let count: u64 = of_threads.iter().map(of_thread).sum();
        if count > 0 {
            let code = i16::try_from(at).unwrap_or(0) - 1;
            errors.push((ErrorCode::from_code(code).name(), count));
        }
    }
    errors
}

/// What Kafka calls the requests that wait.
const PURGATORIES: [(ApiKey, &str); 4] = [
    (ApiKey::Produce, "Produce"),
    (ApiKey::Fetch, "Fetch"),
    (ApiKey::ShareFetch, "ShareFetch"),
    (ApiKey::JoinGroup, "Rebalance"),
];

pub(super) fn collect(counts: &RequestCounts, out: &mut Out) {
    let threads = counts.threads();
    let apis: Vec<ApiSums> = ApiKey::ALL.iter().filter_map(|api| sums(&threads, *api)).collect();
    let each = |out: &mut Out, metric: &'static Metric, value: fn(&ApiSums) -> u64| {
        out.begin(metric);
        apis.iter().for_each(|api| out.sample(metric, &[api.name], value(api)));
    };
    each(out, &REQUESTS, |api| api.requests);
    out.begin(&ERRORS);
    for api in &apis {
        api.errors.iter().for_each(|(error, count)| out.sample(&ERRORS, &[api.name, error], *count));
    }
    out.begin(&TIMES);
    apis.iter().for_each(|api| out.histogram(&TIMES, &[api.name], &api.times));
    each(out, &REQUEST_BYTES, |api| api.request_bytes);
    each(out, &RESPONSE_BYTES, |api| api.response_bytes);
    each(out, &WAITING, |api| api.waiting);
    let of = |key: ApiKey| apis.iter().find(|api| api.api == key);
    out.begin(&PURGATORY);
    for (api, name) in PURGATORIES {
        out.sample(&PURGATORY, &[name], of(api).map_or(0, |api| api.waiting));
    }
    out.begin(&FETCHES);
    out.sample(&FETCHES, &[], of(ApiKey::Fetch).map_or(0, |api| api.requests));
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::messages::ProduceResponse;
    use ottla_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};

    fn response(codes: &[i16]) -> ProduceResponse {
        let partition = |code: &i16| PartitionProduceResponse { error_code: *code, ..Default::default() };
        let partition_responses = codes.iter().map(partition).collect();
        let responses = vec![TopicProduceResponse { partition_responses, ..Default::default() }];
        ProduceResponse { responses, ..Default::default() }
    }

    #[test]
    fn threads_are_added_up() {
        let counts = RequestCounts::default();
        let (one, other) = (counts.thread(), counts.thread());
        one.began(ApiKey::Produce, 100);
        one.answered(ApiKey::Produce, now_us(), &response(&[0, 3, 3]), 20);
        other.began(ApiKey::Produce, 50);
        let waiting = other.wait(ApiKey::Produce);
        let sums_now = || sums(&counts.threads(), ApiKey::Produce).expect("there were requests");
        let now = sums_now();
        assert_eq!((now.requests, now.request_bytes, now.response_bytes, now.waiting), (2, 150, 20, 1));
        assert_eq!(now.times.count(), 1);
        assert_eq!(now.errors, [("UNKNOWN_TOPIC_OR_PARTITION", 2)]);
        drop(waiting);
        assert_eq!(sums_now().waiting, 0);
        assert!(sums(&counts.threads(), ApiKey::Fetch).is_none());
    }

    #[test]
    fn codes_that_nobody_knows_are_unknown_errors() {
        let counts = RequestCounts::default();
        let thread = counts.thread();
        thread.began(ApiKey::Produce, 1);
        thread.answered(ApiKey::Produce, now_us(), &response(&[-1, i16::MAX, i16::MIN]), 1);
        let sums = sums(&counts.threads(), ApiKey::Produce).expect("there was a request");
        assert_eq!(sums.errors, [("UNKNOWN_SERVER_ERROR", 3)]);
    }

    #[test]
    fn there_is_room_for_all() {
        assert!(ApiKey::ALL.iter().all(|api| (0..APIS_MAX as i16).contains(&api.code())));
    }
}
