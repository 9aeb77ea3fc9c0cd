//! The known word that a misspelt one is nearest to.
//!
//! Start with [`nearest`]. It says nothing rather than something far-fetched: a suggestion that is not near is taken
//! for an answer.

/// The nearest of `known`, when it is near enough that a slip of the fingers explains it: a quarter of its letters.
pub(crate) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if word.len() > LONGEST {
        return None;
    }
    let word = word.to_ascii_lowercase().replace('-', "_");
    known
        .into_iter()
        .map(|candidate| (distance(&word, &candidate.replace('-', "_")), candidate))
        .filter(|(steps, candidate)| *steps <= 1 + candidate.len() / 4)
        .min_by_key(|(steps, _)| *steps)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours that turn one word into the other.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for row in 1..=left.len() {
        let mut current = vec![row];
        for column in 1..=right.len() {
            let same = left[row - 1] == right[column - 1];
            let mut steps =
                (above[column - 1] + usize::from(!same)).min(above[column] + 1).min(current[column - 1] + 1);
            let swapped = row > 1
                && column > 1
                && left[row - 1] == right[column - 2]
                && left[row - 2] == right[column - 1];
            if swapped {
                steps = steps.min(before[column - 2] + 1);
            }
            current.push(steps);
        }
        before = std::mem::replace(&mut above, current);
    }
    above[right.len()]
}

/// No key is longer; a longer word is not compared.
const LONGEST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swap_counts_once_and_the_distance_is_symmetric() {
        assert_eq!(distance("prot", "port"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("sitting", "kitten"), 3);
        assert_eq!(distance("", "abc"), 3);
    }

    #[test]
    fn only_what_a_slip_explains_is_near() {
        let known = ["host", "port", "log_requests"];
        assert_eq!(nearest("log-request", known), Some("log_requests"));
        assert_eq!(nearest("prot", known), Some("port"));
        assert_eq!(nearest("banana", known), None);
    }
}
