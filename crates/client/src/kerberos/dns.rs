//! Where a realm has its key distribution centres, as DNS knows it (RFC 4120 section 7.2.3.2): the SRV records of `_kerberos._tcp.REALM`.
//! The system's name servers are asked in their order, over UDP, and over TCP where an answer is too long for that.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use ottla_http::files;
use ottla_security::sasl::gssapi::KdcAddress;
use simple_dns::rdata::RData;
use simple_dns::{
    CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, SimpleDnsError, TYPE, header_buffer,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::random;

/// Where the system says which servers to ask.
pub(super) const RESOLV_CONF: &str = "/etc/resolv.conf";
/// A longer file is taken for none: real ones have a few lines, and behind the name may be anything.
const FILE_BYTES_MAX: usize = 64 << 10;
/// More servers are not asked, as in the C library.
const SERVERS_MAX: usize = 3;
/// For a server to answer, where nothing is said.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest time that can be asked for, as in the C library.
const TIMEOUT_MAX_S: u64 = 30;
/// How often all of them are asked.
const ROUNDS: usize = 2;
/// Answers over UDP are not longer where nobody has asked for more.
const DATAGRAM_BYTES: usize = 512;
/// More centres of one realm are not asked.
const CENTRES_MAX: usize = 16;

/// What is looked up for a realm.
pub(super) fn name(realm: &str) -> String {
    format!("_kerberos._tcp.{}", realm.trim_end_matches('.'))
}

/// The servers that a system asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NameServers {
    servers: Vec<SocketAddr>,
    timeout: Duration,
}

impl NameServers {
    /// Those of a file such as `/etc/resolv.conf`; the machine's own where it names none or cannot be read.
    pub(super) async fn read(path: &Path) -> Self {
        let bytes = files::read_aside(path, FILE_BYTES_MAX).await.unwrap_or_default();
        Self::parse(&String::from_utf8_lossy(&bytes))
    }

    fn parse(text: &str) -> Self {
        let mut found = Self { servers: Vec::new(), timeout: TIMEOUT };
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("nameserver") => found.servers.extend(words.next().and_then(server)),
                Some("options") => {
                    let seconds = words.find_map(|word| word.strip_prefix("timeout:")?.parse().ok());
                    let seconds = seconds.filter(|seconds| (1..=TIMEOUT_MAX_S).contains(seconds));
                    found.timeout = seconds.map_or(found.timeout, Duration::from_secs);
                }
                _ => {}
            }
        }
        found.servers.truncate(SERVERS_MAX);
        if found.servers.is_empty() {
            found.servers.push(SocketAddr::from((Ipv4Addr::LOCALHOST, 53)));
        }
        found
    }

    /// A realm's centres, those to be asked first in front; none where there is no record.
    ///
    /// # Errors
    /// When no server gives an answer.
    pub(super) async fn centres(&self, realm: &str) -> Result<Vec<KdcAddress>, String> {
        let mut whys = Vec::new();
        for round in 0..ROUNDS {
            for server in &self.servers {
                let asked = timeout(self.timeout, ask(*server, realm)).await;
                let why = match asked {
                    Ok(Ok(found)) => return Ok(found),
                    Ok(Err(why)) => why.to_string(),
                    Err(_) => format!("no answer within {} ms", self.timeout.as_millis()),
                };
                if round == 0 {
                    whys.push(format!("{server}: {why}"));
                }
            }
        }
        Err(whys.join("; "))
    }
}

fn server(text: &str) -> Option<SocketAddr> {
    // With a port, as no file of the C library has it, for whoever has a server of their own.
    let address = text.parse::<IpAddr>().map(|ip| SocketAddr::from((ip, 53)));
    address.ok().or_else(|| text.parse().ok())
}

/// What one server says.
async fn ask(server: SocketAddr, realm: &str) -> io::Result<Vec<KdcAddress>> {
    // A number of its own, on a port of its own: whoever does not see the question cannot answer it.
    let [high, low, ..] = random::next_u64().to_le_bytes();
    let id = u16::from_le_bytes([high, low]);
    let question = question(id, realm)?;
    let answer = over_udp(server, id, &question).await?;
    match centres(&answer, id)? {
        Answer::Centres(found) => Ok(found),
        Answer::Cut => match centres(&over_tcp(server, &question).await?, id)? {
            Answer::Centres(found) => Ok(found),
            Answer::Cut => Err(io::Error::other("its answer is cut off over TCP, too")),
        },
    }
}

async fn over_udp(server: SocketAddr, id: u16, question: &[u8]) -> io::Result<Vec<u8>> {
    let own: IpAddr =
        if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((own, 0)).await?;
    // From now on it hears this server only.
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut answer = vec![0; DATAGRAM_BYTES];
    loop {
        let len = socket.recv(&mut answer).await?;
        // An answer to an earlier question is none to this one.
        if answer.get(..len).is_some_and(|answer| answer.starts_with(&id.to_be_bytes())) {
            answer.truncate(len);
            return Ok(answer);
        }
    }
}

async fn over_tcp(server: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let len = u16::try_from(question.len()).map_err(io::Error::other)?;
    stream.write_all(&[&len.to_be_bytes(), question].concat()).await?;
    let len = stream.read_u16().await?;
    let mut answer = vec![0; usize::from(len)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

fn question(id: u16, realm: &str) -> io::Result<Vec<u8>> {
    let name = name(realm);
    let name = Name::new(&name).map_err(|why| {
        io::Error::other(format!("the realm {realm:?} is no name that DNS could know: {why}"))
    })?;
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    packet.questions.push(Question::new(name, QTYPE::TYPE(TYPE::SRV), QCLASS::CLASS(CLASS::IN), false));
    packet.build_bytes_vec().map_err(io::Error::other)
}

/// What an answer holds.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// The records, those to be asked first in front.
    Centres(Vec<KdcAddress>),
    /// The answer is too long for a datagram.
    Cut,
}

fn centres(answer: &[u8], id: u16) -> io::Result<Answer> {
    let unreadable = |why: SimpleDnsError| io::Error::other(format!("its answer can't be read: {why}"));
    let says = |flags: PacketFlag| header_buffer::has_flags(answer, flags).map_err(unreadable);
    if header_buffer::id(answer).map_err(unreadable)? != id || !says(PacketFlag::RESPONSE)? {
        return Err(io::Error::other("its answer is none to the question"));
    }
    if says(PacketFlag::TRUNCATION)? {
        return Ok(Answer::Cut);
    }
    let packet = Packet::parse(answer).map_err(unreadable)?;
    match packet.rcode() {
        RCODE::NoError => {}
        RCODE::NameError => return Ok(Answer::Centres(Vec::new())),
        code => return Err(io::Error::other(format!("it answers {code:?}"))),
    }
    let mut found: Vec<_> = packet
        .answers
        .iter()
        .filter_map(|record| match &record.rdata {
            RData::SRV(srv) => Some((srv.priority, u16::MAX - srv.weight, srv.target.to_string(), srv.port)),
            _ => None,
        })
        // The root as a host says that there is no such service (RFC 2782).
        .filter(|(_, _, host, port)| !host.is_empty() && *port != 0)
        .collect();
    found.sort();
    found.truncate(CENTRES_MAX);
    Ok(Answer::Centres(found.into_iter().map(|(_, _, host, port)| KdcAddress { host, port }).collect()))
}

#[cfg(test)]
#[path = "dns_test.rs"]
mod tests;
