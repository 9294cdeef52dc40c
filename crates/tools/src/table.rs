//! Tables in the layouts of Kafka's tools, or as JSON.

use serde_json::{Map, Value};

use crate::io::Io;
use crate::out;

/// Rows under headings. With `--output json` it becomes an array of objects.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Headings.
    pub headers: Vec<String>,
    /// Rows, each as long as the headings.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub fn new(headers: &[&str]) -> Self {
        Self { headers: headers.iter().map(|&header| header.to_owned()).collect(), rows: Vec::new() }
    }

    /// Appends a row.
    pub fn row<I: IntoIterator<Item = S>, S: Into<String>>(&mut self, cells: I) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// Each column as wide as its longest cell, a tab after each: `ToolsUtils.prettyPrintTable`.
    pub fn print_tabbed(&self, io: &mut Io) {
        if io.json() {
            return io.print_json(&self.to_json());
        }
        let widths = self.widths();
        for row in std::iter::once(&self.headers).chain(&self.rows) {
            let cells: String =
                row.iter().zip(&widths).map(|(cell, &width)| pad(cell, width) + "\t").collect();
            out!(io, "{cells}\n");
        }
    }

    /// Each column at least `minimum` wide, a blank between them and none after the last, left-aligned:
    /// the layout of the group tools. Trailing blanks of the last column are as Kafka's: there are none.
    pub fn print_columns(&self, io: &mut Io) {
        if io.json() {
            return io.print_json(&self.to_json());
        }
        let widths = self.widths();
        for row in std::iter::once(&self.headers).chain(&self.rows) {
            let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, &width)| pad(cell, width)).collect();
            out!(io, "{}\n", cells.join(" "));
        }
    }

    /// Columns: the longest cell or heading of each.
    pub fn widths(&self) -> Vec<usize> {
        let length = |row: &Vec<String>, at: usize| row.get(at).map_or(0, |cell| cell.chars().count());
        (0..self.headers.len())
            .map(|at| self.rows.iter().chain([&self.headers]).map(|row| length(row, at)).max().unwrap_or(0))
            .collect()
    }

    /// An array with an object for each row; numbers become numbers, `-` becomes null.
    pub fn to_json(&self) -> Value {
        let object = |row: &Vec<String>| {
            let cells =
                self.headers.iter().zip(row).map(|(header, cell)| (json_key(header), json_value(cell)));
            Value::Object(cells.collect::<Map<_, _>>())
        };
        Value::Array(self.rows.iter().map(object).collect())
    }
}

/// `CURRENT-OFFSET` and `TransactionalId` become `current_offset` and `transactional_id`.
pub fn json_key(header: &str) -> String {
    let mut key = String::new();
    let mut after_lower = false;
    for c in header.trim_matches(|c: char| !c.is_alphanumeric()).chars() {
        if c.is_alphanumeric() {
            if c.is_uppercase() && after_lower {
                key.push('_');
            }
            after_lower = c.is_lowercase() || c.is_ascii_digit();
            key.extend(c.to_lowercase());
        } else {
            if !key.ends_with('_') {
                key.push('_');
            }
            after_lower = false;
        }
    }
    key
}

fn json_value(cell: &str) -> Value {
    match (cell, cell.parse::<i64>()) {
        ("-", _) => Value::Null,
        ("true", _) => Value::Bool(true),
        ("false", _) => Value::Bool(false),
        (_, Ok(number)) if number.to_string() == cell => Value::from(number),
        _ => Value::from(cell),
    }
}

/// A cell with blanks behind it. Not by `{:width$}`, whose widths end at 65,535: a cell may list all partitions of a
/// member.
pub fn pad(cell: &str, width: usize) -> String {
    let blanks = width.saturating_sub(cell.chars().count());
    format!("{cell}{}", " ".repeat(blanks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_json_are_words_with_underscores() {
        for (header, key) in [
            ("CURRENT-OFFSET", "current_offset"),
            ("TransactionalId", "transactional_id"),
            ("COORDINATOR (ID)", "coordinator_id"),
            ("#MEMBERS", "members"),
        ] {
            assert_eq!(json_key(header), key);
        }
    }

    #[test]
    fn columns_are_as_wide_as_their_cells() {
        let mut table = Table::new(&["A", "LONG"]);
        table.row(["abc", "1"]);
        let (mut io, captured) = Io::captured("");
        table.print_tabbed(&mut io);
        table.print_columns(&mut io);
        assert_eq!(captured.out(), "A  \tLONG\t\nabc\t1   \t\nA   LONG\nabc 1   \n");
    }

    #[test]
    fn cells_may_be_longer_than_widths_of_formats() {
        let long = "é".repeat(70_000);
        let mut table = Table::new(&["A", "B"]);
        table.row([long.as_str(), "1"]);
        let (mut io, captured) = Io::captured("");
        table.print_columns(&mut io);
        assert!(captured.out().ends_with(&format!("{long} 1\n")));
    }
}
