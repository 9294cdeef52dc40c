//! `ssl.principal.mapping.rules` (`SslPrincipalMapper`, KIP-371): from a certificate's distinguished name to a user's name.
//!
//! Rules stand between commas and are tried in order: `DEFAULT` takes the name as it is, `RULE:pattern/replacement/` with `L` or
//! `U` behind it rewrites it where the pattern matches the whole name. In a pattern and a replacement a slash is written `\/`.

use std::fmt;

use regex_lite::{Captures, Regex};

/// The rules of a listener.
#[derive(Clone, Debug)]
pub struct PrincipalMapping {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
enum Rule {
    Default,
    Rewrite { whole: Regex, pattern: Regex, replacement: Replacement, case: Case },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    AsIs,
    Lower,
    Upper,
}

/// A replacement in Java's form.
#[derive(Clone, Debug)]
pub(crate) struct Replacement(Vec<Part>);

impl Replacement {
    /// Of the matches of a pattern.
    pub(crate) fn new(text: &str, pattern: &Regex) -> Self {
        Self(parts(text, pattern.captures_len().saturating_sub(1)))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Group(usize),
}

/// A text that is not a list of rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum InvalidRule {
    #[error("Invalid rule: `{0}`; a rule is DEFAULT or RULE:pattern/replacement/[LU]")]
    Form(String),
    #[error("the pattern of rule `{0}` cannot be used: {1} (look-around and back references are not served)")]
    Pattern(String, String),
}

impl PrincipalMapping {
    /// Reads the rules of a text. An empty rule is left out.
    ///
    /// # Errors
    /// When a rule is malformed, or its pattern is no regular expression.
    pub fn parse(text: &str) -> Result<Self, InvalidRule> {
        let mut rules = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (rule, after) = Rule::parse(rest)?;
            rules.extend(rule);
            rest = match after.trim_start().strip_prefix(',') {
                Some(more) => more.trim_start(),
                None if after.trim().is_empty() => "",
                None => return Err(InvalidRule::Form(rest.to_owned())),
            };
        }
        Ok(Self { rules })
    }

    /// The user of a distinguished name, by the first rule that fits; `None` when none does.
    pub fn user(&self, distinguished_name: &str) -> Option<String> {
        self.rules.iter().find_map(|rule| rule.apply(distinguished_name))
    }
}

impl Default for PrincipalMapping {
    fn default() -> Self {
        Self { rules: vec![Rule::Default] }
    }
}

impl Rule {
    /// The rule at the beginning of a text, and what follows it.
    fn parse(text: &str) -> Result<(Option<Self>, &str), InvalidRule> {
        if text.starts_with(',') {
            return Ok((None, text));
        }
        if let Some(rest) = text.strip_prefix("DEFAULT") {
            return Ok((Some(Self::Default), rest));
        }
        let form = || InvalidRule::Form(text.to_owned());
        let rest = text.strip_prefix("RULE:").ok_or_else(form)?;
        let (pattern, rest) = section(rest).ok_or_else(form)?;
        let (replacement, rest) = section(rest).ok_or_else(form)?;
        let (case, rest) = match rest.as_bytes().first() {
            Some(b'L') => (Case::Lower, rest.get(1..)),
            Some(b'U') => (Case::Upper, rest.get(1..)),
            _ => (Case::AsIs, Some(rest)),
        };
        let invalid = |why: regex_lite::Error| InvalidRule::Pattern(pattern.to_owned(), why.to_string());
        // Java knows `\/`; here a slash needs no escape.
        let pattern_here = pattern.replace("\\/", "/");
        let whole = Regex::new(&format!("^(?:{pattern_here})$")).map_err(invalid)?;
        let compiled = Regex::new(&pattern_here).map_err(invalid)?;
        let replacement = Replacement::new(replacement, &compiled);
        Ok((Some(Self::Rewrite { whole, pattern: compiled, replacement, case }), rest.unwrap_or_default()))
    }

    fn apply(&self, name: &str) -> Option<String> {
        match self {
            Self::Default => Some(name.to_owned()),
            Self::Rewrite { whole, pattern, replacement, case } => {
                if !whole.is_match(name) {
                    return None;
                }
                let text = replace(pattern, name, replacement, true);
                Some(match case {
                    Case::AsIs => text,
                    Case::Lower => text.to_lowercase(),
                    Case::Upper => text.to_uppercase(),
                })
            }
        }
    }
}

/// The text up to the next slash that no backslash precedes, and what follows the slash.
fn section(text: &str) -> Option<(&str, &str)> {
    let mut escaped = false;
    let end = text.find(|c| {
        let is_end = c == '/' && !escaped;
        escaped = c == '\\' && !escaped;
        is_end
    })?;
    Some((text.get(..end)?, text.get(end + 1..)?))
}

/// A replacement in Java's form. `$12` is group 12 where there are so many, else group 1 and a `2`; what names no group stands
/// for itself.
fn parts(text: &str, groups: usize) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c == '\\' {
            literal.extend(rest.next());
            continue;
        }
        let digits = rest.as_str().bytes().take_while(u8::is_ascii_digit).count();
        let group = (1..=digits.min(4)).rev().find_map(|len| {
            let group: usize = rest.as_str().get(..len)?.parse().ok()?;
            (group <= groups).then_some((len, group))
        });
        match group {
            Some((len, group)) if c == '$' => {
                parts.push(Part::Text(std::mem::take(&mut literal)));
                parts.push(Part::Group(group));
                rest = rest.as_str().get(len..).unwrap_or_default().chars();
            }
            _ => literal.push(c),
        }
    }
    parts.push(Part::Text(literal));
    parts
}

/// Java's `replaceAll`, or `replaceFirst`: unlike Rust's it replaces an empty match right behind another one too, so that `(.*)` is
/// replaced twice.
pub(crate) fn replace(pattern: &Regex, name: &str, replacement: &Replacement, is_repeated: bool) -> String {
    let mut out = String::new();
    let (mut at, mut copied) = (0, 0);
    while let Some(captures) = pattern.captures_at(name, at) {
        let Some(found) = captures.get(0) else { break };
        out.push_str(name.get(copied..found.start()).unwrap_or_default());
        expand(&captures, &replacement.0, &mut out);
        copied = found.end();
        at = found.end();
        if found.is_empty() {
            at += name.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
        }
        if at > name.len() || !is_repeated {
            break;
        }
    }
    out.push_str(name.get(copied..).unwrap_or_default());
    out
}

fn expand(captures: &Captures<'_>, replacement: &[Part], out: &mut String) {
    for part in replacement {
        out.push_str(match part {
            Part::Text(text) => text,
            Part::Group(group) => captures.get(*group).map_or("", |found| found.as_str()),
        });
    }
}

impl fmt::Display for PrincipalMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rules", self.rules.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(rules: &str, name: &str, expect: Option<&str>) {
        let mapping = PrincipalMapping::parse(rules).unwrap_or_else(|why| panic!("{rules}: {why}"));
        assert_eq!(mapping.user(name).as_deref(), expect, "{rules} of {name}");
    }

    #[test]
    fn the_rules_of_kafkas_own_tests() {
        let rules = "RULE:^CN=(.*?),OU=ServiceUsers.*$/$1/L, RULE:^CN=(.*?),OU=(.*?),O=(.*?),L=(.*?),ST=(.*?),C=(.*?)$/$1@$2/L, \
                     RULE:^cn=(.*?),ou=(.*?),dc=(.*?),dc=(.*?)$/$1@$2/U, RULE:^.*[Cc][Nn]=([a-zA-Z0-9.]*).*$/$1/U, DEFAULT";
        check(rules, "CN=Duke,OU=ServiceUsers,O=Org,C=US", Some("duke"));
        check(rules, "CN=Duke,OU=SME,O=mycp,L=Fulton,ST=MD,C=US", Some("duke@sme"));
        check(rules, "cn=duke,ou=sme,dc=mycp,dc=com", Some("DUKE@SME"));
        check(rules, "cN=duke,OU=JavaSoft,O=Sun Microsystems", Some("DUKE"));
        check(rules, "OU=JavaSoft,O=Sun Microsystems,C=US", Some("OU=JavaSoft,O=Sun Microsystems,C=US"));
    }

    #[test]
    fn commas_slashes_and_groups() {
        check("RULE:^CN=([^,ADEFLTU,]+)(,.*|$)/$1/", "CN=bob,OU=x", Some("bob"));
        check("RULE:^CN=([^,DEFAULT,]+)(,.*|$)/$1/", "CN=xyz", Some("xyz"));
        check("RULE:^CN=(a\\/b)$/$1\\/c/", "CN=a/b", Some("a/b/c"));
        check("RULE:^CN=(.)(.)$/$1$2$3\\$1/", "CN=ab", Some("ab$3$1"));
        check("RULE:^CN=(.)$/$12/", "CN=a", Some("a2"));
        check("RULE:(.*)/$1x/", "ab", Some("abxx"));
        check("RULE:^CN=a$/b/", "CN=c", None);
        check("", "CN=c", None);
        check(" DEFAULT ,, RULE:a/b/", "c", Some("c"));
        check("RULE:^b+$/x/", "CN=b", None);
    }

    #[test]
    fn what_is_refused() {
        for bad in [
            "DEFAULT/L",
            "default",
            "RULE:a",
            "RULE:a/b",
            "RULE:a/b/X",
            "RULE:a/b/LU",
            "a,DEFAULT",
            "RULE:(/b/",
            "RULE:(?=a)/b/",
        ] {
            assert!(PrincipalMapping::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(rules in "[RULE:DFAT/\\\\$(.*)?1-3,^a-c ]{0,40}", name in "[a-c=,\u{fc}]{0,10}") {
            if let Ok(mapping) = PrincipalMapping::parse(&rules) {
                let _ = mapping.user(&name);
            }
        }
    }
}
