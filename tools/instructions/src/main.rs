//! Hot functions, each called some times, for valgrind to count their instructions: `cargo xtask instructions`.
//!
//! Time on a shared machine is noise; the number of instructions is nearly the same on every run, so that a change which makes
//! one of these functions dearer shows at once. It says nothing of caches and of the kernel: that is what
//! `cargo xtask bench` is for.
//!
//! ```text
//! ottla-instructions                the names of all cases
//! ottla-instructions <case>         makes it ready, then calls it CALLS times inside of `measured`
//! ```
//!
//! Callgrind counts only inside of [`measured`], by its name. (The crate gungraun does this too, but wants a second
//! program installed in the very same version.)

mod client;
mod messages;
mod records;
mod security;
mod storage;

use anyhow::{Context, Result};

/// How often a case is called.
const CALLS: usize = 100;

/// A function that is ready to be called.
type Body = Box<dyn FnMut() -> Result<()>>;
/// A name, and how to make it ready.
type Case = (&'static str, fn() -> Result<Body>);

/// All cases.
const CASES: [Case; 21] = [
    ("append 16 x 1 KB", storage::append_batch),
    ("append 16 x 1 KB, beside a reader", storage::append_watched),
    ("append 1 x 1 KB, idempotent", storage::append_idempotent),
    ("read from memory", storage::read_memory),
    ("read from a file", storage::read_file),
    ("validate 16 x 1 KB", records::validate_large),
    ("validate 140 x 100 B", records::validate_small),
    ("validate 64 KB of zstd", records::validate_zstd),
    ("decode Produce, 1 partition", messages::decode_produce_1),
    ("decode Produce, 10 partitions", messages::decode_produce_10),
    ("decode Fetch, 10 partitions", messages::decode_fetch),
    ("encode Produce response, 10 partitions", messages::encode_produce),
    ("encode Fetch response, 10 partitions", messages::encode_fetch),
    ("encode Metadata response, 100 topics", messages::encode_metadata),
    ("allowed before, 1 of 10,000 topics", security::allowed_before),
    ("decide by 1,000 entries, literal", security::decide_literal),
    ("decide by 1,000 entries, prefixed", security::decide_prefixed),
    ("client: send 15 x 1 KB", client::send_large),
    ("client: send 140 x 100 B", client::send_small),
    ("client: read 15 x 1 KB", client::read_large),
    ("client: read 140 x 100 B", client::read_small),
];

fn main() -> Result<()> {
    let Some(name) = std::env::args().nth(1) else {
        CASES.iter().for_each(|(name, _)| println!("{name}"));
        return Ok(());
    };
    let (_, make) = CASES.iter().find(|(case, _)| *case == name).context("no such case")?;
    let mut body = make()?;
    // What happens only once is not the subject.
    body()?;
    measured(&mut *body)?;
    // How many there were, for whoever counts.
    println!("{CALLS}");
    Ok(())
}

/// What is counted.
#[inline(never)]
fn measured(body: &mut dyn FnMut() -> Result<()>) -> Result<()> {
    for _ in 0..CALLS {
        body()?;
    }
    Ok(())
}
