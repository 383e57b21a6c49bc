//! Who sees the pay page only. He is online for his NAS, and must be left alone there: whoever ends
//! his session gets him back in a second, for ever.

use super::{LetInAs, let_in_as};
use lango_domain::grant::{Grant, State};
use lango_domain::time::Timestamp;
use lango_domain::wanted::Wanted;
use lango_store::radius::RadiusSession;

/// Whether a session shows the pay page only. Where the NAS does not repeat our word for it, it is
/// one that began when there was nothing else to be had.
pub(crate) fn is_walled(session: &RadiusSession, grant: &Grant) -> bool {
    match let_in_as(&session.identifiers) {
        LetInAs::Walled => true,
        LetInAs::Customer => false,
        LetInAs::Unsaid => {
            grant.wanted() == Wanted::Walled && session.started_at >= barred_since(grant)
        }
    }
}

/// Whether a session gives another access than its grant does now.
pub(crate) fn is_misfit(session: &RadiusSession, grant: &Grant) -> bool {
    match grant.wanted() {
        Wanted::Cut => true,
        Wanted::Walled => !is_walled(session, grant),
        // Who paid at the pay page is still behind its wall.
        Wanted::Allowed(_) | Wanted::Throttled(_) => is_walled(session, grant),
    }
}

fn barred_since(grant: &Grant) -> Timestamp {
    match grant.state {
        State::Suspended { since, .. } => since,
        State::Ended { at, .. } => at,
        _ => Timestamp::default(),
    }
}
