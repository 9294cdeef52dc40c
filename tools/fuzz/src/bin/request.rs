//! What a stranger sends: any request, response or header in any version.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use ottla_protocol::schema::MessageSpec;

static MESSAGES: LazyLock<Vec<&MessageSpec>> =
    LazyLock::new(|| ottla_fuzz::messages(&["request", "response", "header"]));

fuzz_target!(|data: &[u8]| ottla_fuzz::try_message(&MESSAGES, data));
