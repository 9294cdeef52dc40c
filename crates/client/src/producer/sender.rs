//! The one task of a producer: sends what the core says, brings answers to it (`Sender`, without its decisions).

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use tokio::time::sleep_until;
use tracing::debug;

use super::coordinator::{Asked, ask};
use super::core::Step;
use super::produce::{InFlight, send};
use super::shared::{Ending, Shared};
use super::transaction::{Effect, TxnReply, TxnRequest};
use crate::Error;
use crate::cluster::{ConnectionId, CoordinatorKind};

/// Runs until the producer has ended.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut sender = Sender { shared: &shared, in_flight: Vec::new(), asked: None };
    let mut ending = shared.ending.subscribe();
    loop {
        // Before the look, so that nothing between is missed.
        let changed = shared.cluster.changed();
        let state = *ending.borrow_and_update();
        let step = sender.turn();
        if sender.has_ended(state) {
            break;
        }
        let wake_at = step.wake_at_ms.map(|at_ms| shared.instant(at_ms));
        tokio::select! {
            biased;
            () = sender.answered() => {}
            () = shared.wake.notified() => {}
            _ = ending.changed() => {}
            () = changed => {}
            () = async {
                match wake_at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            } => {}
        }
    }
}

struct Sender<'a> {
    shared: &'a Arc<Shared>,
    in_flight: Vec<InFlight>,
    asked: Option<Pin<Box<Asked>>>,
}

impl Sender<'_> {
    /// Sends all that can be sent now.
    fn turn(&mut self) -> Step {
        loop {
            let mut ready: Vec<ConnectionId> = Vec::new();
            let (step, names) = self.poll_core(&mut ready);
            self.shared.settle();
            if step.needs_metadata {
                self.shared.cluster.request_refresh();
            }
            if let Some(request) = step.txn_request.clone() {
                self.asked = Some(Box::pin(ask(self.shared.clone(), request, names)));
            }
            if step.drained.is_empty() {
                return step;
            }
            for (node, batches) in step.drained {
                let connection = ready.iter().copied().find(|ready| ready.node == node);
                let connection = connection.unwrap_or(ConnectionId::none(node));
                if let Some(in_flight) = send(self.shared, connection, batches) {
                    self.in_flight.push(in_flight);
                }
            }
            self.shared.in_flight.store(self.in_flight.len(), Ordering::Relaxed);
        }
    }

    /// What the core says, with the names of partitions that a request to a coordinator is about. The connections that are ready
    /// are added to `ready`.
    ///
    /// A node whose connection broke, and is there again already, is not ready while the failure of what was sent on the old one
    /// is not handled: the next batch of a partition would be sent before the one that broke, and a broker that has nothing of
    /// the producer yet would take it as the first, and the other one never.
    fn poll_core(&mut self, ready: &mut Vec<ConnectionId>) -> (Step, Vec<ottla_protocol::Str>) {
        let shared = self.shared;
        let metadata = shared.cluster.metadata();
        let exhausted = shared.waiting.load(Ordering::Acquire) > 0;
        let (in_flight, max) = (&self.in_flight, shared.config.max_in_flight);
        let mut is_ready = |node: i32| {
            let of_node = || in_flight.iter().filter(|request| request.connection.node == node);
            let connection = if of_node().count() < max { shared.cluster.ready(node) } else { None };
            let connection = connection.filter(|now| of_node().all(|request| request.connection == *now));
            ready.extend(connection);
            connection.is_some()
        };
        let mut core = shared.core.lock();
        let step = core.poll(&metadata, exhausted, shared.now_ms(), &mut is_ready);
        let names = match &step.txn_request {
            Some(TxnRequest { ask: super::transaction::Ask::AddPartitions { partitions, .. }, .. }) => {
                partitions.iter().map(|key| core.topic_name(*key)).collect()
            }
            _ => Vec::new(),
        };
        (step, names)
    }

    /// Waits for an answer, and handles all that have come.
    async fn answered(&mut self) {
        poll_fn(|cx| self.poll_answers(cx)).await;
    }

    fn poll_answers(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut any = false;
        let mut at = 0;
        while let Some(request) = self.in_flight.get_mut(at) {
            match request.poll(cx) {
                Poll::Ready(answer) => {
                    let request = self.in_flight.remove(at);
                    request.handle(self.shared, answer);
                    any = true;
                }
                Poll::Pending => at += 1,
            }
        }
        if let Some(asked) = &mut self.asked
            && let Poll::Ready((request, reply)) = asked.as_mut().poll(cx)
        {
            self.asked = None;
            self.handle_reply(request, reply);
            any = true;
        }
        if any { Poll::Ready(()) } else { Poll::Pending }
    }

    fn handle_reply(&self, request: TxnRequest, reply: TxnReply) {
        debug!(ask = ?request.ask, ?reply, "reply of a coordinator");
        let effects = self.shared.core.lock().handle_txn_reply(request, reply);
        for effect in effects {
            match effect {
                Effect::ForgetTransactionCoordinator => {
                    let id = self.shared.config.transactional_id.clone().unwrap_or_default();
                    self.shared.cluster.forget_coordinator(CoordinatorKind::Transaction, &id);
                }
                Effect::ForgetGroupCoordinator(group) => {
                    self.shared.cluster.forget_coordinator(CoordinatorKind::Group, &group);
                }
                Effect::ResetSequences => {}
            }
        }
    }

    /// Whether there is nothing left to do for a producer that ends.
    fn has_ended(&self, state: Ending) -> bool {
        if state < Ending::Draining {
            return false;
        }
        if state >= Ending::Forced {
            return true;
        }
        let mut core = self.shared.core.lock();
        if core.has_incomplete() || !self.in_flight.is_empty() {
            return false;
        }
        let Some(txn) = &mut core.txn else { return true };
        if txn.has_requests() && txn.has_ongoing_transaction() {
            return false;
        }
        if !txn.has_ongoing_transaction() {
            return true;
        }
        if !txn.is_completing() && txn.begin_abort().is_err() {
            return true;
        }
        self.shared.wake.notify_one();
        false
    }
}

impl Drop for Sender<'_> {
    /// Whoever waits still is told: also when the task ends because of a panic, or with its runtime.
    fn drop(&mut self) {
        {
            let mut core = self.shared.core.lock();
            core.close();
            if let Some(txn) = &mut core.txn {
                txn.close();
            }
            core.abort_all(&Error::Closed("Producer is closed forcefully.".to_owned()));
        }
        self.shared.settle();
        self.shared.memory.close();
        self.shared.ending.send_replace(Ending::Ended);
    }
}
