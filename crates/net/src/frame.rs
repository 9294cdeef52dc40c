//! The 4-byte size in front of every request, and what else may stand there.

use std::fmt;

/// Bytes of the size prefix.
pub(crate) const SIZE_LEN: usize = 4;

/// What a connection sent instead of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadInput {
    /// A TLS handshake record.
    Tls,
    /// The first letters of an HTTP request or response.
    Http,
    /// A size of zero or less.
    NotPositive(i32),
    /// A size over `socket.request.max.bytes`.
    TooLarge { size: i32, max: u32 },
    /// A size over `sasl.server.max.receive.size` before the client has authenticated.
    TooLargeUnauthenticated { size: i32, max: u32 },
}

impl BadInput {
    /// Index for counters per kind, below [`BadInput::KINDS`].
    pub(crate) fn kind(self) -> usize {
        match self {
            BadInput::Tls => 0,
            BadInput::Http => 1,
            BadInput::NotPositive(_) => 2,
            BadInput::TooLarge { .. } | BadInput::TooLargeUnauthenticated { .. } => 3,
        }
    }

    pub(crate) const KINDS: usize = 4;
}

impl fmt::Display for BadInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadInput::Tls => f.write_str(
                "it sent a TLS handshake to a plaintext listener; set security.protocol=PLAINTEXT in the client, or connect to \
                 a listener with TLS",
            ),
            BadInput::Http => f.write_str(
                "it sent an HTTP request, but this port speaks Kafka's protocol; point the browser, health check or metrics \
                 scraper to another port, or let the check only open a TCP connection",
            ),
            BadInput::NotPositive(size) => {
                write!(f, "it announced a request of {size} bytes, which no Kafka client does; check what connects to this port")
            }
            BadInput::TooLargeUnauthenticated { size, max } => write!(
                f,
                "it announced a request of {size} bytes before it was authenticated, more than sasl.server.max.receive.size={max}; \
                 if it is a Kafka client, check its security.protocol, otherwise check what connects to this port"
            ),
            BadInput::TooLarge { size, max } => write!(
                f,
                "it announced a request of {size} bytes, more than socket.request.max.bytes={max}; if it is a Kafka client that \
                 sends so much, raise that setting, otherwise check what connects to this port"
            ),
        }
    }
}

/// Reads the size at the start of `bytes`: `None` while fewer than four bytes are there. `first` says that nothing was
/// received on the connection before, when a TLS greeting is told from a size that happens to look like one.
pub(crate) fn parse_size(bytes: &[u8], max: u32, first: bool) -> Result<Option<usize>, BadInput> {
    let Some(prefix) = bytes.first_chunk::<SIZE_LEN>() else { return Ok(None) };
    let size = i32::from_be_bytes(*prefix);
    let too_large = u32::try_from(size).is_ok_and(|size| size > max);
    if (first || too_large) && looks_like_tls(*prefix) {
        return Err(BadInput::Tls);
    }
    if looks_like_http(*prefix) {
        return Err(BadInput::Http);
    }
    if size <= 0 {
        return Err(BadInput::NotPositive(size));
    }
    if too_large {
        return Err(BadInput::TooLarge { size, max });
    }
    Ok(usize::try_from(size).ok())
}

/// A TLS record of type handshake (22) and version SSL 3.0 to TLS 1.3.
fn looks_like_tls(prefix: [u8; SIZE_LEN]) -> bool {
    matches!(prefix, [0x16, 0x03, 0x00..=0x04, _])
}

fn looks_like_http(prefix: [u8; SIZE_LEN]) -> bool {
    matches!(
        &prefix,
        b"GET "
            | b"POST"
            | b"PUT "
            | b"HEAD"
            | b"OPTI"
            | b"DELE"
            | b"PATC"
            | b"CONN"
            | b"TRAC"
            | b"HTTP"
            | b"PRI "
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: u32 = 100 * 1024 * 1024;

    fn check(bytes: &[u8], expect: Result<Option<usize>, BadInput>) {
        assert_eq!(parse_size(bytes, MAX, true), expect, "{bytes:?}");
    }

    #[test]
    fn sizes() {
        check(b"", Ok(None));
        check(&[0, 0, 0], Ok(None));
        check(&[0, 0, 0, 1], Ok(Some(1)));
        check(&[0, 0, 0, 9, 1, 2], Ok(Some(9)));
        check(&MAX.to_be_bytes(), Ok(Some(MAX as usize)));
        check(&[0, 0, 0, 0], Err(BadInput::NotPositive(0)));
        check(&(-1i32).to_be_bytes(), Err(BadInput::NotPositive(-1)));
        check(&i32::MIN.to_be_bytes(), Err(BadInput::NotPositive(i32::MIN)));
        check(&(MAX + 1).to_be_bytes(), Err(BadInput::TooLarge { size: MAX as i32 + 1, max: MAX }));
        check(&i32::MAX.to_be_bytes(), Err(BadInput::TooLarge { size: i32::MAX, max: MAX }));
    }

    #[test]
    fn greetings() {
        check(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01], Err(BadInput::Tls));
        for method in [
            "GET / HTTP/1.1",
            "POST /",
            "PUT /x",
            "HEAD /",
            "OPTIONS *",
            "HTTP/1.1 200",
            "DELETE /",
            "PRI * HTTP/2.0",
        ] {
            check(method.as_bytes(), Err(BadInput::Http));
        }
    }

    #[test]
    fn a_size_that_looks_like_tls_is_one_where_the_limit_allows_it() {
        let size = [0x16, 0x03, 0x01, 0x02];
        assert_eq!(parse_size(&size, i32::MAX as u32, false), Ok(Some(0x1603_0102)));
        assert_eq!(parse_size(&size, i32::MAX as u32, true), Err(BadInput::Tls));
        assert_eq!(parse_size(&size, MAX, false), Err(BadInput::Tls));
    }
}
