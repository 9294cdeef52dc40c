use super::super::keys::Key;
use super::super::table::View;
use super::super::testing::model;
use super::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

fn frame(model: &mut Model, width: u16, height: u16) -> (Vec<String>, Buffer) {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal of memory");
    terminal.draw(|frame| draw(model, frame.area(), frame.buffer_mut())).expect("memory takes all");
    let buffer = terminal.backend().buffer().clone();
    (text(&buffer), buffer)
}

#[test]
fn topics_are_drawn_with_their_rates() {
    let (lines, buffer) = frame(&mut model(View::Topics), 108, 12);
    assert_eq!(lines[0], "ottla top  1 Topics  2 Groups  3 Brokers");
    assert!(
        lines[1].starts_with("cluster 5L6g3nShT-eMCtK--X86sw  3 brokers  99 partitions  6 groups  146,"),
        "{}",
        lines[1]
    );
    assert_eq!(
        lines[2].split_whitespace().collect::<Vec<_>>(),
        ["TOPIC", "PARTITIONS", "RECORDS", "SIZE", "IN/S↓", "OUT/S", "BYTES", "IN/S", "STATE"]
    );
    let metrics: Vec<&str> = lines[3].split_whitespace().collect();
    assert_eq!(
        (metrics[0], metrics[1], &metrics[8..]),
        ("metrics", "24", &["MiB", "1", "not", "in", "sync"][..]),
        "{}",
        lines[3]
    );
    let cell = buffer.cell((0, 3)).expect("it is on the screen");
    assert_eq!((cell.fg, cell.modifier), (Color::Yellow, Modifier::REVERSED), "a warning, and selected");
    assert_eq!(buffer.cell((0, 4)).expect("it is on the screen").fg, Color::Reset);
    assert!(lines[11].starts_with("1/5  every 2.0 s  ? keys"), "{}", lines[11]);
}

#[test]
fn groups_show_their_trend_and_what_is_wrong() {
    let (lines, buffer) = frame(&mut model(View::Groups), 108, 12);
    let row = lines.iter().position(|line| line.starts_with("fraud-check")).expect("it is shown");
    assert!(
        lines[row].contains("consumer") && lines[row].contains("Reconciling") && lines[row].contains('█')
    );
    let empty = lines.iter().position(|line| line.starts_with("backfill-2025")).expect("it is shown");
    let at = u16::try_from(empty).expect("a screen is small");
    assert_eq!(
        buffer.cell((0, at)).expect("it is on the screen").fg,
        Color::Red,
        "nobody reads what is there"
    );
}

#[test]
fn a_small_screen_shows_what_it_can() {
    for (width, height) in [(1, 1), (10, 3), (30, 5), (60, 7), (300, 60)] {
        let mut model = model(View::Topics);
        model.on_key(Key::Char('?'));
        frame(&mut model, width, height);
        model.on_key(Key::Char('?'));
        let (lines, _) = frame(&mut model, width, height);
        assert_eq!(lines.len(), usize::from(height));
    }
}

#[test]
fn the_selected_row_is_scrolled_to() {
    let mut model = model(View::Partitions("metrics".into()));
    frame(&mut model, 100, 10);
    assert_eq!(model.page, 5);
    model.on_key(Key::End);
    let (lines, _) = frame(&mut model, 100, 10);
    let shown: Vec<&str> = lines[3..8].iter().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(shown, ["19", "20", "21", "22", "23"]);
}

#[test]
fn what_goes_wrong_and_what_is_typed_is_shown() {
    let mut model = model(View::Topics);
    model.looked(Err("nobody\nanswers".to_owned()));
    model.on_key(Key::Char('/'));
    model.on_key(Key::Char('x'));
    let (lines, _) = frame(&mut model, 100, 10);
    assert_eq!(
        (lines[3].as_str(), lines[8].as_str(), lines[9].as_str()),
        ("the filter leaves none", "nobody answers", "filter: x_")
    );
    let mut empty = Model::new(View::Groups, 2_000);
    let (lines, _) = frame(&mut empty, 100, 10);
    assert_eq!(lines[3], "asking the cluster ...");
}
