use super::super::testing::model;
use super::*;

fn names(model: &Model) -> Vec<String> {
    model.rows().iter().map(|row| row.name.to_string()).collect()
}

fn press(model: &mut Model, keys: &str) {
    for key in keys.chars() {
        assert_ne!(model.on_key(Key::Char(key)), Reaction::Quit);
    }
}

#[test]
fn what_is_busiest_or_furthest_behind_comes_first() {
    assert_eq!(names(&model(View::Topics)), ["metrics", "clicks", "orders", "payments", "audit"]);
    assert_eq!(names(&model(View::Groups))[..3], ["clickstream", "fraud-check", "backfill-2025"]);
    assert_eq!(names(&model(View::Brokers)), ["1", "2", "3"]);
}

#[test]
fn keys_sort_filter_and_turn_round() {
    let mut model = model(View::Topics);
    press(&mut model, "<<<<");
    assert_eq!((model.order.column, names(&model)[0].as_str()), (0, "audit"), "names ascend");
    press(&mut model, "r");
    assert_eq!(names(&model)[0], "payments");
    press(&mut model, "<");
    assert_eq!(model.order.column, View::Topics.columns().len() - 1, "from the first to the last");
    press(&mut model, ">>i");
    assert_eq!((model.order.column, names(&model)[0].as_str()), (1, "__consumer_offsets"));
    press(&mut model, "/ENTSq");
    assert_eq!(names(&model), [""; 0], "what is typed is no command");
    assert_eq!(model.on_key(Key::Backspace), Reaction::Draw);
    assert_eq!(names(&model), ["payments"]);
    assert_eq!(model.on_key(Key::Enter), Reaction::Draw);
    assert!(!model.is_typing && model.filter == "ENTS");
    assert_eq!(model.on_key(Key::Escape), Reaction::Draw);
    assert_eq!(names(&model).len(), 6);
}

#[test]
fn enter_goes_in_and_escape_comes_back() {
    let mut model = model(View::Topics);
    model.on_key(Key::Down);
    model.on_key(Key::Enter);
    assert_eq!((&model.view, model.rows().len()), (&View::Partitions("clicks".into()), 12));
    model.on_key(Key::Enter);
    assert_eq!(model.view, View::Partitions("clicks".into()), "there is nothing behind a partition");
    model.on_key(Key::Escape);
    assert_eq!(model.view, View::Topics);
    model.on_key(Key::Tab);
    model.on_key(Key::End);
    model.on_key(Key::Enter);
    assert!(matches!(model.view, View::Offsets(_)));
    model.on_key(Key::Tab);
    assert_eq!(model.view, View::Brokers);
    press(&mut model, "g");
    assert_eq!(model.view, View::Groups);
}

#[test]
fn the_selection_stays_within_the_rows() {
    let mut model = model(View::Topics);
    model.page = 3;
    for (key, expect) in [
        (Key::Up, 0),
        (Key::PageDown, 3),
        (Key::PageDown, 4),
        (Key::Down, 4),
        (Key::PageUp, 1),
        (Key::End, 4),
        (Key::Home, 0),
    ] {
        model.on_key(key);
        assert_eq!(model.selected, expect, "{key:?}");
    }
}

#[test]
fn the_interval_has_bounds_and_help_hides_first() {
    let mut model = model(View::Topics);
    for _ in 0..20 {
        assert_eq!(model.on_key(Key::Char('+')), Reaction::Look);
    }
    assert_eq!(model.interval_ms, 60_000);
    for _ in 0..20 {
        model.on_key(Key::Char('-'));
    }
    assert_eq!(model.interval_ms, 500);
    press(&mut model, "?q");
    assert!(!model.is_helping, "q closes the help");
    assert_eq!(model.on_key(Key::Char('q')), Reaction::Quit);
    press(&mut model, "/");
    assert_eq!(model.on_key(Key::Quit), Reaction::Quit, "also while the filter is typed");
}

#[test]
fn a_failed_look_leaves_what_was_shown() {
    let mut model = model(View::Topics);
    model.looked(Err("the cluster is away".to_owned()));
    assert_eq!((model.rows().len(), model.failure.as_deref()), (5, Some("the cluster is away")));
    model.looked(Ok(super::super::testing::sample(20)));
    assert_eq!(model.failure, None);
}

#[test]
fn json_has_numbers_where_the_screen_has_words() {
    let json = model(View::Topics).to_json();
    let row = &json["rows"][0];
    assert_eq!((&row["topic"], &row["partitions"]), (&"metrics".into(), &24.into()));
    assert!(row["in_per_second"].is_number() && row["size"].is_i64(), "{row}");
    assert_eq!(row["state"], "1 not in sync");
    let groups = model(View::Groups).to_json();
    assert_eq!(groups["rows"][2]["group"], "backfill-2025");
}
