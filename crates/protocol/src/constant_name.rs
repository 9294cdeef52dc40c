//! Names of APIs and records as Kafka's constants have them.

/// `ListOffsets` as `LIST_OFFSETS`.
pub fn constant_name(name: &str) -> String {
    let mut constant = String::with_capacity(name.len() + 8);
    let mut before_was_lower = false;
    for c in name.chars() {
        if c.is_ascii_uppercase() && before_was_lower {
            constant.push('_');
        }
        before_was_lower = c.is_ascii_lowercase() || c.is_ascii_digit();
        constant.push(c.to_ascii_uppercase());
    }
    constant
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_set_apart() {
        assert_eq!(constant_name("Produce"), "PRODUCE");
        assert_eq!(constant_name("OffsetForLeaderEpoch"), "OFFSET_FOR_LEADER_EPOCH");
        assert_eq!(constant_name("TopicRecord"), "TOPIC_RECORD");
    }
}
