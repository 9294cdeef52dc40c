//! What strangers and issuers of tokens send: messages of OAUTHBEARER, tokens, sets of keys.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use ottla_security::base64::encode_url;
use ottla_security::jwt::validator::{inspect, missing_key};
use ottla_security::jwt::{Jwks, Jwt, UnsecuredValidator, Validator};
use ottla_security::sasl::OAuthClient;
use ottla_security::sasl::oauthbearer::{ClientFirst, Extensions};

const NOW_MS: i64 = 1_800_000_000_000;

static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| Validator {
    audience: Vec::new(),
    issuer: None,
    clock_skew_seconds: 30,
    scope_claim: "scope".to_owned(),
    sub_claim: "sub".to_owned(),
});

/// Keys of every kind. Nobody has their private halves: the numbers are no key's.
static KEYS: LazyLock<Jwks> = LazyLock::new(|| {
    let set = format!(
        r#"{{"keys":[{{"kty":"RSA","kid":"a","n":"{}","e":"AQAB"}},{{"kty":"EC","crv":"P-256","x":"{1}","y":"{1}"}},
           {{"kty":"OKP","crv":"Ed25519","x":"{1}"}}]}}"#,
        encode_url(&[0xc5; 256]),
        encode_url(&[7; 32])
    );
    Jwks::parse(set.as_bytes()).expect("a set")
});

fuzz_target!(|data: &[u8]| {
    let Some((which, bytes)) = data.split_first() else { return };
    match which % 5 {
        0 => {
            if let Ok(first) = ClientFirst::parse(bytes) {
                let written = first.encode();
                assert_eq!(ClientFirst::parse(&written).as_ref(), Ok(&first), "what is read is written");
            }
            let mut client = OAuthClient::default();
            client.first("a.b.c", &Extensions::new()).expect("a message");
            let taken = client.evaluate(bytes) == Ok(None);
            assert_eq!(taken, bytes.is_empty(), "only nothing is a yes");
        }
        1 => {
            if let Ok(keys) = Jwks::parse(bytes) {
                let _ = missing_key("eyJhbGciOiJFUzI1NiJ9.e30.AA", &keys);
            }
        }
        2 => check(&String::from_utf8_lossy(bytes)),
        // Header, claims and signature as such, so that the fuzzer need not find Base64 first.
        _ => {
            let mut parts = bytes.splitn(3, |byte| *byte == 0);
            let mut part = || encode_url(parts.next().unwrap_or_default());
            let (header, claims, signature) = (part(), part(), part());
            check(&format!("{header}.{claims}.{signature}"));
        }
    }
});

fn check(token: &str) {
    let _ = Jwt::parse(token);
    let _ = missing_key(token, &KEYS);
    assert!(VALIDATOR.validate(token, &KEYS, NOW_MS).is_err(), "nobody has these keys");
    if let Ok(token) = inspect(token, "scope", "sub") {
        assert!(!token.user.is_empty() && token.expires_ms >= 0);
    }
    if let Ok(token) = UnsecuredValidator::default().validate(token, NOW_MS) {
        assert!(!token.user.is_empty() && token.expires_ms > NOW_MS);
    }
}
