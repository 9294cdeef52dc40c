//! Kerberos as strangers speak it, and the files of its configuration: nobody gets in whose ticket nobody has made, and no client takes a
//! ticket that no centre has given.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ottla_security::sasl::Step;
use ottla_security::sasl::gssapi::crypto::{Enctype, Key};
use ottla_security::sasl::gssapi::initiator::{
    Authentication, Credential, GssapiClient, KdcError, Next, ServiceTicket, Wishes,
};
use ottla_security::sasl::gssapi::keytab::KeytabEntry;
use ottla_security::sasl::gssapi::messages::{ApReq, Authenticator, EncTicketPart};
use ottla_security::sasl::gssapi::token::WrapKey;
use ottla_security::sasl::gssapi::{
    CredentialCache, GssapiServer, KerberosService, Keytab, Krb5Conf, PrincipalName, ShortNamer,
};

const NOW_MS: i64 = 1_795_307_400_000;

fn name(text: &str) -> PrincipalName {
    PrincipalName::parse(text, "").expect("a name")
}

fn keytab(principal: &PrincipalName) -> Keytab {
    let entry = |kind: Enctype| KeytabEntry {
        principal: principal.clone(),
        key_version: 1,
        enctype: kind.code(),
        key: Key::new(kind, &vec![7; kind.key_len()]),
    };
    Keytab { entries: Enctype::ALL.into_iter().map(entry).collect() }
}

fn service() -> KerberosService {
    let principal = name("kafka/host@R");
    let keytab = keytab(&principal);
    let namer = ShortNamer::new("R", &["DEFAULT"]).expect("rules");
    KerberosService::new(principal, keytab, namer, 300, Default::default())
}

fn granting() -> Credential {
    Credential {
        client: name("alice@R"),
        service: name("krbtgt/R@R"),
        session_key: Key::new(Enctype::Aes128Sha256, &[7; 16]).expect("a key"),
        flags: 0,
        start_s: NOW_MS / 1_000 - 60,
        end_s: NOW_MS / 1_000 + 3_600,
        renew_till_s: None,
        ticket: vec![1, 2, 3],
    }
}

/// A client that hears these bytes of a centre and of a broker.
fn hear(bytes: &[u8]) {
    let wishes = Wishes::new(&Krb5Conf::default());
    let alice = name("alice@R");
    let mut login = Authentication::new(alice.clone(), &keytab(&alice), wishes.clone(), "random".into())
        .expect("a login");
    let mut ticket = ServiceTicket::new(granting(), "kafka", "host", &Krb5Conf::default(), "random".into())
        .expect("a question");
    let mut client = GssapiClient::new(granting(), NOW_MS, "random".into());
    drop((login.begin(NOW_MS), ticket.begin(NOW_MS), client.evaluate(b"")));
    for answer in bytes.split(|byte| *byte == 0xfe) {
        drop(KdcError::read(answer));
        assert!(!matches!(login.answered(answer, NOW_MS), Ok(Next::Granted(_))), "nobody gave a ticket");
        assert!(!matches!(ticket.answered(answer, NOW_MS), Ok(Next::Granted(_))), "nobody gave a ticket");
        drop(client.evaluate(answer));
        assert!(!client.is_complete(), "no broker has taken the ticket");
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((which, bytes)) = data.split_first() else { return };
    match which % 10 {
        0 => drop(Keytab::read(bytes)),
        1 => drop(Krb5Conf::parse(&String::from_utf8_lossy(bytes))),
        2 => drop(ApReq::read(bytes)),
        3 => drop(EncTicketPart::read(bytes)),
        4 => drop(Authenticator::read(bytes)),
        5 => {
            let key = Key::new(Enctype::Aes256Sha1, &[7; 32]).expect("a key");
            let mut room = Vec::new();
            assert!(WrapKey { key: key.clone(), is_acceptors: false }.unwrap(bytes, &mut room).is_err());
            assert!(key.decrypt(24, bytes).is_none());
        }
        6 => drop(CredentialCache::read(bytes)),
        7 => hear(bytes),
        8 => {
            let Ok(text) = std::str::from_utf8(bytes) else { return };
            let (rule, name) = text.split_once('\n').unwrap_or((text, "alice@R"));
            let namer = ShortNamer::new("R", &[rule]);
            if let (Ok(namer), Some(name)) = (namer, PrincipalName::parse(name, "R"))
                && let Ok(user) = namer.short_name(&name)
            {
                assert!(!user.contains(['/', '@']));
            }
        }
        _ => {
            let (service, mut server) = (service(), GssapiServer::default());
            for token in bytes.split(|byte| *byte == 0xfe) {
                let step = server.evaluate(token, &service, NOW_MS, "random");
                assert!(!matches!(step, Ok(Step::Done { .. })), "nobody is let in");
            }
        }
    }
});
