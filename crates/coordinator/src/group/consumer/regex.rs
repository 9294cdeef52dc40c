//! Regular expressions as subscriptions, and the topics that they match (`TopicRegexResolver`).
//!
//! Kafka matches with RE2/J. The engine here accepts the same language but for details: what RE2 does not
//! know is refused, and `\Q...\E` is rewritten.
//!
//! A heartbeat with a new expression is answered at once, without its topics. The timer that it arms matches
//! all expressions of the group against all topics, and writes the outcome; the next heartbeat brings the
//! partitions. Expressions are matched again when topics were created, and now and then, but not more often
//! than every ten seconds.

use std::collections::{BTreeMap, BTreeSet};

use ottla_metadata::MetadataImage;
use ottla_protocol::{ErrorCode, Str};
use regex_automata::meta::Regex;
use regex_syntax::ast::{self, ErrorKind};

use super::member::ConsumerGroupMember;
use super::{ConsumerGroup, count, record};
use crate::context::TopicSight;
use crate::group::modern::TopicHashes;
use crate::group::{Env, GroupError};
use crate::timers::TimerKey;

/// Least time between two matchings (`REGEX_BATCH_REFRESH_MIN_INTERVAL_MS`).
const REFRESH_INTERVAL_MS_MIN: i64 = 10_000;
/// Most memory, in bytes, that a compiled expression may take.
const COMPILED_BYTES_MAX: usize = 1 << 20;
/// Most repetitions that an expression may count, as in RE2.
const REPETITIONS_MAX: u32 = 1_000;
/// Longest expression, in bytes: its record's key can hold no longer one.
const REGEX_LENGTH_MAX: usize = crate::group::TEXT_LENGTH_MAX;

/// What an expression matched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ResolvedRegex {
    pub topics: BTreeSet<Str>,
    /// Offset of the metadata that it was matched against.
    pub version: i64,
    /// When, Unix ms.
    pub timestamp_ms: i64,
}

/// What became of a member's expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RegexUpdate {
    /// It is the same.
    NoChange,
    /// It is another one, not matched yet.
    Updated,
    /// It is another one whose topics are known.
    UpdatedAndResolved,
}

impl ConsumerGroup {
    /// Notes that a member goes from one expression to another, and sees to it that expressions are matched
    /// when it is time (`maybeUpdateRegularExpressions`).
    pub(super) fn update_regex(
        &self,
        member: &ConsumerGroupMember,
        updated: &ConsumerGroupMember,
        last_new_topics: i64,
        env: &mut Env<'_>,
    ) -> Result<RegexUpdate, GroupError> {
        let mut requires_refresh = false;
        let mut update = RegexUpdate::NoChange;
        if member.subscribed_topic_regex != updated.subscribed_topic_regex {
            update = RegexUpdate::Updated;
            if let Some(old) = member.regex().filter(|old| self.regex_members(old) == 1) {
                env.out.records.push(record::regex_tombstone(self.group_id(), old)?);
            }
            match updated.regex() {
                Some(new) if self.regex_members(new) == 0 => {
                    compile(new)?;
                    requires_refresh = true;
                }
                Some(new) if self.resolved_regexes.contains_key(new) => {
                    update = RegexUpdate::UpdatedAndResolved;
                }
                Some(_) => {}
                None => update = RegexUpdate::UpdatedAndResolved,
            }
        }
        if !requires_refresh && self.subscribed_regexes.is_empty() {
            return Ok(update);
        }
        let mut regexes = self.subscribed_regexes.clone();
        if member.subscribed_topic_regex != updated.subscribed_topic_regex {
            member.regex().into_iter().for_each(|old| count(&mut regexes, old, false));
            updated.regex().into_iter().for_each(|new| count(&mut regexes, new, true));
        }
        if self.is_refresh_due(&regexes, requires_refresh, last_new_topics, env) {
            env.out.schedule(self.regex_key(), env.now_ms, 0);
        }
        Ok(update)
    }

    fn is_refresh_due(
        &self,
        regexes: &BTreeMap<Str, usize>,
        requires_refresh: bool,
        last_new_topics: i64,
        env: &Env<'_>,
    ) -> bool {
        let last = self.resolved_regexes.values().next();
        let last_refresh_ms = last.map_or(i64::MIN, |resolved| resolved.timestamp_ms);
        let since_ms = env.now_ms.saturating_sub(last_refresh_ms);
        if regexes.is_empty() || since_ms <= REFRESH_INTERVAL_MS_MIN {
            return false;
        }
        requires_refresh
            || regexes.len() != self.resolved_regexes.len()
            || last.map_or(0, |resolved| resolved.version) < last_new_topics
            || since_ms > i64::from(env.config.consumer.regex_refresh_interval_ms)
    }

    /// Matches all expressions, and writes what they match (`handleRegularExpressionsResult`).
    pub fn on_regex_timer(&mut self, sight: &TopicSight, hashes: &mut TopicHashes, env: &mut Env<'_>) {
        let mut topics = self.base.subscribed_topics.clone();
        let mut bumps = false;
        for regex in self.subscribed_regexes.keys() {
            let resolved = ResolvedRegex {
                topics: matching_topics(regex, sight, env.image),
                version: env.image.provenance.last_contained_offset,
                timestamp_ms: env.now_ms,
            };
            let old = self.resolved_regexes.get(regex).map(|old| &old.topics);
            if old.map_or(!resolved.topics.is_empty(), |old| *old != resolved.topics) {
                bumps = true;
                topics.update_regex(old, Some(&resolved.topics));
            }
            env.out.records.extend(record::regex(self.group_id(), regex, &resolved));
        }
        let hash = hashes.group_hash(topics.names(), env.image);
        if bumps || hash != self.base.metadata_hash {
            let epoch = self.base.epochs().group_epoch.saturating_add(1);
            env.out.records.extend(record::epoch(self.group_id(), epoch, hash));
            self.base.set_metadata_refreshed(env.now_ms, epoch);
        }
    }

    pub(super) fn regex_key(&self) -> TimerKey {
        TimerKey::ConsumerRegex { group_id: self.group_id().clone() }
    }
}

/// The topics in sight that an expression matches as a whole; none, when it can't be compiled.
fn matching_topics(regex: &Str, sight: &TopicSight, image: &MetadataImage) -> BTreeSet<Str> {
    let Ok(compiled) = compile(regex) else { return BTreeSet::new() };
    let names = image.topics.iter().map(|topic| &topic.name);
    names.filter(|name| compiled.is_match(name.as_bytes()) && sight.sees(name)).cloned().collect()
}

/// Compiles an expression so that it matches whole names only.
fn compile(regex: &Str) -> Result<Regex, GroupError> {
    let invalid = |what: &str| {
        let message = format!("SubscribedTopicRegex `{regex}` is not a valid regular expression: {what}.");
        GroupError::new(ErrorCode::InvalidRegularExpression, message)
    };
    if regex.len() > REGEX_LENGTH_MAX {
        return Err(invalid("expression too long"));
    }
    let translated = without_quotes(regex);
    let parsed = ast::parse::Parser::new().parse(&translated).map_err(|why| invalid(describe(why.kind())))?;
    if let Some(what) = unknown_to_re2(&parsed) {
        return Err(invalid(what));
    }
    // A group of its own: alternatives and flags stay within.
    let whole = format!(r"\A(?:{translated})\z");
    let config = Regex::config().nfa_size_limit(Some(COMPILED_BYTES_MAX));
    Regex::builder().configure(config).build(&whole).map_err(|_| invalid("bad expression"))
}

/// Writes `\Q...\E` as escaped characters.
fn without_quotes(regex: &str) -> String {
    let mut out = String::with_capacity(regex.len());
    let mut chars = regex.chars().peekable();
    let mut is_quoted = false;
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some('E')) if is_quoted => {
                chars.next();
                is_quoted = false;
            }
            (c, _) if is_quoted => out.push_str(&regex_syntax::escape(c.encode_utf8(&mut [0; 4]))),
            ('\\', Some('Q')) => {
                chars.next();
                is_quoted = true;
            }
            ('\\', Some(next)) => {
                out.push('\\');
                out.push(*next);
                chars.next();
            }
            (c, _) => out.push(c),
        }
    }
    out
}

/// What RE2/J says of it.
fn describe(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ClassUnclosed => "missing closing ]",
        ErrorKind::ClassRangeInvalid | ErrorKind::ClassRangeLiteral => "invalid character class range",
        ErrorKind::GroupUnclosed => "missing closing )",
        ErrorKind::GroupUnopened => "unexpected )",
        ErrorKind::RepetitionMissing => "missing argument to repetition operator",
        ErrorKind::RepetitionCountInvalid
        | ErrorKind::RepetitionCountDecimalEmpty
        | ErrorKind::RepetitionCountUnclosed => "invalid repetition count",
        ErrorKind::EscapeUnexpectedEof => "trailing backslash at end of expression",
        ErrorKind::EscapeUnrecognized | ErrorKind::UnsupportedBackreference => "invalid escape sequence",
        ErrorKind::FlagUnrecognized
        | ErrorKind::FlagDuplicate { .. }
        | ErrorKind::FlagRepeatedNegation { .. }
        | ErrorKind::FlagDanglingNegation
        | ErrorKind::FlagUnexpectedEof
        | ErrorKind::UnsupportedLookAround => "invalid or unsupported Perl syntax",
        ErrorKind::GroupNameInvalid | ErrorKind::GroupNameEmpty | ErrorKind::GroupNameUnexpectedEof => {
            "invalid named capture"
        }
        ErrorKind::GroupNameDuplicate { .. } => "duplicate capture group name",
        _ => "bad expression",
    }
}

/// What in an expression RE2 would not take, though the engine here does.
fn unknown_to_re2(parsed: &ast::Ast) -> Option<&'static str> {
    struct Check;
    impl ast::Visitor for Check {
        type Output = ();
        type Err = &'static str;

        fn finish(self) -> Result<(), Self::Err> {
            Ok(())
        }

        fn visit_pre(&mut self, node: &ast::Ast) -> Result<(), Self::Err> {
            match node {
                ast::Ast::Repetition(repetition) => match &repetition.op.kind {
                    ast::RepetitionKind::Range(range) if range_max(range) > REPETITIONS_MAX => {
                        Err("invalid repetition count")
                    }
                    _ => Ok(()),
                },
                ast::Ast::Flags(flags) => check_flags(&flags.flags),
                ast::Ast::Group(group) => group.flags().map_or(Ok(()), check_flags),
                _ => Ok(()),
            }
        }

        fn visit_class_set_binary_op_pre(&mut self, _: &ast::ClassSetBinaryOp) -> Result<(), Self::Err> {
            Err("invalid character class range")
        }
    }
    ast::visit(parsed, Check).err()
}

fn range_max(range: &ast::RepetitionRange) -> u32 {
    match range {
        ast::RepetitionRange::Exactly(n) | ast::RepetitionRange::AtLeast(n) => *n,
        ast::RepetitionRange::Bounded(n, m) => *n.max(m),
    }
}

fn check_flags(flags: &ast::Flags) -> Result<(), &'static str> {
    let is_unknown = flags.items.iter().any(|item| {
        use ast::Flag::{CRLF, IgnoreWhitespace, Unicode};
        matches!(item.kind, ast::FlagsItemKind::Flag(CRLF | IgnoreWhitespace | Unicode))
    });
    if is_unknown { Err("invalid or unsupported Perl syntax") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(regex: &str, name: &str, expect: bool) {
        assert_eq!(compile(&Str::from(regex)).unwrap().is_match(name), expect, "{regex} {name}");
    }

    #[test]
    fn whole_names_are_matched() {
        check("foo", "foo", true);
        check("foo", "foobar", false);
        check("foo|bar", "bar", true);
        check("foo|bar", "xbar", false);
        check("foo.*", "foo-1", true);
        check("(?i)FOO", "foo", true);
        check(r"\Qa.b\E.*", "a.b-c", true);
        check(r"\Qa.b\E.*", "axb-c", false);
        check(r"\pL+", "abc", true);
        check(r"a\z", "a", true);
        check("", "", true);
    }

    #[test]
    fn what_re2_does_not_know_is_refused() {
        let invalid = |regex: &str| compile(&Str::from(regex)).unwrap_err();
        let expect = "SubscribedTopicRegex `[` is not a valid regular expression: missing closing ].";
        assert_eq!(invalid("["), GroupError::new(ErrorCode::InvalidRegularExpression, expect));
        for regex in ["(", ")", "*", "a{1001}", "(?=a)", r"\1", "(?x)a", "[a&&b]", r"a\", "(?<n>a)(?<n>b)"] {
            assert_eq!(invalid(regex).code, ErrorCode::InvalidRegularExpression, "{regex}");
        }
        assert_eq!(invalid(&"a".repeat(40_000)).code, ErrorCode::InvalidRegularExpression);
        // More than it may take when compiled.
        assert_eq!(invalid("((a{1000}){1000}){1000}").code, ErrorCode::InvalidRegularExpression);
    }
}
