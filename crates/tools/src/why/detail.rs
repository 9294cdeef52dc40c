//! What only the coordinator knows of a group: asked of Ottla's HTTP listener, if the coordinator has one.
//!
//! The broker's configuration says where it listens. A broker without the key is Apache Kafka, or an Ottla without
//! the listener: there is no detail then, which is no error.

use std::collections::BTreeMap;
use std::time::Duration;

use ottla_client::admin::{Admin, ConfigResource, DescribeConfigsOptions};
use ottla_client::cluster::Node;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::facts::{Detail, Session};

/// How long the listener may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// A longer answer is no answer: 10,000 members come to about 2 MB.
const ANSWER_MAX: u64 = 16 << 20;

/// Asks the coordinator's HTTP listener for a group.
pub async fn ask(admin: &Admin, coordinator: &Node, group: &str) -> Option<Detail> {
    let resource = ConfigResource::broker(coordinator.id);
    let options = DescribeConfigsOptions { timeout: Some(PATIENCE), ..Default::default() };
    let configs = admin.describe_configs(&[resource], &options).await.into_values().next()?.ok()?;
    let listener = configs.into_iter().find(|it| &*it.name == "ottla.http.listener")?.value?;
    let (host, port) = listener.rsplit_once(':')?;
    let port: u16 = port.parse().ok().filter(|port| *port != 0)?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let host = match host {
        // Everywhere: also where the broker's clients find it.
        "" | "0.0.0.0" | "::" => coordinator.host.to_string(),
        host => host.to_owned(),
    };
    let body =
        timeout(PATIENCE, get(&host, port, &format!("/groups/{}", encoded(group)))).await.ok()?.ok()?;
    parse(&serde_json::from_str(&body).ok()?)
}

/// The body of an answer of 200, by a connection of its own.
async fn get(host: &str, port: u16, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect((host, port)).await?;
    // HTTP/1.0: the answer is not in chunks, and ends with the connection.
    let request = format!("GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.take(ANSWER_MAX).read_to_string(&mut answer).await?;
    let refused = || std::io::Error::other("not answered with 200");
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(refused)?;
    let status = head.split(' ').nth(1);
    if status == Some("200") { Ok(body.to_owned()) } else { Err(refused()) }
}

/// A name as it stands in a path (RFC 3986).
fn encoded(name: &str) -> String {
    let mut out = String::new();
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            other => out += &format!("%{other:02X}"),
        }
    }
    out
}

fn parse(group: &Value) -> Option<Detail> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let session = |member: &Value| {
        let session = Session {
            timeout_ms: member.get("session_timeout_ms")?.as_i64()?,
            silent_ms: member.get("silent_ms").and_then(Value::as_i64),
            must_act_within_ms: member.get("must_act_within_ms").and_then(Value::as_i64),
        };
        Some((text(member.get("member_id")?)?, session))
    };
    let since = group.get("since_ms").and_then(Value::as_i64);
    let now = group.get("now_ms").and_then(Value::as_i64);
    let list = |name: &str| group.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let sessions: BTreeMap<String, Session> = list("members").iter().filter_map(session).collect();
    Some(Detail {
        // Both by the coordinator's clock.
        in_state_ms: since.zip(now).map(|(since, now)| now.saturating_sub(since).max(0)),
        generation_id: group.get("generation_id")?.as_i64()?,
        reason: group.get("rebalance_reason").and_then(text).unwrap_or_default(),
        waiting_for: list("waiting_for").iter().filter_map(text).collect(),
        leader: group.get("leader").and_then(text),
        sessions,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_are_encoded_for_paths() {
        assert_eq!(encoded("a b/ü~1"), "a%20b%2F%C3%BC~1");
    }

    #[test]
    fn what_the_listener_says_is_understood() {
        let group = json!({
            "group_id": "g", "state": "PreparingRebalance", "since_ms": 1_000, "now_ms": 3_500,
            "generation_id": 7, "rebalance_reason": "m1 left", "waiting_for": ["m2"], "leader": null,
            "members": [
                {"member_id": "m2", "session_timeout_ms": 45_000, "silent_ms": 30_000, "must_act_within_ms": 200},
                {"member_id": "m3", "session_timeout_ms": 45_000, "silent_ms": null, "must_act_within_ms": null},
                {"no": "member"},
            ],
        });
        let detail = parse(&group).expect("it is whole");
        assert_eq!((detail.in_state_ms, detail.generation_id, detail.leader), (Some(2_500), 7, None));
        assert_eq!((detail.reason.as_str(), detail.waiting_for), ("m1 left", vec!["m2".to_owned()]));
        let m2 = Session { timeout_ms: 45_000, silent_ms: Some(30_000), must_act_within_ms: Some(200) };
        assert_eq!((detail.sessions.len(), detail.sessions.get("m2")), (2, Some(&m2)));
        assert_eq!(parse(&json!({"error": "NOT_COORDINATOR"})), None);
    }

    #[tokio::test]
    async fn only_an_answer_of_200_counts() {
        for (answer, body) in [
            ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", Some("{}")),
            ("HTTP/1.0 404 Not Found\r\n\r\n{}", None),
            ("nonsense", None),
        ] {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let port = listener.local_addr().expect("an address").port();
            let serve = async {
                let (mut stream, _) = listener.accept().await.expect("somebody asks");
                let mut asked = [0; 1024];
                let length = stream.read(&mut asked).await.expect("it is asked");
                stream.write_all(answer.as_bytes()).await.expect("it is heard");
                String::from_utf8_lossy(&asked[..length]).into_owned()
            };
            let (asked, found) = tokio::join!(serve, get("127.0.0.1", port, "/groups/g"));
            assert!(asked.starts_with("GET /groups/g HTTP/1.0\r\n"), "{asked}");
            assert_eq!(found.ok().as_deref(), body);
        }
    }
}
