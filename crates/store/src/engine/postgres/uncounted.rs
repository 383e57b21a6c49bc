//! The text of a bulk as PostgreSQL plans it. Where it sees an array it counts what is in it, and for
//! a long one prefers to read a whole table once: a thousand reports of a million sessions would read
//! all of the million, and everybody waits. Rows are found by their keys, however many are asked for.

/// The same statement with every array behind a query, into which the planner does not look.
pub(super) fn uncounted(text: &str) -> String {
    let mut parts = text.split('$');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match end_of_array(part) {
            Some(end) => {
                let (array, rest) = part.split_at(end);
                out.extend(["(SELECT $", array, ")", rest]);
            }
            None => out.extend(["$", part]),
        }
    }
    out
}

/// Up to where `1::bigint[]` goes at the beginning of a text; none if it begins otherwise.
fn end_of_array(text: &str) -> Option<usize> {
    let (number, rest) = text.split_once("::")?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let (word, _) = rest.split_once("[]")?;
    let is_word = word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    (is_number && is_word).then(|| number.len() + "::".len() + word.len() + "[]".len())
}

#[cfg(test)]
mod tests {
    use super::uncounted;

    #[test]
    fn arrays_hide_behind_a_query_and_nothing_else_does() {
        let text = "UPDATE t SET a = n.a, b = $3 FROM UNNEST($1::bigint[], $12::text[]) AS n (a, id) \
                    WHERE t.id = n.id AND t.c = $4::bigint AND t.d = '$5' AND $6 = '{}'::text[]";
        assert_eq!(
            uncounted(text),
            "UPDATE t SET a = n.a, b = $3 FROM UNNEST((SELECT $1::bigint[]), (SELECT $12::text[])) \
             AS n (a, id) WHERE t.id = n.id AND t.c = $4::bigint AND t.d = '$5' \
             AND $6 = '{}'::text[]"
        );
        assert_eq!(uncounted("SELECT 1"), "SELECT 1");
    }
}
