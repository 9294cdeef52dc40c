//! Credential caches as `kinit` writes them.

use proptest::prelude::*;

use super::*;

fn data(bytes: &[u8]) -> Vec<u8> {
    [(bytes.len() as u32).to_be_bytes().as_slice(), bytes].concat()
}

fn principal(name: &str) -> Vec<u8> {
    let name = PrincipalName::parse(name, "").expect("a name");
    let mut out = [1_u32.to_be_bytes(), (name.components.len() as u32).to_be_bytes()].concat();
    out.extend(data(name.realm.as_bytes()));
    name.components.iter().for_each(|part| out.extend(data(part.as_bytes())));
    out
}

fn credential(version: u8, service: &str, enctype: u16, key: &[u8], end: u32) -> Vec<u8> {
    credential_from(200, version, service, enctype, key, end)
}

fn credential_from(start: u32, version: u8, service: &str, enctype: u16, key: &[u8], end: u32) -> Vec<u8> {
    let mut out = [principal("alice@R"), principal(service)].concat();
    for _ in 0..if version == 3 { 2 } else { 1 } {
        out.extend(enctype.to_be_bytes());
    }
    out.extend(data(key));
    for time in [100, start, end, 900] {
        out.extend(time.to_be_bytes());
    }
    out.push(0);
    out.extend(0x0080_0000_u32.to_be_bytes());
    // One address and nothing of authorization.
    out.extend([0, 0, 0, 1, 0, 2, 0, 0, 0, 4, 127, 0, 0, 1, 0, 0, 0, 0]);
    [out, data(b"ticket"), data(b"")].concat()
}

fn file(version: u8, credentials: &[Vec<u8>]) -> Vec<u8> {
    let header: &[u8] =
        if version == 4 { &[0, 12, 0, 1, 0, 8, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0] } else { &[] };
    [&[5, version], header, &principal("alice@R"), &credentials.concat()].concat()
}

#[test]
fn tickets_of_both_versions() {
    for version in [3, 4] {
        let note = credential(version, "krb5_ccache_conf_data/x@X-CACHECONF:", 18, &[9; 32], 800);
        let short = credential(version, "krbtgt/R@R", 18, &[7; 32], 300);
        let long = credential(version, "krbtgt/R@R", 17, &[8; 16], 400);
        let other = credential(version, "krbtgt/S@R", 18, &[8; 32], 500);
        let rc4 = credential(version, "krbtgt/R@R", 23, &[8; 16], 900);
        let bytes = file(version, &[note, short, long, other, rc4]);
        let cache = CredentialCache::read(&bytes).expect("a cache");
        assert_eq!((cache.principal.to_string().as_str(), cache.credentials.len()), ("alice@R", 3));
        let ticket = cache.ticket_granting_ticket().expect("a ticket");
        assert_eq!((ticket.end_s, ticket.session_key.bytes()), (400, &[8; 16][..]));
        assert_eq!(
            (ticket.start_s, ticket.renew_till_s, ticket.ticket.as_slice()),
            (200, Some(900), &b"ticket"[..])
        );
        assert!(ticket.is_renewable(300_000) && !ticket.is_renewable(400_000));
        assert!(!format!("{cache:?}").contains("8, 8"), "no key is shown");
    }
}

#[test]
fn what_is_refused() {
    let check = |bytes: &[u8], expect: CacheError| assert_eq!(CredentialCache::read(bytes), Err(expect));
    check(b"", CacheError::NoCache);
    check(b"KCM:", CacheError::NoCache);
    check(&[5, 2, 0], CacheError::Version(2));
    check(&[5, 4, 0, 0], CacheError::Broken);
    check(&vec![5; BYTES_MAX + 1], CacheError::Large);
    let good = file(4, &[credential(4, "krbtgt/R@R", 18, &[7; 32], 300)]);
    check(&good[..good.len() - 1], CacheError::Broken);
    let at_once = file(4, &[credential_from(0, 4, "krbtgt/R@R", 18, &[7; 32], 300)]);
    let cache = CredentialCache::read(&at_once).expect("a cache");
    assert_eq!(cache.ticket_granting_ticket().map(|it| it.start_s), Some(100), "since the login");
    let nothing = CredentialCache::read(&file(4, &[])).expect("an empty cache");
    assert!(nothing.ticket_granting_ticket().is_none());
    let many = [&[5, 3, 0, 0, 0, 1], &[0xff; 4][..], &data(b"R")].concat();
    check(&many, CacheError::Broken);
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..60), at in any::<prop::sample::Index>()) {
        let good = file(4, &[credential(4, "krbtgt/R@R", 18, &[7; 32], 300)]);
        let _ = CredentialCache::read(&good[..at.index(good.len())]);
        let mut changed = good.clone();
        for (n, byte) in bytes.iter().enumerate() {
            let place = (at.index(good.len()) + n) % good.len();
            changed[place] ^= byte;
        }
        let _ = CredentialCache::read(&changed);
        let _ = CredentialCache::read(&[&[5, 3], bytes.as_slice()].concat());
    }
}
