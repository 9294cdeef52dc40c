//! Keytabs as the tools write them.

use proptest::prelude::*;

use super::*;

/// An entry's bytes, as `ktutil` writes them: with the long version.
pub fn entry(principal: &PrincipalName, version: u32, enctype: u16, key: &[u8]) -> Vec<u8> {
    let text = |text: &[u8]| [(text.len() as u16).to_be_bytes().as_slice(), text].concat();
    let mut entry = (principal.components.len() as u16).to_be_bytes().to_vec();
    entry.extend(text(principal.realm.as_bytes()));
    principal.components.iter().for_each(|part| entry.extend(text(part.as_bytes())));
    entry.extend(1_u32.to_be_bytes());
    entry.extend(1_795_307_400_u32.to_be_bytes());
    entry.push(version as u8);
    entry.extend(enctype.to_be_bytes());
    entry.extend(text(key));
    entry.extend(version.to_be_bytes());
    [(entry.len() as i32).to_be_bytes().as_slice(), &entry].concat()
}

pub fn file(entries: &[Vec<u8>]) -> Vec<u8> {
    [&[5, 2], entries.concat().as_slice()].concat()
}

fn service() -> PrincipalName {
    PrincipalName::parse("kafka/host@R", "").expect("a name")
}

#[test]
fn entries_holes_and_versions() {
    let long = entry(&service(), 300, 18, &[7; 32]);
    // Without the long version, as older writers have it.
    let mut old = entry(&service(), 3, 17, &[8; 16]);
    old.truncate(old.len() - 4);
    let len = i32::from_be_bytes([old[0], old[1], old[2], old[3]]) - 4;
    old[..4].copy_from_slice(&len.to_be_bytes());
    let hole = [(-5_i32).to_be_bytes().as_slice(), &[1, 2, 3, 4, 5]].concat();
    let rc4 = entry(&service(), 1, 23, &[9; 16]);
    let keytab = Keytab::read(&file(&[long, hole, old, rc4])).expect("a keytab");
    let brief: Vec<_> =
        keytab.of(&service()).map(|entry| (entry.key_version, entry.enctype, entry.key.is_some())).collect();
    assert_eq!(brief, [(300, 18, true), (3, 17, true), (1, 23, false)]);
    let other = PrincipalName::parse("kafka/other@R", "").expect("a name");
    assert_eq!(keytab.of(&other).count(), 0);
    assert!(!format!("{keytab:?}").contains("7, 7"), "no key is shown");
}

#[test]
fn what_is_refused() {
    let check = |bytes: &[u8], expect: KeytabError| assert_eq!(Keytab::read(bytes), Err(expect));
    check(b"", KeytabError::NoKeytab);
    check(b"-----BEGIN", KeytabError::NoKeytab);
    check(&[5, 1, 0], KeytabError::Version(1));
    check(&[5, 2, 0, 0, 1, 0, 0], KeytabError::Broken);
    check(&file(&[entry(&service(), 1, 18, &[7; 31])]), KeytabError::Broken);
    check(&vec![5; BYTES_MAX + 1], KeytabError::Large);
    assert_eq!(Keytab::read(&[5, 2]), Ok(Keytab::default()));
    assert_eq!(Keytab::read(&[5, 2, 0, 0, 0, 0, 9, 9]), Ok(Keytab::default()), "zeros end it");
    assert_eq!(Keytab::read(&[5, 2, 0xff, 0xff, 0xff, 0, 9]), Ok(Keytab::default()));
    assert_eq!(Keytab::read(&[5, 2, 0x80, 0, 0, 0, 9]), Ok(Keytab::default()), "the largest hole");
}

proptest! {
    #[test]
    fn any_bytes_are_survived(mut bytes in prop::collection::vec(any::<u8>(), 0..60), at in any::<prop::sample::Index>()) {
        let good = file(&[entry(&service(), 1, 18, &[7; 32])]);
        let _ = Keytab::read(&good[..at.index(good.len())]);
        let mut changed = good.clone();
        for (n, byte) in bytes.iter().enumerate() {
            let place = at.index(good.len());
            changed[(place + n) % good.len()] ^= byte;
        }
        let _ = Keytab::read(&changed);
        bytes.splice(0..0, [5, 2]);
        let _ = Keytab::read(&bytes);
    }
}
