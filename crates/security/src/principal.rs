//! Principals (`KafkaPrincipal`).

use std::fmt;
use std::str::FromStr;

use ottla_protocol::Str;

/// The type of principals that listeners give: `User`.
pub const USER: &str = "User";

/// Who asks: a type, which is `User` for all that come over the network, and a name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Principal {
    /// Such as `User`.
    pub kind: Str,
    /// Such as `alice`, or the distinguished name of a certificate.
    pub name: Str,
}

impl Principal {
    /// A user.
    pub fn user(name: impl Into<Str>) -> Self {
        Self { kind: Str::from_static(USER), name: name.into() }
    }

    /// Who has not said who they are (`KafkaPrincipal.ANONYMOUS`).
    pub fn anonymous() -> Self {
        Self::user(Str::from_static("ANONYMOUS"))
    }

    /// Whether a text such as `User:alice`, as it stands in an access control entry, means this principal.
    pub fn is_written(&self, text: &str) -> bool {
        text.strip_prefix(&*self.kind).and_then(|rest| rest.strip_prefix(':')) == Some(&*self.name)
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.name)
    }
}

/// A text that is not of the form `type:name` (`SecurityUtils.parseKafkaPrincipal`).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a string in format principalType:principalName but got {0}")]
pub struct InvalidPrincipal(pub String);

impl FromStr for Principal {
    type Err = InvalidPrincipal;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some((kind, name)) => Ok(Self { kind: kind.into(), name: name.into() }),
            None => Err(InvalidPrincipal(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_hold_colons() {
        let principal: Principal = "User:CN=a:b,O=c".parse().expect("a principal");
        assert_eq!((&*principal.kind, &*principal.name), ("User", "CN=a:b,O=c"));
        assert_eq!(principal.to_string(), "User:CN=a:b,O=c");
        assert!(principal.is_written("User:CN=a:b,O=c"));
        assert!(!principal.is_written("User:CN=a") && !principal.is_written("Group:CN=a:b,O=c"));
        assert_eq!("alice".parse::<Principal>(), Err(InvalidPrincipal("alice".into())));
    }
}
