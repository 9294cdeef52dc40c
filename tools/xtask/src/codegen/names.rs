//! Kafka's names in Rust's spelling.

/// `KRaftVersionRecord` becomes `k_raft_version_record`.
pub fn snake(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (at, c) in chars.iter().enumerate() {
        let before = at.checked_sub(1).map(|b| chars[b]);
        let starts_word = c.is_ascii_uppercase()
            && before.is_some_and(|b| {
                !b.is_ascii_uppercase() || chars.get(at + 1).is_some_and(|n| n.is_ascii_lowercase())
            });
        if starts_word {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

/// A field's name, with `_` behind it where it is a word of Rust.
pub fn field(name: &str) -> String {
    match name {
        "type" | "match" | "move" | "ref" | "use" | "in" | "self" => format!("{name}_"),
        _ => name.to_string(),
    }
}
