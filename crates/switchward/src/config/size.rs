//! Numbers of bytes as an operator writes them: `4194304`, `"4MiB"`, `"64 kB"`.

/// Bytes; `None` when the text says no number of them. Units: B, kB, MB, GB (thousands), KiB, MiB, GiB (1024), in any case.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim();
    let (_, factor) = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// As [`parse`] reads it, in the largest unit of 1024 that leaves a whole number.
pub(super) fn format(bytes: u64) -> String {
    let fits = |(_, factor): &&(&str, u64)| {
        *factor >= 1024 && factor.is_power_of_two() && bytes >= *factor && bytes.is_multiple_of(*factor)
    };
    match UNITS.iter().rev().find(fits) {
        Some((unit, factor)) => format!("{}{unit}", bytes / factor),
        None => format!("{bytes}B"),
    }
}

const UNITS: [(&str, u64); 8] = [
    ("", 1),
    ("B", 1),
    ("kB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_of_a_thousand_or_of_1024() {
        for (text, bytes) in [("0", 0), ("12", 12), ("4MiB", 4 << 20), ("64 kb", 64_000), ("1gib", 1 << 30)] {
            assert_eq!(parse(text), Some(bytes), "{text}");
        }
        for text in ["", "MiB", "-1", "1.5MiB", "1 tb", "99999999999999999999", "20000000000GiB", "4MiB2"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_written_reads_as_the_same() {
        for bytes in [0, 1, 1000, 1024, 4 << 20, (4 << 20) + 1, 64 << 20, 4 << 30, u64::MAX] {
            assert_eq!(parse(&format(bytes)), Some(bytes));
        }
        assert_eq!((format(4 << 20).as_str(), format(1500).as_str()), ("4MiB", "1500B"));
    }
}
