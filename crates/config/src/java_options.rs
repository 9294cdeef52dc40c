//! System properties of Java, as Kafka's scripts take them: `KAFKA_OPTS="-Dname=value"`.

use std::collections::HashMap;

/// The variable of the environment.
pub const KAFKA_OPTS: &str = "KAFKA_OPTS";
/// Addresses that may be asked for tokens and keys, separated by commas.
pub const OAUTH_ALLOWED_URLS: &str = "org.apache.kafka.sasl.oauthbearer.allowed.urls";
/// Files that may be read for assertions of OAuth, separated by commas.
pub const OAUTH_ALLOWED_FILES: &str = "org.apache.kafka.sasl.oauthbearer.allowed.files";

/// The value of a property; the last one where it is there several times. Options are separated by blanks, as the scripts' shell does.
pub fn system_property<'a>(options: &'a str, name: &str) -> Option<&'a str> {
    let value = |option: &'a str| option.strip_prefix("-D")?.strip_prefix(name)?.strip_prefix('=');
    options.split_ascii_whitespace().filter_map(value).next_back()
}

/// All properties among options: `-Dname=value`, also in quotes. The last of a name counts.
pub fn system_properties(options: &str) -> HashMap<String, String> {
    let mut properties = HashMap::new();
    for word in words(options) {
        if let Some((name, value)) = word.strip_prefix("-D").and_then(|rest| rest.split_once('=')) {
            properties.insert(name.to_owned(), value.to_owned());
        }
    }
    properties
}

/// Words between blanks, as a shell tells them apart: what stands in quotes is not parted.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in text.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '"' || c == '\'' => quote = Some(c),
            None if c.is_whitespace() => words.push(std::mem::take(&mut word)),
            _ => word.push(c),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_them() {
        let found = system_properties("-Xmx1G '-Da.b=c d' -De=\"f g\" -Dh -De=i");
        assert_eq!(found.get("a.b").map(String::as_str), Some("c d"));
        assert_eq!(found.get("e").map(String::as_str), Some("i"));
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn the_last_one_counts() {
        let options = "-Xmx1G -Da=1 -Dab=2 -Da=3,http://x?y=z -a=4";
        assert_eq!(system_property(options, "a"), Some("3,http://x?y=z"));
        assert_eq!(system_property(options, "ab"), Some("2"));
        assert_eq!(system_property(options, "b"), None);
    }
}
