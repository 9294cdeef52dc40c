//! What lies in the log: records of the metadata, the quorum and the coordinators.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use ottla_protocol::schema::MessageSpec;

static MESSAGES: LazyLock<Vec<&MessageSpec>> = LazyLock::new(|| {
    let kinds: Vec<_> = ottla_protocol::schema::messages().map(|m| m.kind.as_str()).collect();
    let internal: Vec<_> =
        kinds.into_iter().filter(|kind| !["request", "response", "header"].contains(kind)).collect();
    ottla_fuzz::messages(&internal)
});

fuzz_target!(|data: &[u8]| ottla_fuzz::try_message(&MESSAGES, data));
