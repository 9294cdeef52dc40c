//! The vectors of RFC 3962 and RFC 8009, and what changes do to encrypted texts.

use proptest::prelude::*;

use super::*;

fn hex(text: &str) -> Vec<u8> {
    let text: String = text.split_whitespace().collect();
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).expect("hex")).collect()
}

fn key(enctype: Enctype) -> Key {
    let bytes: Vec<u8> = (0..enctype.key_len()).map(|n| n as u8 * 7 + 1).collect();
    Key::new(enctype, &bytes).expect("a key")
}

/// RFC 3962, appendix B: the first lengths of one text.
#[test]
fn stolen_ciphertexts() {
    let aes = Aes::new(b"chicken teriyaki").expect("a key");
    let text = b"I would like the General Gau's Chicken, please, and wonton soup.";
    let check = |len: usize, expect: &str| {
        let cipher = aes.encrypt_cts(&text[..len]).expect("a text");
        assert_eq!(cipher, hex(expect), "{len}");
        assert_eq!(aes.decrypt_cts(&cipher).as_deref(), Some(&text[..len]));
    };
    check(17, "c6353568f2bf8cb4d8a580362da7ff7f 97");
    check(31, "fc00783e0efdb2c1d445d4c8eff7ed22 97687268d6ecccc0c07b25e25ecfe5");
    check(32, "39312523a78662d5be7fcbcc98ebf5a8 97687268d6ecccc0c07b25e25ecfe584");
    check(
        47,
        "97687268d6ecccc0c07b25e25ecfe584 b3fffd940c16a18c1b5549d2f838029e 39312523a78662d5be7fcbcc98ebf5",
    );
    check(
        64,
        "97687268d6ecccc0c07b25e25ecfe584 39312523a78662d5be7fcbcc98ebf5a8 \
         4807efe836ee89a526730dbc2f7bc840 9dad8bbb96c4cdc03bc103e1a194bbd8",
    );
    assert!(aes.encrypt_cts(b"short").is_none() && aes.decrypt_cts(b"short").is_none());
}

/// RFC 3962, appendix B: keys of passwords.
#[test]
fn keys_of_passwords() {
    let check = |iterations: u32, password: &[u8], salt: &[u8], short: &str, long: &str| {
        let mut bytes = [0; 32];
        pbkdf2::pbkdf2_hmac::<Sha1>(password, salt, iterations, &mut bytes[..16]);
        assert_eq!(derive::dk(&bytes[..16], b"kerberos"), Some(hex(short)));
        pbkdf2::pbkdf2_hmac::<Sha1>(password, salt, iterations, &mut bytes);
        assert_eq!(derive::dk(&bytes, b"kerberos"), Some(hex(long)));
    };
    check(
        1,
        b"password",
        b"ATHENA.MIT.EDUraeburn",
        "42263c6e89f4fc28b8df68ee09799f15",
        "fe697b52bc0d3ce14432ba036a92e65bbb52280990a2fa27883998d72af30161",
    );
    check(
        1200,
        b"password",
        b"ATHENA.MIT.EDUraeburn",
        "4c01cd46d632d01e6dbe230a01ed642a",
        "55a6ac740ad17b4846941051e1e8b0a7548d93b0ab30a8bc3ff16280382b8c2a",
    );
}

/// RFC 8009, appendix A: encryption with usage 2, and checksums.
#[test]
fn texts_of_the_newer_types() {
    let short = Key::new(Enctype::Aes128Sha256, &hex("3705D96080C17728A0E800EAB6E0D23C")).expect("a key");
    let check = |key: &Key, confounder: &str, text: &str, expect: &str| {
        let confounder: Confounder = hex(confounder).try_into().expect("16 bytes");
        let cipher = key.encrypt(2, &confounder, &hex(text)).expect("a cipher");
        assert_eq!(cipher, hex(expect));
        assert_eq!(key.decrypt(2, &cipher), Some(hex(text)));
    };
    let empty = "EF85FB890BB8472F4DAB20394DCA781DAD877EDA39D50C870C0D5A0A8E48C718";
    check(&short, "7E5895EAF2672435BAD817F545A37148", "", empty);
    check(
        &short,
        "7BCA285E2FD4130FB55B1A5C83BC5B24",
        "000102030405",
        "84D7F30754ED987BAB0BF3506BEB09CFB55402CEF7E6877CE99E247E52D16ED4421DFDF8976C",
    );
    let text = "000102030405060708090A0B0C0D0E0F1011121314";
    let sum = short.checksum(2, &[&hex(text)]).expect("a checksum");
    assert_eq!(sum, hex("D78367186643D67B411CBA9139FC1DEE"));
    let long = hex("6D404D37FAF79F9DF0D33568D320669800EB4836472EA8A026D16B7182460C52");
    let long = Key::new(Enctype::Aes256Sha384, &long).expect("a key");
    check(
        &long,
        "F764E9FA15C276478B2C7D0C4E5F58E4",
        "",
        "41F53FA5BFE7026D91FAF9BE959195A058707273A96A40F0A01960621AC612748B9BBFBE7EB4CE3C",
    );
    let sum = long.checksum(2, &[&hex("00010203"), &hex(&text[8..])]).expect("a checksum");
    assert_eq!(sum, hex("45EE791567EEFCA37F4AC1E0222DE80D43C3BFA06699672A"));
}

#[test]
fn keys_and_types() {
    for kind in Enctype::ALL {
        assert_eq!(Enctype::from_code(kind.code()), Some(kind));
        assert!(Key::new(kind, &[0; 5]).is_none());
        assert_eq!(format!("{:?}", key(kind)), format!("Key({kind:?})"), "no byte is shown");
    }
    assert_eq!(Enctype::from_code(23), None, "RC4 is not served");
}

proptest! {
    #[test]
    fn what_is_encrypted_is_kept_and_guarded(
        which in 0..4_usize, usage in 0..30_u32, text in prop::collection::vec(any::<u8>(), 0..70),
        at in any::<prop::sample::Index>(), bit in 0..8,
    ) {
        let key = key(Enctype::ALL[which]);
        let mut cipher = key.encrypt(usage, &[9; 16], &text).expect("a cipher");
        prop_assert_eq!(key.decrypt(usage, &cipher), Some(text));
        prop_assert_eq!(key.decrypt(usage + 1, &cipher), None, "another use");
        let cut = at.index(cipher.len());
        prop_assert_eq!(key.decrypt(usage, &cipher[..cut]), None, "cut");
        cipher[cut] ^= 1_u8 << bit;
        prop_assert_eq!(key.decrypt(usage, &cipher), None, "changed");
    }
}
