//! The messages of SCRAM (RFC 5802, section 7; `ScramMessages`): ASCII, `key=value` between commas.

use crate::base64;

/// `n=user,r=nonce` behind its GS2 header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClientFirst<'a> {
    /// Empty when the client gives none.
    pub(super) authorization_id: String,
    pub(super) user: String,
    pub(super) nonce: &'a str,
    /// A delegation token's id stands in place of the user.
    pub(super) is_token: bool,
    /// The message without the header.
    pub(super) bare: &'a str,
}

impl<'a> ClientFirst<'a> {
    /// `None` when the message is not of that form. Channel binding and mandatory extensions are not spoken.
    pub(super) fn parse(message: &'a [u8]) -> Option<Self> {
        let text = ascii(message)?;
        let (authorization, bare) = text.strip_prefix("n,")?.split_once(',')?;
        let authorization_id = match authorization {
            "" => String::new(),
            given => unescaped(given.strip_prefix("a=")?)?,
        };
        let mut fields = bare.split(',');
        let user = unescaped(fields.next()?.strip_prefix("n=")?)?;
        let nonce = nonce(fields.next()?)?;
        let mut is_token = false;
        for extension in fields {
            let (key, value) = extension_of(extension)?;
            is_token |= key == "tokenauth" && value.eq_ignore_ascii_case("true");
        }
        Some(Self { authorization_id, user, nonce, is_token, bare })
    }
}

/// `r=nonce,s=salt,i=iterations`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServerFirst<'a> {
    pub(super) nonce: &'a str,
    pub(super) salt: Vec<u8>,
    pub(super) iterations: u32,
}

impl<'a> ServerFirst<'a> {
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let mut fields = text.split(',');
        let nonce = nonce(fields.next()?)?;
        let salt = base64::decode(fields.next()?.strip_prefix("s=")?)?;
        let iterations = fields.next()?.strip_prefix("i=")?;
        let is_number = !iterations.is_empty() && iterations.bytes().all(|byte| byte.is_ascii_digit());
        let iterations = if is_number { iterations.parse().ok()? } else { return None };
        fields.all(|field| extension_of(field).is_some()).then_some(Self { nonce, salt, iterations })
    }
}

/// `c=binding,r=nonce,p=proof`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClientFinal<'a> {
    pub(super) nonce: &'a str,
    pub(super) proof: Vec<u8>,
    pub(super) without_proof: &'a str,
}

impl<'a> ClientFinal<'a> {
    pub(super) fn parse(message: &'a [u8]) -> Option<Self> {
        let (without_proof, proof) = ascii(message)?.rsplit_once(",p=")?;
        let mut fields = without_proof.split(',');
        base64::decode(fields.next()?.strip_prefix("c=")?)?;
        let nonce = nonce(fields.next()?)?;
        if !fields.all(|field| extension_of(field).is_some()) {
            return None;
        }
        Some(Self { nonce, proof: base64::decode(proof)?, without_proof })
    }
}

/// A name as it stands in a message.
pub(super) fn escaped(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

/// The name that stands in a message; `None` when it is empty or holds another escape.
fn unescaped(text: &str) -> Option<String> {
    let mut parts = text.split('=');
    let mut name = parts.next()?.to_owned();
    for part in parts {
        let (c, rest) = match part.split_at_checked(2)? {
            ("2C", rest) => (',', rest),
            ("3D", rest) => ('=', rest),
            _ => return None,
        };
        name.push(c);
        name.push_str(rest);
    }
    (!name.is_empty() && !name.contains('\0')).then_some(name)
}

pub(super) fn ascii(message: &[u8]) -> Option<&str> {
    std::str::from_utf8(message).ok().filter(|text| text.is_ascii())
}

fn nonce(field: &str) -> Option<&str> {
    let nonce = field.strip_prefix("r=")?;
    (!nonce.is_empty() && nonce.bytes().all(|byte| byte.is_ascii_graphic())).then_some(nonce)
}

fn extension_of(field: &str) -> Option<(&str, &str)> {
    let (key, value) = field.split_once('=')?;
    let is_key = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphabetic());
    (is_key && !value.is_empty()).then_some((key, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_messages_of_clients() {
        let check = |text: &str, expect: Option<(&str, &str, &str, bool)>| {
            let found = ClientFirst::parse(text.as_bytes());
            let found = found.as_ref().map(|it| (&*it.authorization_id, &*it.user, it.nonce, it.is_token));
            assert_eq!(found, expect, "{text}");
        };
        check("n,,n=user,r=abc", Some(("", "user", "abc", false)));
        check("n,a=u=2Cx,n=u=2Cx=3D,r=abc", Some(("u,x", "u,x=", "abc", false)));
        check("n,,n=t,r=abc,tokenauth=true", Some(("", "t", "abc", true)));
        check("n,,n=t,r=abc,x=y=z", Some(("", "t", "abc", false)));
        for bad in [
            "",
            "n",
            "n,",
            "n,,",
            "y,,n=u,r=a",
            "p=tls-unique,,n=u,r=a",
            "n,,n=,r=a",
            "n,,n=u,r=",
            "n,,n=u",
            "n,,m=x,n=u,r=a",
            "n,,n=u=2c,r=a",
            "n,,n=u=,r=a",
            "n,,n=u,r=a b",
            "n,,n=u,r=a,",
            "n,,n=u,r=a,1=x",
            "n,,n=\u{fc},r=a",
            "n,b=u,n=u,r=a",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn other_messages() {
        let first = ServerFirst::parse("r=abc,s=c2FsdA==,i=4096").expect("a message");
        assert_eq!((first.nonce, first.salt.as_slice(), first.iterations), ("abc", &b"salt"[..], 4096));
        for bad in
            ["r=abc,s=c2FsdA==,i=+1", "r=abc,s=c2FsdA=,i=1", "r=a,s=,i=99999999999", "r=a,s=c2FsdA==", "e=x"]
        {
            assert_eq!(ServerFirst::parse(bad), None, "{bad}");
        }
        let last = ClientFinal::parse(b"c=biws,r=abc,p=c2FsdA==").expect("a message");
        assert_eq!(
            (last.nonce, last.proof.as_slice(), last.without_proof),
            ("abc", &b"salt"[..], "c=biws,r=abc")
        );
        for bad in
            ["c=biws,r=abc", "c=b,r=abc,p=", "r=abc,p=c2FsdA==", "c=biws,r=abc,p=x", "c=biws,r=abc,,p="]
        {
            assert_eq!(ClientFinal::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
