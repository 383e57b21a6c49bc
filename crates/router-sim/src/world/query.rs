//! Owns the query words of the API: a stack machine whose leftovers must all hold.
//! (MikroTik manual, "API", section "Queries".)

use super::row::Row;

/// One query word without its `?`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Has(String),
    Lacks(String),
    Equals(String, Vec<u8>),
    Less(String, Vec<u8>),
    Greater(String, Vec<u8>),
    Operations(String),
}

/// A whole query.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query {
    steps: Vec<Step>,
}

impl Query {
    pub(crate) fn parse<'a>(words: impl IntoIterator<Item = &'a [u8]>) -> Query {
        Query { steps: words.into_iter().map(step).collect() }
    }

    pub(crate) fn equal(name: &str, value: &[u8]) -> Query {
        Query { steps: vec![Step::Equals(name.to_owned(), value.to_vec())] }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    pub(crate) fn and(mut self, other: Query) -> Query {
        self.steps.extend(other.steps);
        self
    }

    /// Equalities without which no row can match; empty if the query is more than a conjunction.
    pub(crate) fn necessary(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let conjunction = self.steps.iter().all(|step| match step {
            Step::Operations(operations) => operations.chars().all(|operation| operation == '&'),
            _ => true,
        });
        let steps = if conjunction { self.steps.as_slice() } else { &[] };
        steps.iter().filter_map(|step| match step {
            Step::Equals(name, value) => Some((name.as_str(), value.as_slice())),
            _ => None,
        })
    }

    /// Equalities of which any matching row must meet one; empty if the query is anything else than
    /// one disjunction of them.
    pub(crate) fn alternatives(&self) -> Vec<(&str, &[u8])> {
        let (mut equalities, mut joints) = (Vec::new(), 0);
        for step in &self.steps {
            match step {
                Step::Equals(name, value) => equalities.push((name.as_str(), value.as_slice())),
                Step::Operations(signs) if signs.chars().all(|sign| sign == '|') => {
                    joints += signs.len();
                }
                _ => return Vec::new(),
            }
        }
        // With fewer joints some would all have to hold.
        if joints + 1 == equalities.len() { equalities } else { Vec::new() }
    }

    pub(crate) fn matches(&self, row: &Row) -> bool {
        let mut stack: Vec<bool> = Vec::new();
        for step in &self.steps {
            match step {
                Step::Has(name) => stack.push(row.value(name).is_some()),
                Step::Lacks(name) => stack.push(row.value(name).is_none()),
                Step::Equals(name, value) => {
                    stack.push(row.value(name).is_some_and(|other| other == value.as_slice()));
                }
                Step::Less(name, value) => {
                    stack.push(row.value(name).is_some_and(|other| order(other, value).is_lt()));
                }
                Step::Greater(name, value) => {
                    stack.push(row.value(name).is_some_and(|other| order(other, value).is_gt()));
                }
                Step::Operations(operations) => operate(operations, &mut stack),
            }
        }
        stack.iter().all(|holds| *holds)
    }
}

fn step(word: &[u8]) -> Step {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let pair = |rest: &[u8]| {
        let at = rest.iter().position(|byte| *byte == b'=');
        at.map(|at| (text(&rest[..at]), rest[at + 1..].to_vec()))
    };
    match word {
        [b'#', rest @ ..] => Step::Operations(text(rest)),
        [b'-', rest @ ..] => Step::Lacks(text(rest)),
        [b'<', rest @ ..] => {
            pair(rest).map_or(Step::Has(text(rest)), |(name, value)| Step::Less(name, value))
        }
        [b'>', rest @ ..] => {
            pair(rest).map_or(Step::Has(text(rest)), |(name, value)| Step::Greater(name, value))
        }
        // `?=name=value` is the same as `?name=value`.
        [b'=', rest @ ..] | rest => pair(rest)
            .map_or_else(|| Step::Has(text(rest)), |(name, value)| Step::Equals(name, value)),
    }
}

/// Numbers by size, everything else by its bytes.
fn order(left: &[u8], right: &[u8]) -> std::cmp::Ordering {
    let number = |bytes: &[u8]| std::str::from_utf8(bytes).ok()?.parse::<i64>().ok();
    match (number(left), number(right)) {
        (Some(left), Some(right)) => left.cmp(&right),
        _ => left.cmp(right),
    }
}

fn operate(operations: &str, stack: &mut Vec<bool>) {
    let mut index: Option<usize> = None;
    for operation in operations.chars() {
        if let Some(digit) = operation.to_digit(10) {
            index = Some(index.unwrap_or(0).saturating_mul(10).saturating_add(digit as usize));
            continue;
        }
        // A number picks a value by its place, and is used up by the next operation.
        if let Some(index) = index.take()
            && let Some(value) = stack.get(index).copied()
        {
            stack.push(value);
            if operation == '.' {
                continue;
            }
        }
        match operation {
            '!' => {
                if let Some(top) = stack.last_mut() {
                    *top = !*top;
                }
            }
            '&' | '|' => {
                if let (Some(right), Some(left)) = (stack.pop(), stack.pop()) {
                    stack.push(if operation == '&' { left && right } else { left || right });
                }
            }
            '.' => {
                if let Some(top) = stack.last().copied() {
                    stack.push(top);
                }
            }
            _ => {}
        }
    }
    if let Some(index) = index
        && let Some(value) = stack.get(index).copied()
    {
        stack.push(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(words: &[&str]) -> bool {
        let mut row = Row::default();
        row.push("type", "ether");
        row.push("mtu", "1500");
        Query::parse(words.iter().map(|word| word.as_bytes())).matches(&row)
    }

    #[test]
    fn the_stack_machine_follows_the_manual() {
        assert!(holds(&[]));
        assert!(holds(&["type"]) && !holds(&["-type"]) && holds(&["-comment"]));
        assert!(holds(&["type=ether", "mtu=1500"]) && !holds(&["type=ether", "mtu=1"]));
        assert!(holds(&["=type=ether"]));
        assert!(holds(&["type=vlan", "type=ether", "#|"]) && !holds(&["type=vlan", "type=ether"]));
        assert!(holds(&["type=vlan", "#!"]) && holds(&[">mtu=999"]) && !holds(&["<mtu=999"]));
        assert!(holds(&["type=vlan", "mtu=1500", "#!"]) == holds(&["-type"]));
        assert!(holds(&["type=vlan", "#!", "mtu=1500", "#&"]));
    }

    #[test]
    fn alternatives_are_those_of_one_disjunction() {
        let alternatives = |words: &[&str]| {
            Query::parse(words.iter().map(|word| word.as_bytes())).alternatives().len()
        };
        assert_eq!(alternatives(&["user=a", "user=b", "#|", "mac-address=c", "#|"]), 3);
        assert_eq!(alternatives(&["user=a", "user=b"]), 0);
        assert_eq!(alternatives(&["user=a", "user=b", "#&"]), 0);
        assert_eq!(alternatives(&["user=a", "user=b", "#|!"]), 0);
    }

    #[test]
    fn only_conjunctions_may_use_an_index() {
        let necessary = |words: &[&str]| {
            Query::parse(words.iter().map(|word| word.as_bytes())).necessary().count()
        };
        assert_eq!(necessary(&["user=a", "mac-address=b", "#&"]), 2);
        assert_eq!(necessary(&["user=a", "user=b", "#|"]), 0);
    }
}
