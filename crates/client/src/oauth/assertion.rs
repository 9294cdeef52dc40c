//! What a client proves itself by to a token endpoint (RFC 7523): a JWT from a file, or signed here
//! (`AssertionSupplierFactory`, `DefaultAssertionCreator`, `LayeredAssertionJwtTemplate`).

use std::path::PathBuf;

use ottla_config::Password;
use ottla_security::{base64, keystore};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Map, Value};

use super::{TokenError, read_file};
use crate::clock::unix_ms;
use crate::random;

/// Where assertions come from.
#[derive(Debug)]
pub enum Assertion {
    /// `sasl.oauthbearer.assertion.file`
    File(PathBuf),
    /// Signed here.
    Signed(Signer),
}

/// How assertions are signed, and what they say.
#[derive(Debug)]
pub struct Signer {
    /// `sasl.oauthbearer.assertion.algorithm`
    pub algorithm: Algorithm,
    /// `sasl.oauthbearer.assertion.private.key.file`: PEM, PKCS#8.
    pub key_file: PathBuf,
    /// `sasl.oauthbearer.assertion.private.key.passphrase`
    pub passphrase: Option<Password>,
    /// `sasl.oauthbearer.assertion.template.file`: a JSON object with objects `header` and `payload`.
    pub template_file: Option<PathBuf>,
    /// `sasl.oauthbearer.assertion.claim.aud`, `iss` and `sub`, as far as they are set.
    pub claims: Map<String, Value>,
    /// `sasl.oauthbearer.assertion.claim.exp.seconds`
    pub exp_seconds: i64,
    /// `sasl.oauthbearer.assertion.claim.nbf.seconds`
    pub nbf_seconds: i64,
    /// `sasl.oauthbearer.assertion.claim.jti.include`
    pub has_jti: bool,
}

/// How assertions can be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
}

impl Algorithm {
    fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }
}

impl Assertion {
    /// An assertion that is good now.
    ///
    /// # Errors
    /// When a file can't be read or used.
    pub async fn make(&self) -> Result<String, TokenError> {
        match self {
            Self::File(path) => Ok(read_file(path.clone()).await?.trim().to_owned()),
            Self::Signed(signer) => signer.make().await,
        }
    }
}

impl Signer {
    async fn make(&self) -> Result<String, TokenError> {
        let template = match &self.template_file {
            Some(path) => template(&read_file(path.clone()).await?, path)?,
            None => (Map::new(), Map::new()),
        };
        let key = read_file(self.key_file.clone()).await?;
        let jti = self.has_jti.then(|| random::uuid().to_string());
        let signed = self.unsigned(template, unix_ms() / 1_000, jti);
        let signature = self.sign(&key, signed.as_bytes())?;
        Ok(format!("{signed}.{}", base64::encode_url(&signature)))
    }

    /// Header and claims: those that are set, those of the template over them, and over all what belongs to this moment.
    fn unsigned(
        &self,
        template: (Map<String, Value>, Map<String, Value>),
        now: i64,
        jti: Option<String>,
    ) -> String {
        let (mut header, payload) = template;
        header.insert("alg".to_owned(), self.algorithm.name().into());
        header.insert("typ".to_owned(), "JWT".into());
        let mut claims = self.claims.clone();
        claims.extend(payload);
        claims.insert("iat".to_owned(), now.into());
        claims.insert("exp".to_owned(), (now + self.exp_seconds).into());
        claims.insert("nbf".to_owned(), (now - self.nbf_seconds).into());
        if let Some(jti) = jti {
            claims.insert("jti".to_owned(), jti.into());
        }
        let part = |map: Map<String, Value>| base64::encode_url(Value::Object(map).to_string().as_bytes());
        format!("{}.{}", part(header), part(claims))
    }

    fn sign(&self, pem: &str, message: &[u8]) -> Result<Vec<u8>, TokenError> {
        let wrong = |why: String| {
            let file = self.key_file.display();
            let name = self.algorithm.name();
            TokenError::Refused(format!("the private key {file} cannot be used for {name}: {why}"))
        };
        let passphrase = self.passphrase.as_ref().map(|it| it.expose());
        let der = keystore::read_pem_private_key(pem, passphrase).map_err(|why| wrong(why.to_string()))?;
        let random = SystemRandom::new();
        match self.algorithm {
            Algorithm::Rs256 => {
                let key = RsaKeyPair::from_pkcs8(&der).or_else(|_| RsaKeyPair::from_der(&der));
                let key = key.map_err(|why| wrong(why.to_string()))?;
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .map_err(|_| wrong("signing failed".to_owned()))?;
                Ok(signature)
            }
            Algorithm::Es256 => {
                let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der, &random);
                let key = key.map_err(|why| wrong(why.to_string()))?;
                let signature = key.sign(&random, message).map_err(|_| wrong("signing failed".to_owned()))?;
                Ok(signature.as_ref().to_vec())
            }
        }
    }
}

type Template = (Map<String, Value>, Map<String, Value>);

fn template(text: &str, path: &std::path::Path) -> Result<Template, TokenError> {
    let wrong = || {
        let path = path.display();
        TokenError::Refused(format!("{path} is no JSON object with objects \"header\" and \"payload\""))
    };
    let json: Value = serde_json::from_str(text).map_err(|_| wrong())?;
    let object = json.as_object().ok_or_else(wrong)?;
    let part = |name: &str| match object.get(name) {
        None => Ok(Map::new()),
        Some(value) => value.as_object().cloned().ok_or_else(wrong),
    };
    Ok((part("header")?, part("payload")?))
}

#[cfg(test)]
#[path = "assertion_test.rs"]
mod assertion_test;
