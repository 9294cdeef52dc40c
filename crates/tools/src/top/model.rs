//! The state of the screen: what is shown, in which order, and what a key does to it. It knows no terminal and no clock.

use ottla_protocol::Str;
use serde_json::{Value, json};

use super::history::History;
use super::keys::Key;
use super::sample::Sample;
use super::table::{Row, View};

/// Shortest and longest time between two looks, in ms.
pub const INTERVAL_MS: std::ops::RangeInclusive<u64> = 500..=60_000;
/// Longest filter.
const FILTER_MAX: usize = 60;

/// What a view is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Number of the column, from 0.
    pub column: usize,
    /// The greatest first.
    pub descending: bool,
}

/// What the driver has to do after a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// Draw again.
    Draw,
    /// Look again at once, and from then on at the model's interval.
    Look,
    /// End.
    Quit,
}

/// All that decides what is on the screen.
#[derive(Clone, Debug)]
pub struct Model {
    /// What was seen.
    pub history: History,
    /// What is shown.
    pub view: View,
    /// In which order.
    pub order: Order,
    /// Only rows whose name contains this, in any case.
    pub filter: String,
    /// The filter is being typed.
    pub is_typing: bool,
    /// Internal topics are shown.
    pub internal: bool,
    /// No new samples are taken.
    pub is_paused: bool,
    /// The keys are explained.
    pub is_helping: bool,
    /// Number of the selected row, in the order of the screen.
    pub selected: usize,
    /// Rows that the screen has room for; what a page is.
    pub page: usize,
    /// Time between two looks, in ms.
    pub interval_ms: u64,
    /// Why the last look has failed.
    pub failure: Option<String>,
}

impl Model {
    /// A view of nothing yet.
    pub fn new(view: View, interval_ms: u64) -> Self {
        let order = Order::of(&view);
        Self {
            history: History::default(),
            view,
            order,
            filter: String::new(),
            is_typing: false,
            internal: false,
            is_paused: false,
            is_helping: false,
            selected: 0,
            page: 10,
            interval_ms,
            failure: None,
        }
    }

    /// A look has ended. What was shown stays when it has failed.
    pub fn looked(&mut self, look: Result<Sample, String>) {
        match look {
            Ok(sample) => {
                self.history.push(sample);
                self.failure = None;
            }
            Err(why) => self.failure = Some(why),
        }
    }

    /// The rows as they are shown.
    pub fn rows(&self) -> Vec<Row> {
        let mut rows = self.view.rows(&self.history, self.internal);
        let filter = self.filter.to_lowercase();
        rows.retain(|row| filter.is_empty() || row.name.to_lowercase().contains(&filter));
        let cell = |row: &Row| row.cells.get(self.order.column).cloned();
        rows.sort_by(|a, b| {
            let by_cell = match (cell(a), cell(b)) {
                (Some(a), Some(b)) => a.compare(&b),
                _ => std::cmp::Ordering::Equal,
            };
            // Rows that are equal keep the order of their names, whichever way the column is sorted.
            if self.order.descending { by_cell.reverse() } else { by_cell }
        });
        rows
    }

    /// The view as JSON: an array of objects by the headings of its columns.
    pub fn to_json(&self) -> Value {
        let columns = self.view.columns();
        let rows: Vec<Value> = self.rows().iter().map(|row| row.to_json(columns)).collect();
        let problems = self.history.last().map(|sample| sample.problems.clone()).unwrap_or_default();
        json!({"view": self.view.title(), "rows": rows, "problems": problems})
    }

    /// What a key does.
    pub fn on_key(&mut self, key: Key) -> Reaction {
        if self.is_typing {
            return self.type_filter(key);
        }
        match key {
            Key::Quit => return Reaction::Quit,
            Key::Char('q') if !self.is_helping => return Reaction::Quit,
            Key::Char('?' | 'h') => self.is_helping = !self.is_helping,
            Key::Escape | Key::Char('q') if self.is_helping => self.is_helping = false,
            Key::Char('1' | 't') => self.show(View::Topics),
            Key::Char('2' | 'g') => self.show(View::Groups),
            Key::Char('3' | 'b') => self.show(View::Brokers),
            Key::Tab => self.show(self.next_view()),
            Key::Enter => self.enter(),
            Key::Escape | Key::Backspace => self.leave(),
            Key::Char('/') => self.is_typing = true,
            Key::Char('<') | Key::Left => self.sort_by(-1),
            Key::Char('>' | 's') | Key::Right => self.sort_by(1),
            Key::Char('r') => self.order.descending = !self.order.descending,
            Key::Char('i') => self.internal = !self.internal,
            Key::Char('p' | ' ') => self.is_paused = !self.is_paused,
            Key::Char('+') => return self.change_interval(|ms| ms * 2),
            Key::Char('-') => return self.change_interval(|ms| ms / 2),
            Key::Up | Key::Char('k') => self.selected = self.selected.saturating_sub(1),
            Key::Down | Key::Char('j') => self.selected = self.selected.saturating_add(1),
            Key::PageUp => self.selected = self.selected.saturating_sub(self.page),
            Key::PageDown => self.selected = self.selected.saturating_add(self.page),
            Key::Home => self.selected = 0,
            Key::End => self.selected = usize::MAX,
            Key::Char(_) => {}
        }
        self.selected = self.selected.min(self.rows().len().saturating_sub(1));
        Reaction::Draw
    }

    fn type_filter(&mut self, key: Key) -> Reaction {
        match key {
            Key::Quit => return Reaction::Quit,
            Key::Enter => self.is_typing = false,
            Key::Escape => {
                self.is_typing = false;
                self.filter.clear();
            }
            Key::Backspace => drop(self.filter.pop()),
            Key::Char(c) if self.filter.chars().count() < FILTER_MAX => self.filter.push(c),
            _ => {}
        }
        self.selected = 0;
        Reaction::Draw
    }

    fn show(&mut self, view: View) {
        if self.view != view {
            self.order = Order::of(&view);
            self.view = view;
            self.selected = 0;
            self.filter.clear();
        }
    }

    fn next_view(&self) -> View {
        match self.view {
            View::Topics | View::Partitions(_) => View::Groups,
            View::Groups | View::Offsets(_) => View::Brokers,
            View::Brokers => View::Topics,
        }
    }

    /// Goes into the selected topic or group.
    fn enter(&mut self) {
        let name: Option<Str> = self.rows().get(self.selected).map(|row| row.name.clone());
        match (&self.view, name) {
            (View::Topics, Some(name)) => self.show(View::Partitions(name)),
            (View::Groups, Some(name)) => self.show(View::Offsets(name)),
            _ => {}
        }
    }

    fn leave(&mut self) {
        match self.view {
            View::Partitions(_) => self.show(View::Topics),
            View::Offsets(_) => self.show(View::Groups),
            _ => self.filter.clear(),
        }
    }

    fn sort_by(&mut self, step: isize) {
        let columns = self.view.columns().len();
        let column = self.order.column.saturating_add(columns).saturating_add_signed(step) % columns.max(1);
        // Of numbers the greatest are looked for, of names the first.
        let descending = self.view.columns().get(column).is_some_and(|(_, is_number)| *is_number);
        self.order = Order { column, descending };
    }

    fn change_interval(&mut self, change: impl Fn(u64) -> u64) -> Reaction {
        self.interval_ms = change(self.interval_ms).clamp(*INTERVAL_MS.start(), *INTERVAL_MS.end());
        Reaction::Look
    }
}

impl Order {
    /// What a view is sorted by at first: what is busiest, or furthest behind.
    pub fn of(view: &View) -> Self {
        let by = |heading: &str| {
            let column = view.columns().iter().position(|(it, _)| *it == heading).unwrap_or(0);
            Self { column, descending: true }
        };
        match view {
            View::Topics => by("IN/S"),
            View::Groups | View::Offsets(_) => by("LAG"),
            View::Brokers | View::Partitions(_) => Self { column: 0, descending: false },
        }
    }

    /// By a column's heading, in any case; numbers descend.
    pub fn by_heading(view: &View, heading: &str) -> Option<Self> {
        let column = view.columns().iter().position(|(it, _)| it.eq_ignore_ascii_case(heading))?;
        let descending = view.columns().get(column).is_some_and(|(_, is_number)| *is_number);
        Some(Self { column, descending })
    }
}

#[cfg(test)]
#[path = "model_test.rs"]
mod tests;
