//! The error codes of a response, wherever in it they stand.

use std::collections::HashMap;

use super::names;
use super::parse::FieldSpec;

/// A response's structs by name, with whether an error code stands in or below each.
pub struct Carriers(HashMap<String, bool>);

impl Carriers {
    /// Of all structs of a message.
    pub fn of(structs: &[(String, Vec<FieldSpec>)]) -> Self {
        let mut known: HashMap<String, bool> =
            structs.iter().map(|(name, fields)| (name.clone(), fields.iter().any(is_code))).collect();
        // As often as structs are nested: what carries below is known before what carries above.
        while let Some((name, _)) = structs.iter().find(|(name, fields)| {
            !known[name] && fields.iter().any(|f| known.get(&f.base).copied().unwrap_or(false))
        }) {
            known.insert(name.clone(), true);
        }
        Self(known)
    }

    /// Whether a struct has an error code in or below it.
    pub fn has(&self, name: &str) -> bool {
        self.0.get(name).copied().unwrap_or(false)
    }

    /// The function that visits the codes of a struct.
    pub fn visitor(&self, visibility: &str, fields: &[FieldSpec]) -> String {
        let mut out = format!("    {visibility}fn error_codes(&self, visit: &mut impl FnMut(i16)) {{\n");
        for f in fields {
            let name = names::field(&f.name);
            if is_code(f) {
                out += &format!("        visit(self.{name});\n");
            } else if self.has(&f.base) {
                out += &match (f.array, f.nullable.is_some()) {
                    (true, true) => visit_each(&format!("self.{name}.iter().flatten()")),
                    (true, false) => visit_each(&format!("&self.{name}")),
                    (false, true) => {
                        format!(
                            "        if let Some(x) = &self.{name} {{\n            x.error_codes(visit);\n        }}\n"
                        )
                    }
                    (false, false) => format!("        self.{name}.error_codes(visit);\n"),
                };
            }
        }
        out + "    }\n"
    }
}

fn visit_each(elements: &str) -> String {
    format!("        for x in {elements} {{\n            x.error_codes(visit);\n        }}\n")
}

fn is_code(f: &FieldSpec) -> bool {
    f.name == "error_code" && f.base == "int16" && !f.array && f.nullable.is_none()
}

#[cfg(test)]
mod tests {
    use super::super::{emit, parse};

    #[test]
    fn codes_are_found_at_any_depth() {
        let schema = include_str!("../../../../crates/protocol/schema/requests.txt");
        let messages = parse::parse(schema).unwrap();
        let text = |name: &str| emit::message(messages.iter().find(|m| m.name == name).unwrap());
        let produce = text("ProduceResponse");
        assert!(produce.contains("visit(self.error_code);"));
        assert_eq!(produce.matches("x.error_codes(visit)").count(), 2);
        assert!(!text("ProduceRequest").contains("error_codes"));
    }
}
