//! The text of metrics: Prometheus text format 0.0.4 and OpenMetrics 1.0, of one list of [`Family`]s.
//!
//! Start with [`write()`]. A family's name is without `_total` and the like, which are added where the format wants them. What
//! OpenMetrics has beyond the older format: units, the end mark, and a counter's family named without `_total`.

use crate::monitor::histogram::{BOUNDS, Histogram};
use std::fmt::{Display, Write};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text format 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

/// What kind of number it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// A metric with all its label sets.
#[derive(Debug)]
pub struct Family {
    name: &'static str,
    help: &'static str,
    kind: Kind,
    samples: Vec<Sample>,
}

#[derive(Debug)]
struct Sample {
    labels: String,
    value: Value,
}

#[derive(Debug)]
enum Value {
    Whole(u64),
    Number(f64),
    Buckets(Vec<(f64, u64)>, f64),
}

/// Labels: names and values.
pub type Labels<'a> = &'a [(&'static str, &'a str)];

impl Format {
    /// The one that an `Accept` header asks for: OpenMetrics when it is liked at least as well as anything else that fits.
    pub fn of(accept: &str) -> Format {
        let quality = |wanted: &[&str]| {
            let ranges = accept.split(',').filter_map(|range| {
                let mut parts = range.split(';').map(str::trim);
                let name = parts.next().unwrap_or_default();
                let q = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |q| q.parse().ok());
                wanted.iter().any(|kind| name.eq_ignore_ascii_case(kind)).then_some(q.unwrap_or(0.0))
            });
            ranges.fold(0.0_f64, f64::max)
        };
        let open = quality(&["application/openmetrics-text"]);
        if open > 0.0 && open >= quality(&["text/plain", "text/*", "*/*"]) {
            Format::OpenMetrics
        } else {
            Format::Text
        }
    }

    /// What the answer is called.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

impl Family {
    /// Something that only grows.
    pub fn counter(name: &'static str, help: &'static str) -> Family {
        Family { name, help, kind: Kind::Counter, samples: Vec::new() }
    }

    /// Something that comes and goes.
    pub fn gauge(name: &'static str, help: &'static str) -> Family {
        Family { name, help, kind: Kind::Gauge, samples: Vec::new() }
    }

    /// How many were how large.
    pub fn histogram(name: &'static str, help: &'static str) -> Family {
        Family { name, help, kind: Kind::Histogram, samples: Vec::new() }
    }

    /// With one whole number.
    pub fn count(self, labels: Labels<'_>, value: u64) -> Family {
        self.sample(labels, Value::Whole(value))
    }

    /// With one number.
    pub fn number(self, labels: Labels<'_>, value: f64) -> Family {
        self.sample(labels, Value::Number(value))
    }

    /// With one yes or no.
    pub fn flag(self, labels: Labels<'_>, value: bool) -> Family {
        self.count(labels, u64::from(value))
    }

    /// With the durations of a histogram of our own.
    pub fn durations(self, labels: Labels<'_>, histogram: &Histogram) -> Family {
        let (counts, sum) = histogram.read();
        self.buckets(labels, BOUNDS.iter().map(std::time::Duration::as_secs_f64), counts, sum)
    }

    /// With buckets by their upper bounds, and one more count for all above. The counts are not cumulative.
    pub fn buckets(
        self,
        labels: Labels<'_>,
        bounds: impl IntoIterator<Item = f64>,
        counts: impl IntoIterator<Item = u64>,
        sum: f64,
    ) -> Family {
        let bounds = bounds.into_iter().chain([f64::INFINITY]);
        let mut so_far = 0;
        let cumulative = bounds.zip(counts).map(|(bound, count)| {
            so_far += count;
            (bound, so_far)
        });
        let buckets = cumulative.collect();
        self.sample(labels, Value::Buckets(buckets, sum))
    }

    fn sample(mut self, labels: Labels<'_>, value: Value) -> Family {
        let mut text = String::new();
        for (name, value) in labels {
            let comma = if text.is_empty() { "" } else { "," };
            text += &format!("{comma}{name}=\"{}\"", escaped(value, true));
        }
        self.samples.push(Sample { labels: text, value });
        self
    }

    /// The name as queries know it.
    pub fn query_name(&self) -> String {
        match self.kind {
            Kind::Counter => format!("{}_total", self.name),
            Kind::Gauge | Kind::Histogram => self.name.to_owned(),
        }
    }

    /// "counter", "gauge" or "histogram".
    pub fn kind(&self) -> &'static str {
        match self.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }

    /// What it says.
    pub fn help(&self) -> &'static str {
        self.help
    }

    /// The names of its labels.
    pub fn labels(&self) -> Vec<String> {
        let first = self.samples.first().map(|sample| sample.labels.as_str()).unwrap_or_default();
        let names = first.split("\",").filter_map(|label| label.split_once('='));
        names.map(|(name, _)| name.to_owned()).collect()
    }

    fn unit(&self) -> Option<&'static str> {
        ["seconds", "bytes"].into_iter().find(|unit| self.name.ends_with(&format!("_{unit}")))
    }
}

/// All families as text.
pub fn write(families: &[Family], format: Format) -> String {
    let mut text = String::with_capacity(64 * 1024);
    for family in families.iter().filter(|family| !family.samples.is_empty()) {
        let open = format == Format::OpenMetrics;
        let name = if open { family.name.to_owned() } else { family.query_name() };
        line(&mut text, format_args!("# HELP {name} {}", escaped(family.help, open)));
        line(&mut text, format_args!("# TYPE {name} {}", family.kind()));
        if let Some(unit) = family.unit().filter(|_| open) {
            line(&mut text, format_args!("# UNIT {name} {unit}"));
        }
        for sample in &family.samples {
            family.write_sample(sample, &mut text);
        }
    }
    if format == Format::OpenMetrics {
        text += "# EOF\n";
    }
    text
}

impl Family {
    fn write_sample(&self, sample: &Sample, text: &mut String) {
        let name = self.query_name();
        let labels = &sample.labels;
        let braced = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        match &sample.value {
            Value::Whole(value) => line(text, format_args!("{name}{braced} {value}")),
            Value::Number(value) => line(text, format_args!("{name}{braced} {}", Float(*value))),
            Value::Buckets(buckets, sum) => {
                let comma = if labels.is_empty() { "" } else { "," };
                for (bound, count) in buckets {
                    let bound = Float(*bound);
                    line(text, format_args!("{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {count}"));
                }
                let count = buckets.last().map_or(0, |(_, count)| *count);
                line(text, format_args!("{name}_sum{braced} {}", Float(*sum)));
                line(text, format_args!("{name}_count{braced} {count}"));
            }
        }
    }
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Into memory: this cannot fail.
    _ = text.write_fmt(line);
    text.push('\n');
}

/// A number as both formats read it: always with a point or an exponent, infinity as `+Inf`.
struct Float(f64);

impl Display for Float {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            value if value == f64::INFINITY => f.write_str("+Inf"),
            value if value == f64::NEG_INFINITY => f.write_str("-Inf"),
            value if value.is_nan() => f.write_str("NaN"),
            value => write!(f, "{value:?}"),
        }
    }
}

fn escaped(text: &str, quotes: bool) -> String {
    let text = text.replace('\\', "\\\\").replace('\n', "\\n");
    if quotes { text.replace('"', "\\\"") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn families() -> Vec<Family> {
        vec![
            Family::counter("sw_things", "Things, \"all\" of\nthem \\ more")
                .count(&[("a", "x\"y\\z\n"), ("b", "")], 7),
            Family::gauge("sw_size_bytes", "Size").number(&[], 0.5),
            Family::gauge("sw_nothing", "Left out"),
            Family::histogram("sw_time_seconds", "Time").buckets(&[("k", "v")], [0.001, 1.0], [1, 2, 3], 4.5),
        ]
    }

    #[test]
    fn the_older_format_is_as_prometheus_reads_it() {
        let expected = r#"# HELP sw_things_total Things, "all" of\nthem \\ more
# TYPE sw_things_total counter
sw_things_total{a="x\"y\\z\n",b=""} 7
# HELP sw_size_bytes Size
# TYPE sw_size_bytes gauge
sw_size_bytes 0.5
# HELP sw_time_seconds Time
# TYPE sw_time_seconds histogram
sw_time_seconds_bucket{k="v",le="0.001"} 1
sw_time_seconds_bucket{k="v",le="1.0"} 3
sw_time_seconds_bucket{k="v",le="+Inf"} 6
sw_time_seconds_sum{k="v"} 4.5
sw_time_seconds_count{k="v"} 6
"#;
        assert_eq!(write(&families(), Format::Text), expected);
    }

    #[test]
    fn openmetrics_has_units_and_an_end() {
        let text = write(&families(), Format::OpenMetrics);
        for part in [
            "# HELP sw_things Things, \\\"all\\\" of\\nthem \\\\ more\n# TYPE sw_things counter\nsw_things_total{",
            "# TYPE sw_size_bytes gauge\n# UNIT sw_size_bytes bytes\nsw_size_bytes 0.5\n",
            "# UNIT sw_time_seconds seconds\n",
        ] {
            assert!(text.contains(part), "{text}");
        }
        assert!(text.ends_with("sw_time_seconds_count{k=\"v\"} 6\n# EOF\n"));
    }

    #[test]
    fn the_format_is_what_the_header_likes_best() {
        for (accept, format) in [
            ("", Format::Text),
            ("*/*", Format::Text),
            ("text/html,*/*;q=0.8", Format::Text),
            ("application/openmetrics-text", Format::OpenMetrics),
            (
                "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
                Format::OpenMetrics,
            ),
            ("application/openmetrics-text; q=0.1, text/plain", Format::Text),
            ("application/openmetrics-text;q=0", Format::Text),
            ("application/openmetrics-text;q=nonsense", Format::Text),
        ] {
            assert_eq!(Format::of(accept), format, "{accept}");
        }
    }

    #[test]
    fn the_names_of_labels_are_known() {
        assert_eq!(families()[0].labels(), ["a", "b"]);
        assert!(families()[1].labels().is_empty());
    }
}
