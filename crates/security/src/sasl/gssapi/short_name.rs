//! `sasl.kerberos.principal.to.local.rules` (`KerberosShortNamer`, `KerberosRule`): from Kerberos' names to users'.
//!
//! `DEFAULT` takes the first component of a principal of the default realm. `RULE:[n:format](match)s/from/to/g/L` is for principals of
//! `n` components: `$0` in the format is the realm, `$1` the first component; what comes of it must fit `match` as a whole, has `from`
//! replaced (all of them with `g`), and is written small or large (`/L`, `/U`). All behind the format may be left out.

use std::fmt;

use regex_lite::Regex;

use super::messages::PrincipalName;
use crate::principal_mapping::{Replacement, replace};

/// The form of a rule in its parts: components, format, match, from, to, repeat, case.
const FORM: &str = r"^RULE:\[(\d+):([^\]]*)\](?:\(([^)]*)\))?(?:s/([^/]*)/([^/]*)/(g)?)?/?([LU])?$";

/// The rules of a listener.
#[derive(Clone, Debug)]
pub struct ShortNamer {
    default_realm: String,
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
enum Rule {
    Default,
    Rewrite(Rewrite),
}

#[derive(Clone, Debug)]
struct Rewrite {
    components: usize,
    format: Vec<Part>,
    matching: Option<Regex>,
    substitution: Option<Substitution>,
    case: Case,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// 0 is the realm.
    Component(usize),
}

#[derive(Clone, Debug)]
struct Substitution {
    from: Regex,
    to: Replacement,
    is_repeated: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    AsIs,
    Lower,
    Upper,
}

/// A rule that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum InvalidShortNameRule {
    #[error("Invalid rule: `{0}`; a rule is DEFAULT or RULE:[n:format](match)s/from/to/g/L")]
    Form(String),
    #[error("Invalid rule: `{0}`: its format names a component that principals of so many do not have")]
    Component(String),
    #[error("the pattern of rule `{0}` cannot be used: {1} (look-around and back references are not served)")]
    Pattern(String, String),
}

/// Why a principal has no short name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum NoShortName {
    #[error("its name has more than two components, or a separator within one")]
    Malformed,
    #[error("no rule of sasl.kerberos.principal.to.local.rules fits its name")]
    NoRule,
    #[error("a rule of sasl.kerberos.principal.to.local.rules leaves a `/` or `@` in its name")]
    NotSimple,
}

impl ShortNamer {
    /// Reads rules, each in a text of its own.
    ///
    /// # Errors
    /// When one is malformed, or its pattern is no regular expression.
    pub fn new<T: AsRef<str>>(default_realm: &str, rules: &[T]) -> Result<Self, InvalidShortNameRule> {
        let rules = rules.iter().map(|rule| Rule::parse(rule.as_ref())).collect::<Result<_, _>>()?;
        Ok(Self { default_realm: default_realm.to_owned(), rules })
    }

    /// The user that a principal is, by the first rule that fits.
    ///
    /// # Errors
    /// When no rule fits, or the one that does leaves a name with separators in it.
    pub fn short_name(&self, principal: &PrincipalName) -> Result<String, NoShortName> {
        if principal.components.len() > 2 || !principal.is_plain() {
            return Err(NoShortName::Malformed);
        }
        for rule in &self.rules {
            let found = match rule {
                Rule::Default if principal.realm == self.default_realm => {
                    principal.components.first().cloned()
                }
                Rule::Default => None,
                Rule::Rewrite(rewrite) => rewrite.apply(principal),
            };
            let Some(name) = found else { continue };
            if name.contains(['/', '@']) {
                return Err(NoShortName::NotSimple);
            }
            return Ok(match rule {
                Rule::Rewrite(Rewrite { case: Case::Lower, .. }) => name.to_lowercase(),
                Rule::Rewrite(Rewrite { case: Case::Upper, .. }) => name.to_uppercase(),
                _ => name,
            });
        }
        Err(NoShortName::NoRule)
    }
}

impl Rule {
    fn parse(text: &str) -> Result<Self, InvalidShortNameRule> {
        if text == "DEFAULT" {
            return Ok(Self::Default);
        }
        let invalid = || InvalidShortNameRule::Form(text.to_owned());
        let form = Regex::new(FORM).map_err(|_| invalid())?;
        let found = form.captures(text).ok_or_else(invalid)?;
        let group = |number: usize| found.get(number).map(|found| found.as_str());
        let components = group(1).and_then(|digits| digits.parse().ok()).ok_or_else(invalid)?;
        let format = format(group(2).unwrap_or_default()).ok_or_else(invalid)?;
        let is_beyond = |part: &Part| matches!(part, Part::Component(number) if *number > components);
        if format.iter().any(is_beyond) {
            return Err(InvalidShortNameRule::Component(text.to_owned()));
        }
        let regex = |pattern: &str| {
            Regex::new(pattern).map_err(|why| InvalidShortNameRule::Pattern(text.to_owned(), why.to_string()))
        };
        let matching = group(3).map(|pattern| regex(&format!("^(?:{pattern})$"))).transpose()?;
        let substitution = match (group(4), group(5)) {
            (Some(from), Some(to)) => {
                let from = regex(from)?;
                let to = Replacement::new(to, &from);
                Some(Substitution { from, to, is_repeated: group(6).is_some() })
            }
            _ => None,
        };
        let case = match group(7) {
            Some("L") => Case::Lower,
            Some("U") => Case::Upper,
            _ => Case::AsIs,
        };
        Ok(Self::Rewrite(Rewrite { components, format, matching, substitution, case }))
    }
}

impl Rewrite {
    fn apply(&self, principal: &PrincipalName) -> Option<String> {
        if principal.components.len() != self.components {
            return None;
        }
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Component(0) => principal.realm.clone(),
            Part::Component(number) => principal.components.get(number - 1).cloned().unwrap_or_default(),
        };
        let base: String = self.format.iter().map(part).collect();
        if self.matching.as_ref().is_some_and(|matching| !matching.is_match(&base)) {
            return None;
        }
        Some(match &self.substitution {
            Some(Substitution { from, to, is_repeated }) => replace(from, &base, to, *is_repeated),
            None => base,
        })
    }
}

/// The parts of a format; `None` where a `$` has no number behind it.
fn format(text: &str) -> Option<Vec<Part>> {
    let mut pieces = text.split('$');
    let mut parts = vec![Part::Text(pieces.next().unwrap_or_default().to_owned())];
    for piece in pieces {
        let rest = piece.trim_start_matches(|c: char| c.is_ascii_digit());
        let digits = piece.get(..piece.len() - rest.len())?;
        parts.push(Part::Component(digits.parse().ok()?));
        parts.push(Part::Text(rest.to_owned()));
    }
    Some(parts)
}

impl fmt::Display for ShortNamer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rules", self.rules.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(rules: &[&str], name: &str, expect: Result<&str, NoShortName>) {
        let namer = ShortNamer::new("REALM.COM", rules).unwrap_or_else(|why| panic!("{rules:?}: {why}"));
        let name = PrincipalName::parse(name, "").expect("a name");
        assert_eq!(namer.short_name(&name), expect.map(str::to_owned), "{rules:?} of {name}");
    }

    #[test]
    fn rules_in_order() {
        let rules =
            [r"RULE:[1:$1](App\..*)s/App\.(.*)/$1/g", r"RULE:[2:$1](App\..*)s/App\.(.*)/$1/g", "DEFAULT"];
        check(&rules, "App.service-name@REALM.COM", Ok("service-name"));
        check(&rules, "App.service-name/example.com@REALM.COM", Ok("service-name"));
        check(&rules, "user/host@REALM.COM", Ok("user"));
        check(&rules, "user/host@OTHER", Err(NoShortName::NoRule));
        check(&["DEFAULT"], "a/b/c@REALM.COM", Err(NoShortName::Malformed));
        check(&[], "a@REALM.COM", Err(NoShortName::NoRule));
    }

    #[test]
    fn formats_matches_substitutions_and_cases() {
        check(&["RULE:[1:$1]/L"], "User@REALM.COM", Ok("user"));
        check(&["RULE:[1:$1]/U"], "User@OTHER", Ok("USER"));
        check(&["RULE:[2:$2.$1-x]L"], "Us/Host@OTHER", Ok("host.us-x"));
        check(&["RULE:[1:$1@$0](.*@OTHER)s/@.*//"], "bob@OTHER", Ok("bob"));
        check(&["RULE:[1:$1@$0](OTHER)s/@.*//", "DEFAULT"], "bob@REALM.COM", Ok("bob"));
        check(&["RULE:[1:$1@$0]"], "bob@OTHER", Err(NoShortName::NotSimple));
        check(&["RULE:[1:$1]s/a/b/"], "banana@OTHER", Ok("bbnana"));
        check(&["RULE:[1:$1]s/a/b/g"], "banana@OTHER", Ok("bbnbnb"));
        check(&["RULE:[1:$1]s/(n)(a)/$2$1/g/U"], "banana@OTHER", Ok("BAANAN"));
        check(&["RULE:[1:]"], "bob@OTHER", Ok(""));
    }

    #[test]
    fn what_is_refused() {
        for bad in [
            "default",
            "RULE",
            "RULE:[1:$1",
            "RULE:[:$1]",
            "RULE:[1:$1]s/a/b",
            "RULE:[1:$1]/LU",
            "RULE:[1:$1]/g",
            "RULE:[1:$2]",
            "RULE:[1:$]",
            "RULE:[1:$1]DEFAULT",
            "DEFAULT/L",
            "RULE:[1:$1]([)",
        ] {
            assert!(ShortNamer::new("R", &[bad]).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(rule in "(RULE:)?\\[?[12]?:?[$012a@]{0,6}\\]?[()s/.*$1gLU]{0,20}", name in "[ab]{1,4}(/[ab]{1,2})?@[AB]") {
            if let Ok(namer) = ShortNamer::new("A", &[rule]) {
                let found = namer.short_name(&PrincipalName::parse(&name, "").expect("a name"));
                prop_assert!(!found.is_ok_and(|name| name.contains(['/', '@'])));
            }
        }
    }
}
