//! `ottla`: the one binary.
fn main() {}
