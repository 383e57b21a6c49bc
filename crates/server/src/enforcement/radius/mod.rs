//! NASes that ask us by RADIUS. Who may come in is answered when they ask; what is left to do is to
//! end or change sessions that live. What such a router holds is what it reports: accounting.

mod orders;
pub mod setup;

use crate::app::App;
use crate::enforcement::{ConfirmedBy, DriverError, Observed, Order, Outcome, Survey};
use crate::operations::note_reports::{self, OfGrant};
use crate::radius::each_identifier;
use lango_domain::ids::{GrantId, RouterId};
use lango_domain::time::{Span, Timestamp};
use lango_domain::wanted::Profile;
use lango_radius::coa::Outcome as Answer;
use lango_radius::dictionary::{ACCT_SESSION_ID, EVENT_TIMESTAMP, SESSION_TIMEOUT, USER_NAME};
use lango_radius::{Draft, EncodeError, ErrorCause, Secret};
use lango_store::radius::RadiusSession;
use orders::{Desk, Silent};
use std::collections::HashMap;
use std::net::SocketAddr;

/// How often a NAS is asked for a sign of life.
const PING_EVERY: Span = Span::seconds(30);
/// What no session is called.
const NOBODY: &str = "lango-is-anybody-there";

/// A NAS.
pub struct RadiusNas {
    app: App,
    router: RouterId,
    name: String,
    desk: Desk,
    observed: Observed,
    pinged_at: Timestamp,
    dating: Dating,
}

/// Whether orders say when they were given. Some NASes are deaf to those that do not; RouterOS is
/// told nothing that it does not ask for, because its word for "what is that" is its word for
/// "there is no such session".
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Dating {
    /// They say nothing.
    Undated,
    /// They carry Event-Timestamp.
    Dated,
}

/// What an order to a NAS came to.
enum Came {
    /// It did as it was told.
    Done,
    /// It says that there is no such session.
    Gone,
    /// It refuses, in words for an operator.
    Refused(String),
}

impl RadiusNas {
    /// Finds out whether a NAS takes orders.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn open(
        app: &App,
        router: RouterId,
        name: &str,
        address: SocketAddr,
        secret: Secret,
    ) -> Result<RadiusNas, DriverError> {
        let desk = Desk::new(address, secret);
        let (app, name, pinged_at) = (app.clone(), name.to_owned(), Timestamp::default());
        let observed = Observed::default();
        let dating = Dating::Undated;
        let mut nas = RadiusNas { app, router, name, desk, observed, pinged_at, dating };
        nas.ping().await?;
        Ok(nas)
    }

    /// Ends or changes the sessions of each order.
    ///
    /// # Errors
    /// The database. A NAS that is silent fails its orders one by one.
    pub async fn act(&mut self, orders: &[Order]) -> Result<Vec<Outcome>, DriverError> {
        let mut outcomes = Vec::with_capacity(orders.len());
        for chunk in orders.chunks(orders::AT_ONCE) {
            let acts = chunk.iter().map(|order| self.act_on(order));
            outcomes.extend(futures_util::future::join_all(acts).await);
        }
        Ok(outcomes)
    }

    async fn act_on(&self, order: &Order) -> Outcome {
        let now = self.app.clock().now();
        let sessions = note_reports::of_grant(&self.app, self.router, order.grant, now).await;
        let sessions = match sessions {
            Ok(sessions) => sessions,
            Err(error) => return Outcome::Failed(format!("reading its sessions: {error}")),
        };
        let acted = match order.wanted.profile() {
            Some(profile) => self.hold(order.grant, sessions, profile, now).await,
            None => {
                let OfGrant { mut open, overdue, .. } = sessions;
                open.extend(overdue);
                self.end_all(open).await
            }
        };
        acted.unwrap_or_else(|why| Outcome::Failed(why.to_string()))
    }

    /// Ends what must be over, and brings the rest to what is wanted now.
    async fn hold(
        &self,
        grant: GrantId,
        sessions: OfGrant,
        profile: Profile,
        now: Timestamp,
    ) -> Result<Outcome, Silent> {
        let OfGrant { open, overdue, closes } = sessions;
        if !overdue.is_empty()
            && let Outcome::Failed(why) = self.end_all(overdue).await?
        {
            return Ok(Outcome::Failed(why));
        }
        self.change_all(grant, &open, (profile, closes), now).await
    }

    /// Ends sessions. A session that the NAS reported to be over was ended by the NAS.
    async fn end_all(&self, open: Vec<RadiusSession>) -> Result<Outcome, Silent> {
        let (mut ended, mut done) = (Vec::new(), 0);
        let by = if open.is_empty() { ConfirmedBy::Router } else { ConfirmedBy::Lango };
        let mut refused = None;
        for session in open {
            match self.end(&session).await? {
                Came::Done => done += 1,
                Came::Gone => {}
                Came::Refused(why) => {
                    refused = Some(why);
                    continue;
                }
            }
            ended.push(session);
        }
        if let Err(error) = note_reports::close_disconnected(&self.app, ended).await {
            return Ok(Outcome::Failed(format!("writing down that sessions ended: {error}")));
        }
        Ok(match refused {
            Some(why) => Outcome::Failed(why),
            None => Outcome::Confirmed { by, sessions_ended: done },
        })
    }

    async fn end(&self, session: &RadiusSession) -> Result<Came, Silent> {
        let answer = self
            .desk
            .order(|identifier| {
                let mut draft = Draft::disconnect_request(identifier);
                put_identifiers(&mut draft, session)?;
                self.put_date(&mut draft, self.dating)?;
                Ok(draft)
            })
            .await?;
        Ok(came(answer, "end the session"))
    }

    /// Brings live sessions to another speed and end. Whoever cannot be changed is ended: he comes
    /// back at once, and is told the new terms then.
    async fn change_all(
        &self,
        grant: GrantId,
        open: &[RadiusSession],
        (profile, closes): (Profile, Option<Timestamp>),
        now: Timestamp,
    ) -> Result<Outcome, Silent> {
        let mut ended = Vec::new();
        for session in open {
            match self.change(session, (profile, closes), now).await? {
                Came::Done => {}
                Came::Gone => ended.push(session.clone()),
                Came::Refused(_) => match self.end(session).await? {
                    Came::Done | Came::Gone => ended.push(session.clone()),
                    Came::Refused(why) => return Ok(Outcome::Failed(why)),
                },
            }
        }
        let sessions_ended = ended.len() as u32;
        let closing = closes.into_iter();
        let closing = closing
            .flat_map(|closes| open.iter().map(move |session| (session.id, closes)))
            .collect();
        let noted = async {
            note_reports::close_disconnected(&self.app, ended).await?;
            let metered = profile.metered;
            note_reports::changed(&self.app, self.router, grant, metered, closing).await
        };
        Ok(match noted.await {
            Ok(()) => Outcome::Confirmed { by: ConfirmedBy::Lango, sessions_ended },
            Err(error) => Outcome::Failed(format!("writing down the change: {error}")),
        })
    }

    async fn change(
        &self,
        session: &RadiusSession,
        (profile, closes): (Profile, Option<Timestamp>),
        now: Timestamp,
    ) -> Result<Came, Silent> {
        let answer = self
            .desk
            .order(|identifier| {
                let mut draft = Draft::coa_request(identifier);
                put_identifiers(&mut draft, session)?;
                put_profile(&mut draft, session, (profile, closes), now)?;
                self.put_date(&mut draft, self.dating)?;
                Ok(draft)
            })
            .await?;
        Ok(came(answer, "change the session"))
    }

    /// Compares what the NAS reports with what is wanted.
    ///
    /// # Errors
    /// The NAS is silent, or the database.
    pub async fn survey(&mut self, expected: &[Order]) -> Result<Survey, DriverError> {
        self.ping().await?;
        let open = note_reports::open_on(&self.app, self.router)
            .await
            .map_err(|cause| DriverError::Reports { router: self.name.clone(), cause })?;
        let wanted: HashMap<GrantId, &Order> =
            expected.iter().map(|order| (order.grant, order)).collect();
        let mut differences = Vec::new();
        for session in &open {
            let Some(order) = session.grant.and_then(|grant| wanted.get(&grant)) else { continue };
            if !order.wanted.is_online() {
                let word = order.wanted.word();
                differences.push((order.grant, format!("a session lives, wanted {word}")));
            }
        }
        differences.dedup();
        self.observed.active_sessions = open.len() as u64;
        Ok(Survey { observed: self.observed.clone(), differences, ..Survey::default() })
    }

    /// Asks for a sign of life, from time to time.
    ///
    /// # Errors
    /// There was none.
    pub async fn ping(&mut self) -> Result<(), DriverError> {
        let now = self.app.clock().now();
        if now.since(self.pinged_at) < PING_EVERY {
            return Ok(());
        }
        // Whatever it says, it hears us and knows the secret. The way that was understood last comes
        // first, the other one after silence.
        if self.ask_for_nobody(self.dating).await.is_err() {
            let other = match self.dating {
                Dating::Undated => Dating::Dated,
                Dating::Dated => Dating::Undated,
            };
            self.ask_for_nobody(other).await.map_err(|silent| {
                let (router, why) = (self.name.clone(), silent.to_string());
                DriverError::Silent { router, why }
            })?;
            self.dating = other;
        }
        self.pinged_at = now;
        Ok(())
    }

    async fn ask_for_nobody(&self, dating: Dating) -> Result<Answer, Silent> {
        self.desk
            .order(|identifier| {
                let mut draft = Probe::Disconnect.draft(identifier)?;
                self.put_date(&mut draft, dating)?;
                Ok(draft)
            })
            .await
    }

    /// By the clock on the wall, which is the NAS's too: it drops what is older than five minutes.
    fn put_date(&self, draft: &mut Draft, dating: Dating) -> Result<(), EncodeError> {
        match dating {
            Dating::Undated => Ok(()),
            Dating::Dated => {
                let seconds = self.app.clock().now().micros() / 1_000_000;
                draft.put(EVENT_TIMESTAMP, u32::try_from(seconds).unwrap_or(u32::MAX))
            }
        }
    }

    /// What it said of itself: nothing but how many are online.
    pub fn observed(&self) -> &Observed {
        &self.observed
    }
}

/// An order about nobody: whatever a NAS says to it, it hears us and knows the secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Probe {
    /// To end his session.
    Disconnect,
    /// To change it.
    Change,
}

impl Probe {
    fn draft(self, identifier: u8) -> Result<Draft, EncodeError> {
        let mut draft = match self {
            Probe::Disconnect => Draft::disconnect_request(identifier),
            Probe::Change => Draft::coa_request(identifier),
        };
        draft.put(USER_NAME, NOBODY)?;
        draft.put(ACCT_SESSION_ID, NOBODY)?;
        Ok(draft)
    }
}

/// Gives an order about nobody.
///
/// # Errors
/// There was no answer; why, in words for an operator.
pub async fn probe(address: SocketAddr, secret: Secret, probe: Probe) -> Result<Answer, String> {
    let asked = Desk::new(address, secret).order(|identifier| probe.draft(identifier)).await;
    asked.map_err(|silent| crate::observe::chain(&silent))
}

/// The session's own identifiers, octet by octet, and nothing else: a stray attribute is refused
/// (RFC 5176 §3).
fn put_identifiers(draft: &mut Draft, session: &RadiusSession) -> Result<(), EncodeError> {
    for (id, value) in each_identifier(&session.identifiers) {
        draft.put_octets(id, value)?;
    }
    Ok(())
}

/// Session-Timeout counts from the session's beginning, not from now, and is never later than the
/// hours of the plan.
fn put_profile(
    draft: &mut Draft,
    session: &RadiusSession,
    (profile, closes): (Profile, Option<Timestamp>),
    now: Timestamp,
) -> Result<(), EncodeError> {
    use lango_domain::wanted::RouterDeadline;
    if let Some(speed) = profile.speed {
        crate::radius::put_speed(draft, speed)?;
    }
    let end = match profile.deadline {
        Some(RouterDeadline::At(end)) => Some(end.max(now)),
        Some(RouterDeadline::Online(_)) | None => None,
    };
    if let Some(end) = [end, closes].into_iter().flatten().min() {
        let seconds = (end.since(session.started_at).as_millis() + 999) / 1_000;
        draft.put(SESSION_TIMEOUT, u32::try_from(seconds.max(1)).unwrap_or(u32::MAX))?;
    }
    Ok(())
}

/// What an answer means. RouterOS says "unsupported extension" where others say that there is no
/// such session.
fn came(answer: Answer, attempted: &str) -> Came {
    match answer {
        Answer::Acknowledged => Came::Done,
        Answer::Refused(Some(
            ErrorCause::SessionContextNotFound | ErrorCause::UnsupportedExtension,
        )) => Came::Gone,
        Answer::Refused(Some(cause)) => {
            Came::Refused(format!("the router refused to {attempted}: {cause}; look at its log"))
        }
        Answer::Refused(None) => {
            Came::Refused(format!("the router refused to {attempted} and does not say why"))
        }
    }
}
