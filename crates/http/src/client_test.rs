//! Exchanges with a server that says what it is told to.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

const LIMITS: Limits =
    Limits { connect: Duration::from_secs(20), answer: Duration::from_secs(20), body_bytes: 100 };

/// Answers one connection; what was asked.
async fn served(
    answer: &'static [u8],
    is_closed: bool,
    request: Request,
) -> (Result<Answer, HttpError>, String) {
    served_within(LIMITS, answer, is_closed, request).await
}

async fn served_within(
    limits: Limits,
    answer: &'static [u8],
    is_closed: bool,
    request: Request,
) -> (Result<Answer, HttpError>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/keys?a=b", listener.local_addr().expect("an address"));
    let client = HttpClient::new(Url::parse(&url).expect("an address"), None, limits);
    let server = async {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut asked = vec![0; 4_096];
        let count = stream.read(&mut asked).await.expect("a request");
        stream.write_all(answer).await.expect("sent");
        if is_closed {
            drop(stream);
        } else {
            // Held open until the client has had enough.
            let _ = stream.read(&mut [0]).await;
        }
        String::from_utf8_lossy(&asked[..count]).into_owned()
    };
    tokio::join!(client.send(request), server)
}

#[tokio::test]
async fn there_and_back() {
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    for is_closed in [true, false] {
        let (found, asked) =
            served(answer, is_closed, Request::get().header("Accept", "application/json")).await;
        assert_eq!(found.expect("an answer"), Answer { status: 200, body: b"hi".to_vec() });
        assert!(asked.starts_with("GET /keys?a=b HTTP/1.1\r\nhost: 127.0.0.1:"), "{asked}");
        assert!(asked.contains("accept: application/json\r\n"), "{asked}");
    }
    let chunks = b"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n";
    let (found, asked) = served(chunks, true, Request::post("x=y".into())).await;
    assert_eq!(found.expect("an answer"), Answer { status: 503, body: b"ab".to_vec() });
    assert!(asked.contains("content-length: 3\r\n") && asked.ends_with("\r\n\r\nx=y"), "{asked}");
    let (found, _) = served(b"HTTP/1.0 200 OK\r\n\r\nuntil the end", true, Request::get()).await;
    assert_eq!(found.expect("an answer").body, b"until the end");
    let (found, _) = served(
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        true,
        Request::get(),
    )
    .await;
    assert_eq!(found.expect("nobody follows").status, 302);
}

#[tokio::test]
async fn answers_have_an_end() {
    let check = async |answer: &'static [u8], is_closed: bool, expect: &str| {
        let (found, _) = served(answer, is_closed, Request::get()).await;
        let why = found.expect_err(expect).to_string();
        assert!(why.contains(expect), "{why} and not {expect}");
    };
    check(b"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n", false, "more than 100 bytes").await;
    check(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999\r\n\r\n", false, "more than 100 bytes")
        .await;
    let chunk: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n\
        aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n0\r\n\r\n";
    check(chunk, false, "more than 100 bytes").await;
    let short = Limits { answer: Duration::from_millis(20), ..LIMITS };
    for part in [&b""[..], b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi"] {
        let (found, _) = served_within(short, part, false, Request::get()).await;
        assert_eq!(found.expect_err("too late").to_string(), "no answer within 20 ms");
    }
    check(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", true, "the exchange broke").await;
    check(b"rubbish\r\n\r\n", false, "the exchange broke").await;
    check(b"", true, "the exchange broke").await;
    let request = Request::get().header("Authorization", "a\nb");
    let client = HttpClient::new(Url::parse("http://127.0.0.1:1").expect("an address"), None, LIMITS);
    assert!(client.send(request).await.is_err());
}
