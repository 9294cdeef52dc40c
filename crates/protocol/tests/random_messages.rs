//! Every message in every version: bytes written by walking the schema must come back from the generated code
//! unchanged, and whatever is done to them, decoding must not panic.

mod registry;
mod schema_writer;

use bytes::Bytes;
use ottla_protocol::schema;
use registry::{ReencodeError, reencode};
use schema_writer::{Random, write_message};

const SEEDS: u64 = 20;
const MUTATIONS: u64 = 8;

#[test]
fn what_the_schema_writes_comes_back_unchanged() {
    let mut count = 0;
    for message in schema::messages() {
        for version in message.versions.low..=message.versions.high {
            for seed in 0..SEEDS {
                let bytes = Bytes::from(write_message(message, version, &mut Random::new(seed)));
                let again = reencode(&message.name, version, bytes.clone());
                let again =
                    again.unwrap_or_else(|why| panic!("{} v{version} seed {seed}: {why:?}", message.name));
                assert_eq!(again, bytes, "{} v{version} seed {seed}", message.name);
                schema::to_json(&message.name, version, bytes)
                    .unwrap_or_else(|why| panic!("{} v{version} seed {seed} as JSON: {why}", message.name));
                count += 1;
            }
        }
    }
    assert!(count > 10_000, "only {count} messages");
}

#[test]
fn broken_messages_are_errors_not_panics() {
    let mut random = Random::new(42);
    for message in schema::messages() {
        for version in message.versions.low..=message.versions.high {
            let whole = write_message(message, version, &mut random);
            for _ in 0..MUTATIONS {
                let mut broken = whole.clone();
                for _ in 0..=random.below(3) {
                    mutate(&mut broken, &mut random);
                }
                let _ = reencode(&message.name, version, broken.into());
            }
            // Cut short, a message must say so: every byte of it is needed.
            let cut = random.below(whole.len().max(1));
            if cut < whole.len() {
                let result = reencode(&message.name, version, Bytes::from(whole).slice(..cut));
                assert!(
                    matches!(result, Err(ReencodeError::Decode(_))),
                    "{} v{version} cut at {cut}: {result:?}",
                    message.name
                );
            }
        }
    }
}

fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    if bytes.is_empty() {
        bytes.push(0xff);
        return;
    }
    let at = random.below(bytes.len());
    match random.below(4) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = [0x00, 0x7f, 0x80, 0xff][random.below(4)],
        2 => bytes.insert(at, random.below(256) as u8),
        _ => {
            bytes.remove(at);
        }
    }
}
