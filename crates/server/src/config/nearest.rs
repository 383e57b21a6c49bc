//! Which of the known names somebody meant.

/// The known name that is nearest to what was written; none if all are far.
pub(crate) fn nearest<'n>(written: &str, known: &[&'n str]) -> Option<&'n str> {
    let written = written.to_ascii_lowercase().replace('-', "_");
    let (distance, name) =
        known.iter().map(|name| (distance(&written, name), *name)).min_by_key(|(far, _)| *far)?;
    let near = 1 + name.chars().count().max(written.chars().count()) / 3;
    (distance <= near).then_some(name)
}

/// How many signs must be added, taken away, changed or exchanged with their neighbour to make
/// one text of the other (optimal string alignment).
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (row, sign) in one.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, against) in other.iter().enumerate() {
            let changed = last[column] + usize::from(sign != against);
            let mut least = changed.min(last[column + 1] + 1).min(current[column] + 1);
            let exchanged =
                row > 0 && column > 0 && *sign == other[column - 1] && one[row - 1] == *against;
            if exchanged {
                least = least.min(before_last[column - 1] + 1);
            }
            current.push(least);
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_finger_are_understood() {
        let known = ["data_dir", "database_url", "http"];
        for (written, meant) in
            [("htpp", "http"), ("datadir", "data_dir"), ("Database-URL", "database_url")]
        {
            assert_eq!(nearest(written, &known), Some(meant));
        }
        assert_eq!(nearest("radius_secret", &known), None);
    }

    #[test]
    fn distance_counts_each_slip_once() {
        assert_eq!(distance("http", "http"), 0);
        assert_eq!(distance("htpt", "http"), 1);
        assert_eq!(distance("", "http"), 4);
        assert_eq!(distance("htp", "http"), 1);
    }
}
