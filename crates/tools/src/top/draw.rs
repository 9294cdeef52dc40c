//! The screen: from a model to a buffer of cells.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Paragraph, Widget};

use super::model::Model;
use super::table::{Row, Tone, View};
use crate::words;

/// Between two columns.
const GAP: u16 = 2;
/// Columns are at least as wide, so that they do not jump with each look.
const NUMBER_WIDTH_MIN: usize = 9;
/// Lines above and below the rows.
pub const FRAME_LINES: u16 = 5;

const DIM: Style = Style::new().fg(Color::DarkGray);
const TITLE: Style = Style::new().fg(Color::Cyan).add_modifier(Modifier::BOLD);
const HEADINGS: Style = Style::new().fg(Color::White).add_modifier(Modifier::BOLD);
const SORTED: Style = Style::new().fg(Color::Green).add_modifier(Modifier::BOLD);
const SELECTED: Style = Style::new().add_modifier(Modifier::REVERSED);
const WARNING: Style = Style::new().fg(Color::Yellow);
const ALARM: Style = Style::new().fg(Color::Red);

const HELP: [(&str, &str); 13] = [
    ("t g b, Tab", "topics, groups, brokers; the next of them"),
    ("↑ ↓ PgUp PgDn Home End, j k", "select a row"),
    ("Enter", "the partitions of a topic, or where a group is"),
    ("Esc", "back; clears the filter"),
    ("/", "filter by name"),
    ("← →, < >", "sort by another column"),
    ("r", "sort the other way round"),
    ("i", "show internal topics, or hide them"),
    ("p, Space", "hold still, or go on"),
    ("+ -", "look less often, or more often"),
    ("? h", "this help"),
    ("q, Ctrl-C", "quit"),
    ("", "OUT/S and TAKEN/S are what groups have committed"),
];

/// Draws the model; notes in it how many rows there is room for.
pub fn draw(model: &mut Model, area: Rect, buffer: &mut Buffer) {
    let lines = [Constraint::Length(2), Constraint::Length(1), Constraint::Min(0), Constraint::Length(2)];
    let [head, headings, body, foot] = Layout::vertical(lines).areas(area);
    model.page = usize::from(body.height).max(1);
    let rows = model.rows();
    model.selected = model.selected.min(rows.len().saturating_sub(1));
    draw_head(model, head, buffer);
    let widths = widths(&model.view, &rows, area.width);
    draw_headings(model, &widths, headings, buffer);
    draw_rows(model, &rows, &widths, body, buffer);
    draw_foot(model, rows.len(), foot, buffer);
    if model.is_helping {
        draw_help(area, buffer);
    }
}

fn draw_head(model: &Model, area: Rect, buffer: &mut Buffer) {
    let mut tabs = vec![Span::styled("ottla top ", TITLE)];
    for (key, view) in [("1", View::Topics), ("2", View::Groups), ("3", View::Brokers)] {
        let is_in = view == model.view
            || matches!(
                (&view, &model.view),
                (View::Topics, View::Partitions(_)) | (View::Groups, View::Offsets(_))
            );
        let style = if is_in { SELECTED } else { DIM };
        tabs.push(Span::styled(format!(" {key} {} ", view.title()), style));
    }
    if matches!(model.view, View::Partitions(_) | View::Offsets(_)) {
        tabs.push(Span::styled(format!("  {}", model.view.title()), TITLE));
    }
    let mut summary = Vec::new();
    if let Some(sample) = model.history.last() {
        let lag = sample.groups.values().filter_map(|group| group.lag()).fold(0, i64::saturating_add);
        let rates = sample.partitions.keys().map(|key| model.history.records_in(key));
        let rate = super::history::add(rates).map_or_else(|| "-".to_owned(), words::per_second);
        summary.push(Span::raw(format!(
            "cluster {}  {}  {}  {}  {rate} records/s in  {} behind",
            if sample.cluster_id.is_empty() { "-" } else { &sample.cluster_id },
            words::many(sample.brokers.len() as i64, "broker"),
            words::many(sample.partitions.len() as i64, "partition"),
            words::many(sample.groups.len() as i64, "group"),
            words::count(lag),
        )));
    }
    Paragraph::new(vec![Line::from(tabs), Line::from(summary)]).render(area, buffer);
}

/// Widths of the columns: as wide as their cells; the first one gives way when there is no room.
fn widths(view: &View, rows: &[Row], room: u16) -> Vec<u16> {
    let columns = view.columns();
    let wide = |at: usize, (heading, is_number): &(&str, bool)| {
        let cells = rows.iter().filter_map(|row| row.cells.get(at)).map(|cell| cell.text.chars().count());
        // The sorted column has an arrow behind its heading.
        let least = (heading.chars().count() + 1).max(if *is_number { NUMBER_WIDTH_MIN } else { 0 });
        u16::try_from(cells.max().unwrap_or(0).max(least)).unwrap_or(u16::MAX)
    };
    let mut widths: Vec<u16> = columns.iter().enumerate().map(|(at, column)| wide(at, column)).collect();
    let total = widths.iter().fold(0_u16, |sum, width| sum.saturating_add(*width).saturating_add(GAP));
    let over = total.saturating_sub(GAP).saturating_sub(room);
    let widest = columns.iter().position(|(_, is_number)| !is_number).unwrap_or(0);
    if let Some(width) = widths.get_mut(widest) {
        *width = width.saturating_sub(over).max(8);
    }
    widths
}

/// A line of cells; texts to the left, numbers to the right, what is too long with a dot at its end.
fn line_of(texts: &[&str], view: &View, widths: &[u16]) -> Vec<String> {
    let cell = |((text, (_, is_number)), width): ((&&str, &(&str, bool)), &u16)| {
        let (width, length) = (usize::from(*width), text.chars().count());
        match (length > width, is_number) {
            (true, _) => text.chars().take(width.saturating_sub(1)).chain(['…']).collect(),
            (false, true) => format!("{}{text}", " ".repeat(width - length)),
            (false, false) => format!("{text}{}", " ".repeat(width - length)),
        }
    };
    texts.iter().zip(view.columns()).zip(widths).map(cell).collect()
}

fn draw_headings(model: &Model, widths: &[u16], area: Rect, buffer: &mut Buffer) {
    let arrow = if model.order.descending { '↓' } else { '↑' };
    let headings: Vec<String> = model
        .view
        .columns()
        .iter()
        .enumerate()
        .map(
            |(at, (heading, _))| {
                if at == model.order.column { format!("{heading}{arrow}") } else { (*heading).to_owned() }
            },
        )
        .collect();
    let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
    let mut spans = Vec::new();
    for (at, text) in line_of(&headings, &model.view, widths).into_iter().enumerate() {
        let style = if at == model.order.column { SORTED } else { HEADINGS };
        spans.push(Span::styled(text, style));
        spans.push(Span::raw(" ".repeat(usize::from(GAP))));
    }
    Line::from(spans).render(area, buffer);
}

fn draw_rows(model: &Model, rows: &[Row], widths: &[u16], area: Rect, buffer: &mut Buffer) {
    if rows.is_empty() {
        let text = match (model.history.last(), model.filter.is_empty()) {
            (None, _) => "asking the cluster ...",
            (Some(_), true) => "there are none",
            (Some(_), false) => "the filter leaves none",
        };
        return Line::styled(text, DIM).render(area, buffer);
    }
    let height = usize::from(area.height);
    let from = model.selected.saturating_sub(height.saturating_sub(1));
    let shown = rows.iter().enumerate().skip(from).take(height);
    for ((at, row), line) in shown.zip(area.rows()) {
        let texts: Vec<&str> = row.cells.iter().map(|cell| cell.text.as_str()).collect();
        let text = line_of(&texts, &model.view, widths).join(&" ".repeat(usize::from(GAP)));
        let style = match row.tone {
            Tone::Plain => Style::new(),
            Tone::Warning => WARNING,
            Tone::Alarm => ALARM,
        };
        let style = if at == model.selected { style.patch(SELECTED) } else { style };
        Line::styled(text, style).render(line, buffer);
    }
}

fn draw_foot(model: &Model, rows: usize, area: Rect, buffer: &mut Buffer) {
    let problems = model.history.last().map(|sample| sample.problems.as_slice()).unwrap_or_default();
    let trouble = model.failure.as_ref().or_else(|| problems.first());
    let first = match trouble {
        Some(why) => Line::styled(why.replace('\n', " "), ALARM),
        None => Line::default(),
    };
    let position = if rows == 0 { 0 } else { model.selected + 1 };
    let mut state = format!("{position}/{rows}  every {}", words::duration(model.interval_ms as i64));
    if model.is_paused {
        state += "  PAUSED";
    }
    let second = if model.is_typing {
        Line::from(format!("filter: {}_", model.filter))
    } else {
        if !model.filter.is_empty() {
            state += &format!("  filter: {}", model.filter);
        }
        let keys = "  ? keys  / filter  ←→ sort  r reverse  Enter details  p pause  q quit";
        Line::from(vec![Span::raw(state), Span::styled(keys, DIM)])
    };
    Paragraph::new(vec![first, second]).render(area, buffer);
}

fn draw_help(area: Rect, buffer: &mut Buffer) {
    let keys = HELP.iter().map(|(keys, _)| keys.chars().count()).max().unwrap_or(0);
    let lines: Vec<Line<'_>> = HELP
        .iter()
        .map(|(key, what)| {
            let pad = " ".repeat(keys - key.chars().count());
            Line::from(vec![Span::styled(format!(" {key}{pad}  "), TITLE), Span::raw(format!("{what} "))])
        })
        .collect();
    let width = lines.iter().map(Line::width).max().unwrap_or(0);
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let wanted = [u16::try_from(width).unwrap_or(u16::MAX), height];
    let [width, height] = [wanted[0].min(area.width), wanted[1].min(area.height)];
    let x = area.x + (area.width - width) / 2;
    let y = area.y + (area.height - height) / 2;
    let place = Rect { x, y, width, height };
    Clear.render(place, buffer);
    Paragraph::new(lines).style(Style::new().bg(Color::Black)).render(place, buffer);
}

/// The lines of a buffer as text, without blanks at their ends.
pub fn text(buffer: &Buffer) -> Vec<String> {
    let line = |row: Rect| {
        let cells = (row.left()..row.right()).filter_map(|x| buffer.cell((x, row.y)));
        let line: String = cells.map(ratatui::buffer::Cell::symbol).collect();
        line.trim_end().to_owned()
    };
    buffer.area.rows().map(line).collect()
}

#[cfg(test)]
#[path = "draw_test.rs"]
mod tests;
