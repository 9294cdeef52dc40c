//! Tokens, good and bad, signed by keys of the test's own.

use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512,
    RsaEncoding, RsaKeyPair,
};
use serde_json::{Value, json};

use super::jwks::InvalidJwks;
use super::validator::{InvalidJwt, inspect, missing_key};
use super::*;
use crate::base64::encode_url;
use crate::jaas;

const NOW: i64 = 1_800_000_000;

fn rsa() -> RsaKeyPair {
    RsaKeyPair::from_pkcs8(include_bytes!("../../tests/tokens/rsa.pk8")).expect("the key")
}

fn rsa_jwk(more: Value) -> Value {
    let public: PublicKeyComponents<Vec<u8>> = PublicKeyComponents::from(rsa().public());
    merged(json!({"kty": "RSA", "n": encode_url(&public.n), "e": encode_url(&public.e)}), more)
}

fn merged(mut value: Value, more: Value) -> Value {
    let (Some(into), Value::Object(more)) = (value.as_object_mut(), more) else { panic!("objects") };
    into.extend(more);
    value
}

fn jwks(keys: &[Value]) -> Jwks {
    Jwks::parse(json!({ "keys": keys }).to_string().as_bytes()).expect("a set")
}

fn token(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let part = |value: &Value| encode_url(value.to_string().as_bytes());
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = encode_url(&sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

fn sign_rsa(encoding: &'static dyn RsaEncoding) -> impl FnOnce(&[u8]) -> Vec<u8> {
    move |message| {
        let key = rsa();
        let mut signature = vec![0; key.public().modulus_len()];
        key.sign(encoding, &SystemRandom::new(), message, &mut signature).expect("a signature");
        signature
    }
}

fn claims(more: Value) -> Value {
    merged(json!({"sub": "alice", "iat": NOW - 10, "exp": NOW + 100}), more)
}

fn validator() -> Validator {
    Validator {
        audience: Vec::new(),
        issuer: None,
        clock_skew_seconds: 30,
        scope_claim: "scope".into(),
        sub_claim: "sub".into(),
    }
}

fn validate(token: &str, keys: &Jwks) -> Result<crate::sasl::Token, InvalidJwt> {
    validator().validate(token, keys, NOW * 1_000)
}

fn rs256(claims: &Value) -> String {
    token(&json!({"alg": "RS256", "kid": "a"}), claims, sign_rsa(&RSA_PKCS1_SHA256))
}

#[test]
fn every_algorithm() {
    let keys = jwks(&[rsa_jwk(json!({"kid": "a", "use": "sig"}))]);
    let rsa: [(&str, &'static dyn RsaEncoding); 6] = [
        ("RS256", &RSA_PKCS1_SHA256),
        ("RS384", &RSA_PKCS1_SHA384),
        ("RS512", &RSA_PKCS1_SHA512),
        ("PS256", &RSA_PSS_SHA256),
        ("PS384", &RSA_PSS_SHA384),
        ("PS512", &RSA_PSS_SHA512),
    ];
    for (name, encoding) in rsa {
        let good = token(&json!({"alg": name, "kid": "a"}), &claims(json!({})), sign_rsa(encoding));
        assert_eq!(validate(&good, &keys).map(|it| it.user), Ok("alice".into()), "{name}");
        let other = if name == "RS256" { "RS384" } else { "RS256" };
        let lies = token(&json!({"alg": other, "kid": "a"}), &claims(json!({})), sign_rsa(encoding));
        assert_eq!(validate(&lies, &keys), Err(InvalidJwt::Signature), "{name} as {other}");
    }
    let random = SystemRandom::new();
    for (name, curve, signing, size) in [
        ("ES256", "P-256", &ECDSA_P256_SHA256_FIXED_SIGNING, 32),
        ("ES384", "P-384", &ECDSA_P384_SHA384_FIXED_SIGNING, 48),
    ] {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(signing, &random).expect("a key");
        let key = EcdsaKeyPair::from_pkcs8(signing, pkcs8.as_ref(), &random).expect("the key");
        let (x, y) = key.public_key().as_ref()[1..].split_at(size);
        let jwk = json!({"kty": "EC", "crv": curve, "x": encode_url(x), "y": encode_url(y)});
        let sign = |message: &[u8]| key.sign(&random, message).expect("a signature").as_ref().to_vec();
        let good = token(&json!({"alg": name}), &claims(json!({})), sign);
        assert_eq!(validate(&good, &jwks(&[jwk])).map(|it| it.user), Ok("alice".into()), "{name}");
        assert_eq!(validate(&good, &keys), Err(InvalidJwt::NoKey(None)), "RSA is not {name}");
    }
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&random).expect("a key");
    let key = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).expect("the key");
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": encode_url(key.public_key().as_ref())});
    let good =
        token(&json!({"alg": "EdDSA"}), &claims(json!({})), |message| key.sign(message).as_ref().to_vec());
    assert!(validate(&good, &jwks(&[jwk])).is_ok());
}

#[test]
fn algorithms_are_not_confused() {
    let keys = jwks(&[rsa_jwk(json!({"kid": "a"}))]);
    let public: PublicKeyComponents<Vec<u8>> = PublicKeyComponents::from(rsa().public());
    // The public key as the secret of a symmetric signature, the classic trick.
    let hmac = |message: &[u8]| crate::sasl::HashFunction::Sha256.hmac(&public.n, message);
    let tricks = [
        token(&json!({"alg": "HS256", "kid": "a"}), &claims(json!({})), hmac),
        token(&json!({"alg": "none", "kid": "a"}), &claims(json!({})), |_| b"x".to_vec()),
        token(&json!({"alg": "NONE", "kid": "a"}), &claims(json!({})), |_| b"x".to_vec()),
        token(&json!({"alg": "rs256", "kid": "a"}), &claims(json!({})), sign_rsa(&RSA_PKCS1_SHA256)),
    ];
    for trick in &tricks {
        assert_eq!(validate(trick, &keys), Err(InvalidJwt::Algorithm));
        assert_eq!(missing_key(trick, &Jwks::default()), None, "no key would help");
    }
    let secret = jwks(&[json!({"kty": "oct", "kid": "a", "k": encode_url(b"secret")})]);
    assert!(secret.is_empty());
    let header = json!({"alg": "RS256", "kid": "a"});
    let unsigned = token(&header, &claims(json!({})), |_| Vec::new());
    assert_eq!(validate(&unsigned, &keys), Err(InvalidJwt::Malformed(Malformed::Sections)));
    let zeros = token(&header, &claims(json!({})), |_| vec![0; 256]);
    assert_eq!(validate(&zeros, &keys), Err(InvalidJwt::Signature));
    let own_key =
        json!({"alg": "RS256", "kid": "a", "jwk": rsa_jwk(json!({})), "x5c": ["x"], "jku": "http://x"});
    let own_key = token(&own_key, &claims(json!({})), sign_rsa(&RSA_PKCS1_SHA256));
    assert_eq!(validate(&own_key, &Jwks::default()), Err(InvalidJwt::NoKey(Some("a".into()))));
    let critical = json!({"alg": "RS256", "kid": "a", "crit": ["b64"], "b64": false});
    let critical = token(&critical, &claims(json!({})), sign_rsa(&RSA_PKCS1_SHA256));
    assert_eq!(validate(&critical, &keys), Err(InvalidJwt::Malformed(Malformed::Critical)));
}

#[test]
fn which_key() {
    let good = rs256(&claims(json!({})));
    let check = |keys: &[Value], expect: Result<(), InvalidJwt>| {
        assert_eq!(validate(&good, &jwks(keys)).map(|_| ()), expect, "{keys:?}");
    };
    let none = || Err(InvalidJwt::NoKey(Some("a".into())));
    let mut other = rsa_jwk(json!({"kid": "a", "alg": "PS256"}));
    other["n"] = json!(encode_url(&[0xff; 256]));
    check(&[rsa_jwk(json!({"kid": "a"}))], Ok(()));
    check(&[other.clone(), rsa_jwk(json!({"kid": "a", "alg": "RS256"}))], Ok(()));
    check(&[other], none());
    check(&[rsa_jwk(json!({"kid": "b"}))], none());
    check(&[rsa_jwk(json!({}))], none());
    check(&[rsa_jwk(json!({"kid": "a", "use": "enc"}))], none());
    check(&[rsa_jwk(json!({"kid": "a", "key_ops": ["sign"]}))], none());
    check(&[rsa_jwk(json!({"kid": "a", "key_ops": ["verify"]}))], Ok(()));
    check(&[json!(7), json!({"kty": "RSA"}), json!({"kty": "EC", "crv": "P-256"})], none());
    let unnamed = token(&json!({"alg": "RS256"}), &claims(json!({})), sign_rsa(&RSA_PKCS1_SHA256));
    assert!(validate(&unnamed, &jwks(&[rsa_jwk(json!({"kid": "b"}))])).is_ok());
    assert_eq!(missing_key(&unnamed, &Jwks::default()), Some(None));
    assert_eq!(missing_key(&good, &Jwks::default()), Some(Some("a".into())));
    assert_eq!(missing_key(&good, &jwks(&[rsa_jwk(json!({"kid": "a"}))])), None);
    assert_eq!(missing_key("rubbish", &Jwks::default()), None);
    let many = json!({ "keys": vec![json!({}); 1_001] }).to_string();
    assert_eq!(Jwks::parse(many.as_bytes()), Err(InvalidJwks::TooMany));
    for bad in ["", "[]", "{}", "{\"keys\":{}}", "<html>"] {
        assert_eq!(Jwks::parse(bad.as_bytes()), Err(InvalidJwks::Shape), "{bad}");
    }
}

#[test]
fn claims_must_fit() {
    let keys = jwks(&[rsa_jwk(json!({"kid": "a"}))]);
    let check = |more: Value, expect: &str| {
        let found = validate(&rs256(&claims(more.clone())), &keys);
        match (found, expect) {
            (Ok(_), "") => {}
            (Err(InvalidJwt::Claim(why)), expect) if !expect.is_empty() => {
                assert!(why.contains(expect) && !why.contains("hush"), "{why} of {more}");
            }
            (found, expect) => panic!("{found:?} and not {expect:?} of {more}"),
        }
    };
    check(json!({}), "");
    check(json!({"exp": NOW - 29, "iat": NOW - 90}), "");
    check(json!({"exp": NOW - 30, "iat": NOW - 90}), "no longer valid");
    check(json!({"exp": null}), "(exp)");
    check(json!({"exp": "tomorrow"}), "'exp'");
    check(json!({"exp": NOW as f64 + 10.5}), "");
    check(json!({"iat": null}), "(iat)");
    check(json!({"iat": NOW + 50}), "");
    check(json!({"iat": NOW + 150}), "before it begins");
    check(json!({"iat": -1}), "iat value must be non-negative");
    check(json!({"nbf": NOW + 30}), "");
    check(json!({"nbf": NOW + 31}), "not yet valid");
    check(json!({"nbf": NOW + 101}), "before it begins");
    check(json!({"aud": "hush"}), "expected.audience names none");
    check(json!({"aud": 7}), "neither a text nor a list");
    check(json!({"iss": "anybody"}), "");
    check(json!({"iss": 7}), "'iss'");
    check(json!({"sub": null}), "sub value");
    check(json!({"sub": 7}), "'sub'");
    check(json!({"sub": "  "}), "non-empty");
    check(json!({"jti": 7}), "'jti'");
    check(json!({"scope": "a b"}), "");
    check(json!({"scope": ["a", "b"]}), "");
    check(json!({"scope": ["hush", "hush "]}), "duplicates");
    check(json!({"scope": ["a", 7]}), "no text");
    check(json!({"scope": ""}), "non-empty");
    check(json!({"scope": {"a": 1}}), "");
}

#[test]
fn audiences_and_issuers() {
    let keys = jwks(&[rsa_jwk(json!({"kid": "a"}))]);
    let strict = Validator {
        audience: vec!["kafka".into(), "other".into()],
        issuer: Some("https://issuer".into()),
        ..validator()
    };
    let check = |more: Value, is_good: bool| {
        let claims = claims(merged(json!({"aud": "kafka", "iss": "https://issuer"}), more.clone()));
        let found = strict.validate(&rs256(&claims), &keys, NOW * 1_000);
        assert_eq!(found.is_ok(), is_good, "{more}: {found:?}");
    };
    check(json!({}), true);
    check(json!({"aud": ["x", "other"]}), true);
    check(json!({"aud": ["kafka", "other"]}), true);
    check(json!({"aud": ["x", "y"]}), false);
    check(json!({"aud": []}), false);
    check(json!({"aud": null}), false);
    check(json!({"aud": "Kafka"}), false);
    check(json!({"aud": ["kafka", 7]}), false);
    check(json!({"iss": "https://issuer/"}), false);
    check(json!({"iss": null}), false);
    check(json!({"iss": ["https://issuer"]}), false);
    let named = Validator { sub_claim: "client".into(), scope_claim: "scp".into(), ..validator() };
    let claims = claims(json!({"client": " bob ", "scp": ["b", "a"]}));
    let found = named.validate(&rs256(&claims), &keys, NOW * 1_000).expect("a good token");
    let scope = vec!["a".to_owned(), "b".to_owned()];
    let (expires_ms, issued_ms) = ((NOW + 100) * 1_000, Some((NOW - 10) * 1_000));
    assert_eq!(found, crate::sasl::Token { user: "bob".into(), expires_ms, issued_ms, scope });
    assert_eq!(inspect(&rs256(&claims), "scp", "client"), Ok(found));
}

#[test]
fn unsecured_tokens() {
    let entry = |options: &str| jaas::parse_single(&format!("M required {options};")).expect("an entry");
    let now_ms = NOW * 1_000;
    let made = |options: &str| unsecured::issue(&entry(options), now_ms).map_err(|why| why.to_string());
    let options = "unsecuredLoginStringClaim_sub=\"al\\\"ice\" unsecuredLoginListClaim_scope=\",a,b\" \
                   unsecuredLoginNumberClaim_n=\"1.5\" unsecuredLoginLifetimeSeconds=\"60\"";
    let (text, own) = made(options).expect("options").expect("a token");
    assert_eq!((own.user.as_str(), own.expires_ms, own.scope.len()), ("al\"ice", now_ms + 60_000, 2));
    assert_eq!(UnsecuredValidator::default().validate(&text, now_ms), Ok(own.clone()));
    assert!(validate(&text, &jwks(&[rsa_jwk(json!({}))])).is_err(), "and to others it is nothing");
    assert_eq!(made(""), Ok(None));
    for bad in [
        "unsecuredLoginNumberClaim_n=x",
        "unsecuredLoginStringClaim_x=y",
        "unsecuredLoginStringClaim_sub=a unsecuredLoginNumberClaim_exp=\"1\"",
        "unsecuredLoginStringClaim_sub=a unsecuredLoginLifetimeSeconds=hush",
    ] {
        let why = made(bad).expect_err(bad);
        assert!(why.contains("unsecuredLogin") && !why.contains("hush"), "{why}");
    }
    let check = |options: &str, at_ms: i64, expect: Result<(), &str>| {
        let validator = UnsecuredValidator::new(&entry(options)).expect("options");
        let found = validator.validate(&text, at_ms).map(|_| ());
        assert_eq!(found.map_err(|why| why.status), expect, "{options} at {at_ms}");
    };
    check("", now_ms + 59_999, Ok(()));
    check("", now_ms + 60_000, Err("invalid_token"));
    check("unsecuredValidatorAllowableClockSkewMs=\"1000\"", now_ms + 60_999, Ok(()));
    check("", now_ms - 1, Err("invalid_token"));
    check("unsecuredValidatorRequiredScope=\"a b\"", now_ms, Ok(()));
    check("unsecuredValidatorRequiredScope=\"a c\"", now_ms, Err("insufficient_scope"));
    check("unsecuredValidatorPrincipalClaimName=n", now_ms, Err("invalid_token"));
    for bad in ["AllowableClockSkewMs=\"-1\"", "AllowableClockSkewMs=x", "RequiredScope=\"a\\\\b\""] {
        assert!(UnsecuredValidator::new(&entry(&format!("unsecuredValidator{bad}"))).is_err(), "{bad}");
    }
    let signed = rs256(&claims(json!({})));
    assert!(
        UnsecuredValidator::default().validate(&signed, now_ms).is_err(),
        "no signature is believed unseen"
    );
    for broken in ["", ".", "..", "...", "a.b.", &text[1..], &format!("{text}x"), &format!("{text}.")] {
        assert!(UnsecuredValidator::default().validate(broken, now_ms).is_err(), "{broken:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whichever single byte of a token is changed: it is not believed, or says the same.
    #[test]
    fn a_changed_token_is_not_believed(at: prop::sample::Index, to in "[A-Za-z0-9._-]") {
        let keys = jwks(&[rsa_jwk(json!({"kid": "a"}))]);
        let good = rs256(&claims(json!({})));
        let at = at.index(good.len());
        let changed = format!("{}{to}{}", &good[..at], &good[at + 1..]);
        match validate(&changed, &keys) {
            // The last symbol of the signature has bits that belong to no byte.
            Ok(found) => prop_assert!(found.user == "alice" && (changed == good || at == good.len() - 1)),
            Err(why) => prop_assert!(!why.to_string().contains("alice")),
        }
    }

    #[test]
    fn any_text_is_survived(text in ".{0,60}", parts in prop::collection::vec("[A-Za-z0-9_-]{0,8}", 0..5), bytes: Vec<u8>) {
        let keys = jwks(&[rsa_jwk(json!({}))]);
        for token in [text, parts.join(".")] {
            prop_assert!(validate(&token, &keys).is_err());
            let _ = (inspect(&token, "scope", "sub"), missing_key(&token, &keys));
            let _ = UnsecuredValidator::default().validate(&token, 0);
        }
        let _ = Jwks::parse(&bytes);
    }

    /// Whatever stands in a header or in claims, told or not.
    #[test]
    fn any_claims_are_survived(name in "(alg|kid|crit|sub|exp|iat|nbf|aud|iss|scope|jti)", number: f64, kind in 0..6_u8) {
        let value = match kind {
            0 => json!(number),
            1 => json!(number as i64),
            2 => json!([number]),
            3 => json!({"a": number}),
            4 => json!(number.to_string()),
            _ => Value::Null,
        };
        let keys = jwks(&[rsa_jwk(json!({"kid": "a"}))]);
        let header = merged(json!({"alg": "RS256", "kid": "a"}), json!({ name.clone(): value.clone() }));
        let _ = validate(&token(&header, &claims(json!({})), |_| vec![1]), &keys);
        let found = validate(&rs256(&claims(json!({ name: value }))), &keys);
        if let Ok(token) = found {
            prop_assert!(!token.user.is_empty() && token.expires_ms > (NOW - 31) * 1_000);
        }
    }
}
