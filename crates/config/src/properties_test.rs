//! What `java.util.Properties` of JDK 17 makes of the same texts.

use super::*;

fn check(text: &str, expect: &[(&str, &str)]) {
    let entries = parse(text).unwrap();
    let entries: Vec<(&str, &str)> = entries.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(entries, expect, "{text:?}");
}

#[test]
fn separators() {
    check("a=b", &[("a", "b")]);
    check("a:b", &[("a", "b")]);
    check("a b", &[("a", "b")]);
    check("a = b c ", &[("a", "b c ")]);
    check("a\t:\x0C b", &[("a", "b")]);
    check("a==b", &[("a", "=b")]);
    check("a : = b", &[("a", "= b")]);
    check("a", &[("a", "")]);
    check("=b", &[("", "b")]);
    check("listeners=PLAINTEXT://:9092", &[("listeners", "PLAINTEXT://:9092")]);
}

#[test]
fn comments_and_blank_lines() {
    check("# a=b\n  ! c=d\n\n \t\ne=f#g", &[("e", "f#g")]);
    check("# not joined \\\na=b", &[("a", "b")]);
    check("a=b\r\nc=d\re=f\n", &[("a", "b"), ("c", "d"), ("e", "f")]);
    check("", &[]);
}

#[test]
fn joined_lines() {
    check("a=b,\\\n    c", &[("a", "b,c")]);
    check("a=b,\\\r\n\tc", &[("a", "b,c")]);
    check("a=b\\\\\nc=d", &[("a", "b\\"), ("c", "d")]);
    check("a=b\\\n#c", &[("a", "b#c")]);
    check("a=b\\\n\nc=d", &[("a", "b"), ("c", "d")]);
    check("a=b\\", &[("a", "b")]);
    check("\\\n#a=b", &[]);
    check("\\\n", &[("", "")]);
    check("\\", &[("", "")]);
}

#[test]
fn escapes() {
    check(r"a\=b=c", &[("a=b", "c")]);
    check(r"a\ b\:c d", &[("a b:c", "d")]);
    check(r"a=\t\n\r\f\\\x", &[("a", "\t\n\r\x0C\\x")]);
    check(r"a=\u00e9\u20AC", &[("a", "é€")]);
    check(r"a=\ud83d\ude00", &[("a", "😀")]);
    check(r"a=\ b", &[("a", " b")]);
}

#[test]
fn a_broken_escape_is_named_with_its_line() {
    let error = parse("a=b\n\nc=\\\n\\u12g4").unwrap_err();
    assert_eq!(error.to_string(), "line 3: Malformed \\uxxxx encoding.");
    assert!(parse("a=\\u123").is_err());
}

#[test]
fn files_in_utf_8_and_in_latin_1() {
    let value = |bytes: &[u8]| parse_bytes(bytes).unwrap()[0].1.clone();
    assert_eq!(value("a=/daté".as_bytes()), "/daté");
    assert_eq!(value(b"a=/dat\xe9"), "/daté");
    assert_eq!(value("\u{feff}a=b".as_bytes()), "b");
}
