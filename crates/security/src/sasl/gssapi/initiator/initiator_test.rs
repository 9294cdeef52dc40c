//! The client against a small key distribution centre and against the acceptor.

use proptest::prelude::*;

use super::small_kdc::SmallKdc;
use super::*;
use crate::sasl::Step;
use crate::sasl::gssapi::crypto::{Key, usage};
use crate::sasl::gssapi::keytab::keytab_test as keytabs;
use crate::sasl::gssapi::messages::EncApRepPart;
use crate::sasl::gssapi::token::{self, Answer, WrapKey};
use crate::sasl::gssapi::{GssapiServer, KerberosService, Keytab, PrincipalName, ShortNamer, writing};

/// 2026-11-22, half past midnight.
const NOW_S: i64 = 1_795_307_400;
const NOW_MS: i64 = NOW_S * 1_000;

fn name(text: &str) -> PrincipalName {
    PrincipalName::parse(text, "").expect("a name")
}

fn key(enctype: Enctype, fill: u8) -> Key {
    Key::new(enctype, &vec![fill; enctype.key_len()]).expect("a key")
}

fn keytab(principal: &str, key: &Key) -> Keytab {
    let entry = keytabs::entry(&name(principal), 2, key.enctype().code() as u16, key.bytes());
    let old = keytabs::entry(&name(principal), 1, key.enctype().code() as u16, &vec![1; key.bytes().len()]);
    let rc4 = keytabs::entry(&name(principal), 2, 23, &[1; 16]);
    Keytab::read(&keytabs::file(&[rc4, old, entry])).expect("a keytab")
}

fn wishes() -> Wishes {
    Wishes::new(&Krb5Conf::default())
}

fn kdc(enctype: Enctype) -> SmallKdc {
    let mut kdc =
        SmallKdc::new("R", &[("alice", &key(enctype, 5)), ("kafka/host", &key(enctype, 42))], NOW_S);
    kdc.session_enctype = enctype;
    kdc
}

/// Asks a centre until there is a ticket.
fn first_ticket(kdc: &mut SmallKdc, keytab: &Keytab, wishes: Wishes) -> Result<Credential, Failure> {
    let mut login = Authentication::new(name("alice@R"), keytab, wishes, "random".to_owned())?;
    let mut next = login.begin(NOW_MS)?;
    loop {
        match next {
            Next::Ask { realm, message } => {
                assert_eq!(realm, "R");
                next = login.answered(&kdc.answer(&message), NOW_MS)?;
            }
            Next::Granted(credential) => return Ok(*credential),
        }
    }
}

fn talk(ticket: &mut ServiceTicket, kdcs: &mut [&mut SmallKdc]) -> Result<Credential, Failure> {
    let mut next = ticket.begin(NOW_MS)?;
    loop {
        match next {
            Next::Ask { realm, message } => {
                let kdc = kdcs.iter_mut().find(|kdc| kdc.realm == realm).expect("a realm that is known");
                next = ticket.answered(&kdc.answer(&message), NOW_MS)?;
            }
            Next::Granted(credential) => return Ok(*credential),
        }
    }
}

fn service_ticket(kdc: &mut SmallKdc, granting: Credential, host: &str) -> Result<Credential, Failure> {
    let mut ticket =
        ServiceTicket::new(granting, "kafka", host, &Krb5Conf::default(), "random 2".to_owned())?;
    talk(&mut ticket, &mut [kdc])
}

fn service(key: &Key) -> KerberosService {
    let namer = ShortNamer::new("R", &["DEFAULT"]).expect("rules");
    KerberosService::new(name("kafka/host@R"), keytab("kafka/host@R", key), namer, 300, Default::default())
}

/// A ticket for the service, of a centre that has given it.
fn ticket(enctype: Enctype) -> Credential {
    let mut kdc = kdc(enctype);
    let granting = first_ticket(&mut kdc, &keytab("alice@R", &key(enctype, 5)), wishes()).expect("a ticket");
    service_ticket(&mut kdc, granting, "HOST").expect("a ticket")
}

#[test]
fn from_a_keytab_to_a_login() {
    for enctype in Enctype::ALL {
        for wants_proof in [true, false] {
            let mut kdc = kdc(enctype);
            kdc.wants_proof = wants_proof;
            let keytab = keytab("alice@R", &key(enctype, 5));
            let granting = first_ticket(&mut kdc, &keytab, wishes()).expect("a ticket");
            assert_eq!((granting.granted_realm(), granting.end_s), (Some("R"), NOW_S + 36_000));
            assert!(!granting.is_renewable(NOW_MS) && granting.is_good(NOW_MS));
            let ticket = service_ticket(&mut kdc, granting, "Host").expect("a ticket");
            assert_eq!((ticket.service.to_string().as_str(), kdc.granted), ("kafka/host@R", 2));
            let service = service(&key(enctype, 42));
            let mut server = GssapiServer::default();
            let mut client = GssapiClient::new(ticket, NOW_MS, "random 3".to_owned());
            let mut challenge = Vec::new();
            let user = loop {
                let token = client.evaluate(&challenge).expect("a token");
                assert!(!client.is_complete(), "the server has the last word");
                match server.evaluate(&token, &service, NOW_MS, "random 4").expect("an answer") {
                    Step::Challenge(next) => challenge = next,
                    Step::Done { user, response, .. } => {
                        assert_eq!(client.evaluate(&response), Ok(Vec::new()));
                        break user;
                    }
                }
            };
            assert_eq!((user.as_str(), client.is_complete()), ("alice", true));
            assert_eq!(client.evaluate(b""), Err(Failure::OutOfOrder));
        }
    }
}

#[test]
fn keys_and_names_that_are_not_the_clients() {
    let enctype = Enctype::Aes256Sha1;
    let check = |keytab: &Keytab, wishes: Wishes, expect: &str| {
        let why = first_ticket(&mut kdc(enctype), keytab, wishes).expect_err(expect);
        assert!(why.to_string().contains(expect), "{why}");
        assert!(!why.is_retriable());
    };
    check(&keytab("bob@R", &key(enctype, 5)), wishes(), "no key of alice@R; it has bob@R");
    check(&Keytab::default(), wishes(), "it has none");
    check(&keytab("alice@R", &key(enctype, 6)), wishes(), "the key of alice@R in the keytab is not the one");
    let only_sha2 = Wishes { enctypes: vec![Enctype::Aes256Sha384], ..wishes() };
    check(&keytab("alice@R", &key(enctype, 5)), only_sha2, "of an encryption type that is served");
    check(&keytab("alice@R", &key(Enctype::Aes128Sha1, 5)), wishes(), "type 23 and version 0");
    let mut nobody = kdc(enctype);
    nobody.keys.remove("alice@R");
    let keytab = keytab("alice@R", &key(enctype, 5));
    let why = first_ticket(&mut nobody, &keytab, wishes()).expect_err("nobody knows her").to_string();
    assert!(
        why.contains("of R gives no ticket") && why.contains("does not know the client's principal"),
        "{why}"
    );
    let mut open = kdc(enctype);
    open.wants_proof = false;
    let other = self::keytab("alice@R", &key(enctype, 6));
    let why = first_ticket(&mut open, &other, wishes()).expect_err("another key");
    assert_eq!(why, Failure::OtherKey { enctype: 18, version: 0 });
}

#[test]
fn services_and_clocks() {
    let enctype = Enctype::Aes128Sha256;
    let mut kdc = kdc(enctype);
    let keytab = keytab("alice@R", &key(enctype, 5));
    let granting = first_ticket(&mut kdc, &keytab, wishes()).expect("a ticket");
    let why = service_ticket(&mut kdc, granting.clone(), "other").expect_err("no such service").to_string();
    assert!(
        why.contains("no ticket for kafka/other@R") && why.contains("sasl.kerberos.service.name"),
        "{why}"
    );
    kdc.now_s = NOW_S + 40_000;
    let why = service_ticket(&mut kdc, granting.clone(), "host").expect_err("too late").to_string();
    assert!(why.contains("error 32") && why.contains("kinit"), "{why}");
    let why = first_ticket(&mut kdc, &keytab, wishes()).expect_err("clocks apart");
    assert_eq!(why, Failure::ClockSkew(40_000));
    kdc.wants_proof = false;
    assert_eq!(first_ticket(&mut kdc, &keytab, wishes()), Err(Failure::ClockSkew(40_000)));
    kdc.now_s = NOW_S - 36_000;
    assert_eq!(first_ticket(&mut kdc, &keytab, wishes()), Err(Failure::ClockSkew(0)), "it ends as it comes");
    let ticket = Credential { service: name("kafka/host@R"), ..granting };
    assert!(service_ticket(&mut kdc, ticket, "host").is_err(), "no ticket for asking for others");
}

#[test]
fn tickets_are_renewed() {
    let enctype = Enctype::Aes256Sha384;
    let mut kdc = kdc(enctype);
    let renewable = Wishes { renew_lifetime_s: Some(604_800), ..wishes() };
    let keytab = keytab("alice@R", &key(enctype, 5));
    let granting = first_ticket(&mut kdc, &keytab, renewable.clone()).expect("a ticket");
    assert_eq!(granting.renew_till_s, Some(NOW_S + 604_800));
    assert!(granting.is_renewable(NOW_MS) && !granting.is_renewable(NOW_MS + 36_000_000));
    kdc.lifetime_s = 50_000;
    let mut renewal = ServiceTicket::renewal(granting.clone(), renewable, "r".to_owned()).expect("a renewal");
    let renewed = talk(&mut renewal, &mut [&mut kdc]).expect("a ticket");
    assert_eq!((renewed.granted_realm(), renewed.end_s), (Some("R"), NOW_S + 50_000));
    assert_ne!(renewed.session_key, granting.session_key);
}

/// A configuration that says which realm the host `far` is of, and over which realms one gets there from R.
fn far_in(realm: Option<&str>, way: &str) -> Krb5Conf {
    let realm = realm.unwrap_or_default();
    let domains = if realm.is_empty() { String::new() } else { format!("far = {realm}\nnowhere = {realm}") };
    Krb5Conf::parse(&format!("[domain_realm]\n{domains}\n[capaths]\nR = {{\n{realm} = {way}\n}}"))
}

#[test]
fn ways_over_realms_that_the_configuration_names() {
    let enctype = Enctype::Aes256Sha1;
    let keytab = keytab("alice@R", &key(enctype, 5));
    let ask = |way: &str| {
        let mut ours = kdc(enctype);
        let mut near = SmallKdc::new("M", &[], NOW_S);
        let mut nearer = SmallKdc::new("N", &[], NOW_S);
        let mut theirs = SmallKdc::new("S", &[("kafka/far", &key(enctype, 42))], NOW_S);
        // R knows M only, M knows N, and N knows S.
        let between = [(&mut ours, "krbtgt/M@R", 71), (&mut nearer, "krbtgt/S@N", 73)];
        between.into_iter().for_each(|(kdc, name, fill)| {
            kdc.keys.insert(name.to_owned(), key(enctype, fill));
        });
        near.keys.insert("krbtgt/M@R".to_owned(), key(enctype, 71));
        near.keys.insert("krbtgt/N@M".to_owned(), key(enctype, 72));
        nearer.keys.insert("krbtgt/N@M".to_owned(), key(enctype, 72));
        theirs.keys.insert("krbtgt/S@N".to_owned(), key(enctype, 73));
        let granting = first_ticket(&mut ours, &keytab, wishes()).expect("a ticket");
        let conf = far_in(Some("S"), way);
        let mut ticket =
            ServiceTicket::new(granting, "kafka", "far", &conf, "r".to_owned()).expect("a question");
        talk(&mut ticket, &mut [&mut ours, &mut near, &mut nearer, &mut theirs])
            .map(|it| it.service.to_string())
    };
    assert_eq!(ask("M N"), Ok("kafka/far@S".to_owned()));
    let direct = ask(".").expect_err("R does not know S").to_string();
    assert!(direct.contains("krbtgt/S@R"), "{direct}");
    let short = ask("M").expect_err("M does not know S").to_string();
    assert!(short.contains("krbtgt/S@M"), "{short}");
}

#[test]
fn services_of_other_realms() {
    let enctype = Enctype::Aes256Sha1;
    let shared = key(enctype, 77);
    let keytab = keytab("alice@R", &key(enctype, 5));
    let both = || {
        let mut ours = kdc(enctype);
        let mut theirs = SmallKdc::new("S", &[("kafka/far", &key(enctype, 42))], NOW_S);
        for kdc in [&mut ours, &mut theirs] {
            kdc.keys.insert("krbtgt/S@R".to_owned(), shared.clone());
            kdc.keys.insert("krbtgt/R@S".to_owned(), shared.clone());
        }
        (ours, theirs)
    };
    let ask = |realm: Option<&str>, refers_to: Option<&str>, back: Option<&str>| {
        let (mut ours, mut theirs) = both();
        (ours.refers_to, theirs.refers_to) = (refers_to.map(str::to_owned), back.map(str::to_owned));
        let granting = first_ticket(&mut ours, &keytab, wishes()).expect("a ticket");
        let host = if back.is_some() { "nowhere" } else { "far" };
        let mut ticket = ServiceTicket::new(granting, "kafka", host, &far_in(realm, ""), "r".to_owned())
            .expect("a question");
        talk(&mut ticket, &mut [&mut ours, &mut theirs]).map(|it| it.service.to_string())
    };
    assert_eq!(ask(Some("S"), None, None), Ok("kafka/far@S".to_owned()), "the configuration knows it");
    assert_eq!(ask(None, Some("S"), None), Ok("kafka/far@S".to_owned()), "the centre knows it");
    assert!(matches!(ask(None, None, None), Err(Failure::UnknownService { .. })));
    assert!(matches!(ask(Some("T"), None, None), Err(Failure::UnknownService { .. })), "no way there");
    assert_eq!(
        ask(None, Some("S"), Some("R")),
        Err(Failure::Way("kafka/nowhere@S".to_owned())),
        "round and round"
    );
}

/// What an acceptor that knows the session key answers.
fn answer(ticket: &Credential, initiated: &[u8], change: impl FnOnce(&mut i64)) -> Vec<u8> {
    let service = service(&key(Enctype::Aes256Sha1, 42));
    let mut server = GssapiServer::default();
    let Ok(Step::Challenge(token)) = server.evaluate(initiated, &service, NOW_MS, "random") else {
        panic!("no answer")
    };
    let Answer::ApRep(message) = token::read_answer(&token) else { panic!("no AP-REP") };
    let cipher = EncApRepPart::encrypted(message).expect("an AP-REP").cipher;
    let plain = ticket.session_key.decrypt(usage::AP_REP, cipher).expect("its key");
    let part = EncApRepPart::read(&plain).expect("an AP-REP");
    let mut time_s = part.time_s;
    change(&mut time_s);
    let authenticator = crate::sasl::gssapi::messages::Authenticator {
        client: ticket.client.clone(),
        checksum: None,
        microsecond: part.microsecond,
        time_s,
        subkey: None,
        sequence: 0,
    };
    // Java's acceptor has no key of its own.
    let plain = writing::enc_ap_rep_part(&authenticator, None, 7);
    let cipher = ticket.session_key.encrypt(usage::AP_REP, &[3; 16], &plain).expect("a cipher");
    token::write_ap_rep(&writing::ap_rep(ticket.session_key.enctype(), &cipher))
}

#[test]
fn acceptors_with_and_without_a_key_of_their_own() {
    let ticket = ticket(Enctype::Aes256Sha1);
    let (token, initiated) = context::initiate(&ticket, NOW_MS, "random").expect("a token");
    let agreed = initiated.answered(&answer(&ticket, &token, |_| {})).expect("a key");
    assert!(!agreed.key.is_acceptors, "the client's");
    let (token, initiated) = context::initiate(&ticket, NOW_MS, "random").expect("a token");
    let late = answer(&ticket, &token, |time_s| *time_s += 1);
    assert_eq!(initiated.answered(&late).map(drop), Err(Failure::Impostor), "an older answer");
}

#[test]
fn servers_that_are_not_believed() {
    let ticket = ticket(Enctype::Aes256Sha1);
    let begun = || {
        let mut client = GssapiClient::new(ticket.clone(), NOW_MS, "random".to_owned());
        let token = client.evaluate(b"").expect("a token");
        (client, token)
    };
    let (mut client, _) = begun();
    assert_eq!(client.evaluate(b"rubbish"), Err(Failure::Token));
    assert_eq!(client.evaluate(b""), Err(Failure::OutOfOrder), "it has ended");
    let (mut client, token) = begun();
    assert_eq!(client.evaluate(&token), Err(Failure::Token), "its own token sent back");
    let (mut client, _) = begun();
    let forged = token::write_ap_rep(&writing::ap_rep(Enctype::Aes256Sha1, &[7; 60]));
    assert_eq!(client.evaluate(&forged), Err(Failure::Impostor));
    let (mut client, _) = begun();
    let mut refused = token::write_ap_rep(&kdc(Enctype::Aes256Sha1).error(41, b""));
    let at = refused.windows(2).position(|pair| pair == [2, 0]).expect("the kind");
    refused[at] = 3;
    assert!(matches!(client.evaluate(&refused), Err(Failure::Broker(error)) if error.code == 41));
}

#[test]
fn offers_of_layers() {
    let ticket = ticket(Enctype::Aes256Sha1);
    let offered = |offer: &[u8]| {
        let mut client = GssapiClient::new(ticket.clone(), NOW_MS, "random".to_owned());
        let token = client.evaluate(b"").expect("a token");
        assert_eq!(client.evaluate(&answer(&ticket, &token, |_| {})), Ok(Vec::new()));
        let key = draw_subkey();
        let offer = key.wrap(offer, 7).expect("a token");
        client.evaluate(&offer).map(|choice| {
            let mut room = Vec::new();
            key.unwrap(&choice, &mut room).expect("a choice").0.to_vec()
        })
    };
    assert_eq!(offered(&[1, 0, 0, 0]), Ok(b"\x01\0\0\0alice@R".to_vec()));
    assert_eq!(offered(&[7, 0xff, 0xff, 0xff]), Ok(b"\x01\0\0\0alice@R".to_vec()), "no layer of three");
    assert_eq!(offered(&[6, 0, 0xff, 0xff]), Err(Failure::SecurityLayer));
    assert_eq!(offered(&[1, 0, 0]), Err(Failure::Wrapped));
}

/// The key that the client has drawn of "random".
fn draw_subkey() -> WrapKey {
    let key = crate::sasl::gssapi::draw::key(Enctype::Aes256Sha1, "random", "subkey").expect("a key");
    WrapKey { key, is_acceptors: false }
}

proptest! {
    /// Whatever is changed, cut or put in between: no other ticket is taken, and nothing breaks.
    #[test]
    fn changed_answers_are_refused(
        at in any::<prop::sample::Index>(), bit in 0..8, cut in any::<prop::sample::Index>(),
        more in prop::collection::vec(any::<u8>(), 1..20), is_first in any::<bool>(),
    ) {
        let enctype = Enctype::Aes256Sha1;
        let mut kdc = kdc(enctype);
        kdc.wants_proof = false;
        let keytab = keytab("alice@R", &key(enctype, 5));
        let granting = first_ticket(&mut kdc, &keytab, wishes()).expect("a ticket");
        let mut login = Authentication::new(name("alice@R"), &keytab, wishes(), "a".to_owned()).expect("a login");
        let mut ticket = ServiceTicket::new(granting, "kafka", "host", &Krb5Conf::default(), "b".to_owned())
            .expect("a question");
        let begun = if is_first { login.begin(NOW_MS) } else { ticket.begin(NOW_MS) };
        let Ok(Next::Ask { message, .. }) = begun else { panic!("a question") };
        let good = kdc.answer(&message);
        let mut changed = good.clone();
        changed[at.index(good.len())] ^= 1_u8 << bit;
        let spliced = [&good[..cut.index(good.len())], &more, &good[at.index(good.len())..]].concat();
        for bad in [&changed, &good[..cut.index(good.len())], &spliced, &more] {
            let answered = if is_first {
                login.clone().answered(bad, NOW_MS)
            } else {
                ticket.clone().answered(bad, NOW_MS)
            };
            // The ticket itself is its service's to check; all that the client relies on is guarded.
            if let Ok(Next::Granted(credential)) = answered {
                prop_assert_eq!(&credential.client, &name("alice@R"));
                let service = if is_first { "krbtgt/R@R" } else { "kafka/host@R" };
                prop_assert_eq!(credential.service.to_string(), service);
            }
            let _ = KdcError::read(bad);
        }
        let answered = if is_first { login.answered(&good, NOW_MS) } else { ticket.answered(&good, NOW_MS) };
        prop_assert!(matches!(answered, Ok(Next::Granted(_))));
    }

    #[test]
    fn any_tokens_of_a_server_are_survived(tokens: Vec<Vec<u8>>) {
        let mut client = GssapiClient::new(ticket(Enctype::Aes128Sha1), NOW_MS, "random".to_owned());
        let mut taken = 0;
        for token in tokens {
            taken += usize::from(client.evaluate(&token).is_ok());
        }
        prop_assert!(taken <= 1 && !client.is_complete(), "but for the first there is nothing to say");
    }
}
