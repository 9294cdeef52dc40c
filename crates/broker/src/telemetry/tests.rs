use super::*;
use ottla_protocol::messages::ConfigRecord;
use ottla_protocol::messages::metadata::MetadataRecord;

const CLIENT_METRICS: i8 = 16;
const MAX_BYTES: i32 = 100;

fn image(configs: &[(&str, &str)]) -> MetadataImage {
    let mut image = MetadataImage::default();
    for (name, value) in configs {
        let record = ConfigRecord {
            resource_type: CLIENT_METRICS,
            resource_name: "sub".into(),
            name: Str::from(*name),
            value: Some(Str::from(*value)),
        };
        image.replay(&MetadataRecord::Config(record)).expect("replays");
    }
    image
}

fn client() -> ClientFacts<'static> {
    ClientFacts {
        client_id: "app-1",
        software_name: "apache-kafka-java",
        software_version: "4.3.1",
        source: ([127, 0, 0, 1], 4711).into(),
    }
}

fn ask(telemetry: &Telemetry, image: &MetadataImage, now_ms: i64) -> GetTelemetrySubscriptionsResponse {
    let request = GetTelemetrySubscriptionsRequest { client_instance_id: id() };
    telemetry.subscriptions(image, &client(), &request, Uuid::ZERO, MAX_BYTES, now_ms)
}

fn id() -> Uuid {
    Uuid::from_parts(7, 8)
}

#[test]
fn a_matching_subscription_is_told() {
    let image = image(&[("metrics", "a.b,c"), ("interval.ms", "1000"), ("match", "client_id=app-.*")]);
    let answer = ask(&Telemetry::default(), &image, 1_000_000);
    assert_eq!(answer.requested_metrics, ["a.b", "c"]);
    assert_eq!(answer.push_interval_ms, 1000);
}

#[test]
fn a_matcher_must_cover_the_whole_text() {
    let image = image(&[("metrics", "*"), ("match", "client_id=app")]);
    assert!(ask(&Telemetry::default(), &image, 1_000_000).requested_metrics.is_empty());
}

#[test]
fn asking_again_too_soon_is_throttled() {
    let (telemetry, image) = (Telemetry::default(), image(&[("metrics", "*")]));
    assert_eq!(ask(&telemetry, &image, 1_000_000).error_code, 0);
    assert_eq!(ask(&telemetry, &image, 1_000_001).error_code, ErrorCode::ThrottlingQuotaExceeded.code());
    assert_eq!(ask(&telemetry, &image, 1_300_000).error_code, 0);
}

#[test]
fn a_push_follows_its_subscription() {
    let (telemetry, image) = (Telemetry::default(), image(&[("metrics", "*")]));
    let subscription_id = ask(&telemetry, &image, 1_000_000).subscription_id;
    let push = |subscription_id: i32, bytes: usize, now_ms: i64| {
        let request = PushTelemetryRequest {
            client_instance_id: id(),
            subscription_id,
            metrics: vec![0; bytes].into(),
            ..Default::default()
        };
        telemetry.push(&image, &client(), &request, MAX_BYTES, now_ms)
    };
    assert_eq!(push(subscription_id, 10, 1_000_100), Ok(()));
    assert_eq!(push(subscription_id, 10, 1_000_200), Err(ErrorCode::ThrottlingQuotaExceeded));
    assert_eq!(push(subscription_id + 1, 10, 1_400_000), Err(ErrorCode::UnknownSubscriptionId));
    assert_eq!(push(subscription_id, 101, 1_800_000), Err(ErrorCode::TelemetryTooLarge));
}
