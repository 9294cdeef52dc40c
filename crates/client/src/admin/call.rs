//! One request that is repeated until it is answered (`KafkaAdminClient.Call`).

use std::future::Future;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use ottla_protocol::{ErrorCode, Request};
use tokio::time::Instant;

use super::Admin;
use crate::{Error, Result, Target};

/// Who answers an operation, and whether controllers answer it too (`bootstrap.controllers`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum To {
    /// Any broker.
    Any,
    /// Any broker; with `bootstrap.controllers` the active controller.
    AnyOrActiveController,
    /// The controller, as brokers name it (or forward to it).
    Controller,
    /// The controller, also with `bootstrap.controllers`.
    ControllerAlso,
    /// A broker.
    Node(i32),
    /// A node, also a controller.
    NodeAlso(i32),
}

impl To {
    /// Where the request goes.
    pub(super) fn target(self, controllers: bool) -> Result<Target> {
        match self {
            To::AnyOrActiveController | To::ControllerAlso if controllers => Ok(Target::Controller),
            To::NodeAlso(node) => Ok(Target::Node(node)),
            To::Any | To::Controller | To::Node(_) if controllers => Err(Error::api(
                ErrorCode::UnsupportedEndpointType,
                Some(
                    "This Admin API is not yet supported when communicating directly with the controller quorum.",
                ),
            )),
            To::Any | To::AnyOrActiveController => Ok(Target::Any),
            To::Controller | To::ControllerAlso => Ok(Target::Controller),
            To::Node(node) => Ok(Target::Node(node)),
        }
    }
}

impl Admin {
    /// Sends a request and reads its answer, again and again while the error is one that may pass. `build` gets the
    /// time the broker may take, in ms; what `respond` gives as an error counts like an error of the connection.
    pub(super) async fn call<R: Request, T>(
        &self,
        name: &str,
        to: To,
        deadline: Instant,
        build: impl Fn(i32) -> R,
        mut respond: impl FnMut(R::Response) -> Result<T>,
    ) -> Result<T> {
        let versions = (R::MIN_VERSION, R::MAX_VERSION);
        self.call_as(name, to, versions, deadline, |_, timeout_ms| Ok(build(timeout_ms)), |_, r| respond(r))
            .await
    }

    /// Likewise within a range of versions, which `build` and `respond` are told.
    pub(super) async fn call_as<R: Request, T>(
        &self,
        name: &str,
        to: To,
        versions: (i16, i16),
        deadline: Instant,
        build: impl Fn(i16, i32) -> Result<R>,
        mut respond: impl FnMut(i16, R::Response) -> Result<T>,
    ) -> Result<T> {
        let target = to.target(self.controllers)?;
        let mut tries: u32 = 0;
        loop {
            let error = match self.attempt(target, versions, deadline, &build).await {
                Ok((version, response)) => match respond(version, response) {
                    Ok(value) => return Ok(value),
                    Err(error) => error,
                },
                Err(error) => error,
            };
            tries += 1;
            if !self.wait_to_retry(name, tries, deadline, &error).await? {
                return Err(error);
            }
        }
    }

    async fn attempt<R: Request>(
        &self,
        target: Target,
        (lowest, highest): (i16, i16),
        deadline: Instant,
        build: &impl Fn(i16, i32) -> Result<R>,
    ) -> Result<(i16, R::Response)> {
        let by = self.request_deadline(deadline);
        let timeout_ms = remaining_ms(by);
        self.cluster.call_as(target, lowest, highest, |version| build(version, timeout_ms), by).await
    }

    /// When a request sent now must be answered: within `request.timeout.ms` and the operation's time.
    pub(super) fn request_deadline(&self, deadline: Instant) -> Instant {
        deadline.min(Instant::now() + self.cluster.config().request_timeout)
    }

    /// Waits for the back-off after a failed attempt; false when the error will not pass.
    ///
    /// # Errors
    /// When the time, or the number of attempts, is up.
    pub(super) async fn wait_to_retry(
        &self,
        name: &str,
        tries: u32,
        deadline: Instant,
        error: &Error,
    ) -> Result<bool> {
        if !error.is_retriable() {
            return Ok(false);
        }
        if remaining_ms(deadline) == 0 || tries > self.retries {
            return Err(timed_out(name, tries, Some(error)));
        }
        tracing::debug!(call = name, tries, %error, "will be tried again");
        if means_stale_metadata(error) {
            self.cluster.request_refresh();
        }
        let backoff = self.cluster.backoff(tries.saturating_sub(1));
        tokio::time::sleep(backoff.min(deadline.saturating_duration_since(Instant::now()))).await;
        if remaining_ms(deadline) == 0 {
            // What is handed over now might be done after its caller was told otherwise.
            return Err(timed_out(name, tries, Some(error)));
        }
        Ok(true)
    }
}

/// Whether what is known of the cluster led to the wrong node.
fn means_stale_metadata(error: &Error) -> bool {
    match error {
        Error::Disconnected(_) | Error::Unreachable(_) | Error::Timeout(_) => true,
        Error::Api { code, .. } => {
            matches!(code, ErrorCode::NotController | ErrorCode::NotLeaderOrFollower)
        }
        _ => false,
    }
}

/// The error of an operation whose time is up; a time-out below is passed on as it is.
pub(super) fn timed_out(name: &str, tries: u32, cause: Option<&Error>) -> Error {
    match cause {
        Some(Error::Timeout(text)) => Error::Timeout(text.clone()),
        Some(cause) => {
            Error::Timeout(format!("Call(callName={name}) timed out after {tries} attempt(s): {cause}"))
        }
        None => Error::Timeout(format!("Call(callName={name}) timed out after {tries} attempt(s)")),
    }
}

/// The time that is left, in whole ms; 0 when none is.
pub(super) fn remaining_ms(deadline: Instant) -> i32 {
    let left: Duration = deadline.saturating_duration_since(Instant::now());
    i32::try_from(left.as_millis()).unwrap_or(i32::MAX)
}

/// Kafka's code of an answer that says the node was not the controller: the whole request is repeated.
pub(super) fn check_controller<'a, V: 'a>(
    controllers: bool,
    results: impl IntoIterator<Item = &'a Result<V>>,
) -> Result<()> {
    for result in results {
        let Err(error) = result else { continue };
        match error.code() {
            Some(ErrorCode::NotController) => return Err(error.clone()),
            Some(ErrorCode::NotLeaderOrFollower) if controllers => return Err(error.clone()),
            _ => {}
        }
    }
    Ok(())
}

/// Runs futures side by side; the results are in their order.
pub(super) async fn join_all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<Pin<Box<F>>> = futures.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = running.iter().map(|_| None).collect();
    std::future::poll_fn(move |context| {
        let mut waiting = false;
        for (future, slot) in running.iter_mut().zip(done.iter_mut()) {
            if slot.is_none() {
                match future.as_mut().poll(context) {
                    Poll::Ready(output) => *slot = Some(output),
                    Poll::Pending => waiting = true,
                }
            }
        }
        if waiting { Poll::Pending } else { Poll::Ready(done.drain(..).flatten().collect()) }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controllers_answer_some_operations_only() {
        assert_eq!(To::Any.target(false).unwrap(), Target::Any);
        assert_eq!(To::AnyOrActiveController.target(false).unwrap(), Target::Any);
        assert_eq!(To::AnyOrActiveController.target(true).unwrap(), Target::Controller);
        assert_eq!(To::ControllerAlso.target(true).unwrap(), Target::Controller);
        assert_eq!(To::NodeAlso(3).target(true).unwrap(), Target::Node(3));
        for to in [To::Any, To::Controller, To::Node(1)] {
            assert_eq!(to.target(true).unwrap_err().code(), Some(ErrorCode::UnsupportedEndpointType));
        }
    }

    #[test]
    fn an_answer_of_another_than_the_controller_repeats_the_request() {
        let not = |code| Err::<(), _>(Error::api(code, None));
        assert!(check_controller(false, &[Ok(()), not(ErrorCode::TopicAlreadyExists)]).is_ok());
        assert!(check_controller(false, &[Ok(()), not(ErrorCode::NotController)]).is_err());
        assert!(check_controller(false, &[not(ErrorCode::NotLeaderOrFollower)]).is_ok());
        assert!(check_controller(true, &[not(ErrorCode::NotLeaderOrFollower)]).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn futures_run_side_by_side_and_keep_their_order() {
        let started = Instant::now();
        let waits = [30u64, 10, 20].map(|ms| async move {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            ms
        });
        assert_eq!(join_all(waits).await, [30, 10, 20]);
        assert_eq!(started.elapsed(), Duration::from_millis(30));
    }
}
