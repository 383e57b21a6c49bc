//! NASes that ask us by RADIUS. Who may come in is answered when they ask; what is left to do is to
//! end or change sessions that live. What such a router holds is what it reports: accounting.

mod orders;
pub mod setup;

use crate::app::App;
use crate::enforcement::routeros::{Cookies, LetIn, RouterOs};
use crate::enforcement::{ConfirmedBy, DriverError, LoginKind, Observed, Order, Outcome, Survey};
use crate::operations::note_reports::{self, Left, OfGrant};
use crate::radius::{LetInAs, each_identifier, let_in_as};
use lango_domain::ids::{GrantId, RouterId};
use lango_domain::time::{Span, Timestamp};
use lango_domain::wanted::{Profile, Wanted};
use lango_radius::accounting::MIKROTIK_TOTAL_LIMIT;
use lango_radius::coa::Outcome as Answer;
use lango_radius::dictionary::{ACCT_SESSION_ID, EVENT_TIMESTAMP, SESSION_TIMEOUT, USER_NAME};
use lango_radius::{Draft, EncodeError, ErrorCause, Secret};
use lango_routeros::{Credentials, Endpoint, Timeouts};
use lango_store::radius::RadiusSession;
use orders::{Desk, Silent};
use std::collections::HashMap;
use std::net::SocketAddr;

/// How often a NAS is asked for a sign of life.
const PING_EVERY: Span = Span::seconds(30);
/// How long the terms of a login are those of now, where a change of them cannot be told.
const JUST_NOW: Span = Span::seconds(30);
/// What no session is called.
const NOBODY: &str = "lango-is-anybody-there";

/// A NAS.
pub struct RadiusNas {
    app: App,
    router: RouterId,
    name: String,
    desk: Desk,
    api: Option<ByApi>,
    observed: Observed,
    pinged_at: Timestamp,
    dating: Dating,
}

/// The second way to a NAS that runs RouterOS: for orders that it leaves unanswered.
pub struct ByApi {
    /// Where its API is.
    pub endpoint: Endpoint,
    /// Who we are to it.
    pub credentials: Credentials,
    /// How long it may take.
    pub timeouts: Timeouts,
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

/// What a live session is to be brought to.
struct Terms {
    profile: Profile,
    /// When the hours of the plan end; none if they do not.
    closes: Option<Timestamp>,
    left: Left,
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
    /// It does not answer, and has no API either.
    pub async fn open(
        app: &App,
        (router, name): (RouterId, &str),
        (address, secret): (SocketAddr, Secret),
        api: Option<ByApi>,
    ) -> Result<RadiusNas, DriverError> {
        let desk = Desk::new(address, secret);
        let (app, name, pinged_at) = (app.clone(), name.to_owned(), Timestamp::default());
        let observed = Observed::default();
        let dating = Dating::Undated;
        let mut nas = RadiusNas { app, router, name, desk, api, observed, pinged_at, dating };
        nas.ping().await?;
        Ok(nas)
    }

    /// Ends or changes the sessions of each order. Those that the NAS leaves unanswered go by its API
    /// if it has one.
    ///
    /// # Errors
    /// The database. A NAS that is silent fails its orders one by one.
    pub async fn act(&mut self, orders: &[Order]) -> Result<Vec<Outcome>, DriverError> {
        let mut outcomes = Vec::with_capacity(orders.len());
        let mut line = None;
        for chunk in orders.chunks(orders::AT_ONCE) {
            // Whoever was silent a moment ago is asked again by the next sign of life, not by each
            // order: a hundred customers who are due would wait for each other's silence.
            let acted = match self.observed.by_api_only {
                true => chunk.iter().map(|_| Err(self.desk.silence())).collect(),
                false => {
                    let acts = chunk.iter().map(|order| self.act_on(order));
                    futures_util::future::join_all(acts).await
                }
            };
            for (order, acted) in chunk.iter().zip(acted) {
                outcomes.push(match acted {
                    Ok(outcome) => outcome,
                    Err(silent) => self.act_by_api(order, silent, &mut line).await,
                });
            }
        }
        Ok(outcomes)
    }

    async fn act_on(&self, order: &Order) -> Result<Outcome, Silent> {
        let sessions = match self.sessions_of(order).await {
            Ok(sessions) => sessions,
            Err(failed) => return Ok(failed),
        };
        let now = self.app.clock().now();
        match order.wanted.profile() {
            Some(profile) => self.hold(order.grant, sessions, profile, now).await,
            None => {
                let ended_by_limit = sessions.ended_by_limit;
                self.end_all(must_end(sessions, order.wanted), ended_by_limit).await
            }
        }
    }

    async fn sessions_of(&self, order: &Order) -> Result<OfGrant, Outcome> {
        let now = self.app.clock().now();
        let sessions = note_reports::of_grant(&self.app, self.router, order.grant, now).await;
        sessions.map_err(|error| Outcome::Failed(format!("reading its sessions: {error}")))
    }

    /// Ends by the API what must be over, and what cannot be changed that way: whoever may stay
    /// keeps his cookie, comes back by himself, and is told the new terms then.
    async fn act_by_api(
        &mut self,
        order: &Order,
        silent: Silent,
        line: &mut Option<RouterOs>,
    ) -> Outcome {
        if self.api.is_none() {
            return Outcome::Failed(silent.to_string());
        }
        self.observed.by_api_only = true;
        let sessions = match self.sessions_of(order).await {
            Ok(mut sessions) => {
                let now = self.app.clock().now();
                // A first login is a change as well, and its session knows of it already.
                let is_told = matches!(order.wanted, Wanted::Allowed(_));
                sessions.open.retain(|session| !(is_told && has_just_begun(session, now)));
                must_end(sessions, order.wanted)
            }
            Err(failed) => return failed,
        };
        let cookies = if order.wanted == Wanted::Cut { Cookies::Remove } else { Cookies::Keep };
        let by = LoginKind::of(&order.access);
        match self.end_by_api(sessions, by, cookies, line).await {
            Ok(outcome) => outcome,
            Err(error) => {
                // It may be the line: the next order has one of its own.
                *line = None;
                let why = crate::observe::chain(&error);
                Outcome::Failed(format!("{silent}; nor does its API help: {why}"))
            }
        }
    }

    async fn end_by_api(
        &self,
        sessions: Vec<RadiusSession>,
        by: LoginKind,
        cookies: Cookies,
        line: &mut Option<RouterOs>,
    ) -> Result<Outcome, DriverError> {
        if sessions.is_empty() {
            return Ok(Outcome::Confirmed { by: ConfirmedBy::Nobody, sessions_ended: 0 });
        }
        let router = match line {
            Some(router) => router,
            None => line.insert(self.connect().await?),
        };
        let (mut ended, mut count) = (Vec::with_capacity(sessions.len()), 0);
        for session in sessions {
            let name = name_of(&session);
            let who = LetIn { by, name: &name, mac: session.mac };
            let Some(ends) = router.end_radius_session(&who, cookies).await? else {
                return Ok(Outcome::Failed(format!(
                    "CoA stayed silent, and by the API the session of {name} does not end: look at \
                     the router's log"
                )));
            };
            count += ends;
            ended.push(session);
        }
        if let Err(error) = note_reports::close_disconnected(&self.app, ended).await {
            return Ok(Outcome::Failed(format!("writing down that sessions ended: {error}")));
        }
        tracing::info!(
            router.name = %self.name, sessions = count,
            "{count} sessions on {} ended by the API, CoA stayed silent", self.name
        );
        Ok(Outcome::Confirmed { by: ConfirmedBy::Api, sessions_ended: count })
    }

    async fn connect(&self) -> Result<RouterOs, DriverError> {
        let Some(ByApi { endpoint, credentials, timeouts }) = &self.api else {
            let why = "it has no API beside RADIUS".to_owned();
            return Err(DriverError::Silent { router: self.name.clone(), why });
        };
        RouterOs::open(&self.name, endpoint, credentials, *timeouts).await
    }

    /// Ends what must be over, and brings the rest to what is wanted now.
    async fn hold(
        &self,
        grant: GrantId,
        sessions: OfGrant,
        profile: Profile,
        now: Timestamp,
    ) -> Result<Outcome, Silent> {
        let OfGrant { open, mut overdue, walled, closes, left, .. } = sessions;
        overdue.extend(walled);
        if !overdue.is_empty()
            && let Outcome::Failed(why) = self.end_all(overdue, false).await?
        {
            return Ok(Outcome::Failed(why));
        }
        self.change_all(grant, &open, &Terms { profile, closes, left }, now).await
    }

    /// Ends sessions. One that the NAS does not know any more, or that it reported to be over at its
    /// limit, was ended by the NAS; where there was none, nobody did anything.
    async fn end_all(
        &self,
        open: Vec<RadiusSession>,
        ended_by_limit: bool,
    ) -> Result<Outcome, Silent> {
        let (mut ended, mut done) = (Vec::new(), 0);
        let by_itself = match ended_by_limit || !open.is_empty() {
            true => ConfirmedBy::Router,
            false => ConfirmedBy::Nobody,
        };
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
            None if done == 0 => Outcome::Confirmed { by: by_itself, sessions_ended: 0 },
            None => Outcome::Confirmed { by: ConfirmedBy::Lango, sessions_ended: done },
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
        terms: &Terms,
        now: Timestamp,
    ) -> Result<Outcome, Silent> {
        let Terms { profile, closes, .. } = *terms;
        let mut ended = Vec::new();
        for session in open {
            match self.change(session, terms, now).await? {
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
        terms: &Terms,
        now: Timestamp,
    ) -> Result<Came, Silent> {
        let answer = self
            .desk
            .order(|identifier| {
                let mut draft = Draft::coa_request(identifier);
                put_identifiers(&mut draft, session)?;
                put_terms(&mut draft, session, terms, now)?;
                self.put_date(&mut draft, self.dating)?;
                Ok(draft)
            })
            .await?;
        let came = came(answer, "change the session");
        if matches!(came, Came::Done) {
            self.change_data(session, terms).await;
        }
        Ok(came)
    }

    /// Moves the limit of data of a live session, in an order of its own: not every NAS can, and
    /// RouterOS has one word for that and for a session that is gone. One that cannot ends the
    /// session at the limit that it was given at the login; the next login is told what is left, so
    /// nothing that was paid for is lost. Ending the session now would gain nobody anything.
    async fn change_data(&self, session: &RadiusSession, terms: &Terms) {
        let (Some(_), Some(left)) = (terms.profile.data, terms.left.data) else { return };
        let limit = session.data_noted.as_bytes().saturating_add(left.as_bytes()).max(1);
        let asked = self.desk.order(|identifier| {
            let mut draft = Draft::coa_request(identifier);
            put_identifiers(&mut draft, session)?;
            MIKROTIK_TOTAL_LIMIT.put(&mut draft, limit)?;
            self.put_date(&mut draft, self.dating)?;
            Ok(draft)
        });
        if !matches!(asked.await, Ok(Answer::Acknowledged)) {
            tracing::debug!(
                router.name = %self.name, session.id = %session.id,
                "a live session keeps the limit of data that it began with"
            );
        }
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
            let (word, let_in) = (order.wanted.word(), let_in_as(&session.identifiers));
            match (order.wanted, let_in) {
                (Wanted::Cut, _) | (Wanted::Walled, LetInAs::Customer) => {
                    differences.push((order.grant, format!("a session lives, wanted {word}")));
                }
                (Wanted::Allowed(_) | Wanted::Throttled(_), LetInAs::Walled) => {
                    differences.push((order.grant, format!("a session is walled, wanted {word}")));
                }
                _ => {}
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
            if let Err(silent) = self.ask_for_nobody(other).await {
                self.see_whether_its_api_lives(silent).await?;
                self.pinged_at = now;
                return Ok(());
            }
            self.dating = other;
        }
        self.observed.by_api_only = false;
        self.pinged_at = now;
        Ok(())
    }

    async fn see_whether_its_api_lives(&mut self, silent: Silent) -> Result<(), DriverError> {
        let is_silent = |why| DriverError::Silent { router: self.name.clone(), why };
        if self.api.is_none() {
            return Err(is_silent(silent.to_string()));
        }
        match self.connect().await {
            Ok(router) => {
                let active_sessions = self.observed.active_sessions;
                let seen = router.observed().clone();
                self.observed = Observed { active_sessions, by_api_only: true, ..seen };
                Ok(())
            }
            Err(error) => {
                let why = crate::observe::chain(&error);
                Err(is_silent(format!("{silent}; nor does its API help: {why}")))
            }
        }
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

/// Whether nothing is known of a session but that it began, a moment ago by our own clock.
fn has_just_begun(session: &RadiusSession, now: Timestamp) -> bool {
    session.uptime.is_zero() && now.since(session.updated_at) < JUST_NOW
}

/// Which sessions must end for what is wanted, where none can be changed.
fn must_end(sessions: OfGrant, wanted: Wanted) -> Vec<RadiusSession> {
    let OfGrant { mut open, overdue, walled, .. } = sessions;
    open.extend(overdue);
    if wanted != Wanted::Walled {
        open.extend(walled);
    }
    open
}

/// As who a session logged in.
fn name_of(session: &RadiusSession) -> String {
    let name = each_identifier(&session.identifiers).find(|(id, _)| *id == USER_NAME.id());
    let octets = name.map(|(_, octets)| octets).unwrap_or_default();
    String::from_utf8_lossy(octets).trim_end_matches('\0').to_owned()
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
fn put_terms(
    draft: &mut Draft,
    session: &RadiusSession,
    terms: &Terms,
    now: Timestamp,
) -> Result<(), EncodeError> {
    use lango_domain::wanted::RouterDeadline;
    let Terms { profile, closes, left } = *terms;
    if let Some(speed) = profile.speed {
        crate::radius::put_speed(draft, speed)?;
    }
    let end = match profile.deadline {
        Some(RouterDeadline::At(end)) => Some(end.max(now)),
        Some(RouterDeadline::Online(_)) | None => None,
    };
    let ends = [end, closes].into_iter().flatten().map(|end| end.since(session.started_at));
    // What is left is left beside what this session used already.
    let used_up = left.uptime.map(|left| session.uptime_noted + left);
    if let Some(lasts) = ends.chain(used_up).min() {
        let seconds = (lasts.as_millis() + 999) / 1_000;
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
