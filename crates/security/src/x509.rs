//! Names in certificates, as Java writes them (`X500Principal.getName`, RFC 2253): the last part first, and what has no keyword
//! there or is no text of the kinds that Java reads as its bytes.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::der::{Der, oid_text, tag};

/// The two names of a certificate, in DER.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names<'a> {
    /// Who signed it.
    pub issuer: &'a [u8],
    /// Whose it is.
    pub subject: &'a [u8],
}

/// The object identifier of alternative names of an owner, in DER.
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];
/// Of the context, number 3, constructed: where a certificate's extensions stand.
const EXTENSIONS: u8 = 0xa3;
const BOOLEAN: u8 = 0x01;

/// The names of a certificate in DER; `None` when it is none.
pub fn names(certificate: &[u8]) -> Option<Names<'_>> {
    names_and_rest(certificate).map(|(names, _)| names)
}

/// The names, and what follows them.
fn names_and_rest(certificate: &[u8]) -> Option<(Names<'_>, Der<'_>)> {
    let mut fields = Der::new(certificate).inside(tag::SEQUENCE)?.inside(tag::SEQUENCE)?;
    if fields.peek() == Some(tag::CONTEXT_0) {
        fields.value()?;
    }
    fields.expect(tag::INTEGER)?;
    fields.expect(tag::SEQUENCE)?;
    let issuer = fields.expect(tag::SEQUENCE)?;
    fields.expect(tag::SEQUENCE)?;
    let subject = fields.expect(tag::SEQUENCE)?;
    Some((Names { issuer, subject }, fields))
}

/// The alternative names of a certificate's owner, each with its kind's number, such as `[2, localhost]` and `[7, 127.0.0.1]`
/// (`X509Certificate.getSubjectAlternativeNames`). What is no text and no address is given as its bytes.
pub fn alternative_names(certificate: &[u8]) -> Vec<String> {
    let Some(mut names) = alternative_names_der(certificate) else { return Vec::new() };
    let mut texts = Vec::new();
    while let Some((kind, content, _)) = names.value() {
        texts.push(alternative_name(kind & 0x1f, content));
    }
    texts
}

fn alternative_names_der(certificate: &[u8]) -> Option<Der<'_>> {
    let (_, mut fields) = names_and_rest(certificate)?;
    let mut extensions = loop {
        let (kind, content, _) = fields.value()?;
        if kind == EXTENSIONS {
            break Der::new(content).inside(tag::SEQUENCE)?;
        }
    };
    loop {
        let mut extension = extensions.inside(tag::SEQUENCE)?;
        let is_wanted = extension.expect(tag::OID)? == ALTERNATIVE_NAMES;
        if extension.peek() == Some(BOOLEAN) {
            extension.value()?;
        }
        if is_wanted {
            return Der::new(extension.expect(tag::OCTET_STRING)?).inside(tag::SEQUENCE);
        }
    }
}

fn alternative_name(kind: u8, content: &[u8]) -> String {
    let text = match (kind, content.first_chunk::<4>(), content.first_chunk::<16>()) {
        (1 | 2 | 6, ..) => content.iter().map(|byte| char::from(*byte)).collect(),
        (7, Some(v4), _) if content.len() == 4 => Ipv4Addr::from(*v4).to_string(),
        (7, _, Some(v6)) if content.len() == 16 => Ipv6Addr::from(*v6).to_string(),
        _ => format!("#{}", hex(content)),
    };
    format!("[{kind}, {text}]")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The distinguished name of a certificate's owner, such as `CN=alice,OU=Sales,O=Example`; `None` when it is no certificate.
pub fn subject(certificate: &[u8]) -> Option<String> {
    let mut name = Der::new(names(certificate)?.subject);
    let mut parts = Vec::new();
    while !name.is_empty() {
        let mut set = name.inside(tag::SET)?;
        let mut values = Vec::new();
        while !set.is_empty() {
            values.push(attribute(set.inside(tag::SEQUENCE)?)?);
        }
        parts.push(values.join("+"));
    }
    parts.reverse();
    Some(parts.join(","))
}

/// The last common name of a certificate's owner, which is that of the thing itself.
pub fn common_name(certificate: &[u8]) -> Option<String> {
    let mut name = Der::new(names(certificate)?.subject);
    let mut found = None;
    while !name.is_empty() {
        let mut set = name.inside(tag::SET)?;
        while !set.is_empty() {
            let mut pair = set.inside(tag::SEQUENCE)?;
            let oid = oid_text(pair.expect(tag::OID)?)?;
            let (kind, content, _) = pair.value()?;
            if keyword(&oid) == Some("CN") {
                found = text(kind, content).or(found);
            }
        }
    }
    found
}

fn attribute(mut der: Der<'_>) -> Option<String> {
    let oid = oid_text(der.expect(tag::OID)?)?;
    let (kind, content, whole) = der.value()?;
    match (keyword(&oid), text(kind, content)) {
        (Some(keyword), Some(text)) => Some(format!("{keyword}={}", escaped(&text))),
        (keyword, _) => Some(format!("{}=#{}", keyword.unwrap_or(&oid), hex(whole))),
    }
}

fn keyword(oid: &str) -> Option<&'static str> {
    Some(match oid {
        "2.5.4.3" => "CN",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "STREET",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "0.9.2342.19200300.100.1.25" => "DC",
        "0.9.2342.19200300.100.1.1" => "UID",
        _ => return None,
    })
}

/// The text of the string types that Java reads as such: UTF-8, printable, teletex, IA5 (which domain components are of), general,
/// UCS-2.
fn text(kind: u8, content: &[u8]) -> Option<String> {
    match kind {
        0x0c => Some(String::from_utf8_lossy(content).into_owned()),
        0x13 | 0x14 | 0x16 | 0x1b => Some(content.iter().map(|byte| char::from(*byte)).collect()),
        0x1e => {
            let units: Vec<u16> = content
                .chunks_exact(2)
                .map(|pair| pair.iter().fold(0, |unit, byte| unit << 8 | u16::from(*byte)))
                .collect();
            Some(String::from_utf16_lossy(&units))
        }
        _ => None,
    }
}

fn escaped(text: &str) -> String {
    let leading = text.len() - text.trim_start_matches(' ').len();
    let trailing = text.trim_end_matches(' ').len();
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        match c {
            '\0' => out.push_str("\\00"),
            ' ' if at < leading || at >= trailing => out.push_str("\\ "),
            ',' | '=' | '+' | '<' | '>' | '#' | ';' | '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(kind: u8, content: &[u8]) -> Vec<u8> {
        let len = content.len();
        let head =
            if len < 128 { vec![kind, len as u8] } else { vec![kind, 0x82, (len >> 8) as u8, len as u8] };
        [head, content.to_vec()].concat()
    }

    /// A certificate as far as its names.
    fn certificate(parts: &[(&[u8], u8, &str)]) -> Vec<u8> {
        certificate_with(parts, &[])
    }

    /// The same, and what follows the names.
    fn certificate_with(parts: &[(&[u8], u8, &str)], rest: &[u8]) -> Vec<u8> {
        let part = |(oid, kind, text): &(&[u8], u8, &str)| {
            let pair = [value(tag::OID, oid), value(*kind, text.as_bytes())].concat();
            value(tag::SET, &value(tag::SEQUENCE, &pair))
        };
        let name = value(tag::SEQUENCE, &parts.iter().flat_map(part).collect::<Vec<u8>>());
        let empty = value(tag::SEQUENCE, &[]);
        let version = value(tag::CONTEXT_0, &value(tag::INTEGER, &[2]));
        let serial = value(tag::INTEGER, &[1]);
        let fields = [version, serial, empty.clone(), empty.clone(), empty, name, rest.to_vec()].concat();
        value(tag::SEQUENCE, &value(tag::SEQUENCE, &fields))
    }

    #[test]
    fn alternative_names_of_every_kind() {
        let extension = |oid: &[u8], is_critical: bool, content: &[u8]| {
            let critical = if is_critical { value(BOOLEAN, &[0xff]) } else { Vec::new() };
            let parts = [value(tag::OID, oid), critical, value(tag::OCTET_STRING, content)].concat();
            value(tag::SEQUENCE, &parts)
        };
        let names = [
            value(0x82, b"localhost"),
            value(0x87, &[127, 0, 0, 1]),
            value(0x87, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
            value(0x81, b"a@b"),
            value(0x86, b"https://c"),
            value(0xa0, &[4, 1, 0xab]),
            value(0x87, &[1]),
        ];
        let with = |is_critical| {
            let own = extension(ALTERNATIVE_NAMES, is_critical, &value(tag::SEQUENCE, &names.concat()));
            let all = value(tag::SEQUENCE, &[extension(&[0x55, 0x1d, 0x13], true, &[]), own].concat());
            let key = value(tag::SEQUENCE, &[]);
            certificate_with(&[], &[key, value(EXTENSIONS, &all)].concat())
        };
        for is_critical in [false, true] {
            assert_eq!(
                alternative_names(&with(is_critical)),
                [
                    "[2, localhost]",
                    "[7, 127.0.0.1]",
                    "[7, ::1]",
                    "[1, a@b]",
                    "[6, https://c]",
                    "[0, #0401ab]",
                    "[7, #01]"
                ]
            );
        }
        assert_eq!(alternative_names(&certificate(&[])), Vec::<String>::new());
        let whole = with(false);
        for end in 0..whole.len() {
            assert!(alternative_names(&whole[..end]).is_empty(), "cut at {end}");
        }
    }

    #[test]
    fn names_as_java_writes_them() {
        const CN: &[u8] = &[0x55, 4, 3];
        const OU: &[u8] = &[0x55, 4, 11];
        const DC: &[u8] = &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25];
        const EMAIL: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1];
        let check = |parts: &[(&[u8], u8, &str)], expect: &str| {
            assert_eq!(subject(&certificate(parts)).as_deref(), Some(expect));
        };
        check(&[(OU, 0x13, "Sales"), (CN, 0x0c, "J\u{fc}rgen")], "CN=J\u{fc}rgen,OU=Sales");
        check(&[(CN, 0x0c, " a,b=c ")], "CN=\\ a\\,b\\=c\\ ");
        check(&[(CN, 0x0c, "x"), (EMAIL, 0x16, "a@b")], "1.2.840.113549.1.9.1=#1603614062,CN=x");
        check(&[(CN, 0x16, "x")], "CN=x");
        check(&[(DC, 0x16, "com"), (DC, 0x16, "example"), (CN, 0x0c, "al")], "CN=al,DC=example,DC=com");
        check(&[(CN, 0x12, "1")], "CN=#120131");
        check(&[], "");
        for broken in [&b""[..], b"\x30\x03\x30\x01\x02", b"-----BEGIN"] {
            assert_eq!(subject(broken), None);
        }
    }
}
