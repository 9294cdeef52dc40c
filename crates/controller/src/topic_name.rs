//! Rules for names of topics (`org.apache.kafka.common.internals.Topic`).

/// The metadata log, which is no topic.
pub const CLUSTER_METADATA_TOPIC_NAME: &str = "__cluster_metadata";

const MAX_NAME_LENGTH: usize = 249;

/// Checks a name.
///
/// # Errors
/// Kafka's text, when it may not be the name of a topic.
pub fn validate(name: &str) -> Result<(), String> {
    let reason = if name.is_empty() {
        "the empty string is not allowed".to_owned()
    } else if name == "." || name == ".." {
        format!("'{name}' is not allowed")
    } else if name.encode_utf16().count() > MAX_NAME_LENGTH {
        format!("the length of '{name}' is longer than the max allowed length {MAX_NAME_LENGTH}")
    } else if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
        format!("'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'")
    } else {
        return Ok(());
    };
    Err(format!("Topic name is invalid: {reason}"))
}

/// Whether a name could collide with another: metrics write '.' as '_'.
pub(crate) fn has_collision_chars(name: &str) -> bool {
    name.contains(['_', '.'])
}

/// The form in which colliding names are equal.
pub(crate) fn unify_collision_chars(name: &str) -> String {
    name.replace('.', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in ["a", "...", "A.b_c-9", &"x".repeat(249)] {
            assert_eq!(validate(name), Ok(()), "{name}");
        }
        let reason = |name: &str| validate(name).unwrap_err();
        assert_eq!(reason(""), "Topic name is invalid: the empty string is not allowed");
        assert_eq!(reason("."), "Topic name is invalid: '.' is not allowed");
        assert_eq!(reason(".."), "Topic name is invalid: '..' is not allowed");
        let long = "x".repeat(250);
        assert_eq!(
            reason(&long),
            format!(
                "Topic name is invalid: the length of '{long}' is longer than the max allowed length 249"
            )
        );
        assert_eq!(
            reason("a b"),
            "Topic name is invalid: 'a b' contains one or more characters other than ASCII alphanumerics, \
             '.', '_' and '-'"
        );
        assert!(validate("ä").is_err());
    }
}
