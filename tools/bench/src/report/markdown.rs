//! The table between the marks of a Markdown file, and the pictures below it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Report, date, short};

const BEGIN: &str = "<!-- bench:begin -->";
const END: &str = "<!-- bench:end -->";

impl Report {
    /// Replaces what stands between the marks of the file.
    pub(super) fn write_markdown(&self, path: &Path, pictures: &[(PathBuf, String)]) -> Result<()> {
        let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        let mut content = self.table();
        for (picture, title) in pictures {
            content += &format!("\n![{title}]({})\n", link(path, picture));
        }
        let text =
            between_marks(&text, &content).with_context(|| format!("no marks in {}", path.display()))?;
        fs::write(path, text).with_context(|| format!("writing {}", path.display()))
    }

    fn table(&self) -> String {
        let [a, b] = &self.names;
        let mut text = format!("{}, {}\n\n", date::today(), self.conditions());
        text += &format!(
            "| | | {a} | {b} | ratio | 90 % | slices |\n| --- | --- | ---: | ---: | ---: | --- | ---: |\n"
        );
        let mut last = "";
        for line in &self.lines {
            let row = if line.row == last { "" } else { &line.row };
            last = &line.row;
            text += &format!(
                "| {row} | {} | {} | {} | **{}** | {} .. {} | {} |\n",
                line.metric.label(),
                short(line.a),
                short(line.b),
                short(line.ratio),
                short(line.interval.0),
                short(line.interval.1),
                line.pairs.len()
            );
        }
        for failure in &self.failures {
            text += &format!("\nNot measured: {failure}\n");
        }
        for row in &self.left_out {
            text += &format!("\nLeft out: {row}\n");
        }
        text
    }
}

/// How the file at `from` names the one at `to`.
fn link(from: &Path, to: &Path) -> String {
    let folder = from.parent().unwrap_or(Path::new(""));
    to.strip_prefix(folder).unwrap_or(to).to_string_lossy().into_owned()
}

fn between_marks(text: &str, content: &str) -> Option<String> {
    let begin = text.find(BEGIN)? + BEGIN.len();
    let end = begin + text.get(begin..)?.find(END)?;
    Some(format!("{}\n{}{}", &text[..begin], content, &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let text = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        assert_eq!(between_marks(&text, "new\n"), Some(format!("a\n{BEGIN}\nnew\n{END}\nb\n")));
        assert_eq!(between_marks("a", "new"), None);
    }

    #[test]
    fn pictures_are_named_from_the_file() {
        let of = |from: &str, to: &str| link(Path::new(from), Path::new(to));
        assert_eq!(of("docs/performance.md", "docs/performance/costs.svg"), "performance/costs.svg");
        assert_eq!(of("a.md", "costs.svg"), "costs.svg");
    }
}
