//! Writes random messages by the schema's text alone: a second encoder, to judge the generated one by.

use ottla_protocol::schema::{FieldSpec, MessageSpec};

/// A small generator of numbers, the same on every machine.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() >> 11) as usize % n.max(1)
    }
}

/// A random message of this version.
pub fn write_message(message: &MessageSpec, version: i16, random: &mut Random) -> Vec<u8> {
    let flexible = message.flexible.is_some_and(|f| version >= f);
    let mut out = Vec::new();
    Walk { message, version, flexible }.fields(&message.fields, &mut out, random);
    out
}

struct Walk<'a> {
    message: &'a MessageSpec,
    version: i16,
    flexible: bool,
}

impl Walk<'_> {
    fn fields(&self, fields: &[FieldSpec], out: &mut Vec<u8>, random: &mut Random) {
        let mut tagged: Vec<(u32, Vec<u8>)> = Vec::new();
        for field in fields.iter().filter(|f| f.versions.contains(self.version)) {
            let tag = field.tag.filter(|(_, versions)| self.flexible && versions.contains(self.version));
            match tag {
                None => self.field(field, out, random),
                Some((tag, _)) => {
                    if random.below(2) == 0 {
                        let mut content = Vec::new();
                        self.tagged(field, &mut content, random);
                        tagged.push((tag, content));
                    }
                }
            }
        }
        if self.flexible {
            tagged.sort_by_key(|(tag, _)| *tag);
            uvarint(out, tagged.len() as u32);
            for (tag, content) in tagged {
                uvarint(out, tag);
                uvarint(out, content.len() as u32);
                out.extend(content);
            }
        }
    }

    /// A tagged field is on the wire only when it differs from its default: what is written here always does.
    fn tagged(&self, field: &FieldSpec, out: &mut Vec<u8>, random: &mut Random) {
        if field.array {
            self.length(out, Some(1), true, 4);
            return self.element(field, out, random);
        }
        match field.base.as_str() {
            "bool" => out.push(u8::from(field.default.as_deref() != Some("true"))),
            "int8" => out.push(77),
            "int16" | "uint16" => out.extend(77i16.to_be_bytes()),
            "int32" | "uint32" => out.extend(77i32.to_be_bytes()),
            "int64" => out.extend(77i64.to_be_bytes()),
            "uuid" => out.extend([7; 16]),
            "string" | "bytes" | "records" => {
                self.length(out, Some(2), true, 4);
                out.extend(b"ab");
            }
            _ => {
                if field.nullable.is_some() {
                    out.push(1);
                }
                // A struct whose fields all happen to be at their defaults would not be written: try until it is not.
                let default = self.default_struct(field);
                loop {
                    let mut content = Vec::new();
                    self.fields(self.struct_fields(field), &mut content, random);
                    if content != default {
                        out.extend(content);
                        return;
                    }
                }
            }
        }
    }

    fn default_struct(&self, field: &FieldSpec) -> Vec<u8> {
        let mut out = Vec::new();
        for inner in
            self.struct_fields(field).iter().filter(|f| f.versions.contains(self.version) && f.tag.is_none())
        {
            let number: i64 = inner.default.as_deref().and_then(|d| d.parse().ok()).unwrap_or(0);
            match inner.base.as_str() {
                "int32" => out.extend((number as i32).to_be_bytes()),
                "int64" => out.extend(number.to_be_bytes()),
                "int16" => out.extend((number as i16).to_be_bytes()),
                _ => self.length(&mut out, Some(0), true, 4),
            }
        }
        out.push(0);
        out
    }

    fn field(&self, field: &FieldSpec, out: &mut Vec<u8>, random: &mut Random) {
        let compact = self.flexible && !field.never_flexible;
        let nullable = field.nullable.is_some_and(|v| v.contains(self.version));
        let null = nullable && random.below(3) == 0;
        if field.array {
            let count = if null { None } else { Some(random.below(4)) };
            self.length(out, count, compact, 4);
            for _ in 0..count.unwrap_or(0) {
                self.element(field, out, random);
            }
            return;
        }
        match (field.base.as_str(), null) {
            ("string", true) => self.length(out, None, compact, 2),
            ("bytes" | "records", true) => self.length(out, None, compact, 4),
            (_, null) if nullable && field.is_struct() => {
                out.push(if null { 0xff } else { 1 });
                if !null {
                    self.element(field, out, random);
                }
            }
            _ => self.element(field, out, random),
        }
    }

    fn element(&self, field: &FieldSpec, out: &mut Vec<u8>, random: &mut Random) {
        let compact = self.flexible && !field.never_flexible;
        match field.base.as_str() {
            "bool" => out.push(random.below(2) as u8),
            "int8" => out.push(random.next() as u8),
            "int16" | "uint16" => out.extend((random.next() as i16).to_be_bytes()),
            "int32" | "uint32" => out.extend((random.next() as i32).to_be_bytes()),
            "int64" => out.extend((random.next() as i64).to_be_bytes()),
            "float64" => out.extend((random.below(1000) as f64 / 8.0).to_be_bytes()),
            "uuid" => out.extend((0..16).map(|_| random.next() as u8)),
            "string" => {
                let text =
                    ["", "a", "topic-1", "ünïcödé", "x".repeat(200).as_str()][random.below(5)].to_string();
                self.length(out, Some(text.len()), compact, 2);
                out.extend(text.as_bytes());
            }
            "bytes" | "records" => {
                let len = [0, 1, 7, 300, 2000][random.below(5)];
                self.length(out, Some(len), compact, 4);
                out.extend((0..len).map(|_| random.next() as u8));
            }
            _ => self.fields(self.struct_fields(field), out, random),
        }
    }

    /// A length: `None` is null. `width` is its size in bytes where it is not compact.
    fn length(&self, out: &mut Vec<u8>, len: Option<usize>, compact: bool, width: usize) {
        match (compact, width) {
            (true, _) => uvarint(out, len.map_or(0, |n| n as u32 + 1)),
            (false, 2) => out.extend(len.map_or(-1, |n| n as i16).to_be_bytes()),
            (false, _) => out.extend(len.map_or(-1, |n| n as i32).to_be_bytes()),
        }
    }

    fn struct_fields<'b>(&'b self, field: &'b FieldSpec) -> &'b [FieldSpec] {
        if !field.fields.is_empty() {
            return &field.fields;
        }
        self.message.structs.iter().find(|s| s.name == field.base).map_or(&[], |s| &s.fields)
    }
}

fn uvarint(out: &mut Vec<u8>, mut v: u32) {
    while v >= 0x80 {
        out.push(v as u8 | 0x80);
        v >>= 7;
    }
    out.push(v as u8);
}
