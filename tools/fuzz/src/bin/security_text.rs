//! Texts of configurations: JAAS, and rules of principals with a name to apply them to.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ottla_security::{PrincipalMapping, base64, jaas};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(entries) = jaas::parse(text) {
        assert!(!entries.is_empty());
    }
    if let Some(bytes) = base64::decode(text) {
        assert!(base64::decode(&base64::encode(&bytes)).as_deref() == Some(bytes.as_slice()));
    }
    let (rules, name) = text.split_once('\n').unwrap_or((text, "CN=alice,OU=a,O=b"));
    if let Ok(mapping) = PrincipalMapping::parse(rules) {
        let _ = mapping.user(name);
    }
});
