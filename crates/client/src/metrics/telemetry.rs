//! When figures are pushed (KIP-714; Kafka's `ClientTelemetryReporter`): a subscription is asked for, then the figures it
//! names are pushed at its interval, and once more when the client closes. Pure: time and chance are arguments.

use ottla_protocol::messages::{
    GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse, PushTelemetryRequest,
};
use ottla_protocol::records::Compression;
use ottla_protocol::{ErrorCode, Uuid};

use super::otlp::Wanted;
use crate::Error;

/// Pause in ms when the broker names none.
const INTERVAL_MS_DEFAULT: i64 = 300_000;
/// The first push comes after this part of the interval and up to this much more, so that clients do not come in step.
const FIRST_PUSH: (f64, f64) = (0.5, 1.0);

/// What a broker asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subscription {
    id: i32,
    interval_ms: i64,
    /// Codecs that the broker reads, the preferred first.
    compressions: Vec<Compression>,
    pub wanted: Wanted,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Due {
    /// Nothing for so many ms.
    Wait(i64),
    /// Nothing any more.
    Never,
    /// Ask for a subscription.
    Subscribe(GetTelemetrySubscriptionsRequest),
    /// Push.
    Push,
}

/// State of the pushing.
#[derive(Debug, Default)]
pub(crate) struct Telemetry {
    /// Given by the first broker; zero before.
    instance_id: Uuid,
    subscription: Option<Subscription>,
    /// The next thing to do is to push.
    pushing: bool,
    next_at_ms: i64,
    stopped: bool,
}

impl Telemetry {
    /// The client's id, once a broker gave one.
    pub(crate) fn instance_id(&self) -> Option<Uuid> {
        (self.instance_id != Uuid::default()).then_some(self.instance_id)
    }

    /// What a broker asked for, if it was asked.
    pub(crate) fn subscription(&self) -> Option<&Subscription> {
        self.subscription.as_ref()
    }

    /// What to do now.
    pub(crate) fn due(&self, now_ms: i64) -> Due {
        if self.stopped {
            return Due::Never;
        }
        if now_ms < self.next_at_ms {
            return Due::Wait(self.next_at_ms - now_ms);
        }
        if self.pushing {
            return Due::Push;
        }
        Due::Subscribe(GetTelemetrySubscriptionsRequest { client_instance_id: self.instance_id })
    }

    /// The subscription came. True when totals must be told from the beginning again.
    pub(crate) fn subscribed(
        &mut self,
        response: &GetTelemetrySubscriptionsResponse,
        now_ms: i64,
        random: f64,
    ) -> bool {
        if response.error_code != 0 {
            self.refused(ErrorCode::from_code(response.error_code), now_ms);
            return false;
        }
        if response.client_instance_id == Uuid::default() {
            self.stopped = true;
            return false;
        }
        self.instance_id = response.client_instance_id;
        let interval_ms = Some(i64::from(response.push_interval_ms)).filter(|ms| *ms > 0);
        let interval_ms = interval_ms.unwrap_or(INTERVAL_MS_DEFAULT);
        let codecs = response.accepted_compression_types.iter();
        let subscription = Subscription {
            id: response.subscription_id,
            interval_ms,
            compressions: codecs.filter_map(|id| Compression::from_id(u8::try_from(*id).ok()?)).collect(),
            wanted: Wanted {
                names: response.requested_metrics.iter().map(|name| name.to_string()).collect(),
                delta: response.delta_temporality,
            },
        };
        let before = self.subscription.as_ref();
        let turned = before.is_some_and(|before| before.wanted.delta != subscription.wanted.delta);
        self.pushing = !subscription.wanted.names.is_empty();
        let (least, spread) = FIRST_PUSH;
        let first = (interval_ms as f64 * (least + spread * random)) as i64;
        self.next_at_ms = now_ms + if self.pushing { first } else { interval_ms };
        self.subscription = Some(subscription);
        turned
    }

    /// The request for a push, with the figures compressed as the broker likes it. Nothing without a subscription.
    pub(crate) fn push(
        &self,
        figures: Option<Vec<u8>>,
        terminating: bool,
        compress: impl FnOnce(Compression, &[u8]) -> Option<Vec<u8>>,
    ) -> Option<PushTelemetryRequest> {
        let subscription = self.subscription.as_ref()?;
        let figures = figures.unwrap_or_default();
        let codec = subscription.compressions.first().copied().unwrap_or(Compression::None);
        let packed = if codec == Compression::None { None } else { compress(codec, &figures) };
        let codec = if packed.is_some() { codec } else { Compression::None };
        Some(PushTelemetryRequest {
            client_instance_id: self.instance_id,
            subscription_id: subscription.id,
            terminating,
            compression_type: i8::try_from(codec.id()).unwrap_or(0),
            metrics: packed.unwrap_or(figures).into(),
        })
    }

    /// A push was answered.
    pub(crate) fn pushed(&mut self, error_code: i16, now_ms: i64) {
        match ErrorCode::from_code(error_code) {
            ErrorCode::None => self.next_at_ms = now_ms + self.interval_ms(),
            code => self.refused(code, now_ms),
        }
    }

    /// There was no answer.
    pub(crate) fn failed(&mut self, error: &Error, now_ms: i64) {
        self.pushing = false;
        if error.is_retriable() {
            self.next_at_ms = now_ms + INTERVAL_MS_DEFAULT;
        } else {
            self.stopped = true;
        }
    }

    /// Whether figures are to be pushed a last time. There will be nothing after that.
    pub(crate) fn terminate(&mut self) -> bool {
        let last = self.pushing && !self.stopped;
        self.stopped = true;
        last
    }

    fn interval_ms(&self) -> i64 {
        self.subscription.as_ref().map_or(INTERVAL_MS_DEFAULT, |subscription| subscription.interval_ms)
    }

    /// Asks for a new subscription, sooner or later, or gives up.
    fn refused(&mut self, code: ErrorCode, now_ms: i64) {
        self.pushing = false;
        match code {
            ErrorCode::UnknownSubscriptionId | ErrorCode::UnsupportedCompressionType => {
                self.next_at_ms = now_ms;
                if code == ErrorCode::UnsupportedCompressionType
                    && let Some(subscription) = &mut self.subscription
                {
                    subscription.compressions.clear();
                }
            }
            ErrorCode::TelemetryTooLarge | ErrorCode::ThrottlingQuotaExceeded => {
                self.next_at_ms = now_ms + self.interval_ms();
            }
            _ => self.stopped = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscription(names: &[&'static str]) -> GetTelemetrySubscriptionsResponse {
        GetTelemetrySubscriptionsResponse {
            client_instance_id: Uuid([7; 16]),
            subscription_id: 5,
            accepted_compression_types: vec![9, 4, 0],
            push_interval_ms: 1000,
            requested_metrics: names.iter().map(|name| ottla_protocol::Str::from_static(name)).collect(),
            ..Default::default()
        }
    }

    #[test]
    fn figures_are_pushed_at_the_interval_of_the_subscription() {
        let mut it = Telemetry::default();
        assert_eq!(it.due(0), Due::Subscribe(GetTelemetrySubscriptionsRequest::default()));
        assert!(!it.subscribed(&subscription(&["*"]), 100, 0.25));
        assert_eq!(it.due(100), Due::Wait(750), "the first push is spread");
        assert_eq!(it.due(850), Due::Push);
        it.pushed(0, 900);
        assert_eq!(it.due(900), Due::Wait(1000));
        let request = it.push(Some(vec![1]), false, |codec, _| Some(vec![codec.id()])).unwrap();
        assert_eq!(
            (request.subscription_id, request.compression_type, &*request.metrics),
            (5, 4, &[4u8][..])
        );
        assert!(it.terminate() && it.due(10_000) == Due::Never && !it.terminate());
    }

    #[test]
    fn without_wanted_figures_the_subscription_is_asked_for_again() {
        let mut it = Telemetry::default();
        it.subscribed(&subscription(&[]), 0, 0.0);
        assert_eq!(it.due(999), Due::Wait(1));
        let again = GetTelemetrySubscriptionsRequest { client_instance_id: Uuid([7; 16]) };
        assert_eq!(it.due(1000), Due::Subscribe(again));
        assert!(!it.terminate());
    }

    #[test]
    fn refusals_lead_to_a_new_subscription_or_to_the_end() {
        let after = |code: ErrorCode| {
            let mut it = Telemetry::default();
            it.subscribed(&subscription(&["*"]), 0, 0.5);
            it.pushed(code.code(), 1000);
            match it.due(1000) {
                Due::Subscribe(_) => 0,
                Due::Wait(ms) => ms,
                Due::Never => -1,
                Due::Push => unreachable!(),
            }
        };
        assert_eq!(after(ErrorCode::UnknownSubscriptionId), 0);
        assert_eq!(after(ErrorCode::UnsupportedCompressionType), 0);
        assert_eq!(after(ErrorCode::TelemetryTooLarge), 1000);
        assert_eq!(after(ErrorCode::ThrottlingQuotaExceeded), 1000);
        assert_eq!(after(ErrorCode::InvalidRecord), -1);
        assert_eq!(after(ErrorCode::UnknownServerError), -1);
    }

    #[test]
    fn lost_requests_are_tried_again_much_later() {
        let mut it = Telemetry::default();
        it.failed(&Error::Timeout("late".into()), 10);
        assert_eq!(it.due(10), Due::Wait(300_000));
        it.failed(&Error::UnsupportedVersion("old".into()), 10);
        assert_eq!(it.due(1_000_000), Due::Never);
    }
}
