//! Settings to make and to take back.

use std::collections::BTreeMap;

use crate::args::Args;
use crate::connect::read_properties;
use crate::failure::Failure;

/// What `--alter` asks for.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub add: BTreeMap<String, String>,
    pub delete: Vec<String>,
}

impl Changes {
    pub fn new(args: &Args) -> Result<Self, Failure> {
        let mut add = match args.value("add-config-file")? {
            Some(path) => read_properties(path)?,
            None => BTreeMap::new(),
        };
        if let Some(text) = args.value("add-config")? {
            add.extend(pairs(text)?);
        }
        let legal = |c: char| c.is_ascii_alphanumeric() || "$._-".contains(c);
        if let Some(key) = add.keys().find(|key| !key.chars().all(legal)) {
            return Err(Failure::illegal_argument(format!("Invalid character found for config key: {key}")));
        }
        let delete = args.values("delete-config").into_iter().map(|key| key.trim().to_owned()).collect();
        Ok(Self { add, delete })
    }
}

/// `k1=v1,k2=[v1,v2],k3=v3`: commas and equals signs within brackets belong to the value.
pub(super) fn pairs(text: &str) -> Result<Vec<(String, String)>, Failure> {
    let mut pairs = Vec::new();
    for pair in split_outside_brackets(text, ',') {
        let parts = split_outside_brackets(&pair, '=');
        let [key, value] = parts.as_slice() else {
            return Err(Failure::illegal_argument(
                "requirement failed: Invalid entity config: all configs to be added must be in the format \"key=val\" \
                 or  \"key=[val1,val2]\" to group values which contain commas.",
            ));
        };
        pairs.push((key.trim().to_owned(), value.replace(['[', ']'], "").trim().to_owned()));
    }
    Ok(pairs)
}

/// A separator counts when the next bracket after it, if there is one, opens.
fn split_outside_brackets(text: &str, separator: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    for (at, c) in text.char_indices() {
        let rest = text.get(at + c.len_utf8()..).unwrap_or_default();
        let outside = || rest.find(['[', ']']).is_none_or(|next| rest[next..].starts_with('['));
        if c == separator && outside() {
            parts.push(String::new());
        } else if let Some(last) = parts.last_mut() {
            last.push(c);
        }
    }
    // Java's split leaves out what is empty at the end, but for values, where it is a value.
    while separator == ',' && parts.len() > 1 && parts.last().is_some_and(String::is_empty) {
        parts.pop();
    }
    parts
}
