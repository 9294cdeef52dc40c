//! Settings, files and centres. Whole logins are tried by the suite `security/gssapi`, which has a key distribution centre.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ottla_config::{ClientValues, Scope};
use ottla_security::jaas::{self, KRB5_LOGIN_MODULE};
use ottla_security::sasl::gssapi::Krb5Conf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::centres::Centres;
use super::*;

type Variables<'a> = &'a [(&'a str, &'a str)];

fn settings(keys: &[(&str, &str)], options: &str, variables: Variables<'_>) -> Result<Settings, String> {
    let mut properties =
        crate::config::Properties::from([("bootstrap.servers".into(), "localhost:1".into())]);
    properties.extend(keys.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    let values = ClientValues::parse(Scope::Producer, &properties).expect("values");
    let text = format!("{KRB5_LOGIN_MODULE} required {options};");
    let entry = jaas::parse_single(&text).expect("an entry");
    let variable =
        |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    Settings::new(&values, &entry, variable).map_err(|why| why.to_string())
}

const KAFKA: (&str, &str) = ("sasl.kerberos.service.name", "kafka");
const NO_FILE: (&str, &str) = ("KAFKA_OPTS", "-Djava.security.krb5.conf=/nowhere/krb5.conf");

#[test]
fn what_is_missing_is_said() {
    let check = |keys: &[(&str, &str)], options: &str, variables: Variables<'_>, expect: &str| {
        let why = settings(keys, options, variables).expect_err(expect);
        assert!(why.contains(expect), "{why}");
    };
    let keytab = "useKeyTab=true keyTab=\"/a\" principal=\"alice@R\"";
    check(&[], keytab, &[], "No serviceName defined in either JAAS or Kafka config");
    let other = format!("{keytab} serviceName=http");
    check(&[KAFKA], &other, &[], "value in JAAS file http, value in Kafka config kafka");
    check(&[KAFKA], "", &[], "nobody is asked for a password");
    let nowhere = "useKeyTab=true keyTab=\"/a\" principal=alice";
    check(&[KAFKA], nowhere, &[NO_FILE], "/nowhere/krb5.conf names no default_realm");
    let kcm = [("KRB5CCNAME", "KCM:1000")];
    check(&[KAFKA], "useTicketCache=true", &kcm, "a ticket cache of kind KCM, and only files are read");
}

#[test]
fn files_and_times_of_a_configuration() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("krb5.conf");
    let text = "[libdefaults]\ndefault_realm = R\n[realms]\nR = {\nkdc = one\n}\n";
    std::fs::write(&path, text).expect("a file");
    let path = path.to_str().expect("a path");
    let keytab = "useKeyTab=true keyTab=\"/a\" principal=\"alice\" serviceName=kafka";
    let option = format!("-Djava.security.krb5.conf={path}");
    let named = format!("/nowhere:{path}");
    for variables in [[("KAFKA_OPTS", option.as_str())], [("KRB5_CONFIG", named.as_str())]] {
        let found = settings(&[("sasl.kerberos.ticket.renew.window.factor", "0.5")], keytab, &variables);
        let found = found.expect("settings");
        assert_eq!(found.principal.expect("a name").to_string(), "alice@R");
        assert_eq!((found.service_name.as_str(), found.renewal.window_factor), ("kafka", 0.5));
        assert_eq!((found.renewal.jitter, found.renewal.pause_min_ms), (0.05, 60_000));
        assert_eq!((found.conf.centres("R").len(), found.conf_path.as_str()), (1, path));
    }
    let options = format!("{} -Djava.security.krb5.realm=S -Djava.security.krb5.kdc=one:two", NO_FILE.1);
    let found = settings(&[], keytab, &[("KAFKA_OPTS", options.as_str())]).expect("settings");
    assert_eq!(found.principal.expect("a name").to_string(), "alice@S");
    assert_eq!(found.conf.centres("S").len(), 2);
    let cache = |variables: Variables<'_>, options: &str| {
        settings(&[KAFKA], options, variables).expect("settings").cache.expect("a cache")
    };
    let mine = "useTicketCache=true";
    assert_eq!(cache(&[("KRB5CCNAME", "FILE:/x:y")], mine), Path::new("/x:y"));
    assert_eq!(cache(&[("KRB5CCNAME", "/x")], mine), Path::new("/x"));
    assert_eq!(cache(&[("KRB5CCNAME", "/x")], "useTicketCache=true ticketCache=\"/y\""), Path::new("/y"));
    assert!(cache(&[], mine).display().to_string().starts_with("/tmp/krb5cc_"));
}

/// A KRB-ERROR with nothing but its number.
fn error(code: u8) -> Vec<u8> {
    let mut error = vec![0x7e, 17, 0x30, 15, 0xa0, 3, 2, 1, 5, 0xa1, 3, 2, 1, 30, 0xa6, 3, 2, 1, code];
    error[1] = error.len() as u8 - 2;
    error[3] = error.len() as u8 - 4;
    error
}

/// A listener that answers each message with the same bytes, their length in front.
async fn centre(answer: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let len = stream.read_u32().await.expect("a length") as usize;
            stream.read_exact(&mut vec![0; len]).await.expect("a message");
            stream.write_all(&answer).await.expect("a reader");
        }
    });
    port
}

fn with_len(message: &[u8]) -> Vec<u8> {
    [(message.len() as u32).to_be_bytes().as_slice(), message].concat()
}

async fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address").port()
}

fn conf(ports: &[u16]) -> Krb5Conf {
    let mut conf = Krb5Conf::default();
    ports.iter().for_each(|port| conf.add_centres("R", &format!("127.0.0.1:{port}")));
    conf
}

fn centres(ports: &[u16]) -> Centres {
    Centres::new(conf(ports), "/etc/krb5.conf".to_owned()).with_timeout(Duration::from_secs(20))
}

#[tokio::test]
async fn centres_are_asked_until_one_answers() {
    let (closed, busy) = (closed_port().await, centre(with_len(&error(29))).await);
    let good = centre(with_len(b"an answer")).await;
    let all = centres(&[closed, busy, good]);
    for _ in 0..2 {
        assert_eq!(all.ask("R", b"a question").await, Ok(b"an answer".to_vec()));
    }
    let refusing = centre(with_len(&error(6))).await;
    assert_eq!(centres(&[refusing, good]).ask("R", b"?").await, Ok(error(6)), "a no is an answer");
}

#[tokio::test]
async fn what_centres_do_wrong_is_told() {
    let check = |ports: Vec<u16>, expect: &'static str| async move {
        let why = centres(&ports).ask("R", b"a question").await.expect_err(expect);
        assert!(matches!(why, NoTicket::Failed(_)) && why.to_string().contains(expect), "{why}");
        assert!(why.to_string().contains("realm R") && why.to_string().contains("/etc/krb5.conf"), "{why}");
    };
    check(vec![closed_port().await], "refused").await;
    check(vec![centre(vec![0x7f, 0xff, 0xff, 0xff]).await], "announces an answer of 2147483647 bytes").await;
    check(vec![centre(vec![0, 0, 0, 9, 1]).await], "eof").await;
    check(vec![centre(with_len(&error(29))).await, closed_port().await], "it can't be asked now; 127").await;
    let alone = Krb5Conf::parse("[libdefaults]\ndns_lookup_kdc = false");
    let why = Centres::new(alone, "/etc/krb5.conf".to_owned()).ask("R", b"").await.expect_err("no centre");
    assert!(
        matches!(&why, NoTicket::Refused(text) if text.contains("kdc under [realms] in /etc/krb5.conf; DNS is not asked")),
        "{why}"
    );
}

#[tokio::test]
async fn realms_without_a_centre_are_looked_up() {
    let dir = tempfile::tempdir().expect("a directory");
    let servers = dir.path().join("resolv.conf");
    let nobody = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let address = nobody.local_addr().expect("an address");
    std::fs::write(&servers, format!("nameserver {address}\n")).expect("a file");
    drop(nobody);
    let mut all = centres(&[]);
    all.name_servers = servers;
    let why = all.ask("R", b"").await.expect_err("no server");
    assert!(matches!(&why, NoTicket::Failed(text) if text.contains(&address.to_string())), "{why}");
    assert!(why.to_string().contains("realm R") && why.to_string().contains("/etc/krb5.conf"), "{why}");
}

#[tokio::test]
async fn centres_that_are_silent_are_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = silent.local_addr().expect("an address").port();
    let good = centre(with_len(b"an answer")).await;
    let both = centres(&[port, good]).with_timeout(Duration::from_millis(200));
    assert_eq!(both.ask("R", b"a question").await, Ok(b"an answer".to_vec()));
    let alone = centres(&[port]).with_timeout(Duration::from_millis(20));
    let why = alone.ask("R", b"a question").await.expect_err("silence").to_string();
    assert!(why.contains("no answer within 20 ms"), "{why}");
}

fn data(bytes: &[u8]) -> Vec<u8> {
    [(bytes.len() as u32).to_be_bytes().as_slice(), bytes].concat()
}

/// A cache with a ticket of alice@R for asking for others, as `kinit` writes it. Times are seconds from now.
fn cache(end_s: i64, renew_s: i64) -> Vec<u8> {
    let now_s =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("now").as_secs() as i64;
    let time = |from_now_s: i64| ((now_s + from_now_s) as u32).to_be_bytes();
    let name = |parts: &[&str]| {
        let mut out = [[0, 0, 0, 1], (parts.len() as u32).to_be_bytes()].concat();
        out.extend(data(b"R"));
        parts.iter().for_each(|part| out.extend(data(part.as_bytes())));
        out
    };
    let alice = name(&["alice"]);
    let mut out = [&[5, 4, 0, 0], alice.as_slice(), &alice, &name(&["krbtgt", "R"]), &[0, 18]].concat();
    out.extend(data(&[7; 32]));
    out.extend([time(-100), time(-100), time(end_s), time(renew_s)].concat());
    // No second user, renewable, no addresses, nothing of authorization.
    out.extend([0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    [out, data(b"ticket"), data(b"")].concat()
}

/// Why there is no ticket for a host, with a cache of these bytes.
async fn without_ticket(bytes: Option<Vec<u8>>, principal: &str, ports: &[u16]) -> NoTicket {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("tickets");
    if let Some(bytes) = bytes {
        std::fs::write(&path, bytes).expect("a file");
    }
    let options = format!("useTicketCache=true ticketCache=\"{}\" {principal}", path.display());
    let mut settings = settings(&[KAFKA], &options, &[NO_FILE]).expect("settings");
    settings.conf = conf(ports);
    let login = Arc::new(KerberosLogin::new(settings).with_timeout(Duration::from_secs(20)));
    login.ticket("host").await.expect_err("no ticket")
}

#[tokio::test]
async fn caches_that_are_of_no_use() {
    let refusing = [centre(with_len(&error(7))).await];
    let check = |why: NoTicket, expect: &str| {
        assert!(matches!(&why, NoTicket::Refused(text) if text.contains(expect)), "{why}");
    };
    check(without_ticket(None, "", &refusing).await, "there is no ticket cache");
    check(without_ticket(Some(b"x".to_vec()), "", &refusing).await, "it is no credential cache");
    check(without_ticket(Some(cache(-5, 900)), "", &refusing).await, "s ago: run kinit");
    let bob = "principal=\"bob@R\"";
    check(without_ticket(Some(cache(600, 900)), bob, &refusing).await, "it is of alice@R, not of bob@R");
    let alice = "principal=\"alice@R\"";
    let why = without_ticket(Some(cache(600, 900)), alice, &refusing).await;
    check(
        why,
        "no ticket for kafka/host@R: the key distribution centre of R says that it does not know the service",
    );
    let closed = [closed_port().await];
    let why = without_ticket(Some(cache(600, 900)), alice, &closed).await;
    assert!(matches!(&why, NoTicket::Failed(text) if text.contains("refused")), "{why}");
}

#[tokio::test]
async fn the_keytab_helps_where_the_cache_does_not() {
    let settings = |options: &str| settings(&[KAFKA], options, &[NO_FILE]).expect("settings");
    let both = "useTicketCache=true ticketCache=\"/nowhere/tickets\" useKeyTab=true keyTab=\"/nowhere/keytab\" principal=\"alice@R\"";
    let why = Arc::new(KerberosLogin::new(settings(both))).ticket("host").await.expect_err("neither");
    assert!(why.to_string().contains("the keytab /nowhere/keytab can't be used"), "{why}");
    let secret = format!("{:?}", KerberosLogin::new(settings(both)));
    assert!(secret.contains("alice"), "{secret}");
}
