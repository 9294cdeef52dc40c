//! A strict reader of the text formats: what it does not know, it refuses.

use std::collections::HashSet;

/// All that was told.
pub struct Exposition {
    pub families: Vec<Family>,
}

/// A metric.
#[derive(Debug, Default)]
pub struct Family {
    pub name: String,
    pub kind: String,
    pub help: String,
    pub samples: Vec<Sample>,
}

/// A number with its name and labels.
#[derive(Debug)]
pub struct Sample {
    pub name: String,
    pub labels: Vec<(String, String)>,
    pub value: f64,
}

impl Exposition {
    /// Reads a whole answer.
    pub fn parse(text: &str, is_openmetrics: bool) -> Self {
        let body = match is_openmetrics {
            true => text.strip_suffix("# EOF\n").expect("OpenMetrics ends with its end"),
            false => text,
        };
        assert!(body.ends_with('\n') && !body.contains('\r'));
        let mut families: Vec<Family> = Vec::new();
        for line in body.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("a name and a text");
                assert!(families.iter().all(|family| family.name != name), "{name} comes twice");
                families.push(Family { name: name.into(), help: help.into(), ..Family::default() });
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a name and a type");
                let family = families.last_mut().expect("help stands before the type");
                assert!(family.name == name && family.kind.is_empty() && family.samples.is_empty());
                family.kind = kind.into();
            } else {
                let sample = sample(line);
                let family = families.last_mut().expect("samples stand below their metric");
                check_name(family, &sample.name, is_openmetrics);
                family.samples.push(sample);
            }
        }
        families.iter().for_each(check_family);
        Self { families }
    }

    /// A metric by its name.
    pub fn family(&self, name: &str) -> Option<&Family> {
        self.families.iter().find(|family| family.name == name)
    }

    /// The value of a sample by its name and all of its labels.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let mut samples = self.families.iter().flat_map(|family| &family.samples);
        let is_it = |sample: &&Sample| {
            let found = sample.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            sample.name == name && found.eq(labels.iter().copied())
        };
        samples.find(is_it).unwrap_or_else(|| panic!("no sample {name} {labels:?}")).value
    }
}

fn check_name(family: &Family, sample: &str, is_openmetrics: bool) {
    let ending = sample.strip_prefix(family.name.as_str());
    let ending = ending.unwrap_or_else(|| panic!("{sample} stands below {}", family.name));
    let allowed: &[&str] = match (family.kind.as_str(), is_openmetrics) {
        ("counter", true) => &["_total"],
        ("histogram", _) => &["_bucket", "_sum", "_count"],
        _ => &[""],
    };
    assert!(allowed.contains(&ending), "{sample} in a {}", family.kind);
}

fn check_family(family: &Family) {
    assert!(["counter", "gauge", "histogram"].contains(&family.kind.as_str()), "{family:?}");
    let mut seen = HashSet::new();
    for sample in &family.samples {
        assert!(seen.insert((&sample.name, &sample.labels)), "twice: {sample:?}");
        assert!(family.kind == "gauge" || sample.value >= 0.0, "{sample:?}");
    }
    if family.kind == "histogram" {
        check_histogram(family);
    }
}

/// Buckets rise, end with all, and agree with the count.
fn check_histogram(family: &Family) {
    let (mut last, mut bound) = (0.0, f64::NEG_INFINITY);
    for sample in &family.samples {
        if sample.name.ends_with("_bucket") {
            let le = &sample.labels.last().expect("a bound").1;
            let le = if le == "+Inf" { f64::INFINITY } else { le.parse().expect("a bound") };
            assert!(le > bound && sample.value >= last, "{sample:?}");
            (last, bound) = (sample.value, le);
        } else if sample.name.ends_with("_count") {
            assert!(bound.is_infinite() && sample.value == last, "{sample:?}");
            (last, bound) = (0.0, f64::NEG_INFINITY);
        }
    }
}

fn sample(line: &str) -> Sample {
    let name_end = line.find(['{', ' ']).expect("a name and a value");
    let (name, mut rest) = line.split_at(name_end);
    assert!(is_name(name), "{line}");
    let mut labels = Vec::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (label, value) = rest.split_once("=\"").expect("a label");
            assert!(is_name(label), "{line}");
            let (value, behind) = quoted(value);
            labels.push((label.to_owned(), value));
            match behind.split_at(1) {
                (",", more) => rest = more,
                ("}", more) => {
                    rest = more;
                    break;
                }
                _ => panic!("{line}"),
            }
        }
    }
    let value = rest.strip_prefix(' ').unwrap_or_else(|| panic!("{line}"));
    let value = match value {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        "NaN" => f64::NAN,
        number => {
            assert!(!number.contains(' '), "{line}");
            number.parse().unwrap_or_else(|why| panic!("{line}: {why}"))
        }
    };
    Sample { name: name.into(), labels, value }
}

fn is_name(name: &str) -> bool {
    let is_first = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(is_first) && name.chars().all(|c| is_first(c) || c.is_ascii_digit())
}

/// A text up to the quote that ends it, and what stands behind that.
fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    loop {
        match chars.next().expect("an end") {
            (at, '"') => return (value, &text[at + 1..]),
            (_, '\\') => value.push(match chars.next().expect("an escape").1 {
                'n' => '\n',
                c @ ('\\' | '"') => c,
                c => panic!("\\{c}"),
            }),
            (_, c) => value.push(c),
        }
    }
}
