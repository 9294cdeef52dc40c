//! Every API in every version that is served, against what Apache Kafka answers (`Golden.java`).

use super::*;

const GOLDEN: &str = include_str!("golden.txt");
const CORRELATION_ID: i32 = 7;

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |index: usize| u8::from_str_radix(&hex[index..index + 2], 16).expect("hexadecimal");
    (0..hex.len()).step_by(2).map(digit).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What is answered to the body of a request: a body, in hexadecimal.
fn asked(api: ApiKey, version: i16, body: &str) -> Option<String> {
    let is_flexible = version >= api.first_flexible();
    let mut writer = ottla_protocol::Writer::new();
    let header = RequestHeader {
        request_api_key: api.code(),
        request_api_version: version,
        correlation_id: CORRELATION_ID,
        client_id: Some("test".into()),
    };
    header.encode(&mut writer, if is_flexible { 2 } else { 1 }).expect("a header");
    let mut frame = writer.into_bytes().to_vec();
    frame.extend(bytes(body));
    let frame = Bytes::from(frame);
    let start = FrameStart::read(&frame).expect("a frame");
    let name = api.name();
    let answer = answer(&frame, api, &start).unwrap_or_else(|why| panic!("{name} {version}: {why}"))?;
    assert!(answer.inserts.is_empty(), "{name} {version}");
    assert_eq!(answer.head[4..8], CORRELATION_ID.to_be_bytes(), "{name} {version}");
    let tags = usize::from(is_flexible && api != ApiKey::ApiVersions);
    Some(hex(&answer.head[8 + tags..]))
}

/// Whether two bodies are the same. Kafka keeps topics, partitions and producers of these in hash maps, whose order nobody can count on.
fn is_same(api: ApiKey, left: &str, right: &str) -> bool {
    let sorted = |text: &str| {
        let mut bytes: Vec<String> =
            text.as_bytes().chunks(2).map(|it| String::from_utf8_lossy(it).into()).collect();
        bytes.sort();
        bytes
    };
    let is_by_hash = matches!(api, ApiKey::Produce | ApiKey::WriteTxnMarkers);
    left == right || (is_by_hash && sorted(left) == sorted(right))
}

#[test]
fn every_request_is_answered_as_kafka_does() {
    let (mut compared, mut wrong) = (0, Vec::new());
    for line in GOLDEN.lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        let version: i16 = columns[1].parse().expect("a version");
        let api = *ApiKey::ALL.iter().find(|api| api.name() == columns[0]).expect("an API of Kafka");
        let (low, high) = apis::versions(api);
        let is_served = apis::BROKER.contains(&api) || apis::CONTROLLER.contains(&api);
        if columns[3] == "refused" || !is_served || !(low..=high).contains(&version) {
            continue;
        }
        let answer = asked(api, version, columns[2]).unwrap_or_else(|| "none".to_owned());
        if !is_same(api, &answer, columns[3]) {
            wrong.push(format!(
                "{} {version}\n asked {}\n  said {answer}\n Kafka {}",
                columns[0], columns[2], columns[3]
            ));
        }
        compared += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared > 300, "{compared}");
}

#[test]
fn every_api_that_is_served_has_an_answer() {
    for api in apis::BROKER.iter().chain(apis::CONTROLLER) {
        assert_eq!(ANSWERS.iter().filter(|(key, _)| key == api).count(), 1, "{}", api.name());
    }
}

#[test]
fn who_waits_for_no_answer_gets_none() {
    let request = ProduceRequest { acks: 0, ..Default::default() };
    assert_eq!(request.refuse(&Failure::new(ApiKey::Produce, 13)), None);
}
