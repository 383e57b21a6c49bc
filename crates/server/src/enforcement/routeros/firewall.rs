//! The rules that give our address lists their effect. Set once per router, at the very top of
//! the forward chain: below a rule that accepts or fast-tracks established connections they would
//! be no cut.

use super::profiles::WALLED;
use super::static_ip::EXPIRED;
use super::visit::{Visit, Write};
use crate::enforcement::MARK;
use lango_routeros::Error;
use lango_routeros::menus::{FilterRule, Menu};

const MOVE: &str = "/ip/firewall/filter/move";

/// One of our rules: what its comment says behind the mark, and what it matches.
struct Rule {
    note: &'static str,
    source: Option<&'static str>,
    target: Option<&'static str>,
}

/// Everything but the list of what those behind the wall may reach: the pay page and what it
/// needs. Its entries are the operator's.
const NOT_OPEN: &str = "!lango-open";

const RULES: [Rule; 4] = [
    Rule { note: "expired-from", source: Some(EXPIRED), target: None },
    Rule { note: "expired-to", source: None, target: Some(EXPIRED) },
    Rule { note: "walled-from", source: Some(WALLED), target: Some(NOT_OPEN) },
    Rule { note: "walled-to", source: Some(NOT_OPEN), target: Some(WALLED) },
];

impl Rule {
    fn comment(&self) -> String {
        format!("{MARK}{}", self.note)
    }

    fn is(&self, row: &FilterRule) -> bool {
        row.comment.as_deref() == Some(self.comment().as_str())
    }

    fn holds(&self, row: &FilterRule) -> bool {
        row.chain == "forward"
            && row.action == "drop"
            && row.src_address_list.as_deref() == self.source
            && row.dst_address_list.as_deref() == self.target
            && !row.disabled
    }

    fn values(&self) -> Vec<(&'static str, String)> {
        let mut values = vec![
            ("chain", "forward".to_owned()),
            ("action", "drop".to_owned()),
            ("disabled", "no".to_owned()),
            ("comment", self.comment()),
        ];
        values.extend(self.source.map(|list| ("src-address-list", list.to_owned())));
        values.extend(self.target.map(|list| ("dst-address-list", list.to_owned())));
        values
    }
}

/// What is wrong with our rules on a router; nothing if they have their effect.
pub(super) fn problem(rows: &[FilterRule]) -> Option<String> {
    let first = first_foreign(rows);
    RULES.iter().find_map(|rule| match rows.iter().position(|row| rule.is(row)) {
        None => Some(format!("the drop rule `{}` is missing", rule.comment())),
        Some(at) if !rule.holds(&rows[at]) => {
            Some(format!("the drop rule `{}` was changed or disabled", rule.comment()))
        }
        Some(at) if first.is_some_and(|first| at > first) => Some(format!(
            "the drop rule `{}` stands below a rule that is not Lango's in chain=forward: what is \
             accepted or fast-tracked there is not cut",
            rule.comment()
        )),
        Some(_) => None,
    })
}

/// The first rule that is not ours and could let a packet through before ours. What the router
/// made itself cannot be passed by.
fn first_foreign(rows: &[FilterRule]) -> Option<usize> {
    rows.iter().position(|row| {
        let ours = RULES.iter().any(|rule| rule.is(row));
        row.chain == "forward" && !row.dynamic && !row.disabled && !ours
    })
}

/// Makes sure of the rules and reads them back.
pub(super) async fn ensure(visit: &Visit<'_>) -> Result<Option<String>, Error> {
    let mut rows: Vec<FilterRule> = visit.connection.all(None).await?;
    if problem(&rows).is_none() {
        return Ok(None);
    }
    for rule in &RULES {
        repair(visit, &rows, rule).await?;
    }
    rows = visit.connection.all(None).await?;
    Ok(problem(&rows))
}

async fn repair(visit: &Visit<'_>, rows: &[FilterRule], rule: &Rule) -> Result<(), Error> {
    let path = FilterRule::PATH;
    let first = first_foreign(rows);
    let Some(at) = rows.iter().position(|row| rule.is(row)) else {
        let mut values = rule.values();
        values.extend(first.map(|first| ("place-before", rows[first].id.to_string())));
        return visit.carry_out_alone(Write::Add(path, values)).await;
    };
    let row = &rows[at];
    if !rule.holds(row) {
        visit.carry_out_alone(Write::Set(path, row.id.clone(), rule.values())).await?;
    }
    match first {
        Some(first) if at > first => {
            let attributes = [(".id", row.id.as_str()), ("destination", rows[first].id.as_str())];
            visit.connection.run(MOVE, &attributes).await.map(drop)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lango_routeros::Row;

    fn ours() -> Vec<FilterRule> {
        let rows = RULES.iter().map(|rule| {
            let mut row = Row::of([(".id", "*1")]);
            for (name, value) in rule.values() {
                row.push(name.as_bytes(), value.as_bytes());
            }
            FilterRule::from_row(row).unwrap()
        });
        rows.collect()
    }

    fn fasttrack() -> FilterRule {
        let row = [(".id", "*9"), ("chain", "forward"), ("action", "fasttrack-connection")];
        FilterRule::from_row(Row::of(row)).unwrap()
    }

    #[test]
    fn rules_must_stand_above_fasttrack() {
        let mut rows = ours();
        assert_eq!(problem(&rows), None);
        rows.push(fasttrack());
        assert_eq!(problem(&rows), None);
        rows.rotate_right(1);
        assert!(problem(&rows).unwrap().contains("stands below"));
    }

    #[test]
    fn a_rule_that_was_disabled_or_removed_is_no_cut() {
        let mut rows = ours();
        rows[1].disabled = true;
        assert!(problem(&rows).unwrap().contains("disabled"));
        rows.remove(1);
        assert!(problem(&rows).unwrap().contains("missing"));
    }
}
