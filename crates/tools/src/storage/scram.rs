//! Credentials of `--add-scram` (Kafka: `ScramParser`, `ScramFormatter`; RFC 5802).

use std::collections::BTreeMap;

use hmac::{Hmac, Mac};
use ottla_protocol::messages::UserScramCredentialRecord;
use ottla_protocol::{Str, base64};
use sha2::{Digest, Sha256, Sha512};

const ITERATIONS_DEFAULT: i32 = 4096;
const ITERATIONS_MIN: i32 = 4096;
const ITERATIONS_MAX: i32 = 16384;

/// A hash function of SCRAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mechanism {
    Sha256,
    Sha512,
}

impl Mechanism {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "SCRAM-SHA-256" => Some(Self::Sha256),
            "SCRAM-SHA-512" => Some(Self::Sha512),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SCRAM_SHA_256",
            Self::Sha512 => "SCRAM_SHA_512",
        }
    }

    fn code(self) -> i8 {
        match self {
            Self::Sha256 => 1,
            Self::Sha512 => 2,
        }
    }

    fn hash(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(bytes).to_vec(),
            Self::Sha512 => Sha512::digest(bytes).to_vec(),
        }
    }

    fn hmac(self, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        fn with<M: Mac + hmac::digest::KeyInit>(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
            // Keys of any length are taken.
            let Ok(mut mac) = <M as Mac>::new_from_slice(key) else { return Vec::new() };
            parts.iter().for_each(|part| mac.update(part));
            mac.finalize().into_bytes().to_vec()
        }
        match self {
            Self::Sha256 => with::<Hmac<Sha256>>(key, parts),
            Self::Sha512 => with::<Hmac<Sha512>>(key, parts),
        }
    }

    /// RFC 5802's `Hi`: PBKDF2 with one block.
    fn salted_password(self, password: &[u8], salt: &[u8], iterations: i32) -> Vec<u8> {
        let mut previous = self.hmac(password, &[salt, &[0, 0, 0, 1]]);
        let mut result = previous.clone();
        for _ in 1..iterations {
            previous = self.hmac(password, &[&previous]);
            result.iter_mut().zip(&previous).for_each(|(all, one)| *all ^= one);
        }
        result
    }
}

/// The record of one argument, such as `SCRAM-SHA-256=[name=alice,password=alice-secret]`; `random` is the salt of
/// those that name none.
///
/// # Errors
/// What is wrong with it, in Kafka's words.
pub fn parse(argument: &str, random: &[u8]) -> Result<UserScramCredentialRecord, String> {
    let argument = argument.trim();
    let (mechanism, config) = argument
        .split_once('=')
        .ok_or_else(|| format!("Failed to find equals sign in SCRAM argument '{argument}'"))?;
    let mechanism = Mechanism::from_name(mechanism)
        .ok_or_else(|| format!("The add-scram mechanism {mechanism} is not supported."))?;
    let config = config.strip_prefix('[').ok_or("Expected configuration string to start with [")?;
    let config = config.strip_suffix(']').ok_or("Expected configuration string to end with ]")?;
    let mut parts = BTreeMap::new();
    for part in config.split(',') {
        let (key, value) =
            part.split_once('=').ok_or_else(|| format!("No equals sign found in SCRAM component: {part}"))?;
        let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        parts.insert(key, unquoted.unwrap_or(value));
    }
    record(mechanism, parts, random)
}

fn record(
    mechanism: Mechanism,
    mut parts: BTreeMap<&str, &str>,
    random: &[u8],
) -> Result<UserScramCredentialRecord, String> {
    let name = parts.remove("name").ok_or("You must supply 'name' to add-scram")?;
    let decode = |what: &str, text: &str| {
        base64::decode_unpadded(text).ok_or_else(|| format!("Failed to decode given {what}: {text}"))
    };
    let given_salt = parts.remove("salt").map(|text| decode("salt", text)).transpose()?;
    let iterations = match parts.remove("iterations") {
        None => ITERATIONS_DEFAULT,
        Some(text) => text.parse().map_err(|_| format!("Failed to parse iterations count: {text}"))?,
    };
    let (password, salted) = (parts.remove("password"), parts.remove("saltedpassword"));
    let given_salted = match (password, salted) {
        (Some(_), _) => None,
        (None, None) => {
            return Err("You must supply one of 'password' or 'saltedpassword' to add-scram".to_owned());
        }
        (None, Some(_)) if given_salt.is_none() => {
            return Err("You must supply 'salt' with 'saltedpassword' to add-scram".to_owned());
        }
        (None, Some(text)) => Some(decode("saltedPassword", text)?),
    };
    // As in Kafka, a salted password beside a password is forgotten.
    if !parts.is_empty() {
        let unknown: Vec<&str> = parts.into_keys().collect();
        return Err(format!("Unknown SCRAM configurations: {}", unknown.join(", ")));
    }
    let bound = match iterations {
        ..ITERATIONS_MIN => Some((">=", ITERATIONS_MIN)),
        _ if iterations > ITERATIONS_MAX => Some(("<=", ITERATIONS_MAX)),
        _ => None,
    };
    if let Some((relation, bound)) = bound {
        return Err(format!(
            "The 'iterations' value must be {relation} {bound} for add-scram using {}",
            mechanism.name()
        ));
    }
    let salt = given_salt.unwrap_or_else(|| random.to_vec());
    let salted = given_salted.unwrap_or_else(|| {
        mechanism.salted_password(password.unwrap_or_default().as_bytes(), &salt, iterations)
    });
    let client_key = mechanism.hmac(&salted, &[b"Client Key"]);
    Ok(UserScramCredentialRecord {
        name: Str::from(name),
        mechanism: mechanism.code(),
        salt: salt.into(),
        stored_key: mechanism.hash(&client_key).into(),
        server_key: mechanism.hmac(&salted, &[b"Server Key"]).into(),
        iterations,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_7677s_example() {
        // Salt, password and iterations of RFC 7677, section 3; its server signature follows from this key.
        let salt = base64::decode_unpadded("W22ZaJ0SNY7soEsUEjb6gQ==").expect("base64");
        let salted = Mechanism::Sha256.salted_password(b"pencil", &salt, 4096);
        let message = "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                       s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,\
                       r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let key = Mechanism::Sha256.hmac(&salted, &[b"Server Key"]);
        let signature = Mechanism::Sha256.hmac(&key, &[message.as_bytes()]);
        assert_eq!(Some(signature), base64::decode_unpadded("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
    }

    #[test]
    fn arguments_and_what_is_wrong_with_them() {
        let check = |argument: &str, expect: &str| {
            let found = parse(argument, b"salt").map(|r| format!("{} {}", r.name, r.iterations));
            assert_eq!(found.unwrap_or_else(|why| why), expect, "{argument}");
        };
        check("SCRAM-SHA-512=[name=alice,password=s]", "alice 4096");
        check("SCRAM-SHA-256=[name=a,iterations=8192,salt=\"N3E=\",saltedpassword=\"YCE=\"]", "a 8192");
        check("x", "Failed to find equals sign in SCRAM argument 'x'");
        check("SCRAM-SHA-1=[]", "The add-scram mechanism SCRAM-SHA-1 is not supported.");
        check("SCRAM-SHA-256=x", "Expected configuration string to start with [");
        check("SCRAM-SHA-256=[x", "Expected configuration string to end with ]");
        check("SCRAM-SHA-256=[x]", "No equals sign found in SCRAM component: x");
        check("SCRAM-SHA-256=[password=x]", "You must supply 'name' to add-scram");
        check("SCRAM-SHA-256=[name=x]", "You must supply one of 'password' or 'saltedpassword' to add-scram");
        check(
            "SCRAM-SHA-256=[name=x,saltedpassword=YCE=]",
            "You must supply 'salt' with 'saltedpassword' to add-scram",
        );
        check("SCRAM-SHA-256=[name=x,password=y,z=1]", "Unknown SCRAM configurations: z");
        check(
            "SCRAM-SHA-256=[name=x,password=y,iterations=16385]",
            "The 'iterations' value must be <= 16384 for add-scram using SCRAM_SHA_256",
        );
        check(
            "SCRAM-SHA-256=[name=x,password=y,iterations=1]",
            "The 'iterations' value must be >= 4096 for add-scram using SCRAM_SHA_256",
        );
    }
}
