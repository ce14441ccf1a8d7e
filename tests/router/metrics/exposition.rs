//! A strict reader of the text format of Prometheus, version 0.0.4.

use std::collections::{BTreeMap, BTreeSet, HashMap};

type Labels = BTreeMap<String, String>;

/// Everything that one scrape said.
pub(super) struct Exposition {
    samples: Vec<(String, Labels, f64)>,
}

impl Exposition {
    /// Panics at what Prometheus would refuse: samples of no family, a family in two places or
    /// without a type, a sample twice, a histogram that does not add up.
    #[track_caller]
    pub(super) fn parse(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line ends as every line");
        let mut kinds: HashMap<&str, &str> = HashMap::new();
        let (mut family, mut samples) = ("", Vec::new());
        for line in text.lines() {
            assert!(!line.is_empty(), "an empty line");
            if let Some(comment) = line.strip_prefix("# ") {
                let (kind, rest) = comment.split_once(' ').unwrap();
                let (name, rest) = rest.split_once(' ').unwrap();
                assert!(is_name(name), "{line}");
                if kind == "TYPE" {
                    assert!(["counter", "gauge", "histogram"].contains(&rest), "{line}");
                    assert_eq!(kinds.insert(name, rest), None, "{name} is declared twice");
                    family = name;
                } else {
                    assert_eq!(kind, "HELP", "{line}");
                }
                continue;
            }
            let (name, labels, value) = sample(line);
            let kind = kinds
                .get(family)
                .unwrap_or_else(|| panic!("of no family: {line}"));
            let suffixes: &[&str] = match *kind {
                "histogram" => &["_bucket", "_sum", "_count"],
                _ => &[""],
            };
            let belongs = suffixes
                .iter()
                .any(|suffix| name == format!("{family}{suffix}"));
            assert!(belongs, "{line} is not of {family}");
            assert!(
                *kind != "counter" || (value >= 0.0 && family.ends_with("_total")),
                "{line}"
            );
            samples.push((name.to_owned(), labels, value));
        }
        let exposition = Self { samples };
        exposition.check();
        exposition
    }

    fn check(&self) {
        let mut seen = BTreeSet::new();
        for (name, labels, _) in &self.samples {
            assert!(seen.insert((name, labels)), "{name} {labels:?} twice");
        }
        for (name, labels, value) in &self.samples {
            if let Some(histogram) = name.strip_suffix("_bucket") {
                let mut of = labels.clone();
                if of.remove("le").unwrap() == "+Inf" {
                    let count = self.exact(&format!("{histogram}_count"), &of);
                    assert_eq!(count, Some(*value), "{name} {labels:?}");
                }
            }
        }
    }

    fn exact(&self, name: &str, labels: &Labels) -> Option<f64> {
        let mut samples = self.samples.iter();
        let found = samples.find(|(its, of, _)| its == name && of == labels);
        found.map(|(_, _, value)| *value)
    }

    /// The values of all samples of this name that have these labels among theirs.
    pub(super) fn all(&self, name: &str, labels: &[(&str, &str)]) -> Vec<f64> {
        let fits = |of: &Labels| {
            let mut labels = labels.iter();
            labels.all(|(name, value)| of.get(*name).is_some_and(|it| it == value))
        };
        let samples = self.samples.iter();
        let fitting = samples.filter(|(its, of, _)| its == name && fits(of));
        fitting.map(|(_, _, value)| *value).collect()
    }

    pub(super) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.all(name, labels).iter().sum()
    }

    /// The same of what is counted in whole numbers.
    pub(super) fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        // Written as Prometheus has it, a whole number has no point.
        self.sum(name, labels).abs().to_string().parse().unwrap()
    }

    /// The value of the one sample there is.
    pub(super) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let all = self.all(name, labels);
        assert!(all.len() <= 1, "{name} is not one");
        all.first().copied()
    }
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[track_caller]
fn sample(line: &str) -> (&str, Labels, f64) {
    let end = line.find(['{', ' ']).unwrap();
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name), "{line}");
    let mut labels = Labels::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (label, after) = rest.split_once("=\"").unwrap();
            assert!(is_name(label), "{line}");
            let (value, after) = quoted(after);
            assert_eq!(labels.insert(label.to_owned(), value), None, "{line}");
            rest = after.strip_prefix(',').unwrap_or(after);
        }
        rest = &rest[1..];
    }
    let value = rest.strip_prefix(' ').unwrap();
    (name, labels, value.parse().unwrap())
}

/// A value up to its quote, and what follows.
fn quoted(text: &str) -> (String, &str) {
    let (mut value, mut chars) = (String::new(), text.char_indices());
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return (value, &text[at + 1..]),
            '\\' => match chars.next().unwrap().1 {
                'n' => value.push('\n'),
                escaped @ ('\\' | '"') => value.push(escaped),
                other => panic!("\\{other}"),
            },
            char => value.push(char),
        }
    }
    panic!("no end: {text}")
}
