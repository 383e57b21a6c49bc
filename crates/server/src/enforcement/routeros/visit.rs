//! One call's work on a router: reading menus, carrying out writes in a pipeline, and keeping
//! what became of each order. Knows no menu's meaning.
//!
//! A trap fails the order it belongs to; anything else ends the call.

use super::owner;
use crate::enforcement::{ConfirmedBy, Order, Outcome};
use futures_util::{StreamExt, TryStreamExt, stream};
use lango_domain::time::Timestamp;
use lango_routeros::menus::Menu;
use lango_routeros::{Connection, Error, ItemId, Query, TrapKind};

/// Up to so many names a menu is asked for them; beyond, for all of it once. A router compares
/// names much faster than it prints rows.
const FEW: usize = 64;

/// Writes on the wire at a time.
const PIPELINE: usize = 32;

/// How often an order is read, written and read again before it counts as failed. Two are
/// normal; more only when somebody else changes the same objects meanwhile.
pub(super) const ROUNDS: usize = 6;

/// What a write sets.
pub(super) type Values = Vec<(&'static str, String)>;

/// A call on one router.
pub(super) struct Visit<'a> {
    /// The way to it.
    pub(super) connection: &'a Connection,
    /// The entrance's clock.
    pub(super) now: Timestamp,
}

/// One change of one object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Write {
    /// A new object.
    Add(&'static str, Values),
    /// New values of an object.
    Set(&'static str, ItemId, Values),
    /// An optional value taken away.
    Unset(&'static str, ItemId, &'static str),
    /// An object taken away.
    Remove(&'static str, ItemId),
    /// A session ended; it counts if it was there.
    End(&'static str, ItemId),
    /// Any command; a refusal of it is nobody's failure.
    Try(&'static str, Values),
}

/// What became of a write.
enum Written {
    Done,
    /// The object was not as read: it vanished, or somebody made the same. Read again.
    Stale,
    Refused(Error),
}

/// One order and what has become of it.
pub(super) struct Task<'o> {
    /// The order.
    pub(super) order: &'o Order,
    /// How many sessions we ended for it.
    pub(super) ended: u32,
    /// At arrival the router had ended it by itself.
    pub(super) by_router: bool,
    outcome: Option<Outcome>,
}

impl<'o> Task<'o> {
    /// An order with nothing done yet.
    pub(super) fn new(order: &'o Order) -> Task<'o> {
        Task { order, ended: 0, by_router: false, outcome: None }
    }

    /// Whether there is still something to do.
    pub(super) fn is_open(&self) -> bool {
        self.outcome.is_none()
    }

    /// The router was read and holds what is wanted.
    pub(super) fn confirm(&mut self) {
        let by = if self.by_router && self.ended == 0 {
            ConfirmedBy::Router
        } else {
            ConfirmedBy::Lango
        };
        let sessions_ended = self.ended;
        self.outcome.get_or_insert(Outcome::Confirmed { by, sessions_ended });
    }

    /// It cannot be done. The first reason counts.
    pub(super) fn fail(&mut self, why: impl Into<String>) {
        self.outcome.get_or_insert_with(|| Outcome::Failed(why.into()));
    }

    /// Whether it was confirmed.
    pub(super) fn is_confirmed(&self) -> bool {
        matches!(self.outcome, Some(Outcome::Confirmed { .. }))
    }

    /// What became of it.
    pub(super) fn into_outcome(self) -> Outcome {
        self.outcome.unwrap_or_else(|| {
            Outcome::Failed(format!(
                "the router's objects changed while they were read, {ROUNDS} times: somebody or \
                 something else sets them too; see its log for who"
            ))
        })
    }
}

/// Whether an error is the router's answer to one command, the connection still being good.
pub(super) fn is_refusal(error: &Error) -> bool {
    matches!(error, Error::Refused { .. })
}

/// Whether the router has no such menu.
pub(super) fn lacks_menu(error: &Error) -> bool {
    error.trap().is_some_and(|trap| trap.kind == TrapKind::NoSuchCommand)
}

/// One condition for each value.
pub(super) fn each<'v>(
    property: &'static str,
    values: impl IntoIterator<Item = &'v str>,
) -> Vec<(&'static str, String)> {
    values.into_iter().map(|value| (property, value.to_owned())).collect()
}

/// The query for rows that meet any of the conditions; for many, the whole menu is cheaper.
pub(super) fn any_of_few(conditions: &[(&'static str, String)]) -> Option<Query> {
    let few = conditions.len() <= FEW;
    few.then(|| Query::any_of(conditions.iter().map(|(name, value)| Query::equals(name, value))))?
}

impl Visit<'_> {
    /// Rows that meet any of the conditions, perhaps others too; without conditions none.
    pub(super) async fn rows<M: Menu>(
        &self,
        conditions: &[(&'static str, String)],
    ) -> Result<Vec<M>, Error> {
        if conditions.is_empty() {
            return Ok(Vec::new());
        }
        self.connection.all(any_of_few(conditions)).await
    }

    /// Carries out writes, many on the way at a time. A refusal fails its order.
    pub(super) async fn carry_out(
        &self,
        tasks: &mut [Task<'_>],
        writes: Vec<(usize, Write)>,
    ) -> Result<(), Error> {
        let results: Vec<(usize, bool, Written)> = stream::iter(writes)
            .map(|(index, write)| async move {
                let ends = matches!(write, Write::End(..));
                Ok::<_, Error>((index, ends, self.carry_out_one(&write).await?))
            })
            .buffered(PIPELINE)
            .try_collect()
            .await?;
        for (index, ends, written) in results {
            let Some(task) = tasks.get_mut(index) else { continue };
            match written {
                Written::Done => task.ended += u32::from(ends),
                Written::Stale => {}
                Written::Refused(error) => task.fail(error.to_string()),
            }
        }
        Ok(())
    }

    /// Carries out writes that belong to no order; says whether the router refused none.
    pub(super) async fn are_taken(&self, writes: Vec<Write>) -> Result<bool, Error> {
        let results: Vec<Written> = stream::iter(writes)
            .map(|write| async move { self.carry_out_one(&write).await })
            .buffered(PIPELINE)
            .try_collect()
            .await?;
        Ok(!results.iter().any(|written| matches!(written, Written::Refused(_))))
    }

    /// Carries out one write that belongs to no order.
    pub(super) async fn carry_out_alone(&self, write: Write) -> Result<(), Error> {
        match self.carry_out_one(&write).await? {
            Written::Done | Written::Stale => Ok(()),
            Written::Refused(error) => Err(error),
        }
    }

    async fn carry_out_one(&self, write: &Write) -> Result<Written, Error> {
        let result = self.send(write).await;
        let attempt = matches!(write, Write::Try(..));
        match result {
            Ok(()) => Ok(Written::Done),
            Err(error) if error.is_missing() || error.is_duplicate() => Ok(Written::Stale),
            Err(error) if is_refusal(&error) && attempt => Ok(Written::Stale),
            Err(error) if is_refusal(&error) => Ok(Written::Refused(error)),
            Err(error) => Err(error),
        }
    }

    async fn send(&self, write: &Write) -> Result<(), Error> {
        let connection = self.connection;
        match write {
            Write::Add(menu, values) => connection.add(menu, &borrowed(values)).await.map(drop),
            Write::Set(menu, id, values) => connection.set(menu, id, &borrowed(values)).await,
            Write::Unset(menu, id, name) => connection.unset(menu, id, name).await,
            Write::Remove(menu, id) | Write::End(menu, id) => connection.remove(menu, id).await,
            Write::Try(command, values) => {
                connection.run(command, &borrowed(values)).await.map(drop)
            }
        }
    }
}

fn borrowed(values: &Values) -> Vec<(&'static str, &str)> {
    values.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

/// The row among those of one name that is the grant's, else one of ours, else the stranger's.
pub(super) fn pick<'r, M>(
    rows: impl IntoIterator<Item = &'r M>,
    order: &Order,
    comment: impl Fn(&M) -> Option<&str>,
) -> Option<&'r M> {
    rows.into_iter().min_by_key(|row| match owner::owner(comment(row)) {
        owner::Owner::Grant(grant, _) if grant == order.grant => 0,
        owner::Owner::Grant(..) | owner::Owner::Lango(_) => 1,
        owner::Owner::Foreign => 2,
    })
}

/// A property that is not as wanted: what to write, and how to say it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Difference {
    /// The property.
    pub(super) name: &'static str,
    /// What it should be.
    pub(super) value: String,
    /// As a person reads it.
    pub(super) said: String,
}

impl Difference {
    /// A property that should have this value.
    pub(super) fn new(
        name: &'static str,
        value: impl Into<String>,
        said: impl Into<String>,
    ) -> Difference {
        Difference { name, value: value.into(), said: said.into() }
    }
}

/// What to set so that nothing differs.
pub(super) fn to_set(differences: &[Difference]) -> Values {
    differences.iter().map(|d| (d.name, d.value.clone())).collect()
}

/// All differences in one sentence.
pub(super) fn said(differences: &[Difference]) -> String {
    differences.iter().map(|d| d.said.as_str()).collect::<Vec<_>>().join("; ")
}
