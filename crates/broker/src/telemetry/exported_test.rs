use std::collections::BTreeSet;

use ottla_protocol::records::{CompressionLevel, compress};

use super::*;

fn bytes(number: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    [vec![number << 3 | 2, length as u8 & 0x7f | 0x80, (length >> 7) as u8], content.to_vec()].concat()
}

/// A metric of one point: a gauge, a total or a delta.
fn metric(name: &str, kind: Kind, value: f64) -> Vec<u8> {
    let point = bytes(1, &[vec![4 << 3 | 1], value.to_le_bytes().to_vec()].concat());
    let body = match kind {
        Kind::Gauge => bytes(5, &point),
        Kind::Total => bytes(7, &[point, vec![0x10, 2, 0x18, 1]].concat()),
        Kind::Delta => bytes(7, &[point, vec![0x10, 1, 0x18, 1]].concat()),
    };
    [bytes(1, name.as_bytes()), body].concat()
}

fn data(metrics: &[Vec<u8>]) -> Vec<u8> {
    let scope: Vec<u8> = metrics.iter().flat_map(|metric| bytes(2, metric)).collect();
    bytes(1, &bytes(2, &scope))
}

fn subscription(prefix: &str) -> Subscription {
    Subscription { id: 1, metrics: BTreeSet::from([prefix.to_owned()]), push_interval_ms: 30_000 }
}

fn client(client_id: &str) -> ClientFacts<'_> {
    let source = ([127, 0, 0, 1], 4711).into();
    ClientFacts { client_id, software_name: "java", software_version: "4.3.1", source }
}

fn id(number: u64) -> Uuid {
    Uuid::from_parts(7, number)
}

fn push(exported: &Exported, number: u64, metrics: &[Vec<u8>], now_ms: i64) -> Result<(), NotUnderstood> {
    let push = (0, data(metrics));
    exported.take(id(number), &client("app"), &subscription("a."), (push.0, &push.1), now_ms)
}

fn values(exported: &Exported, now_ms: i64) -> Vec<(String, f64, bool)> {
    let clients = exported.clients(now_ms);
    let figures = clients.iter().flat_map(|client| &client.figures);
    figures.map(|((name, _), figure)| (name.clone(), figure.value, figure.is_total)).collect()
}

#[test]
fn deltas_add_up_and_gauges_are_replaced() {
    let exported = Exported::default();
    let all = [
        metric("a.delta", Kind::Delta, 2.0),
        metric("a.gauge", Kind::Gauge, 5.0),
        metric("a.total", Kind::Total, 7.0),
        metric("b.unasked", Kind::Gauge, 1.0),
    ];
    assert_eq!(push(&exported, 1, &all, 0), Ok(()));
    assert_eq!(
        push(&exported, 1, &[metric("a.delta", Kind::Delta, 3.0), metric("a.total", Kind::Total, 9.0)], 1),
        Ok(())
    );
    assert_eq!(values(&exported, 1), [("a.delta".into(), 5.0, true), ("a.total".into(), 9.0, true)]);
    assert_eq!(exported.counts(), ExportedCounts { pushes: 2, failures: 0, left_out: 1 });
    let one = &exported.clients(1)[0];
    assert_eq!((one.client_id.as_str(), one.software.as_str()), ("app", "java 4.3.1"));
}

#[test]
fn any_compression_is_taken_and_nonsense_is_not() {
    let exported = Exported::default();
    let plain = data(&[metric("a.gauge", Kind::Gauge, 5.0)]);
    for (number, codec) in
        [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd]
            .into_iter()
            .enumerate()
    {
        let packed = compress(codec, CompressionLevel::default(), &plain).expect("it can be packed");
        let push = (codec as i8, packed.as_slice());
        assert_eq!(exported.take(id(number as u64), &client("app"), &subscription("*"), push, 0), Ok(()));
    }
    assert_eq!(exported.clients(0).len(), 5);
    for wrong in [(0, &b"nonsense"[..]), (1, &plain), (4, &plain), (9, &plain), (-1, &plain)] {
        assert_eq!(exported.take(id(9), &client("app"), &subscription("*"), wrong, 0), Err(NotUnderstood));
    }
    // A few hundred bytes that become twice the bound.
    let bomb = compress(Compression::Zstd, CompressionLevel::default(), &vec![0; 2 * BYTES_MAX])
        .expect("it can be packed");
    assert_eq!(exported.take(id(9), &client("app"), &subscription("*"), (4, &bomb), 0), Err(NotUnderstood));
    assert_eq!(exported.counts().failures, 6);
}

#[test]
fn clients_and_figures_are_bounded_and_forgotten() {
    let exported = Exported::default();
    let many: Vec<Vec<u8>> =
        (0..FIGURES_MAX + 3).map(|number| metric(&format!("a.{number}"), Kind::Total, 1.0)).collect();
    assert_eq!(push(&exported, 0, &many[..FIGURES_MAX], 0), Ok(()));
    assert_eq!(push(&exported, 0, &many[FIGURES_MAX..], 0), Ok(()));
    assert_eq!((values(&exported, 0).len(), exported.counts().left_out), (FIGURES_MAX, 3));
    for number in 1..CLIENTS_MAX as u64 + 5 {
        assert_eq!(push(&exported, number, &many[..1], 1_000), Ok(()));
    }
    assert_eq!((exported.clients(1_000).len(), exported.counts().left_out), (CLIENTS_MAX, 8));
    // Three intervals later nobody was heard of; a new one has room.
    let later = 1_000_000;
    assert_eq!(push(&exported, 5_000, &many[..1], later), Ok(()));
    assert_eq!(exported.clients(later).len(), 1);
}

#[test]
fn long_texts_are_cut() {
    let exported = Exported::default();
    let push = data(&[metric(&format!("a.{}", "é".repeat(150)), Kind::Gauge, 1.0)]);
    let long = "x".repeat(1_000);
    assert_eq!(exported.take(id(1), &client(&long), &subscription("a"), (0, &push), 0), Ok(()));
    let one = &exported.clients(0)[0];
    assert_eq!(one.client_id.len(), TEXT_MAX);
    assert_eq!(one.figures.keys().next().map(|(name, _)| name.len()), Some(TEXT_MAX));
}
