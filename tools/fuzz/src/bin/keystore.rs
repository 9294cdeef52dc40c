//! Key stores: PEM, PKCS#12 and JKS of any content, and certificates' names.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ottla_security::keystore::{StoreType, read_key, read_trusted};
use ottla_security::x509;

fuzz_target!(|data: &[u8]| {
    let Some((which, bytes)) = data.split_first() else { return };
    let kind = match which % 3 {
        0 => StoreType::Pem,
        1 => StoreType::Pkcs12,
        _ => StoreType::Jks,
    };
    if let Ok(entry) = read_key(kind, bytes, Some("changeit"), None) {
        assert!(!entry.certificate_chain.is_empty());
    }
    if let Ok(certificates) = read_trusted(kind, bytes, None) {
        assert!(!certificates.is_empty());
    }
    let _ = x509::subject(bytes);
});
