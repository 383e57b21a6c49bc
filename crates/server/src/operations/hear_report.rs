//! A gateway says what became of texts. It may say so before we know what it calls them, twice, in
//! any order, or of texts that we do not know: none of that does harm. What was delivered stays
//! delivered.

use crate::app::App;
use lango_domain::ids::{MessageId, SenderId, TenantId};
use lango_domain::time::Timestamp;
use lango_store::messages::{self, Message, MessageState, Outcome, Report};
use lango_store::{Error, Tx};

/// Keeps reports and tells the messages that they are about.
///
/// # Errors
/// A fault of the store; nothing of it is kept then.
pub async fn hear_reports(
    app: &App,
    (tenant, sender): (TenantId, SenderId),
    reports: Vec<Report>,
    now: Timestamp,
) -> Result<(), Error> {
    app.store()
        .write(async move |tx: &mut Tx<'_>| {
            for report in &reports {
                let about = messages::hear(tx, (tenant, sender), report, now).await?;
                let Some(id) = about else { continue };
                tell(tx, tenant, id, sender, now).await?;
            }
            Ok(())
        })
        .await
}

async fn tell(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    id: MessageId,
    sender: SenderId,
    now: Timestamp,
) -> Result<(), Error> {
    match messages::find(tx, tenant, id).await? {
        Some(message) => judge(tx, &message, sender, now).await,
        None => Ok(()),
    }
}

/// Says of a message what its parts at a gateway say together.
pub(crate) async fn judge(
    tx: &mut Tx<'_>,
    message: &Message,
    sender: SenderId,
    now: Timestamp,
) -> Result<(), Error> {
    let parts = messages::parts_of(tx, message.tenant, message.id).await?;
    let parts: Vec<_> = parts.into_iter().filter(|part| part.sender == sender).collect();
    let states: Vec<Option<MessageState>> = parts.iter().map(|part| part.state).collect();
    let Some(state) = together(message.state, &states) else { return Ok(()) };
    let detail = parts.iter().find(|part| part.state == Some(state)).map(|part| &part.detail);
    let after = Message {
        state,
        state_at: now,
        last_error: detail.cloned().flatten().filter(|_| state == MessageState::Failed),
        poll_at: message.poll_at.filter(|_| state == MessageState::Sent),
        ..message.clone()
    };
    messages::set_state(tx, &after).await?;
    let was_taken = message.tries.last().is_some_and(|last| last.outcome == Some(Outcome::Taken));
    if state == MessageState::Failed && was_taken {
        // Another gateway may do better.
        lango_store::jobs::reopen(tx, message.tenant, message.job, now).await?;
    }
    Ok(())
}

/// What a message is after its parts have been heard of; none if that changes nothing.
fn together(before: MessageState, parts: &[Option<MessageState>]) -> Option<MessageState> {
    use MessageState::{Delivered, Failed, Sent, Unknown};
    let after = if parts.contains(&Some(Failed)) {
        Failed
    } else if !parts.is_empty() && parts.iter().all(|part| *part == Some(Delivered)) {
        Delivered
    } else if before == Unknown && parts.iter().any(Option::is_some) {
        Sent
    } else {
        return None;
    };
    (before != after && before != Delivered).then_some(after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use MessageState::{Delivered, Failed, Sent, Unknown};

    #[test]
    fn parts_make_a_whole_only_together() {
        assert_eq!(together(Sent, &[Some(Delivered), None]), None);
        assert_eq!(together(Sent, &[Some(Delivered), Some(Delivered)]), Some(Delivered));
        assert_eq!(together(Sent, &[Some(Delivered), Some(Failed)]), Some(Failed));
        assert_eq!(together(Unknown, &[Some(Sent)]), Some(Sent));
        assert_eq!(together(Delivered, &[Some(Failed)]), None);
        assert_eq!(together(Failed, &[Some(Delivered)]), Some(Delivered));
        assert_eq!(together(Sent, &[]), None);
    }
}
