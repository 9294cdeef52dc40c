//! Transactions: listed, described, and their producers fenced.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ottla_protocol::messages::{
    DescribeTransactionsRequest, DescribeTransactionsResponse, InitProducerIdRequest, InitProducerIdResponse,
    ListTransactionsRequest, ListTransactionsResponse,
};
use ottla_protocol::{ErrorCode, Message, Str, TopicPartition};
use tokio::time::Instant;

use super::call::{To, join_all};
use super::groups::spread;
use super::keyed::{Answer, Keyed};
use super::lookup::Coordinators;
use super::types::known;
use super::{Admin, PerKey, TimeoutOptions};
use crate::cluster::{CoordinatorKind, Node};
use crate::{Error, Result};

/// How a transaction is (`TransactionState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TransactionState {
    /// Open.
    Ongoing,
    /// It will be aborted.
    PrepareAbort,
    /// It will be committed.
    PrepareCommit,
    /// Aborted.
    CompleteAbort,
    /// Committed.
    CompleteCommit,
    /// There is none yet.
    Empty,
    /// The producer is fenced first.
    PrepareEpochFence,
    /// One that this crate does not know.
    Unknown,
}

impl TransactionState {
    /// All there are.
    pub const ALL: &'static [TransactionState] = &[
        Self::Ongoing,
        Self::PrepareAbort,
        Self::PrepareCommit,
        Self::CompleteAbort,
        Self::CompleteCommit,
        Self::Empty,
        Self::PrepareEpochFence,
        Self::Unknown,
    ];

    /// Kafka's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ongoing => "Ongoing",
            Self::PrepareAbort => "PrepareAbort",
            Self::PrepareCommit => "PrepareCommit",
            Self::CompleteAbort => "CompleteAbort",
            Self::CompleteCommit => "CompleteCommit",
            Self::Empty => "Empty",
            Self::PrepareEpochFence => "PrepareEpochFence",
            Self::Unknown => "Unknown",
        }
    }

    /// By Kafka's name; `Unknown` for other texts.
    pub fn parse(text: &str) -> Self {
        Self::ALL.iter().copied().find(|it| it.name() == text).unwrap_or(Self::Unknown)
    }
}

impl std::fmt::Display for TransactionState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Options of [`Admin::list_transactions`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListTransactionsOptions {
    /// How long it may take; `default.api.timeout.ms` when there is none.
    pub timeout: Option<Duration>,
    /// Only transactions in these states; all when there is none.
    pub states: BTreeSet<TransactionState>,
    /// Only those of these producers; all when there is none.
    pub producer_ids: BTreeSet<i64>,
    /// Only those open for longer than this, in ms (brokers from 3.8 on).
    pub duration_ms: Option<i64>,
    /// Only those whose id this regular expression fits (brokers from 4.1 on).
    pub transactional_id_pattern: Option<Str>,
}

/// A transaction in a list (`TransactionListing`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionListing {
    /// Its id.
    pub transactional_id: Str,
    /// Its producer.
    pub producer_id: i64,
    /// How it is.
    pub state: TransactionState,
}

/// A transaction (`TransactionDescription`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionDescription {
    /// The broker that coordinates it.
    pub coordinator_id: i32,
    /// How it is.
    pub state: TransactionState,
    /// Its producer.
    pub producer_id: i64,
    /// Epoch of the producer.
    pub producer_epoch: i16,
    /// How long it may be open, in ms.
    pub timeout_ms: i32,
    /// When it was begun, in Unix ms; nothing when it is not open.
    pub start_time_ms: Option<i64>,
    /// Its partitions.
    pub partitions: BTreeSet<TopicPartition>,
}

/// A producer and its epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerIdAndEpoch {
    /// Id.
    pub producer_id: i64,
    /// Epoch.
    pub epoch: i16,
}

const TRANSACTIONS: Coordinators = Coordinators(CoordinatorKind::Transaction);

impl Admin {
    /// The transactions that each broker coordinates.
    ///
    /// # Errors
    /// When the brokers can't be found; for each broker that it can't be reached, or answers with an error.
    pub async fn list_transactions(
        &self,
        options: &ListTransactionsOptions,
    ) -> Result<PerKey<i32, Vec<TransactionListing>>> {
        let deadline = self.deadline(options.timeout);
        let brokers = self.all_brokers(deadline).await?;
        let asked = brokers.iter().map(|broker| self.list_transactions_of(*broker, options, deadline));
        let answers = join_all(asked).await;
        Ok(brokers.into_iter().zip(answers).collect())
    }

    async fn list_transactions_of(
        &self,
        broker: i32,
        options: &ListTransactionsOptions,
        deadline: Instant,
    ) -> Result<Vec<TransactionListing>> {
        let lowest = match (&options.transactional_id_pattern, options.duration_ms) {
            (Some(pattern), _) if !pattern.is_empty() => 2,
            (_, Some(0..)) => 1,
            _ => 0,
        };
        let versions = (lowest, ListTransactionsRequest::MAX_VERSION);
        let build = |_, _| Ok(list_request(options));
        let respond = |_, response| listings(broker, response);
        self.call_as("listTransactions", To::Node(broker), versions, deadline, build, respond).await?
    }

    /// Describes transactions.
    ///
    /// # Errors
    /// For each id: TRANSACTIONAL_ID_NOT_FOUND, TRANSACTIONAL_ID_AUTHORIZATION_FAILED, ...
    pub async fn describe_transactions(
        &self,
        transactional_ids: &[Str],
        options: &TimeoutOptions,
    ) -> PerKey<Str, TransactionDescription> {
        let deadline = self.deadline(options.timeout);
        self.run_keyed(&Describe, &TRANSACTIONS, transactional_ids.iter().cloned(), deadline).await
    }

    /// Fences the producers of transactional ids, which aborts their open transactions; gives their new epochs.
    ///
    /// # Errors
    /// For each id: TRANSACTIONAL_ID_AUTHORIZATION_FAILED, CLUSTER_AUTHORIZATION_FAILED, ...
    pub async fn fence_producers(
        &self,
        transactional_ids: &[Str],
        options: &TimeoutOptions,
    ) -> PerKey<Str, ProducerIdAndEpoch> {
        let deadline = self.deadline(options.timeout);
        let timeout = options.timeout.unwrap_or(self.cluster.config().request_timeout);
        let handler = Fence { timeout_ms: i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX) };
        self.run_keyed(&handler, &TRANSACTIONS, transactional_ids.iter().cloned(), deadline).await
    }

    /// Aborts the open transaction of an id, whatever its producer does (KIP-939).
    ///
    /// # Errors
    /// As [`Admin::fence_producers`].
    pub async fn force_terminate_transaction(
        &self,
        transactional_id: &Str,
        options: &TimeoutOptions,
    ) -> Result<()> {
        let done = self.fence_producers(std::slice::from_ref(transactional_id), options).await;
        super::group_offsets::only(done).map(drop)
    }
}

fn list_request(options: &ListTransactionsOptions) -> ListTransactionsRequest {
    ListTransactionsRequest {
        state_filters: options.states.iter().map(|it| Str::from_static(it.name())).collect(),
        producer_id_filters: options.producer_ids.iter().copied().collect(),
        duration_filter: options.duration_ms.unwrap_or(-1),
        transactional_id_pattern: options.transactional_id_pattern.clone().filter(|it| !it.is_empty()),
    }
}

/// The outer error repeats the request, the inner one ends it.
fn listings(broker: i32, response: ListTransactionsResponse) -> Result<Result<Vec<TransactionListing>>> {
    let code = ErrorCode::from_code(response.error_code);
    let why = match code {
        ErrorCode::None => {
            let listing = response.transaction_states.into_iter().map(|it| TransactionListing {
                transactional_id: it.transactional_id,
                producer_id: it.producer_id,
                state: TransactionState::parse(&it.transaction_state),
            });
            return Ok(Ok(listing.collect()));
        }
        ErrorCode::CoordinatorLoadInProgress => return Err(Error::api(code, None)),
        ErrorCode::CoordinatorNotAvailable => "failed because the coordinator is shutting down",
        _ => "failed with an unexpected exception",
    };
    let text = format!("ListTransactions request sent to broker {broker} {why}");
    Ok(Err(Error::api(code, Some(&text))))
}

struct Describe;

impl Keyed for Describe {
    type Key = Str;
    type Value = TransactionDescription;
    type Request = DescribeTransactionsRequest;
    const NAME: &'static str = "describeTransactions";

    fn request(&self, keys: &[Str], _: i16, _: i32) -> Result<DescribeTransactionsRequest> {
        Ok(DescribeTransactionsRequest { transactional_ids: keys.to_vec() })
    }

    fn respond(
        &self,
        broker: &Node,
        _: &[Str],
        _: i16,
        response: DescribeTransactionsResponse,
    ) -> Answer<Str, TransactionDescription> {
        let mut answer = Answer::default();
        for it in response.transaction_states {
            let id = it.transactional_id;
            let why = match ErrorCode::from_code(it.error_code) {
                ErrorCode::None => {
                    let topics = it.topics.into_iter();
                    let description = TransactionDescription {
                        coordinator_id: broker.id,
                        state: TransactionState::parse(&it.transaction_state),
                        producer_id: it.producer_id,
                        producer_epoch: it.producer_epoch,
                        timeout_ms: it.transaction_timeout_ms,
                        start_time_ms: known(it.transaction_start_time_ms),
                        partitions: topics.flat_map(|it| spread(it.topic, it.partitions)).collect(),
                    };
                    answer.complete(id, description);
                    continue;
                }
                ErrorCode::TransactionalIdAuthorizationFailed => "failed due to authorization failure",
                ErrorCode::TransactionalIdNotFound => "failed because the ID could not be found",
                _ => "failed due to unexpected error",
            };
            let text = format!("DescribeTransactions request for transactionalId `{id}` {why}");
            answer.coordinator_error(id, ErrorCode::from_code(it.error_code), Some(&text));
        }
        answer
    }
}

struct Fence {
    timeout_ms: i32,
}

impl Keyed for Fence {
    type Key = Str;
    type Value = ProducerIdAndEpoch;
    type Request = InitProducerIdRequest;
    const NAME: &'static str = "fenceProducer";
    const BATCHED: bool = false;

    /// Version 6 is not released.
    fn versions(&self, _: &[Str]) -> (i16, i16) {
        (0, 5)
    }

    fn request(&self, keys: &[Str], _: i16, _: i32) -> Result<InitProducerIdRequest> {
        Ok(InitProducerIdRequest {
            transactional_id: keys.first().cloned(),
            transaction_timeout_ms: self.timeout_ms,
            producer_id: -1,
            producer_epoch: -1,
            ..Default::default()
        })
    }

    fn respond(
        &self,
        _: &Node,
        keys: &[Str],
        _: i16,
        response: InitProducerIdResponse,
    ) -> Answer<Str, ProducerIdAndEpoch> {
        let mut answer = Answer::default();
        let Some(id) = keys.first().cloned() else { return answer };
        let code = ErrorCode::from_code(response.error_code);
        let why = match code {
            ErrorCode::None => {
                let producer =
                    ProducerIdAndEpoch { producer_id: response.producer_id, epoch: response.producer_epoch };
                answer.complete(id, producer);
                return answer;
            }
            ErrorCode::ConcurrentTransactions => return answer,
            ErrorCode::ClusterAuthorizationFailed => "failed due to cluster authorization failure",
            ErrorCode::TransactionalIdAuthorizationFailed => {
                "failed due to transactional ID authorization failure"
            }
            _ => "failed due to unexpected error",
        };
        let text = format!("InitProducerId request for transactionalId `{id}` {why}");
        answer.coordinator_error(id, code, Some(&text));
        answer
    }
}

/// Transactions of all brokers, by their ids (what Java's `all()` gives).
pub fn all_transactions(listings: PerKey<i32, Vec<TransactionListing>>) -> Result<Vec<TransactionListing>> {
    let by_broker: BTreeMap<i32, Vec<TransactionListing>> =
        listings.into_iter().map(|(broker, listing)| Ok((broker, listing?))).collect::<Result<_>>()?;
    Ok(by_broker.into_values().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::encode_message;
    use ottla_protocol::messages::describe_transactions_response::TransactionState as StateData;

    #[test]
    fn filters_need_versions() {
        let options = ListTransactionsOptions {
            states: BTreeSet::from([TransactionState::Ongoing]),
            duration_ms: Some(5),
            ..Default::default()
        };
        let request = list_request(&options);
        assert_eq!(request.state_filters, ["Ongoing"]);
        assert!(encode_message(&request, 0).is_err());
        encode_message(&request, 1).unwrap();
    }

    #[test]
    fn a_coordinator_that_loads_is_asked_again() {
        let response =
            |code: ErrorCode| ListTransactionsResponse { error_code: code as i16, ..Default::default() };
        assert!(listings(1, response(ErrorCode::CoordinatorLoadInProgress)).is_err());
        let ended = listings(1, response(ErrorCode::CoordinatorNotAvailable)).unwrap().unwrap_err();
        assert_eq!(
            ended.to_string(),
            "ListTransactions request sent to broker 1 failed because the coordinator is shutting down"
        );
        assert!(listings(1, response(ErrorCode::None)).unwrap().unwrap().is_empty());
    }

    #[test]
    fn descriptions_and_errors_are_sorted() {
        let state = |id: &str, code: ErrorCode| StateData {
            transactional_id: id.into(),
            error_code: code as i16,
            transaction_state: "Ongoing".into(),
            transaction_start_time_ms: -1,
            ..Default::default()
        };
        let response = DescribeTransactionsResponse {
            transaction_states: vec![
                state("a", ErrorCode::None),
                state("b", ErrorCode::TransactionalIdNotFound),
                state("c", ErrorCode::NotCoordinator),
                state("d", ErrorCode::CoordinatorLoadInProgress),
            ],
            ..Default::default()
        };
        let node = Node { id: 4, host: "h".into(), port: 1, rack: None };
        let answer = Describe.respond(&node, &[], 0, response);
        let first = answer.settled[0].1.as_ref().unwrap();
        assert_eq!(
            (first.coordinator_id, first.state, first.start_time_ms),
            (4, TransactionState::Ongoing, None)
        );
        assert_eq!(
            answer.settled[1].1.as_ref().unwrap_err().to_string(),
            "DescribeTransactions request for transactionalId `b` failed because the ID could not be found"
        );
        assert_eq!(answer.unmapped, ["c"]);
    }

    #[test]
    fn fencing_waits_for_the_transaction_before() {
        let respond = |code: ErrorCode| {
            let response = InitProducerIdResponse { error_code: code as i16, ..Default::default() };
            let node = Node { id: 4, host: "h".into(), port: 1, rack: None };
            let answer = Fence { timeout_ms: 5 }.respond(&node, &["a".into()], 5, response);
            (answer.settled.len(), answer.unmapped.len())
        };
        assert_eq!(respond(ErrorCode::ConcurrentTransactions), (0, 0));
        assert_eq!(respond(ErrorCode::NotCoordinator), (0, 1));
        assert_eq!(respond(ErrorCode::None), (1, 0));
        for version in 0..=5 {
            encode_message(&Fence { timeout_ms: 5 }.request(&["a".into()], version, 0).unwrap(), version)
                .unwrap();
        }
    }
}
