use super::*;
use crate::metrics::histogram::Histogram;
use crate::metrics::metric::{counter, gauge, histogram};

static FEW: Metric = gauge("a", "Of one.").by(&["x", "y"]);
static TOTAL: Metric = counter("b_total", "Of topics.").by(&["topic"]).per(Series::Topic);
static PARTITIONS: Metric = gauge("c", "Of partitions.").by(&["topic"]).per(Series::Partition);
static TIMES: Metric = histogram("d", "Of times.").by(&["x"]);

const ALL: SeriesLimits =
    SeriesLimits { topics: true, partitions: true, groups: true, clients: true, max: 2 };

fn lines(mut text: Text) -> Vec<String> {
    text.take().lines().map(str::to_owned).collect()
}

#[test]
fn labels_are_escaped() {
    let mut text = Text::new(Format::Prometheus, ALL);
    text.sample(&FEW, &["a\"b\\c\nd\re", "é"], Value::Real(0.5));
    text.sample(&FEW, &["only one"], Value::Real(f64::INFINITY));
    text.sample(&FEW, &[], Value::Whole(-1));
    assert_eq!(lines(text), [r#"a{x="a\"b\\c\nd?e",y="é"} 0.5"#, r#"a{x="only one"} +Inf"#, "a -1"]);
}

#[test]
fn counters_of_openmetrics_are_named_without_their_ending() {
    let head = |format| {
        let mut text = Text::new(format, ALL);
        text.begin(&TOTAL);
        text.end();
        lines(text)
    };
    assert_eq!(head(Format::Prometheus), ["# HELP b_total Of topics.", "# TYPE b_total counter"]);
    assert_eq!(head(Format::OpenMetrics), ["# HELP b Of topics.", "# TYPE b counter", "# EOF"]);
}

#[test]
fn what_is_switched_off_or_too_much_is_left_out() {
    let limits = SeriesLimits { partitions: false, ..ALL };
    let mut text = Text::new(Format::Prometheus, limits);
    text.begin(&PARTITIONS);
    text.sample(&PARTITIONS, &["p"], Value::Count(1));
    assert_eq!(text.len(), 0);
    for topic in ["s", "t", "u"] {
        text.sample(&TOTAL, &[topic], Value::Count(1));
    }
    text.sample(&TOTAL, &[], Value::Count(3));
    assert_eq!((text.left(), text.left_out()), (0, 1));
    assert_eq!(lines(text), [r#"b_total{topic="s"} 1"#, r#"b_total{topic="t"} 1"#, "b_total 3"]);
}

#[test]
fn histograms_end_with_all() {
    let measured = Histogram::default();
    measured.record(3);
    let mut text = Text::new(Format::Prometheus, ALL);
    text.histogram(&TIMES, &["v"], &measured.numbers());
    let lines = lines(text);
    let [.., all, sum, count] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!(
        (all.as_str(), sum.as_str(), count.as_str()),
        (r#"d_bucket{x="v",le="+Inf"} 1"#, r#"d_sum{x="v"} 0.003"#, r#"d_count{x="v"} 1"#)
    );
    assert!(lines[0].ends_with(" 1"), "three microseconds are in the first bucket: {}", lines[0]);
}

#[test]
fn the_format_is_the_one_that_is_asked_for() {
    let openmetrics = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    assert_eq!(Format::accepted(openmetrics), Format::OpenMetrics);
    for plain in ["", "*/*", "text/plain;version=0.0.4", "application/openmetrics-text;q=0, text/plain"] {
        assert_eq!(Format::accepted(plain), Format::Prometheus, "{plain}");
    }
}
