//! Regular expressions over topics, as Kafka's tools take them.

use crate::failure::Failure;

/// Kafka's own topics (`Topic.isInternal`).
pub fn is_internal(topic: &str) -> bool {
    matches!(topic, "__consumer_offsets" | "__transaction_state" | "__share_group_state")
}

/// Topics to take: a regular expression, or several separated by commas (`TopicFilter.IncludeList`).
#[derive(Debug)]
pub struct IncludeList(regex_lite::Regex);

impl IncludeList {
    /// Reads the expression; quotes around it and blanks in it are dropped.
    ///
    /// # Errors
    /// In Kafka's words, when it is no regular expression.
    pub fn new(text: &str) -> Result<Self, Failure> {
        let quote = ['"', '\''];
        let text = text.trim().replace(',', "|").replace(' ', "");
        let text = text.trim_start_matches(quote).trim_end_matches(quote);
        whole(text).map(Self).ok_or_else(|| Failure::runtime(format!("{text} is an invalid regex.")))
    }

    /// Whether the topic is taken.
    pub fn allows(&self, topic: &str, exclude_internal: bool) -> bool {
        self.0.is_match(topic) && !(exclude_internal && is_internal(topic))
    }
}

/// An expression that must match the whole text.
pub fn whole(text: &str) -> Option<regex_lite::Regex> {
    // Alone first: `a)(b` must not become valid by the parentheses around it.
    regex_lite::Regex::new(text).ok()?;
    regex_lite::Regex::new(&format!("^(?:{text})$")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_alternatives_and_matches_whole_names() {
        let list = IncludeList::new(" 'a.*, b' ").unwrap();
        assert!(list.allows("abc", false) && list.allows("b", true) && !list.allows("bc", false));
        let all = IncludeList::new(".*").unwrap();
        assert!(all.allows("__consumer_offsets", false) && !all.allows("__consumer_offsets", true));
        assert_eq!(IncludeList::new("a(").unwrap_err().text(), "a( is an invalid regex.");
    }
}
