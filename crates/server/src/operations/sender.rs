//! Gateways of a business: added, changed, ordered, tried, removed.

use crate::app::App;
use crate::messaging::gateways::{Gateway, Handed, Outgoing};
use crate::messaging::settings::{LONGEST_NAME, MessageSettings, is_sender_name};
use crate::operations::asked::{self, By, Entry, KeyReused, Lost};
use lango_domain::ids::{SenderId, TenantId};
use lango_domain::phone_number::PhoneNumber;
use lango_domain::time::Timestamp;
use lango_store::senders::{self, Sender, SenderHealth};
use lango_store::{Error, Tx};

/// How many a business may have.
const MOST: usize = 20;

/// A gateway to be added.
#[derive(Clone, Debug)]
pub struct NewSender {
    /// Whose.
    pub tenant: TenantId,
    /// What staff call it.
    pub name: String,
    /// How it is spoken to.
    pub gateway: Gateway,
    /// What proves that it is us.
    pub secret: String,
    /// The name that it shows, if not the business's.
    pub from_name: Option<String>,
    /// Of one part, in ten-thousandths of the business's currency.
    pub part_price: Option<i64>,
    /// Below this somebody should buy more, in ten-thousandths of its currency.
    pub low_balance: Option<i64>,
}

/// What is to be different; what is none stays as it is.
#[derive(Clone, Debug, Default)]
pub struct SenderChange {
    /// What staff call it.
    pub name: Option<String>,
    /// How it is spoken to.
    pub gateway: Option<Gateway>,
    /// What proves that it is us.
    pub secret: Option<String>,
    /// The name that it shows.
    pub from_name: Option<Option<String>>,
    /// Of one part.
    pub part_price: Option<Option<i64>>,
    /// Below this somebody should buy more.
    pub low_balance: Option<Option<i64>>,
    /// Whether it is on.
    pub on: Option<bool>,
}

/// Why a gateway could not be added, changed or tried.
#[derive(Debug, thiserror::Error)]
pub enum SenderError {
    /// It cannot be spoken to like that.
    #[error("the gateway cannot be asked: {0}")]
    Gateway(String),
    /// No network takes that name.
    #[error(
        "`{0}` is no sender's name: write at most {LONGEST_NAME} letters, digits, spaces, `-`, \
         `_`, `.` or `&`, or a number"
    )]
    Name(String),
    /// Another has that name.
    #[error("there is a sender `{0}` already: change it, or take another name")]
    Taken(String),
    /// Enough.
    #[error("a business can have at most {MOST} senders: remove one")]
    TooMany,
    /// An order must name each once.
    #[error("the order must name every sender of the business once: there are {0}")]
    Order(usize),
    /// The key was used for another request.
    #[error(transparent)]
    Reused(#[from] KeyReused),
    /// No such gateway, or not as it was read.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// The database.
    #[error("changing a sender")]
    Store(#[from] Error),
}

fn check(gateway: Option<&Gateway>, from_name: Option<&str>) -> Result<(), SenderError> {
    if let Some(name) = from_name.filter(|name| !is_sender_name(name)) {
        return Err(SenderError::Name(name.to_owned()));
    }
    gateway.map_or(Ok(()), |gateway| gateway.check().map_err(SenderError::Gateway))
}

fn as_json(gateway: &Gateway) -> String {
    // Words and numbers: serialising cannot fail.
    serde_json::to_string(gateway).unwrap_or_default()
}

/// Adds a gateway behind those that there are.
///
/// # Errors
/// See [`SenderError`].
pub async fn add_sender(
    app: &App,
    new: NewSender,
    by: &By,
    now: Timestamp,
) -> Result<Sender, SenderError> {
    check(Some(&new.gateway), new.from_name.as_deref())?;
    let id = app.id(now);
    let sender = Sender {
        id,
        tenant: new.tenant,
        name: new.name,
        place: 0,
        gateway: as_json(&new.gateway),
        secret: app.seal_sender(id, new.secret.as_bytes()),
        from_name: new.from_name,
        part_price: new.part_price,
        created_at: now,
        off_since: None,
        health: SenderHealth::default(),
        low_balance: new.low_balance,
        version: 1,
    };
    let (desk, by) = (app.clone(), by.clone());
    app.store()
        .attempt(async move |tx: &mut Tx<'_>| {
            match asked::made_before::<SenderId>(tx, &by).await? {
                Err(reused) => return Ok(Err(reused.into())),
                Ok(Some(made)) => {
                    let found = match made.first() {
                        Some(id) => senders::find(tx, *id).await?,
                        None => None,
                    };
                    return Ok(found.ok_or(Lost::Missing("sender").into()));
                }
                Ok(None) => {}
            }
            let others = senders::of_tenant(tx, sender.tenant).await?;
            if others.len() >= MOST {
                return Ok(Err(SenderError::TooMany));
            }
            if others.iter().any(|other| other.name == sender.name) {
                return Ok(Err(SenderError::Taken(sender.name.clone())));
            }
            let place = others.last().map_or(1, |last| last.place + 1);
            let sender = Sender { place, ..sender.clone() };
            senders::insert(tx, &sender).await?;
            asked::keep_made(tx, &by, &[sender.id], now).await?;
            let entry = Entry::of(sender.tenant, "sender added", sender.name.clone());
            asked::account(tx, &desk, &by.actor, entry, now).await?;
            Ok(Ok(sender))
        })
        .await?
}

/// Changes a gateway. One that is changed or switched on again is tried at once.
///
/// # Errors
/// See [`SenderError`].
pub async fn change_sender(
    app: &App,
    (tenant, id): (TenantId, SenderId),
    change: SenderChange,
    expected: Option<i64>,
    by: &By,
    now: Timestamp,
) -> Result<Sender, SenderError> {
    let from_name = change.from_name.as_ref().and_then(|name| name.as_deref());
    check(change.gateway.as_ref(), from_name)?;
    let (desk, by) = (app.clone(), by.clone());
    app.store()
        .attempt(async move |tx: &mut Tx<'_>| {
            let all = senders::of_tenant(tx, tenant).await?;
            let Some(before) = all.iter().find(|one| one.id == id).cloned() else {
                return Ok(Err(Lost::Missing("sender").into()));
            };
            if !asked::is_expected(before.version, expected) {
                return Ok(Err(Lost::Stale("sender").into()));
            }
            let change = change.clone();
            let name = change.name.unwrap_or(before.name);
            if all.iter().any(|other| other.id != id && other.name == name) {
                return Ok(Err(SenderError::Taken(name)));
            }
            let secret = change.secret.map(|clear| desk.seal_sender(id, clear.as_bytes()));
            let after = Sender {
                name,
                gateway: change.gateway.as_ref().map_or(before.gateway, as_json),
                secret: secret.unwrap_or(before.secret),
                from_name: change.from_name.unwrap_or(before.from_name),
                part_price: change.part_price.unwrap_or(before.part_price),
                low_balance: change.low_balance.unwrap_or(before.low_balance),
                off_since: match change.on {
                    Some(true) => None,
                    Some(false) => before.off_since.or(Some(now)),
                    None => before.off_since,
                },
                ..before
            };
            senders::change(tx, &after).await?;
            senders::note_taken(tx, id).await?;
            let entry = Entry::of(tenant, "sender changed", after.name.clone());
            asked::account(tx, &desk, &by.actor, entry, now).await?;
            Ok(Ok(Sender { version: after.version + 1, ..after }))
        })
        .await?
}

/// Says in which order gateways are tried.
///
/// # Errors
/// See [`SenderError`].
pub async fn order_senders(
    app: &App,
    tenant: TenantId,
    order: Vec<SenderId>,
    by: &By,
    now: Timestamp,
) -> Result<Vec<Sender>, SenderError> {
    let (desk, by) = (app.clone(), by.clone());
    app.store()
        .attempt(async move |tx: &mut Tx<'_>| {
            let all = senders::of_tenant(tx, tenant).await?;
            let place = |id: SenderId| order.iter().position(|one| *one == id);
            if order.len() != all.len() || !all.iter().all(|one| place(one.id).is_some()) {
                return Ok(Err(SenderError::Order(all.len())));
            }
            for one in all {
                let place = place(one.id).unwrap_or_default() as i64 + 1;
                senders::change(tx, &Sender { place, ..one }).await?;
            }
            let all = senders::of_tenant(tx, tenant).await?;
            let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
            let entry = Entry::of(tenant, "senders ordered", names.join(", "));
            asked::account(tx, &desk, &by.actor, entry, now).await?;
            Ok(Ok(all))
        })
        .await?
}

/// Removes a gateway. What it took stays in the log.
///
/// # Errors
/// See [`SenderError`].
pub async fn remove_sender(
    app: &App,
    (tenant, id): (TenantId, SenderId),
    expected: Option<i64>,
    by: &By,
    now: Timestamp,
) -> Result<(), SenderError> {
    let (desk, by) = (app.clone(), by.clone());
    app.store()
        .attempt(async move |tx: &mut Tx<'_>| {
            let Some(sender) = of_tenant(tx, tenant, id).await? else {
                return Ok(Err(Lost::Missing("sender").into()));
            };
            if !asked::is_expected(sender.version, expected) {
                return Ok(Err(Lost::Stale("sender").into()));
            }
            senders::remove(tx, id).await?;
            let entry = Entry::of(tenant, "sender removed", sender.name);
            asked::account(tx, &desk, &by.actor, entry, now).await?;
            Ok(Ok(()))
        })
        .await?
}

/// A gateway, if it is the tenant's.
///
/// # Errors
/// A fault of the store.
pub async fn of_tenant(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    id: SenderId,
) -> Result<Option<Sender>, Error> {
    let found = senders::find(tx, id).await?;
    Ok(found.filter(|sender| sender.tenant == tenant))
}

/// What came of trying a gateway.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, schemars::JsonSchema)]
pub struct Tried {
    /// Whether it took the text.
    pub taken: bool,
    /// What it calls the text, or what went wrong.
    pub detail: String,
    /// How much it says is left.
    pub balance: Option<String>,
}

/// Hands a text to one gateway, whatever the order, and asks how much is left.
///
/// # Errors
/// See [`SenderError`].
pub async fn test_sender(
    app: &App,
    (tenant, id): (TenantId, SenderId),
    to: &str,
    now: Timestamp,
) -> Result<Tried, SenderError> {
    let read = async move |tx: &mut Tx<'_>| {
        let sender = of_tenant(tx, tenant, id).await?;
        let settings = MessageSettings::read(tx, tenant).await?;
        Ok((sender, settings, lango_store::tenants::one(tx, tenant).await?))
    };
    let (sender, settings, business) = app.store().read(read).await?;
    let sender = sender.ok_or(Lost::Missing("sender"))?;
    let damaged = || SenderError::Gateway("its settings cannot be read: add it anew".to_owned());
    let gateway = Gateway::read(&sender).ok_or_else(damaged)?;
    let to = match PhoneNumber::parse(to, business.country) {
        Ok(phone) => phone.to_string(),
        Err(_) if to.contains('@') => to.to_owned(),
        Err(refused) => return Err(SenderError::Gateway(refused.to_string())),
    };
    if !gateway.reaches(&to) {
        return Err(SenderError::Gateway(format!("a sender {} cannot reach {to}", gateway.word())));
    }
    let text = format!("{}: this is a test of {}.", business.name, sender.name);
    let text = lango_domain::sms_text::plain(&text);
    let from = sender.from_name.as_deref().or(settings.sender_name.as_deref());
    let reference = format!("test-{}", now.micros());
    let out = Outgoing { to: &to, text: &text, from, reference: &reference };
    let handed = gateway.hand_over(app, &sender, out).await;
    let balance = crate::messaging::engine::ask_balance(app, &sender).await?;
    let balance = balance.map(|left| {
        format!("{} {}", left.currency, crate::messaging::gateways::written(left.amount))
    });
    let (taken, detail) = match handed {
        Handed::Taken(taken) => (true, taken.ids.join(", ")),
        Handed::NotNow(why) => (false, format!("not now: {why}")),
        Handed::Refused(why) => (false, format!("refused: {why}")),
        Handed::Faulty(why) => (false, why),
        Handed::Unknown(why) => (false, format!("unknown: {why}")),
    };
    if taken {
        let good = async move |tx: &mut Tx<'_>| senders::note_taken(tx, id).await;
        app.store().write(good).await?;
    }
    Ok(Tried { taken, detail, balance })
}
