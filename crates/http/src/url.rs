//! Addresses of services: `http://host:port/path`, `https://…`.

use std::fmt;

use hyper::Uri;

/// The address of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    uri: Uri,
    host: String,
    port: u16,
    is_tls: bool,
}

/// Why a text is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// Not an address.
    #[error("it is no address such as https://issuer.example.org/keys: {0}")]
    Malformed(String),
    /// Another protocol.
    #[error("it begins with neither http:// nor https://")]
    Protocol,
    /// A user's name in it.
    #[error("it holds a user or a password, which are not sent")]
    User,
}

impl Url {
    /// Reads an address.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, InvalidUrl> {
        let malformed = |why: &str| InvalidUrl::Malformed(why.to_owned());
        let uri: Uri =
            text.parse().map_err(|why: hyper::http::uri::InvalidUri| malformed(&why.to_string()))?;
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some(_) => return Err(InvalidUrl::Protocol),
            None => return Err(malformed("there is no protocol")),
        };
        let authority = uri.authority().ok_or_else(|| malformed("there is no host"))?;
        if authority.as_str().contains('@') {
            return Err(InvalidUrl::User);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(malformed("there is no host"));
        }
        // A port that is none would silently be the usual one.
        let has_port = authority.as_str().len() > authority.host().len();
        let port = match (authority.port_u16(), has_port) {
            (Some(port), _) => port,
            (None, true) => return Err(malformed("the port is none")),
            (None, false) => {
                if is_tls {
                    443
                } else {
                    80
                }
            }
        };
        Ok(Self { host, port, is_tls, uri })
    }

    /// The host's name or address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it is `https`.
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// What to ask for there.
    pub(crate) fn path_and_query(&self) -> &str {
        self.uri.path_and_query().map_or("/", |it| it.as_str())
    }

    /// Value of the `Host` header.
    pub(crate) fn authority(&self) -> &str {
        self.uri.authority().map_or("", |it| it.as_str())
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uri.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let check = |text: &str, expect: Option<(&str, u16, bool, &str)>| {
            let found = Url::parse(text);
            let found =
                found.as_ref().ok().map(|it| (it.host(), it.port(), it.is_tls(), it.path_and_query()));
            assert_eq!(found, expect, "{text}");
        };
        check("http://a", Some(("a", 80, false, "/")));
        check("https://a.b/keys?x=y", Some(("a.b", 443, true, "/keys?x=y")));
        check("HTTPS://a:8443/", Some(("a", 8443, true, "/")));
        check("http://[::1]:80/x", Some(("::1", 80, false, "/x")));
        for bad in [
            "",
            "a",
            "/a",
            "a:80",
            "ftp://a",
            "http://",
            "http://a:99999",
            "http://a:x",
            "http://u:p@a/",
            "http://a b",
        ] {
            check(bad, None);
        }
    }
}
