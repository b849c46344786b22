//! Which known name was meant by one that nobody knows.

/// The candidate with a name nearest to `written`; `None` where none is near enough to be meant.
pub(super) fn nearest<T>(
    written: &str,
    candidates: impl Iterator<Item = T>,
    names: impl Fn(&T) -> Vec<String>,
) -> Option<T> {
    let distance_of = |candidate: &T| {
        let near = |name: &String| distance(written, name) * 3 <= name.chars().count().max(3);
        names(candidate).iter().filter(|name| near(name)).map(|name| distance(written, name)).min()
    };
    let near = candidates.filter_map(|candidate| Some((distance_of(&candidate)?, candidate)));
    near.min_by_key(|(distance, _)| *distance).map(|(_, candidate)| candidate)
}

/// Longer names than this were not meant to be any of ours.
const NAME_MAX: usize = 100;

/// How many characters must be put in, taken out, changed or swapped with their neighbour.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    if one.len() > NAME_MAX || other.len() > NAME_MAX {
        return usize::MAX / 8;
    }
    let mut rows = vec![(0..=other.len()).collect::<Vec<_>>()];
    for (i, a) in one.iter().enumerate() {
        let above = &rows[i];
        let mut row = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let mut best = (above[j] + usize::from(a != b)).min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == other[j - 1] && one[i - 1] == *b {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_finger_are_near_and_other_words_are_not() {
        for (one, other, wanted) in
            [("", "", 0), ("abc", "abc", 0), ("abc", "acb", 1), ("abc", "ab", 1), ("abc", "xbcd", 2)]
        {
            assert_eq!(distance(one, other), wanted, "{one} {other}");
        }
        let known = ["listen.address", "limits.connections", "data_dir"];
        let meant = |written: &str| nearest(written, known.iter(), |name| vec![(**name).to_owned()]).copied();
        assert_eq!(meant("listen.adress"), Some("listen.address"));
        assert_eq!(meant("limit.conections"), Some("limits.connections"));
        assert_eq!(meant("datadir"), Some("data_dir"));
        assert_eq!(meant("colour"), None);
        assert_eq!(meant(&"x".repeat(100_000)), None);
    }
}
