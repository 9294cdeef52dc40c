//! The pictures in the documentation: frames drawn from a cluster that does not exist, as SVG.
//! `OTTLA_UPDATE_DOCS=1 cargo test -p ottla-tools --lib top::picture` writes them.

use std::fmt::Write;
use std::path::Path;

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};

use super::draw::draw;
use super::table::View;
use super::testing::model;

const CELL: (f64, f64) = (8.4, 18.0);
const MARGIN: f64 = 12.0;
const GROUND: &str = "#16181d";
const INK: &str = "#d7dae0";

fn colour(color: Color, otherwise: &'static str) -> &'static str {
    match color {
        Color::Red => "#ef596f",
        Color::Green => "#89ca78",
        Color::Yellow => "#e5c07b",
        Color::Cyan => "#2bbac5",
        Color::White => "#ffffff",
        Color::DarkGray => "#7f848e",
        Color::Black => "#000000",
        _ => otherwise,
    }
}

/// Ink, ground and weight of a cell.
fn style(cell: &Cell) -> (&'static str, &'static str, bool) {
    let (ink, ground) = (colour(cell.fg, INK), colour(cell.bg, GROUND));
    let is_bold = cell.modifier.contains(Modifier::BOLD);
    if cell.modifier.contains(Modifier::REVERSED) { (ground, ink, is_bold) } else { (ink, ground, is_bold) }
}

/// A buffer as SVG: a rectangle and a text for each run of cells that look the same.
fn svg(buffer: &Buffer, title: &str) -> String {
    let area = buffer.area;
    let width = f64::from(area.width) * CELL.0 + 2.0 * MARGIN;
    let height = f64::from(area.height) * CELL.1 + 2.0 * MARGIN;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"ui-monospace, \
         SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace\" font-size=\"14\">\n<title>{title}</title>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{GROUND}\"/>\n"
    );
    for y in 0..area.height {
        let mut x = 0;
        while let Some(first) = buffer.cell((x, y)) {
            let look = style(first);
            let mut text = String::new();
            let from = x;
            while let Some(cell) = buffer.cell((x, y)).filter(|cell| style(cell) == look) {
                text += cell.symbol();
                x += 1;
            }
            run(&mut out, &text, look, (from, y));
        }
    }
    out + "</svg>\n"
}

fn run(out: &mut String, text: &str, (ink, ground, is_bold): (&str, &str, bool), (x, y): (u16, u16)) {
    let (left, top) = (MARGIN + f64::from(x) * CELL.0, MARGIN + f64::from(y) * CELL.1);
    let width = text.chars().count() as f64 * CELL.0;
    if ground != GROUND {
        let size = format!("width=\"{width:.1}\" height=\"{:.0}\"", CELL.1);
        let _ = writeln!(out, "<rect x=\"{left:.1}\" y=\"{top:.1}\" {size} fill=\"{ground}\"/>");
    }
    let bare = text.trim_end();
    if bare.is_empty() {
        return;
    }
    let escaped = bare.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let weight = if is_bold { " font-weight=\"bold\"" } else { "" };
    let length = bare.chars().count() as f64 * CELL.0;
    let _ = writeln!(
        out,
        "<text x=\"{left:.1}\" y=\"{:.1}\" textLength=\"{length:.1}\" xml:space=\"preserve\" fill=\"{ink}\"{weight}>{escaped}</text>",
        top + 13.5
    );
}

#[test]
fn the_pictures_are_what_is_drawn() {
    for (name, view, rows) in [("top-topics", View::Topics, 5), ("top-groups", View::Groups, 6)] {
        let mut model = model(view);
        let mut buffer = Buffer::empty(Rect { x: 0, y: 0, width: 108, height: rows + 5 });
        draw(&mut model, buffer.area, &mut buffer);
        let drawn = svg(&buffer, &format!("ottla top: {}", model.view.title()));
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/pictures").join(format!("{name}.svg"));
        if std::env::var_os("OTTLA_UPDATE_DOCS").is_some() {
            std::fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("it can be made");
            std::fs::write(&path, &drawn).expect("it is writable");
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == drawn, "{} is stale: run this test with OTTLA_UPDATE_DOCS=1", path.display());
    }
}
