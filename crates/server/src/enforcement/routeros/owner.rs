//! Whose an object on a router is, read from its comment. Never decides what to do with it.

use crate::enforcement::MARK;
use lango_domain::ids::GrantId;

/// Who made an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Owner<'c> {
    /// We did, for this grant; behind the id may stand a note.
    Grant(GrantId, &'c str),
    /// We did, for no grant: a firewall rule, an address kept blocked.
    Lango(&'c str),
    /// Somebody else.
    Foreign,
}

/// Behind the mark: the router's own deadline ended the grant.
pub(super) const CUT_BY_GUARD: &str = "cut by the guard";
/// Behind the mark: the profile was changed and the sessions still run with the old one.
pub(super) const SESSIONS_OUTDATED: &str = "sessions outdated";
/// Behind the mark, followed by addresses: where its sessions were when the cut began. Should the
/// cut break off, their connections can still be found.
pub(super) const SESSIONS_AT: &str = "sessions at ";
/// Behind the mark instead of a grant: nobody's address, kept from going online.
pub(super) const RETIRED: &str = "retired";

/// Reads a comment.
pub(super) fn owner(comment: Option<&str>) -> Owner<'_> {
    let Some(rest) = comment.and_then(|comment| comment.strip_prefix(MARK)) else {
        return Owner::Foreign;
    };
    let (id, note) = rest.split_once(' ').unwrap_or((rest, ""));
    id.parse().map_or(Owner::Lango(rest), |grant| Owner::Grant(grant, note))
}

/// Whether the object is this grant's.
pub(super) fn is_of(comment: Option<&str>, grant: GrantId) -> bool {
    matches!(owner(comment), Owner::Grant(of, _) if of == grant)
}

/// Whether we made the object, for whomever.
pub(super) fn is_marked(comment: Option<&str>) -> bool {
    owner(comment) != Owner::Foreign
}

/// The note behind the grant's id.
pub(super) fn note(comment: Option<&str>) -> &str {
    match owner(comment) {
        Owner::Grant(_, note) => note,
        Owner::Lango(_) | Owner::Foreign => "",
    }
}

/// The comment of a grant's object.
pub(super) fn mark(grant: GrantId) -> String {
    format!("{MARK}{grant}")
}

/// The comment of a grant's object with a note.
pub(super) fn mark_with(grant: GrantId, note: &str) -> String {
    format!("{MARK}{grant} {note}")
}

/// The name of a grant's queue and guard.
pub(super) fn object_name(grant: GrantId) -> String {
    format!("lango-{grant}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use lango_domain::ids::Id;

    #[test]
    fn a_comment_says_whose_an_object_is() {
        let grant = GrantId::from_raw(77);
        let plain = mark(grant);
        let noted = mark_with(grant, CUT_BY_GUARD);
        assert_eq!(owner(Some(&plain)), Owner::Grant(grant, ""));
        assert_eq!(owner(Some(&noted)), Owner::Grant(grant, CUT_BY_GUARD));
        assert_eq!(owner(Some("lango:retired")), Owner::Lango("retired"));
        assert_eq!(owner(Some("vc-17")), Owner::Foreign);
        assert_eq!(owner(None), Owner::Foreign);
        assert!(!is_of(Some(&plain), GrantId::from_raw(78)));
    }
}
