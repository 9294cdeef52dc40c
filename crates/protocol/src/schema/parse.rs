//! Reads the notation of `schema/*.txt` (described in `schema/README.md`).
//!
//! This file stands alone: the generator (`cargo xtask codegen`) compiles it too, so that a broken
//! generated module can always be made again.

/// One message: a request, a response, a header or a record.
#[derive(Clone, Debug)]
pub struct MessageSpec {
    /// `request`, `response`, `header`, `data`, `metadata`, `coordinator-key` or `coordinator-value`.
    pub kind: String,
    /// Kafka's name of the message.
    pub name: String,
    /// API key or record type, where the message has one.
    pub key: Option<i16>,
    /// Versions that exist.
    pub versions: Versions,
    /// First version with compact encodings and tagged fields.
    pub flexible: Option<i16>,
    /// Whether the newest version is not yet stable.
    pub latest_unstable: bool,
    /// Listeners that serve the request.
    pub listeners: Vec<String>,
    /// Fields in wire order.
    pub fields: Vec<FieldSpec>,
    /// Structs that more than one field uses.
    pub structs: Vec<StructSpec>,
}

/// A struct that more than one field of a message uses.
#[derive(Clone, Debug)]
pub struct StructSpec {
    /// Name of the struct.
    pub name: String,
    /// Fields in wire order.
    pub fields: Vec<FieldSpec>,
}

/// An inclusive range of versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// First version.
    pub low: i16,
    /// Last version.
    pub high: i16,
}

impl Versions {
    /// Whether `version` lies in the range.
    pub fn contains(self, version: i16) -> bool {
        (self.low..=self.high).contains(&version)
    }
}

/// One field of a message or struct.
#[derive(Clone, Debug)]
pub struct FieldSpec {
    /// Name in snake case.
    pub name: String,
    /// Element type: a primitive's or a struct's name.
    pub base: String,
    /// Whether the field is an array of `base`.
    pub array: bool,
    /// Versions in which the field may be null.
    pub nullable: Option<Versions>,
    /// Versions in which the field exists.
    pub versions: Versions,
    /// Tag number and the versions in which the field is tagged.
    pub tag: Option<(u32, Versions)>,
    /// Default as written in the notation.
    pub default: Option<String>,
    /// Whether a sender may drop the value at a version that lacks the field.
    pub ignorable: bool,
    /// The field is never compact, whatever the message's version.
    pub never_flexible: bool,
    /// Fields of the struct declared in place.
    pub fields: Vec<FieldSpec>,
}

impl FieldSpec {
    /// Whether the element type is a struct.
    pub fn is_struct(&self) -> bool {
        self.base.starts_with(|c: char| c.is_ascii_uppercase())
    }
}

/// Parses one schema file.
///
/// # Errors
/// A text naming the line that could not be understood.
pub fn parse(text: &str) -> Result<Vec<MessageSpec>, String> {
    let mut messages: Vec<MessageSpec> = Vec::new();
    let lines: Vec<(usize, &str)> = text
        .lines()
        .map(|l| (l.len() - l.trim_start().len(), l.trim()))
        .filter(|(_, l)| !l.is_empty())
        .collect();
    let mut at = 0;
    while at < lines.len() {
        let mut message = head(lines[at].1)?;
        at += 1;
        while at < lines.len() && lines[at].0 > 0 {
            if let Some(rest) = lines[at].1.strip_prefix("struct ") {
                let name = rest.split_whitespace().next().unwrap_or_default().to_string();
                at += 1;
                let fields = fields(&lines, &mut at, 4, message.versions)?;
                message.structs.push(StructSpec { name, fields });
            } else {
                let more = fields(&lines, &mut at, 2, message.versions)?;
                message.fields.extend(more);
            }
        }
        messages.push(message);
    }
    Ok(messages)
}

fn head(line: &str) -> Result<MessageSpec, String> {
    let mut words = line.split_whitespace();
    let mut next = || words.next().map(str::to_string);
    let kind = next().unwrap_or_default();
    let name = next().ok_or_else(|| format!("no name: {line}"))?;
    let mut message = MessageSpec {
        kind,
        name,
        key: None,
        versions: Versions { low: 0, high: 0 },
        flexible: None,
        latest_unstable: false,
        listeners: Vec::new(),
        fields: Vec::new(),
        structs: Vec::new(),
    };
    while let Some(word) = next() {
        let mut value = || next().ok_or_else(|| format!("{word} without a value: {line}"));
        match word.as_str() {
            "key" => message.key = Some(number(&value()?)?),
            "versions" => message.versions = versions(&value()?, i16::MAX)?,
            "flexible" => message.flexible = Some(versions(&value()?, i16::MAX)?.low),
            "listeners" => message.listeners = value()?.split(',').map(str::to_string).collect(),
            "latest-unstable" => message.latest_unstable = true,
            _ => return Err(format!("unknown word {word}: {line}")),
        }
    }
    Ok(message)
}

fn fields(
    lines: &[(usize, &str)],
    at: &mut usize,
    indent: usize,
    valid: Versions,
) -> Result<Vec<FieldSpec>, String> {
    let mut found = Vec::new();
    while let Some(&(depth, line)) = lines.get(*at) {
        if depth < indent || line.starts_with("struct ") {
            break;
        }
        if depth > indent {
            return Err(format!("indented too far: {line}"));
        }
        let mut field = field(line, valid)?;
        *at += 1;
        field.fields = fields(lines, at, indent + 2, valid)?;
        found.push(field);
    }
    Ok(found)
}

fn field(line: &str, valid: Versions) -> Result<FieldSpec, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (name, kind) = match words.as_slice() {
        [name, kind, ..] => (*name, *kind),
        _ => return Err(format!("no type: {line}")),
    };
    let (array, base) = kind.strip_prefix("[]").map_or((false, kind), |base| (true, base));
    let (base, null) = base.split_once('?').map_or((base, None), |(base, null)| (base, Some(null)));
    let mut field = FieldSpec {
        name: name.to_string(),
        base: base.to_string(),
        array,
        nullable: None,
        versions: valid,
        tag: None,
        default: None,
        ignorable: false,
        never_flexible: false,
        fields: Vec::new(),
    };
    let mut at = 2;
    while let Some(&word) = words.get(at) {
        let value = words.get(at + 1).copied().unwrap_or_default();
        at += 1;
        match word {
            "tag" => {
                let tag: u32 = value.parse().map_err(|_| format!("bad tag: {line}"))?;
                at += 1;
                let mut tagged = field.versions;
                if words.get(at).is_some_and(|w| w.starts_with(|c: char| c.is_ascii_digit())) {
                    tagged = versions(words[at], valid.high)?;
                    at += 1;
                }
                // A field that is tagged from some version on does not exist before it.
                field.versions = tagged;
                field.tag = Some((tag, tagged));
            }
            "=" => {
                field.default = Some(value.to_string());
                at += 1;
            }
            "flexible" => {
                field.never_flexible = value == "none";
                at += 1;
            }
            "ignorable" => field.ignorable = true,
            "key" => {}
            _ if word.starts_with('@') => {}
            _ => field.versions = versions(word, valid.high)?,
        }
    }
    field.nullable = match null {
        None => None,
        Some("") => Some(field.versions),
        Some(range) => Some(versions(range.trim_matches(['(', ')']), valid.high)?),
    };
    Ok(field)
}

fn versions(text: &str, high: i16) -> Result<Versions, String> {
    if let Some(low) = text.strip_suffix('+') {
        return Ok(Versions { low: number(low)?, high });
    }
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    Ok(Versions { low: number(low)?, high: number(high)? })
}

fn number(text: &str) -> Result<i16, String> {
    text.parse().map_err(|_| format!("not a number: {text}"))
}
