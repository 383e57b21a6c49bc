//! One connection to one router, whichever protocol carries it.
//!
//! The seam the enforcement drivers use. It translates neither rows nor refusals: both protocols
//! give the same [`Row`]s and the same [`Error`]s. It never reconnects an API connection and
//! never repeats a write; that is the caller's decision.

use std::fmt;
use std::sync::Arc;

use crate::api::{Api, Command, Listener};
use crate::error::Error;
use crate::menus::Menu;
use crate::query::Query;
use crate::rest::Rest;
use crate::row::{ItemId, Reply, Row};
use crate::transport::{Credentials, Endpoint, Protocol, Timeouts, dial};

/// What to print.
#[derive(Debug, Clone)]
pub struct Print<'a> {
    menu: &'a str,
    only: &'a [&'a str],
    query: Option<Query>,
}

impl<'a> Print<'a> {
    /// Everything in a menu, such as `/ip/hotspot/active`.
    pub fn of(menu: &'a str) -> Print<'a> {
        Print { menu, only: &[], query: None }
    }

    /// Only these properties. Always worth it: without, slow ones are computed. Others may come
    /// all the same.
    #[must_use]
    pub fn only(self, names: &'a [&'a str]) -> Print<'a> {
        Print { only: names, ..self }
    }

    /// Only rows that match; asked twice, both must match.
    #[must_use]
    pub fn matching(self, query: Query) -> Print<'a> {
        let query = match self.query {
            Some(earlier) => earlier.and(query),
            None => query,
        };
        Print { query: Some(query), ..self }
    }
}

/// A logged-in connection; clones are cheap and share it. Calls may run at the same time: over the
/// API they are pipelined on one socket, over REST two at a time.
///
/// Dropping a call's future is safe. A write whose future was dropped may still be carried out.
#[derive(Clone)]
pub struct Connection {
    inside: Inside,
}

#[derive(Clone)]
enum Inside {
    Api(Api),
    Rest(Rest),
}

impl Connection {
    /// Connects and logs in.
    pub async fn open(
        endpoint: &Endpoint,
        credentials: &Credentials,
        timeouts: Timeouts,
    ) -> Result<Connection, Error> {
        let inside = match endpoint.protocol {
            Protocol::Api => {
                let stream = dial(endpoint, timeouts.connect).await?;
                Inside::Api(Api::open(stream, endpoint.label(), credentials, timeouts).await?)
            }
            Protocol::Rest => Inside::Rest(Rest::open(endpoint, credentials, timeouts).await?),
        };
        Ok(Connection { inside })
    }

    /// Which protocol carries it.
    pub fn protocol(&self) -> Protocol {
        match &self.inside {
            Inside::Api(_) => Protocol::Api,
            Inside::Rest(_) => Protocol::Rest,
        }
    }

    /// The rows of a menu: all of them or an error, never a part.
    pub async fn print(&self, print: Print<'_>) -> Result<Vec<Row>, Error> {
        match &self.inside {
            Inside::Api(api) => {
                let command = Command::new(format!("{}/print", print.menu))
                    .only(print.only)
                    .matching(print.query.as_ref());
                Ok(api.call(command).await?.rows)
            }
            Inside::Rest(rest) => rest.print(print.menu, print.only, print.query.as_ref()).await,
        }
    }

    /// A typed menu's rows, all or those that match.
    pub async fn all<M: Menu>(&self, query: Option<Query>) -> Result<Vec<M>, Error> {
        let print = Print { menu: M::PATH, only: M::ONLY, query };
        let rows = self.print(print).await?;
        let typed: Option<Vec<M>> = rows.into_iter().map(M::from_row).collect();
        typed.ok_or_else(|| self.broken(&format!("a row of {} has no .id", M::PATH)))
    }

    /// A typed menu that is one object (`/system/resource`); `None` if the router has none.
    pub async fn one<M: Menu>(&self) -> Result<Option<M>, Error> {
        Ok(self.all::<M>(None).await?.into_iter().next())
    }

    /// How many rows match. `only` is of no effect.
    pub async fn count(&self, print: Print<'_>) -> Result<u64, Error> {
        match &self.inside {
            Inside::Api(api) => {
                let command = Command::new(format!("{}/print", print.menu))
                    .attribute("count-only", "")
                    .matching(print.query.as_ref());
                let reply = api.call(command).await?;
                let counted = reply.ret().and_then(|ret| ret.parse().ok());
                Ok(counted.unwrap_or(reply.rows.len() as u64))
            }
            Inside::Rest(rest) => rest.count(print.menu, print.query.as_ref()).await,
        }
    }

    /// Adds an item. After an error that [leaves doubt](Error::leaves_doubt) print before adding
    /// again.
    pub async fn add(&self, menu: &str, attributes: &[(&str, &str)]) -> Result<ItemId, Error> {
        let reply = match &self.inside {
            Inside::Api(api) => {
                api.call(Command::new(format!("{menu}/add")).attributes(attributes)).await?
            }
            Inside::Rest(rest) => rest.add(menu, attributes).await?,
        };
        let id = reply.done.id().or_else(|| reply.ret().map(ItemId::new));
        id.ok_or_else(|| self.broken(&format!("an add to {menu} did not name the new item")))
    }

    /// Changes an item's properties; an empty value clears one.
    pub async fn set(
        &self,
        menu: &str,
        id: &ItemId,
        attributes: &[(&str, &str)],
    ) -> Result<(), Error> {
        match &self.inside {
            Inside::Api(api) => {
                let command = Command::new(format!("{menu}/set")).attribute(".id", id.as_str());
                api.call(command.attributes(attributes)).await.map(drop)
            }
            Inside::Rest(rest) => rest.set(menu, id, attributes).await,
        }
    }

    /// Clears an optional property that an empty value would not clear (`remote-address`).
    pub async fn unset(&self, menu: &str, id: &ItemId, name: &str) -> Result<(), Error> {
        let attributes = [(".id", id.as_str()), ("value-name", name)];
        self.run(&format!("{menu}/unset"), &attributes).await.map(drop)
    }

    /// Removes one item. [`Error::is_missing`] tells that it was gone already.
    pub async fn remove(&self, menu: &str, id: &ItemId) -> Result<(), Error> {
        match &self.inside {
            Inside::Api(api) => {
                let command = Command::new(format!("{menu}/remove")).attribute(".id", id.as_str());
                api.call(command).await.map(drop)
            }
            Inside::Rest(rest) => rest.remove(menu, id).await,
        }
    }

    /// Runs any command (`/ip/hotspot/active/login`). Those that never end need `once` or
    /// `duration`.
    pub async fn run(&self, command: &str, attributes: &[(&str, &str)]) -> Result<Reply, Error> {
        match &self.inside {
            Inside::Api(api) => {
                api.call(Command::new(command.to_owned()).attributes(attributes)).await
            }
            Inside::Rest(rest) => rest.run(command, attributes).await,
        }
    }

    /// Follows a menu's changes. The router does not acknowledge: a refusal shows as the
    /// listener's end. Not over REST.
    pub async fn listen(&self, menu: &str, only: &[&str]) -> Result<Listener, Error> {
        match &self.inside {
            Inside::Api(api) => api.listen(menu, only).await,
            Inside::Rest(rest) => Err(rest.unsupported("listening for changes")),
        }
    }

    /// The cheapest proof of life.
    pub async fn ping(&self) -> Result<(), Error> {
        match &self.inside {
            Inside::Api(_) => self.print(Print::of("/system/identity")).await.map(drop),
            Inside::Rest(rest) => rest.ping().await,
        }
    }

    /// Whether calls can succeed. Over REST: whether the last one reached the router; the next
    /// may open it again.
    pub fn is_open(&self) -> bool {
        match &self.inside {
            Inside::Api(api) => api.is_open(),
            Inside::Rest(rest) => rest.is_open(),
        }
    }

    /// Completes when the connection is lost. Only the API notices by itself, and only when the
    /// router says goodbye or a reply is due: ping now and then.
    pub async fn closed(&self) {
        match &self.inside {
            Inside::Api(api) => api.closed().await,
            Inside::Rest(rest) => rest.closed().await,
        }
    }

    fn broken(&self, problem: &str) -> Error {
        Error::Protocol { router: self.router(), problem: problem.into() }
    }

    fn router(&self) -> Arc<str> {
        match &self.inside {
            Inside::Api(api) => api.router(),
            Inside::Rest(rest) => rest.router(),
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({:?} {})", self.protocol(), self.router())
    }
}
