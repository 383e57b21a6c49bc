//! What providers send, kept before it is answered. Messages that come while others are being made
//! durable are kept together, in the next transaction: a thousand payments in a second cost a few
//! flushes, and do not wait behind everything else that a busy node writes.
//!
//! Must never say that something is kept before it is on the disk, nor let one message that cannot
//! be kept take others with it.

use lango_store::inbox::Letter;
use lango_store::{Error, Store, Tx};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;

/// How many are kept together.
const MOST_AT_ONCE: usize = 512;

/// Where messages are handed in. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Postbox(Arc<Slot>);

#[derive(Default)]
struct Slot {
    waiting: Mutex<Vec<Waiting>>,
    /// Whoever holds it keeps what waits.
    turn: tokio::sync::Mutex<()>,
}

struct Waiting {
    letter: Letter,
    kept: oneshot::Sender<()>,
}

impl Postbox {
    /// Hands a message in and waits until it is durable. False: it is not, and whoever sent it must
    /// be told so.
    pub(crate) async fn keep(&self, store: &Store, letter: Letter) -> bool {
        let (kept, wait) = oneshot::channel();
        self.0.waiting().push(Waiting { letter, kept });
        // Not in the caller's hands: whoever hangs up takes nobody else's message with him.
        tokio::spawn(self.clone().empty(store.clone()));
        wait.await.is_ok()
    }

    /// Keeps what waits by now. Whose message somebody before took along finds nothing left.
    async fn empty(self, store: Store) {
        let _turn = self.0.turn.lock().await;
        let waiting = self.0.take();
        let letters: Arc<[Letter]> = waiting.iter().map(|one| one.letter.clone()).collect();
        match keep_all(&store, letters).await {
            Ok(()) => waiting.into_iter().for_each(Waiting::answer),
            Err(error) if waiting.len() > 1 && !error.is_passing() => {
                keep_each(&store, waiting).await;
            }
            // Their senders go, and nobody is told that he was heard.
            Err(error) => not_kept(&error),
        }
    }
}

impl Slot {
    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those who have waited longest. The others have a turn of their own.
    fn take(&self) -> Vec<Waiting> {
        let mut waiting = self.waiting();
        let most = waiting.len().min(MOST_AT_ONCE);
        waiting.drain(..most).collect()
    }
}

impl Waiting {
    fn answer(self) {
        // The provider may have hung up: it is kept all the same.
        let _ = self.kept.send(());
    }
}

async fn keep_all(store: &Store, letters: Arc<[Letter]>) -> Result<(), Error> {
    if letters.is_empty() {
        return Ok(());
    }
    store.write(async move |tx: &mut Tx<'_>| lango_store::inbox::put(tx, &letters).await).await
}

/// Something in one of them is refused: the others do not suffer for it.
async fn keep_each(store: &Store, waiting: Vec<Waiting>) {
    for one in waiting {
        match keep_all(store, Arc::new([one.letter.clone()])).await {
            Ok(()) => one.answer(),
            Err(error) => not_kept(&error),
        }
    }
}

fn not_kept(error: &Error) {
    tracing::error!(%error, "messages of payment providers could not be kept");
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use lango_domain::ids::{GatewayId, Id, InboxId, TenantId};
    use lango_domain::time::Timestamp;

    fn letter(id: i64) -> Letter {
        Letter {
            id: InboxId::from_raw(id),
            tenant: TenantId::from_raw(1),
            gateway: GatewayId::from_raw(1),
            payment: None,
            door: "stk".to_owned(),
            source: "127.0.0.1".to_owned(),
            headers: "[]".to_owned(),
            body: b"{}".to_vec(),
            received_at: Timestamp::default(),
            work_at: Some(Timestamp::default()),
            attempt: 0,
            outcome: None,
        }
    }

    async fn open() -> lango_store::testing::TestStore {
        lango_store::testing::sqlite(lango_store::schema::MIGRATIONS).await
    }

    async fn kept(store: &Store) -> i64 {
        let count = async |tx: &mut Tx<'_>| lango_store::inbox::count_waiting(tx).await;
        store.read(count).await.unwrap()
    }

    #[tokio::test]
    async fn what_comes_together_is_kept_together_and_all_of_it() {
        let (store, postbox) = (open().await, Postbox::default());
        let all = (1..=1_500).map(|id| postbox.keep(&store, letter(id)));
        let told = futures_util::future::join_all(all).await;
        assert!(told.iter().all(|is_kept| *is_kept));
        assert_eq!(kept(&store).await, 1_500);
    }

    #[tokio::test]
    async fn one_that_cannot_be_kept_takes_no_other_with_it() {
        let (store, postbox) = (open().await, Postbox::default());
        assert!(postbox.keep(&store, letter(7)).await);
        // The number 7 is taken.
        let all = [5, 6, 7, 8].map(|id| postbox.keep(&store, letter(id)));
        let told = futures_util::future::join_all(all).await;
        assert_eq!(told, [true, true, false, true]);
        assert_eq!(kept(&store).await, 4);
    }

    #[tokio::test]
    async fn whoever_hangs_up_has_been_heard() {
        let (store, postbox) = (open().await, Postbox::default());
        let hung_up = postbox.keep(&store, letter(1)).now_or_never();
        assert!(hung_up.is_none());
        assert!(postbox.keep(&store, letter(2)).await);
        assert_eq!(kept(&store).await, 2);
    }

    #[tokio::test]
    async fn nothing_is_said_to_be_kept_that_is_not() {
        let (store, postbox) = (open().await, Postbox::default());
        store.close().await;
        assert!(!postbox.keep(&store, letter(1)).await);
    }
}
