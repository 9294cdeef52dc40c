//! What the sticky assignors put into a subscription's user data.

use bytes::Bytes;
use ottla_protocol::{Reader, Str, TopicPartition, Writer};

use super::balance::{DEFAULT_GENERATION, MemberData};
use super::java;

/// Partitions by topic, then the generation (`StickyAssignor`, version 1 of its data).
pub fn encode_partitions(partitions: &[TopicPartition], generation: i32) -> Option<Bytes> {
    let mut topics: Vec<(Str, Vec<i32>)> = Vec::new();
    for TopicPartition { topic, partition } in partitions {
        match topics.iter_mut().find(|(name, _)| name == topic) {
            Some((_, list)) => list.push(*partition),
            None => topics.push((topic.clone(), vec![*partition])),
        }
    }
    // Java's map gets them by `computeIfAbsent`, which puts a new key in front of its bucket.
    topics.reverse();
    java::sort_as_map(&mut topics, |(name, _)| java::string_hash(name));
    let mut writer = Writer::new();
    writer
        .array(&topics, false, |w, (name, partitions)| {
            w.string(name, false)?;
            w.array(partitions, false, |w, partition| {
                w.i32(*partition);
                Ok(())
            })
        })
        .ok()?;
    writer.i32(generation);
    Some(writer.into_bytes())
}

/// Likewise back; version 0 has no generation, and what can't be read says nothing.
pub fn decode_partitions(bytes: Option<&Bytes>) -> MemberData {
    let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) else { return MemberData::default() };
    let mut reader = Reader::new(bytes.clone());
    let topics = reader.array(false, 6, |r| Ok((r.string(false)?, r.array(false, 4, |r| r.i32())?)));
    let Ok(topics) = topics else {
        return MemberData { partitions: Vec::new(), generation: Some(DEFAULT_GENERATION) };
    };
    let partitions = topics
        .into_iter()
        .flat_map(|(topic, partitions)| {
            partitions.into_iter().map(move |partition| TopicPartition { topic: topic.clone(), partition })
        })
        .collect();
    MemberData { partitions, generation: reader.i32().ok() }
}

/// The generation alone (`CooperativeStickyAssignor`).
pub fn encode_generation(generation: i32) -> Bytes {
    Bytes::copy_from_slice(&generation.to_be_bytes())
}

/// Likewise back.
pub fn decode_generation(bytes: Option<&Bytes>) -> Option<i32> {
    bytes.map(|bytes| Reader::new(bytes.clone()).i32().unwrap_or(DEFAULT_GENERATION))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_come_back_with_or_without_a_generation() {
        let partitions =
            [TopicPartition::new("a", 1), TopicPartition::new("b", 0), TopicPartition::new("a", 0)];
        let bytes = encode_partitions(&partitions, 5).unwrap();
        let back = decode_partitions(Some(&bytes));
        assert_eq!((back.partitions.len(), back.generation), (3, Some(5)));
        let old = bytes.slice(..bytes.len() - 4);
        assert_eq!(decode_partitions(Some(&old)).generation, None);
        assert_eq!(decode_partitions(Some(&Bytes::from_static(b"xx"))).generation, Some(-1));
        assert_eq!(decode_partitions(None).generation, None);
        assert_eq!(decode_generation(Some(&encode_generation(3))), Some(3));
        assert_eq!(decode_generation(Some(&Bytes::new())), Some(-1));
    }
}
