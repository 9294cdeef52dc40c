//! Assertions, checked as a token endpoint would.

use ottla_security::jwt::{Jwks, Validator};
use ring::signature::KeyPair;
use serde_json::json;

use super::*;
use crate::clock::unix_ms;

fn pem(der: &[u8]) -> String {
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", base64::encode(der))
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text).expect("written");
    file
}

fn signer(algorithm: Algorithm, key: &tempfile::NamedTempFile) -> Signer {
    let claims = json!({"iss": "me", "aud": "there", "sub": "me"});
    Signer {
        algorithm,
        key_file: key.path().to_owned(),
        passphrase: None,
        template_file: None,
        claims: claims.as_object().expect("an object").clone(),
        exp_seconds: 300,
        nbf_seconds: 60,
        has_jti: false,
    }
}

fn validator() -> Validator {
    Validator {
        audience: vec!["there".into()],
        issuer: Some("me".into()),
        clock_skew_seconds: 0,
        scope_claim: "scope".into(),
        sub_claim: "sub".into(),
    }
}

#[tokio::test]
async fn what_is_signed_here_is_believed_there() {
    let random = SystemRandom::new();
    let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
    let pair =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.as_ref(), &random).expect("the key");
    let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
    let jwk = json!({"kty": "EC", "crv": "P-256", "kid": "k", "x": base64::encode_url(x), "y": base64::encode_url(y)});
    let keys = Jwks::parse(json!({"keys": [jwk]}).to_string().as_bytes()).expect("a set");
    let key = file(&pem(der.as_ref()));
    let template =
        file(r#"{"header":{"kid":"k","alg":"none"},"payload":{"scope":"wide","exp":1,"sub":"other"}}"#);
    let signer = Signer {
        template_file: Some(template.path().to_owned()),
        has_jti: true,
        ..signer(Algorithm::Es256, &key)
    };
    let made = Assertion::Signed(signer).make().await.expect("an assertion");
    let found = validator().validate(&made, &keys, unix_ms()).expect("it is believed");
    assert_eq!((found.user.as_str(), found.scope), ("other", vec!["wide".to_owned()]));
    let lives = found.expires_ms - found.issued_ms.expect("it says so");
    assert_eq!(lives, 300_000);
    // The same from a file that holds it.
    let ready = file(&format!("{made}\n"));
    assert_eq!(Assertion::File(ready.path().to_owned()).make().await, Ok(made));
}

#[tokio::test]
async fn keys_and_templates_that_cannot_be_used() {
    let random = SystemRandom::new();
    let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
    let key = file(&pem(der.as_ref()));
    let why = Assertion::Signed(signer(Algorithm::Rs256, &key)).make().await.expect_err("no RSA").to_string();
    assert!(why.contains("RS256") && why.contains(&*key.path().to_string_lossy()), "{why}");
    let rubbish = file("rubbish");
    let made = Assertion::Signed(signer(Algorithm::Es256, &rubbish)).make().await;
    assert!(matches!(made, Err(TokenError::Refused(_))), "{made:?}");
    for text in ["", "[]", r#"{"header":7}"#] {
        let template = file(text);
        let signer =
            Signer { template_file: Some(template.path().to_owned()), ..signer(Algorithm::Es256, &key) };
        let made = Assertion::Signed(signer).make().await;
        assert!(matches!(made, Err(TokenError::Refused(_))), "{made:?}");
    }
    let gone = Assertion::File("/does/not/exist".into()).make().await;
    assert!(matches!(gone, Err(TokenError::Failed(_))), "{gone:?}");
}
