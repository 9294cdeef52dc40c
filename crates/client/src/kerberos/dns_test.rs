use std::net::SocketAddr;
use std::time::Duration;

use proptest::prelude::*;
use simple_dns::rdata::{A, SRV};
use simple_dns::{ResourceRecord, TYPE};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

use super::*;

const LONG: Duration = Duration::from_secs(20);

fn servers(servers: &[SocketAddr], timeout: Duration) -> NameServers {
    NameServers { servers: servers.to_vec(), timeout }
}

/// What a server with these records (priority, weight, port, host) answers to a question.
fn answer(question: &[u8], records: &[(u16, u16, u16, &'static str)]) -> Vec<u8> {
    let packet = Packet::parse(question).expect("a question");
    assert!(packet.has_flags(PacketFlag::RECURSION_DESIRED));
    let asked = packet.questions.first().expect("a question");
    assert_eq!(
        (asked.qname.to_string().as_str(), asked.qtype),
        ("_kerberos._tcp.EXAMPLE.ORG", TYPE::SRV.into())
    );
    let name = asked.qname.clone().into_owned();
    let mut reply = packet.clone().into_reply();
    for (priority, weight, port, host) in records {
        let target = if host.is_empty() { Name::new_with_labels(&[]) } else { Name::new_unchecked(host) };
        let srv = RData::SRV(SRV { priority: *priority, weight: *weight, port: *port, target });
        reply.answers.push(ResourceRecord::new(name.clone(), CLASS::IN, 60, srv));
    }
    // An alias or an address beside them is of no interest.
    reply.answers.push(ResourceRecord::new(name, CLASS::IN, 60, RData::A(A { address: 1 })));
    reply.build_bytes_vec().expect("an answer")
}

/// A server that answers each datagram with what `say` makes of it.
async fn over_datagrams(say: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let address = socket.local_addr().expect("an address");
    tokio::spawn(async move {
        let mut question = vec![0; 600];
        while let Ok((len, from)) = socket.recv_from(&mut question).await {
            for said in say(&question[..len]) {
                socket.send_to(&said, from).await.expect("a reader");
            }
        }
    });
    address
}

fn texts(found: Result<Vec<KdcAddress>, String>) -> Vec<String> {
    found.expect("an answer").iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn centres_come_in_the_order_of_their_records() {
    let all = [(20, 1, 88, "last.org"), (10, 5, 750, "light.org"), (10, 90, 88, "heavy.org"), (0, 0, 0, "")];
    let good = over_datagrams(move |question| vec![answer(question, &all)]).await;
    let found = servers(&[good], LONG).centres("EXAMPLE.ORG").await;
    assert_eq!(texts(found), ["heavy.org:88", "light.org:750", "last.org:88"]);
    let none = over_datagrams(|question| vec![answer(question, &[(0, 0, 0, "")])]).await;
    assert_eq!(texts(servers(&[none], LONG).centres("EXAMPLE.ORG.").await), Vec::<String>::new());
    let unknown = |question: &[u8]| {
        let mut packet = Packet::parse(question).expect("a question").into_reply();
        *packet.rcode_mut() = RCODE::NameError;
        vec![packet.build_bytes_vec().expect("an answer")]
    };
    let unknown = over_datagrams(unknown).await;
    assert_eq!(texts(servers(&[unknown], LONG).centres("EXAMPLE.ORG").await), Vec::<String>::new());
}

#[tokio::test]
async fn answers_too_long_for_a_datagram_come_over_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    // The same port of UDP is most likely free; another test's datagrams would go to the port of their own server.
    let socket = UdpSocket::bind(address).await.expect("the same port");
    tokio::spawn(async move {
        let mut question = vec![0; 600];
        let (len, from) = socket.recv_from(&mut question).await.expect("a question");
        let mut cut = Packet::parse(&question[..len]).expect("a question").into_reply();
        cut.set_flags(PacketFlag::TRUNCATION);
        let mut cut = cut.build_bytes_vec().expect("an answer");
        // The header promises records that are no longer there.
        cut[7] = 9;
        socket.send_to(&cut, from).await.expect("a reader");
        let (mut stream, _) = listener.accept().await.expect("a client");
        let len = stream.read_u16().await.expect("a length");
        let mut question = vec![0; usize::from(len)];
        stream.read_exact(&mut question).await.expect("a question");
        let said = answer(&question, &[(1, 1, 88, "far.org"); 40]);
        stream.write_u16(said.len() as u16).await.expect("a reader");
        stream.write_all(&said).await.expect("a reader");
    });
    assert_eq!(texts(servers(&[address], LONG).centres("EXAMPLE.ORG").await), ["far.org:88"; CENTRES_MAX]);
}

#[tokio::test]
async fn servers_that_are_of_no_use() {
    let good = over_datagrams(|question| {
        // An answer to somebody else's question first, and then one that is too short.
        vec![vec![!question[0], question[1], 0, 0], answer(question, &[(1, 1, 88, "far.org")])]
    });
    let good = good.await;
    let silent = over_datagrams(|_| Vec::new()).await;
    let short = Duration::from_millis(200);
    assert_eq!(texts(servers(&[silent, good], short).centres("EXAMPLE.ORG").await), ["far.org:88"]);
    let check = |address: SocketAddr, timeout: Duration, expect: &'static str| async move {
        let why = servers(&[address], timeout).centres("EXAMPLE.ORG").await.expect_err(expect);
        assert!(why.contains(expect) && why.contains(&address.to_string()), "{why}");
    };
    check(silent, Duration::from_millis(20), "no answer within 20 ms").await;
    let broken = over_datagrams(|question| vec![question.iter().take(5).copied().collect()]).await;
    check(broken, LONG, "can't be read").await;
    let echo = over_datagrams(|question| vec![question.to_vec()]).await;
    check(echo, LONG, "none to the question").await;
    let refusing = |question: &[u8]| {
        let mut packet = Packet::parse(question).expect("a question").into_reply();
        *packet.rcode_mut() = RCODE::Refused;
        vec![packet.build_bytes_vec().expect("an answer")]
    };
    check(over_datagrams(refusing).await, LONG, "Refused").await;
    let why = servers(&[silent], LONG).centres(&"x".repeat(100)).await.expect_err("no name");
    assert!(why.contains("is no name that DNS could know"), "{why}");
}

#[test]
fn files_that_name_servers() {
    let check = |text: &str, expect: &[&str], seconds: u64| {
        let found = NameServers::parse(text);
        let expect: Vec<SocketAddr> = expect.iter().map(|text| text.parse().expect("an address")).collect();
        assert_eq!(found, NameServers { servers: expect, timeout: Duration::from_secs(seconds) }, "{text}");
    };
    check("", &["127.0.0.1:53"], 5);
    check(
        "search a.b\n# nameserver 9.9.9.9\nnameserver 10.0.0.2 x\nnameserver ::1\n",
        &["10.0.0.2:53", "[::1]:53"],
        5,
    );
    check("nameserver nobody\nnameserver\nnameserver 1.1.1.1:5353", &["1.1.1.1:5353"], 5);
    check("options rotate timeout:2\nnameserver 1.1.1.1", &["1.1.1.1:53"], 2);
    check("options timeout:0\noptions timeout:99999999999999999999\n", &["127.0.0.1:53"], 5);
    check(&"nameserver 1.1.1.1\n".repeat(9), &["1.1.1.1:53"; SERVERS_MAX], 5);
}

proptest! {
    #[test]
    fn any_bytes_of_a_server_are_survived(mut bytes: Vec<u8>, records: u8, cut: usize) {
        let _ = centres(&bytes, 0);
        let good = question(7, "EXAMPLE.ORG").expect("a question");
        let mut good = answer(&good, &[(1, 2, 88, "far.org"), (1, 3, 99, "near.org")]);
        good[7] = good[7].wrapping_add(records);
        good.truncate(cut % (good.len() + 1));
        let _ = centres(&good, 7);
        good.append(&mut bytes);
        let _ = centres(&good, 7);
    }
}
