//! Which rows a print shall return: the manual's stack machine behind a builder.
//!
//! ("API", section "Queries".) The router compares text and knows no prefixes; a misspelt name
//! silently matches nothing, so callers filter again what comes back.

/// A condition on rows. Rendered as `?` words for the API and as `.query` for REST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Words without their `?`, in postfix order.
    words: Vec<String>,
}

impl Query {
    /// The property has this value. Booleans are `true` and `false` here, never `yes`.
    pub fn equals(name: &str, value: &str) -> Query {
        Query::word(format!("{name}={value}"))
    }

    /// The property has a value.
    pub fn has(name: &str) -> Query {
        Query::word(name.to_owned())
    }

    /// The property has no value.
    pub fn lacks(name: &str) -> Query {
        Query::word(format!("-{name}"))
    }

    /// The property is less than the value.
    pub fn less(name: &str, value: &str) -> Query {
        Query::word(format!("<{name}={value}"))
    }

    /// The property is greater than the value.
    pub fn greater(name: &str, value: &str) -> Query {
        Query::word(format!(">{name}={value}"))
    }

    /// Any of these conditions; `None` if there are none.
    pub fn any_of(queries: impl IntoIterator<Item = Query>) -> Option<Query> {
        queries.into_iter().reduce(Query::or)
    }

    /// Both conditions.
    #[must_use]
    pub fn and(self, other: Query) -> Query {
        self.joined(other, "#&")
    }

    /// Either condition.
    #[must_use]
    pub fn or(self, other: Query) -> Query {
        self.joined(other, "#|")
    }

    /// The opposite.
    #[must_use]
    pub fn negated(mut self) -> Query {
        self.words.push("#!".to_owned());
        self
    }

    /// The words without their `?`: what REST takes in `.query`.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    fn word(word: String) -> Query {
        Query { words: vec![word] }
    }

    fn joined(mut self, other: Query, operator: &str) -> Query {
        self.words.extend(other.words);
        self.words.push(operator.to_owned());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_come_out_in_postfix_order() {
        let ether_or_vlan = Query::equals("type", "ether").or(Query::equals("type", "vlan"));
        let query = ether_or_vlan.and(Query::has("comment").negated());
        assert_eq!(query.words(), ["type=ether", "type=vlan", "#|", "comment", "#!", "#&"]);
    }

    #[test]
    fn every_comparison_has_its_word() {
        assert_eq!(Query::lacks("comment").words(), ["-comment"]);
        assert_eq!(Query::less("mtu", "1500").words(), ["<mtu=1500"]);
        assert_eq!(Query::greater("mtu", "1500").words(), [">mtu=1500"]);
        assert_eq!(Query::equals("name", "a=b").words(), ["name=a=b"]);
    }

    #[test]
    fn any_of_nothing_is_no_query() {
        assert_eq!(Query::any_of([]), None);
        let three = ["1", "2", "3"].map(|id| Query::equals(".id", id));
        let query = Query::any_of(three).unwrap();
        assert_eq!(query.words(), [".id=1", ".id=2", "#|", ".id=3", "#|"]);
    }
}
