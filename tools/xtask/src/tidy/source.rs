//! Just enough of Rust's syntax for rules about text: where code is, where tests begin, where functions end.

/// The text with comments, and what strings and characters hold, turned to spaces. Lines stay where they
/// are, byte for byte.
pub fn code_only(text: &str) -> String {
    let source = text.as_bytes();
    let mut code = source.to_vec();
    let mut at = 0;
    while at < source.len() {
        let end = skip(source, at);
        if end == at {
            at += 1;
            continue;
        }
        for byte in &mut code[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end;
    }
    String::from_utf8(code).unwrap_or_default()
}

/// End of the comment or literal that begins at `at`; `at` itself when none begins there.
fn skip(source: &[u8], at: usize) -> usize {
    let rest = &source[at..];
    if rest.starts_with(b"//") {
        return at + rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
    }
    if rest.starts_with(b"/*") {
        return at + block_comment(rest);
    }
    if rest[0] == b'"' {
        return at + quoted(rest);
    }
    if rest[0] == b'\'' {
        return at + character(rest);
    }
    let inside_word = at > 0 && is_word(source[at - 1]);
    if !inside_word && let Some(length) = raw_string(rest) {
        return at + length;
    }
    if rest[0] >= 0x80 {
        // Identifiers here are ASCII; anything else outside literals would be cut apart otherwise.
        return at + rest.iter().position(|b| *b < 0x80).unwrap_or(rest.len());
    }
    at
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut i) = (0, 0);
    while i < rest.len() {
        if rest[i..].starts_with(b"/*") {
            depth += 1;
            i += 2;
        } else if rest[i..].starts_with(b"*/") {
            depth -= 1;
            i += 2;
            if depth == 0 {
                return i;
            }
        } else {
            i += 1;
        }
    }
    rest.len()
}

fn quoted(rest: &[u8]) -> usize {
    let mut i = 1;
    while i < rest.len() {
        match rest[i] {
            b'\\' => i += 2,
            b'"' => return i + 1,
            _ => i += 1,
        }
    }
    rest.len()
}

/// A character literal; a lifetime is none.
fn character(rest: &[u8]) -> usize {
    match rest.get(1) {
        Some(b'\\') => rest.iter().skip(3).position(|b| *b == b'\'').map_or(rest.len(), |i| i + 4),
        Some(first) => {
            let width = match first {
                0..=0x7f => 1,
                0x80..=0xdf => 2,
                0xe0..=0xef => 3,
                _ => 4,
            };
            if rest.get(1 + width) == Some(&b'\'') { width + 2 } else { 0 }
        }
        None => 0,
    }
}

/// `r"..."`, `r#"..."#`, also with `b` or `c` in front.
fn raw_string(rest: &[u8]) -> Option<usize> {
    let prefix = [&b"br"[..], b"cr", b"r"].into_iter().find(|p| rest.starts_with(p))?.len();
    let hashes = rest[prefix..].iter().take_while(|b| **b == b'#').count();
    if rest.get(prefix + hashes) != Some(&b'"') {
        return None;
    }
    let mut close = vec![b'"'];
    close.resize(hashes + 1, b'#');
    let body = prefix + hashes + 1;
    let found = rest[body..].windows(close.len()).position(|w| w == close);
    Some(found.map_or(rest.len(), |i| body + i + close.len()))
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Number of the line, from 1, on which a byte stands.
pub fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at].iter().filter(|b| **b == b'\n').count() + 1
}

/// Where `word` stands in the code, with no word character before or after it.
pub fn find_words(code: &str, word: &str) -> Vec<usize> {
    let bytes = code.as_bytes();
    let free = |at: Option<&u8>| at.is_none_or(|b| !is_word(*b));
    let last_is_word = word.bytes().last().is_some_and(is_word);
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(|at| {
            let before = at.checked_sub(1).and_then(|i| bytes.get(i));
            free(before) && (!last_is_word || free(bytes.get(at + word.len())))
        })
        .collect()
}

/// End of the block whose `{` is at `open`: the byte after its `}`.
pub fn block_end(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (i, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return i + 1;
                }
            }
            _ => {}
        }
    }
    code.len()
}

/// The code without what stands under `#[cfg(test)]`, turned to spaces.
pub fn without_tests(code: &str) -> String {
    let mut out = code.as_bytes().to_vec();
    for (at, mark) in code.match_indices("#[cfg(test)]") {
        let after = at + mark.len();
        let open = code[after..].find(['{', ';']).map_or(code.len(), |i| after + i);
        let end = if code.as_bytes().get(open) == Some(&b'{') { block_end(code, open) } else { open };
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    }
    String::from_utf8(out).unwrap_or_default()
}

/// One function with a body.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name, without the type it belongs to.
    pub name: String,
    /// Line of its `fn`, from 1.
    pub line: usize,
    /// Lines from `fn` to the closing brace.
    pub lines: usize,
}

/// All functions with a body, nested ones too.
pub fn functions(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    for at in find_words(code, "fn") {
        let rest = &code[at + 2..];
        let name: String =
            rest.trim_start().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        // `fn(` is a type.
        if name.is_empty() {
            continue;
        }
        let Some(open) = body_start(rest).map(|i| at + 2 + i) else { continue };
        let (line, last) = (line_of(code, at), line_of(code, block_end(code, open).saturating_sub(1)));
        found.push(Function { name, line, lines: last - line + 1 });
    }
    found
}

/// Where the `{` of a body is, in the text after `fn`; `None` for a declaration that ends with `;`.
fn body_start(rest: &str) -> Option<usize> {
    let mut depth = 0_i32;
    for (i, byte) in rest.bytes().enumerate() {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'{' if depth == 0 => return Some(i),
            b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_become_spaces() {
        let text =
            "let a = \"x // y\"; // z\nlet b = '\\''; /* a /* b */ c */ let c: &'a str = r#\"un\"safe\"#;";
        let code = code_only(text);
        assert_eq!(code.len(), text.len());
        assert_eq!(
            code.split_whitespace().collect::<Vec<_>>().join(" "),
            "let a = ; let b = ; let c: &'a str = ;"
        );
    }

    #[test]
    fn characters_are_not_lifetimes() {
        assert_eq!(code_only("f('{', 'é', '\\u{7f}', '\\\\') 'a: loop {}").split_whitespace().count(), 8);
        assert!(!code_only("'{' b'}' b\"{\" c\"{\"").contains(['{', '}']));
    }

    #[test]
    fn functions_end_at_their_brace() {
        let code = code_only(
            "trait T { fn no(&self); }\nimpl T for [u8; 3] {\n  fn yes(x: [u8; 2]) {\n    if a { b }\n  }\n}\ntype F = fn(i32);",
        );
        assert_eq!(functions(&code), [Function { name: "yes".into(), line: 3, lines: 3 }]);
    }

    #[test]
    fn tests_are_left_out() {
        let code = "use a;\n#[cfg(test)]\nmod tests { use b; fn t() {} }\n#[cfg(test)]\nmod x_test;\nuse c;";
        let left = without_tests(code);
        assert!(left.contains("use a") && left.contains("use c"));
        assert!(!left.contains("use b") && !left.contains("x_test"));
    }

    #[test]
    fn words_stand_alone() {
        assert_eq!(find_words("unsafe_code unsafe not_unsafe", "unsafe"), [12]);
        assert_eq!(find_words("my_rand::x rand::x", "rand::"), [11]);
    }
}
