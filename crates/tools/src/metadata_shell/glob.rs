//! Patterns in paths (Kafka: `GlobVisitor`, `GlobComponent`): `*`, `?`, `{a,b}` and backslashes.

use super::node::Node;

/// A node that a pattern has found.
#[derive(Clone, Debug)]
pub struct Found<'i> {
    /// The names on the way to it.
    pub path: Vec<String>,
    /// It.
    pub node: Node<'i>,
}

impl Found<'_> {
    /// Its last name; `/` for the root.
    pub fn last_name(&self) -> &str {
        self.path.last().map_or("/", String::as_str)
    }

    /// From the root.
    pub fn absolute(&self) -> String {
        format!("/{}", self.path.join("/"))
    }
}

/// All nodes that a pattern finds, from `working_directory` on unless it begins with a slash.
pub fn find<'i>(root: &Node<'i>, working_directory: &str, pattern: &str) -> Vec<Found<'i>> {
    let full = match pattern.starts_with('/') {
        true => pattern.to_owned(),
        false => format!("{working_directory}/{pattern}"),
    };
    let mut components: Vec<&str> = Vec::new();
    for component in full.split('/').filter(|component| !component.is_empty()) {
        match component {
            "." => {}
            ".." => _ = components.pop(),
            other => components.push(other),
        }
    }
    let mut found = vec![Found { path: Vec::new(), node: root.clone() }];
    for component in components {
        let pattern = Component::new(component);
        found = found.into_iter().flat_map(|parent| pattern.children(&parent)).collect();
    }
    found
}

enum Component<'c> {
    Literal(&'c str),
    Pattern(regex_lite::Regex),
}

impl<'c> Component<'c> {
    /// A pattern that makes no sense is taken literally.
    fn new(text: &'c str) -> Self {
        let pattern = to_regular_expression(text).and_then(|text| regex_lite::Regex::new(&text).ok());
        pattern.map_or(Self::Literal(text), Self::Pattern)
    }

    fn children<'i>(&self, parent: &Found<'i>) -> Vec<Found<'i>> {
        let child = |name: &str| {
            let node = parent.node.child(name)?;
            let mut path = parent.path.clone();
            path.push(name.to_owned());
            Some(Found { path, node })
        };
        match self {
            Self::Literal(name) => child(name).into_iter().collect(),
            Self::Pattern(pattern) => {
                let names = parent.node.names();
                names.iter().filter(|name| pattern.is_match(name)).filter_map(|name| child(name)).collect()
            }
        }
    }
}

/// The regular expression of a pattern; none when it stands for itself only, or is malformed.
fn to_regular_expression(glob: &str) -> Option<String> {
    let mut out = String::from("^");
    let (mut is_pattern, mut in_group) = (false, false);
    let mut letters = glob.chars();
    while let Some(c) = letters.next() {
        match c {
            '?' => out.push('.'),
            '*' => out.push_str(".*"),
            '\\' => match letters.next() {
                None => out.push_str("\\\\"),
                Some(next) => out.push_str(&regex_lite::escape(&next.to_string())),
            },
            '{' if in_group => return None,
            '{' => {
                out.push_str("(?:(?:");
                in_group = true;
            }
            ',' if in_group => out.push_str(")|(?:"),
            '}' if in_group => {
                out.push_str("))");
                in_group = false;
            }
            other => {
                out.push_str(&regex_lite::escape(&other.to_string()));
                continue;
            }
        }
        is_pattern |= c != '\\';
    }
    out.push('$');
    (is_pattern && !in_group).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cases of Kafka's `GlobComponentTest`.
    #[test]
    fn patterns() {
        let check = |glob: &str, name: &str, expect: bool| {
            let matches = match Component::new(glob) {
                Component::Literal(text) => text == name,
                Component::Pattern(pattern) => pattern.is_match(name),
            };
            assert_eq!(matches, expect, "{glob} {name}");
        };
        check("*", "", true);
        check("*", "anything", true);
        check("b?b", "bob", true);
        check("b?b", "boob", false);
        check("{bob,jim}", "bob", true);
        check("{bob,jim}", "jim", true);
        check("{bob,jim}", "jimbo", false);
        check("*bar{a,b}", "foobara", true);
        check("$blah+", "$blah+", true);
        check("a.b", "axb", false);
        check("a.b*", "axb", false);
        check("{unterminated", "{unterminated", true);
        check("a\\*?", "a*b", true);
        check("x,y*", "x,yz", true);
    }
}
