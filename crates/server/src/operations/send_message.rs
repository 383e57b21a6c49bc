//! A message is made and handed to the first gateway that takes it. Before a gateway is asked, it is
//! written down that it will be: what broke in between is unknown then, and not forgotten.
//!
//! The rules about handing over again are in `docs/decisions/0021-messages.md`.

use crate::app::App;
use crate::messaging::gateways::{Gateway, Handed, Outgoing, Taken, hidden};
use crate::messaging::notice::{Notice, NoticeJob};
use crate::messaging::sender::Sender as Where;
use crate::messaging::settings::MessageSettings;
use crate::messaging::templates::{Facts, fill};
use crate::operations::hear_report;
use crate::operations::issue_vouchers::{printed, read_code};
use crate::operations::settle_job::{JobEnd, MOST_ATTEMPTS};
use lango_domain::access::Access;
use lango_domain::ids::{Id, SenderId};
use lango_domain::language::Language;
use lango_domain::sms_text;
use lango_domain::time::{Span, Timestamp};
use lango_store::grants::StoredGrant;
use lango_store::jobs::Job;
use lango_store::messages::{self, Message, MessageState, Outcome, Try};
use lango_store::senders::{self, Sender, SenderHealth};
use lango_store::tenants::Tenant;
use lango_store::{Error, Tx};

/// How long a job is ours while a gateway is asked: longer than any of them may take.
const LEASE: Span = Span::seconds(120);
/// How long the customer waits for his code before it is handed over once more, when nobody knows
/// whether the first one arrived: longer than most reports of delivery take, shorter than he stays.
pub const WAIT_FOR_REPORT: Span = Span::minutes(2);
/// A text that no gateway took for so long is given up: nobody waits for it any more.
const PATIENCE: Span = Span::hours(24);
/// After the second failure a gateway rests for so long, then twice as long, up to the longest.
const FIRST_REST: Span = Span::seconds(30);
const LONGEST_REST: Span = Span::minutes(10);
/// A gateway that takes a reference only once is asked so often with the same one.
const MOST_REPEATS: usize = 5;

/// A gateway and what it is set to.
#[derive(Clone, Debug)]
struct Able {
    sender: Sender,
    gateway: Gateway,
}

/// All that a message is made of.
struct Made {
    tenant: Tenant,
    order: NoticeJob,
    recipient: String,
    settings: MessageSettings,
    facts: Facts,
    language: Language,
    able: Vec<Able>,
    message: Option<Message>,
}

/// What is to be done about a message.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Nothing.
    Nothing(&'static str),
    /// Hand it to the first that takes it, in this order.
    HandOver(Vec<usize>),
    /// Look again then.
    Wait(Timestamp, String),
    /// It will not arrive.
    GiveUp(String),
}

/// Does a job that sends a notice.
///
/// # Errors
/// A fault of the store; the job comes again after its lease.
pub async fn work(app: &App, way: Where, job: &Job) -> Result<JobEnd, Error> {
    let Ok(order) = serde_json::from_str::<NoticeJob>(&job.payload) else {
        return Ok(JobEnd::Hopeless("the job's payload cannot be read".to_owned()));
    };
    let now = app.clock().now();
    let mut made = match gather(app, way, job, order).await? {
        Ok(made) => made,
        Err(end) => return Ok(end),
    };
    let order = match step(&made, now) {
        Step::Nothing(why) => return Ok(JobEnd::NotNeeded(why)),
        Step::Wait(until, why) => return Ok(JobEnd::LaterAt(until, why)),
        Step::GiveUp(why) => return give_up(app, &made, why, now).await,
        Step::HandOver(order) => order,
    };
    let mut last = String::from("every sender is switched off: `lango sender list`");
    let mut refusals = 0;
    for place in order.iter().copied() {
        let Some(handed) = hand_over(app, job, &mut made, place).await? else {
            return Ok(JobEnd::Lost);
        };
        let name = &made.able[place].sender.name;
        match handed {
            Handed::Taken(_) => return Ok(JobEnd::Done),
            Handed::Unknown(_) if made.order.notice.opens_access() => {
                let why = format!("{name} may have it: waiting for a report of delivery");
                return Ok(JobEnd::LaterAt(app.clock().now() + WAIT_FOR_REPORT, why));
            }
            Handed::Unknown(why) if made.able[place].gateway.is_repeatable() => {
                return Ok(JobEnd::Later(format!("{name}: {why}")));
            }
            Handed::Unknown(_) => return Ok(JobEnd::Done),
            Handed::Refused(why) => {
                refusals += 1;
                last = format!("{name}: {why}");
                if made.order.notice.is_promotion() {
                    return give_up(app, &made, last, now).await;
                }
            }
            Handed::NotNow(why) | Handed::Faulty(why) => last = format!("{name}: {why}"),
        }
    }
    if refusals == order.len() && refusals > 0 || job.attempt >= MOST_ATTEMPTS {
        return give_up(app, &made, last, now).await;
    }
    Ok(JobEnd::Later(last))
}

/// Reads what the message is made of; or the end of the job, if there is nobody to tell.
async fn gather(
    app: &App,
    way: Where,
    job: &Job,
    order: NoticeJob,
) -> Result<Result<Made, JobEnd>, Error> {
    let (desk, job) = (app.clone(), job.clone());
    app.store()
        .read(async move |tx: &mut Tx<'_>| {
            let tenant = lango_store::tenants::one(tx, job.tenant).await?;
            let customer = match order.customer {
                Some(id) => lango_store::customers::find(tx, id).await?,
                None => None,
            };
            let known = customer.as_ref();
            let phone = known.and_then(|customer| customer.phone.as_ref().map(ToString::to_string));
            let Some(recipient) = order.recipient.clone().or(phone) else {
                return Ok(Err(JobEnd::NotNeeded("the customer has no phone number")));
            };
            let language = order
                .language
                .or(known.and_then(|customer| customer.language))
                .unwrap_or(tenant.language);
            let facts = match facts(tx, &desk, &job, &tenant, &order.notice, &recipient).await? {
                Ok(facts) => facts,
                Err(why) => return Ok(Err(JobEnd::Hopeless(why))),
            };
            let settings = MessageSettings::read(tx, tenant.id).await?;
            let able = able(tx, way, &tenant, &recipient, &desk).await?;
            let message = messages::of_job(tx, job.id).await?;
            let facts = Facts { link: settings.link(desk.public_url()), ..facts };
            let order = order.clone();
            Ok(Ok(Made { tenant, order, recipient, settings, facts, language, able, message }))
        })
        .await
}

/// The gateways that a text can go to, in order. Without any it goes into the log.
async fn able(
    tx: &mut Tx<'_>,
    way: Where,
    tenant: &Tenant,
    recipient: &str,
    app: &App,
) -> Result<Vec<Able>, Error> {
    let all = senders::of_tenant(tx, tenant.id).await?;
    if way == Where::LogOnly || all.is_empty() {
        return Ok(vec![Able { sender: log(tenant, app), gateway: Gateway::Log }]);
    }
    let on = all.into_iter().filter(|sender| sender.off_since.is_none());
    let able = on.filter_map(|sender| Some(Able { gateway: Gateway::read(&sender)?, sender }));
    Ok(able.filter(|able| able.gateway.reaches(recipient)).collect())
}

/// The log as a gateway, where there is no other.
fn log(tenant: &Tenant, app: &App) -> Sender {
    let id = SenderId::from_raw(0);
    Sender {
        id,
        tenant: tenant.id,
        name: "log".to_owned(),
        place: 0,
        gateway: String::new(),
        secret: app.seal_sender(id, b""),
        from_name: None,
        part_price: None,
        created_at: tenant.created_at,
        off_since: None,
        health: SenderHealth::default(),
        low_balance: None,
        version: 1,
    }
}

async fn facts(
    tx: &mut Tx<'_>,
    app: &App,
    job: &Job,
    tenant: &Tenant,
    notice: &Notice,
    recipient: &str,
) -> Result<Result<Facts, String>, Error> {
    let local = |at: Timestamp| tenant.zone.local(at);
    let mut facts =
        Facts { business: tenant.name.clone(), phone: recipient.to_owned(), ..Facts::default() };
    match notice {
        Notice::Credentials { amount, receipt } => {
            facts.amount = amount.map(|amount| amount.to_string());
            facts.receipt = receipt.clone();
        }
        Notice::Receipt { amount, receipt } => {
            (facts.amount, facts.receipt) = (Some(amount.to_string()), Some(receipt.clone()));
        }
        Notice::EndsSoon { ends_at } => facts.ends = Some(local(*ends_at)),
        _ => {}
    }
    let stored = match job.grant {
        Some(id) => lango_store::grants::find(tx, id).await?,
        None => None,
    };
    let Some(stored) = stored else {
        let missing = "it is to say what opens an access, and there is no such grant".to_owned();
        return Ok(if notice.opens_access() { Err(missing) } else { Ok(facts) });
    };
    let ends_at = stored.grant.state.ends_at();
    facts.ends = facts.ends.or(ends_at.map(local));
    facts.plan = lango_store::plans::find(tx, stored.grant.plan).await?.map(|one| one.plan.name);
    if notice.opens_access() {
        facts.code = Some(code(tx, app, &stored).await?);
    }
    Ok(Ok(facts))
}

/// What a customer types to get in.
async fn code(tx: &mut Tx<'_>, app: &App, stored: &StoredGrant) -> Result<String, Error> {
    let sealed = lango_store::grants::access(tx, stored.grant.id).await?;
    Ok(match app.open_access(stored.grant.id, &sealed)? {
        Access::Hotspot { name, password } if password.reveal() == name => {
            // One of ours as it is printed; what was imported or chosen stays as it is.
            if read_code(&name).as_ref() == Some(&name) { printed(&name) } else { name }
        }
        Access::Hotspot { name, password } | Access::Pppoe { name, password, .. } => {
            format!("{name} / {}", password.reveal())
        }
        Access::StaticIp { address, .. } => address.to_string(),
    })
}

fn step(made: &Made, now: Timestamp) -> Step {
    let notice = &made.order.notice;
    if let Some(message) = &made.message
        && let Some(step) = step_again(message, made, now)
    {
        return step;
    }
    let from = made.settings.promotion_from(&made.tenant.zone, now);
    if notice.is_promotion() && from > now {
        return Step::Wait(from, "promotions are sent at decent hours".to_owned());
    }
    first_that_is_awake(made, (0..made.able.len()).collect(), now)
}

/// What is to be done about one that was handed over before; none if it is as if it had not been.
fn step_again(message: &Message, made: &Made, now: Timestamp) -> Option<Step> {
    let last = message.tries.last()?;
    let untried = || -> Vec<usize> {
        let tried = |able: &Able| message.tries.iter().any(|one| one.sender == able.sender.id);
        (0..made.able.len()).filter(|place| !tried(&made.able[*place])).collect()
    };
    match (message.state, last.outcome) {
        (MessageState::Delivered, _) => Some(Step::Nothing("it was delivered")),
        (MessageState::Sent, _) => Some(Step::Nothing("it was sent")),
        (MessageState::Failed, Some(Outcome::Taken)) if !made.order.notice.is_promotion() => {
            // It surely did not arrive: another one may do better, and each is asked once.
            let untried = untried();
            Some(match untried.is_empty() {
                true => Step::Nothing("it failed, and every sender was tried"),
                false => first_that_is_awake(made, untried, now),
            })
        }
        (MessageState::Failed, _) => Some(Step::Nothing("it failed")),
        (_, None) => Some(step_unknown(message, last, made, now)),
        _ if now.since(message.sent_at) > PATIENCE => {
            Some(Step::GiveUp("no sender took it for a day".to_owned()))
        }
        _ => None,
    }
}

/// Nobody knows whether it arrived.
fn step_unknown(message: &Message, last: &Try, made: &Made, now: Timestamp) -> Step {
    let place = made.able.iter().position(|able| able.sender.id == last.sender);
    let same = |one: &&Try| one.sender == last.sender;
    if let Some(place) = place
        && made.able[place].gateway.is_repeatable()
        && message.tries.iter().filter(same).count() < MOST_REPEATS
    {
        return Step::HandOver(vec![place]);
    }
    let unknown = message.tries.iter().filter(|one| one.outcome.is_none()).count();
    if !made.order.notice.opens_access() || unknown > 1 || made.able.is_empty() {
        return Step::Nothing("it may have arrived, and is not sent twice");
    }
    let due = last.at + WAIT_FOR_REPORT;
    if now < due {
        let why = format!("{} may have it: waiting for a report of delivery", last.name);
        return Step::Wait(due, why);
    }
    let next = place.map_or(0, |place| (place + 1) % made.able.len());
    Step::HandOver(vec![next])
}

/// Of those, the ones that do not rest; if all do, the message waits for the first to wake up.
fn first_that_is_awake(made: &Made, mut places: Vec<usize>, now: Timestamp) -> Step {
    let rests_until =
        |place: &usize| made.able[*place].sender.health.rests_until.filter(|until| *until > now);
    let first_awake = places.iter().filter_map(rests_until).min();
    places.retain(|place| rests_until(place).is_none());
    match first_awake {
        Some(until) if places.is_empty() => {
            Step::Wait(until, "every sender failed lately and rests".to_owned())
        }
        _ => Step::HandOver(places),
    }
}

/// Writes down that a gateway is asked, asks it, writes down what it said. None if the job is
/// somebody else's by now.
async fn hand_over(
    app: &App,
    job: &Job,
    made: &mut Made,
    place: usize,
) -> Result<Option<Handed>, Error> {
    let able = made.able[place].clone();
    let text = wording(made, &made.facts);
    let (begun, tries_before) = begun(app, job, made, &able, &text);
    let (ours, now) = (job.clone(), app.clock().now());
    let (is_new, written) = (made.message.is_none(), begun.clone());
    let is_ours = app
        .store()
        .write(async move |tx: &mut Tx<'_>| {
            if !lango_store::jobs::hold(tx, &ours, now + LEASE).await? {
                return Ok(false);
            }
            match is_new {
                true => messages::insert(tx, &written).await,
                false => messages::change(tx, &written, tries_before).await,
            }
        })
        .await?;
    if !is_ours {
        return Ok(None);
    }
    let from = able.sender.from_name.as_ref().or(made.settings.sender_name.as_ref());
    let reference = match able.gateway.is_repeatable() {
        true => format!("{}-{}", begun.id, able.sender.id),
        false => format!("{}-{}", begun.id, begun.tries.len()),
    };
    let out = Outgoing {
        to: &made.recipient,
        text: &text,
        from: from.map(String::as_str),
        reference: &reference,
    };
    let handed = able.gateway.hand_over(app, &able.sender, out).await;
    tracing::debug!(message = %begun.id, sender = able.sender.name, recipient = hidden(out.to),
                    ?handed, "a text was handed over");
    made.message = Some(settle(app, &able, begun, &handed, text).await?);
    Ok(Some(handed))
}

/// The words of a message.
fn wording(made: &Made, facts: &Facts) -> String {
    let text = match (&made.order.notice, made.order.notice.template()) {
        (Notice::Text { body, .. }, _) => body.clone(),
        (_, Some(template)) => fill(&made.settings.text(template, made.language), facts),
        (_, None) => String::new(),
    };
    sms_text::plain(&text)
}

/// The message with a try that has no outcome yet: that is unknown until it has one.
fn begun(app: &App, job: &Job, made: &Made, able: &Able, text: &str) -> (Message, usize) {
    let now = app.clock().now();
    let parts = i64::try_from(sms_text::measure(text).parts).unwrap_or(i64::MAX);
    let before = made.message.clone().unwrap_or_else(|| Message {
        id: app.id(now),
        tenant: job.tenant,
        job: job.id,
        grant: job.grant,
        recipient: made.recipient.clone(),
        body: String::new(),
        reason: made.order.notice.word().to_owned(),
        sent_at: now,
        state: MessageState::Unknown,
        state_at: now,
        sender: None,
        tries: Vec::new(),
        parts,
        cost: None,
        last_error: None,
        poll_at: None,
        polls: 0,
    });
    let tries_before = before.tries.len();
    let mut message = Message {
        body: wording(made, &made.facts.masked()),
        state: MessageState::Unknown,
        state_at: now,
        sender: Some(able.sender.id),
        parts,
        cost: able.sender.part_price.map(|price| price.saturating_mul(parts)),
        poll_at: None,
        ..before
    };
    message.tries.push(Try {
        sender: able.sender.id,
        name: able.sender.name.clone(),
        at: now,
        outcome: None,
        detail: None,
    });
    (message, tries_before)
}

/// Writes down what a gateway said.
async fn settle(
    app: &App,
    able: &Able,
    begun: Message,
    handed: &Handed,
    text: String,
) -> Result<Message, Error> {
    let now = app.clock().now();
    let tries = begun.tries.len();
    let mut message = Message { state_at: now, ..begun };
    let (state, outcome, detail) = match handed {
        Handed::Taken(taken) => {
            take(&mut message, taken, text, now);
            (MessageState::Sent, Some(Outcome::Taken), None)
        }
        Handed::NotNow(why) => (MessageState::Queued, Some(Outcome::NotNow), Some(why.clone())),
        Handed::Refused(why) => (MessageState::Queued, Some(Outcome::Refused), Some(why.clone())),
        Handed::Faulty(why) => (MessageState::Queued, Some(Outcome::Faulty), Some(why.clone())),
        Handed::Unknown(why) => (MessageState::Unknown, None, Some(why.clone())),
    };
    (message.state, message.last_error) = (state, detail.clone());
    if let Some(last) = message.tries.last_mut() {
        (last.outcome, last.detail) = (outcome, detail);
    }
    let (sender, handed, settled) = (able.sender.clone(), handed.clone(), message.clone());
    app.store()
        .write(async move |tx: &mut Tx<'_>| {
            if !messages::change(tx, &settled, tries).await? {
                // Somebody else went on with it after our lease; his word counts.
                return Ok(());
            }
            note_health(tx, &sender, &handed, now).await?;
            let Handed::Taken(taken) = &handed else { return Ok(()) };
            for id in &taken.ids {
                messages::name_part(tx, sender.id, id, &settled, now).await?;
            }
            hear_report::judge(tx, &settled, sender.id, now).await
        })
        .await?;
    Ok(message)
}

fn take(message: &mut Message, taken: &Taken, text: String, now: Timestamp) {
    message.cost = taken.cost.or(message.cost);
    message.poll_at = taken.ask_after.map(|after| now + after);
    if taken.logged {
        // Nobody else will ever show it.
        message.body = text;
    }
}

async fn note_health(
    tx: &mut Tx<'_>,
    sender: &Sender,
    handed: &Handed,
    now: Timestamp,
) -> Result<(), Error> {
    match handed {
        Handed::Taken(_) => senders::note_taken(tx, sender.id).await,
        // A bad number is not the gateway's fault.
        Handed::Refused(_) => Ok(()),
        Handed::NotNow(why) | Handed::Faulty(why) | Handed::Unknown(why) => {
            let before = u32::try_from(sender.health.failures).unwrap_or(u32::MAX);
            let doubled = 2i64.saturating_pow(before.saturating_sub(1).min(30));
            let rest = FIRST_REST.as_seconds().saturating_mul(doubled);
            let rest = Span::seconds(rest.min(LONGEST_REST.as_seconds()));
            let until = (before > 0).then(|| now + rest);
            senders::note_failure(tx, sender.id, why, until, now).await
        }
    }
}

/// The message will not arrive; a person finds it in the diagnosis.
async fn give_up(app: &App, made: &Made, why: String, now: Timestamp) -> Result<JobEnd, Error> {
    if let Some(message) = made.message.clone() {
        let failed = Message {
            state: MessageState::Failed,
            state_at: now,
            last_error: Some(why.clone()),
            ..message
        };
        let write = async move |tx: &mut Tx<'_>| messages::set_state(tx, &failed).await;
        app.store().write(write).await?;
    }
    Ok(JobEnd::Hopeless(why))
}
