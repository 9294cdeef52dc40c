//! Names in columns, as wide as the screen allows (Kafka: `LsCommandHandler`).

/// Lines of the names in columns. Without a width, and on a very narrow screen, there is one column.
pub fn lines(names: &[String], width: Option<usize>) -> Vec<String> {
    let per_column = per_column(names, width);
    let widths: Vec<usize> = names
        .chunks(per_column.max(1))
        .map(|column| column.iter().map(|name| name.chars().count() + 2).max().unwrap_or(0))
        .collect();
    (0..per_column.min(names.len()))
        .map(|line| {
            let mut out = String::new();
            for (column, width) in widths.iter().enumerate() {
                let Some(name) = names.get(line + column * per_column) else { break };
                out.push_str(name);
                if column + 1 < widths.len() {
                    out.push_str(&" ".repeat(width.saturating_sub(name.chars().count())));
                }
            }
            out
        })
        .collect()
}

/// How many names a column has: as few as fit.
fn per_column(names: &[String], width: Option<usize>) -> usize {
    let Some(width) = width.filter(|width| *width / 4 > 1) else { return names.len() };
    for columns in (2..=width / 4).rev() {
        let per_column = names.len().div_ceil(columns);
        if per_column == 0 || names.chunks(per_column).count() < columns {
            // The last column would be empty.
            continue;
        }
        let total: usize = names
            .chunks(per_column)
            .map(|column| column.iter().map(|name| name.chars().count() + 2).max().unwrap_or(0))
            .sum();
        if total <= width {
            return per_column;
        }
    }
    names.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cases of Kafka's `LsCommandHandlerTest`.
    #[test]
    fn columns() {
        let check = |names: &[&str], width: Option<usize>, expect: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(lines(&names, width), expect, "{width:?}");
        };
        let names = ["abc", "def", "ghi", "jkl"];
        check(&names, None, &names);
        check(&names, Some(0), &names);
        check(&names, Some(80), &["abc  def  ghi  jkl"]);
        check(&["alpha", "beta", "gamma", "delta"], Some(80), &["alpha  beta  gamma  delta"]);
        check(&names, Some(10), &["abc  ghi", "def  jkl"]);
        check(&["a"], Some(80), &["a"]);
        check(&[], Some(80), &[]);
    }
}
