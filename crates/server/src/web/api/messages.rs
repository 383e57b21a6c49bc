//! Messages: texts and what became of them, the gateways that take them, and how they are worded.

use crate::messaging::gateways::{Gateway, report_path, ten_thousandths, written};
use crate::messaging::settings::{MessageSettings, key};
use crate::messaging::templates::Template;
use crate::operations::sender::{
    NewSender, SenderChange, SenderError, Tried, add_sender, change_sender, of_tenant,
    order_senders, remove_sender, test_sender,
};
use crate::operations::word_messages::{
    Cost, Preview as Previewed, Sample, SettingsChange, StaffText, WordingError, change_settings,
    preview, send_text, settings, word_message,
};
use crate::web::api::door::{Ask, Doors, Json, NoQuery, Reply, Shown, Sign};
use crate::web::api::list::{Limit, Page, Place, walk};
use crate::web::api::problem::Problem;
use crate::web::api::table::Paged;
use crate::web::api::words::{Field, Line, Whole};
use lango_domain::ids::{GrantId, JobId, MessageId, SenderId, TenantId};
use lango_domain::language::Language;
use lango_domain::phone_number::PhoneNumber;
use lango_domain::role::Permission;
use lango_domain::time::Timestamp;
use lango_store::messages::{self, MessageState as State, Outcome as Came, Try as Tryed};
use lango_store::senders::{self, Sender as Stored};
use lango_store::tenants::Tenant;
use lango_store::{Order, Tx};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A text and what became of it.
#[derive(Serialize, JsonSchema, Debug)]
struct Message {
    id: MessageId,
    job: JobId,
    grant: Option<GrantId>,
    recipient: String,
    /// What opens an access is not in it once a gateway has it
    body: String,
    /// Why it was sent
    reason: String,
    sent_at: Timestamp,
    state: MessageState,
    state_at: Timestamp,
    /// SMS that it takes
    parts: i64,
    /// In the business's currency, as `0.8`; null if no price is known
    cost: Option<String>,
    last_error: Option<String>,
    tries: Vec<Try>,
}

impl Shown for Message {}

/// What is known of a text.
#[derive(Serialize, JsonSchema, Debug, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum MessageState {
    Queued,
    Sent,
    Delivered,
    Failed,
    Unknown,
}

/// One handing over.
#[derive(Serialize, JsonSchema, Debug)]
#[schemars(rename = "MessageTry")]
struct Try {
    sender: String,
    at: Timestamp,
    /// Null: nobody knows
    outcome: Option<Outcome>,
    detail: Option<String>,
}

/// What came of handing a text to a gateway.
#[derive(Serialize, JsonSchema, Debug)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "MessageOutcome")]
enum Outcome {
    Taken,
    NotNow,
    Refused,
    Faulty,
}

impl From<Tryed> for Try {
    fn from(stored: Tryed) -> Try {
        let Tryed { name, at, outcome, detail, .. } = stored;
        let outcome = outcome.map(|outcome| match outcome {
            Came::Taken => Outcome::Taken,
            Came::NotNow => Outcome::NotNow,
            Came::Refused => Outcome::Refused,
            Came::Faulty => Outcome::Faulty,
        });
        Try { sender: name, at, outcome, detail }
    }
}

impl From<messages::Message> for Message {
    fn from(stored: messages::Message) -> Message {
        Message {
            id: stored.id,
            job: stored.job,
            grant: stored.grant,
            recipient: stored.recipient,
            body: stored.body,
            reason: stored.reason,
            sent_at: stored.sent_at,
            state: match stored.state {
                State::Queued => MessageState::Queued,
                State::Sent => MessageState::Sent,
                State::Delivered => MessageState::Delivered,
                State::Failed => MessageState::Failed,
                State::Unknown => MessageState::Unknown,
            },
            state_at: stored.state_at,
            parts: stored.parts,
            cost: stored.cost.map(written),
            last_error: stored.last_error,
            tries: stored.tries.into_iter().map(Try::from).collect(),
        }
    }
}

/// A page of messages.
#[derive(Deserialize, JsonSchema, Clone, Debug)]
#[serde(deny_unknown_fields)]
struct MessagesQuery {
    cursor: Option<String>,
    limit: Option<Limit>,
}

impl Paged for MessagesQuery {
    fn going_on(&self, cursor: Option<String>) -> MessagesQuery {
        MessagesQuery { cursor, limit: Some(Whole(500)) }
    }
}

/// A text to be sent.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewMessage")]
struct SendBody {
    /// A phone number, as it is written in the country or with its plus sign
    to: Line<30>,
    text: Line<1530>,
    /// Whether it is to sell something: such a one waits for decent hours
    #[serde(default)]
    promotion: bool,
}

/// A text that was ordered.
#[derive(Serialize, JsonSchema, Debug)]
#[schemars(rename = "OrderedMessage")]
struct Ordered {
    /// What sends it
    job: JobId,
}

impl Shown for Ordered {}

/// What is to be looked at: a text, or a message in its own words or with these.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
struct PreviewBody {
    message: Option<Line<30>>,
    language: Option<Language>,
    text: Option<Line<1530>>,
}

/// What a text would be and cost.
#[derive(Serialize, JsonSchema, Debug)]
#[schemars(rename = "MessagePreview")]
struct Preview {
    text: String,
    /// `gsm` or `ucs2`
    alphabet: String,
    units: usize,
    parts: usize,
    costs: Vec<Cost>,
}

impl Shown for Preview {}

impl From<Previewed> for Preview {
    fn from(made: Previewed) -> Preview {
        let alphabet = match made.measure.alphabet {
            lango_domain::sms_text::Alphabet::Gsm => "gsm",
            lango_domain::sms_text::Alphabet::Ucs2 => "ucs2",
        };
        Preview {
            text: made.text,
            alphabet: alphabet.to_owned(),
            units: made.measure.units,
            parts: made.measure.parts,
            costs: made.costs,
        }
    }
}

/// A gateway that takes texts.
#[derive(Serialize, JsonSchema, Debug)]
struct Sender {
    id: SenderId,
    name: String,
    /// Texts go to the smallest first
    place: i64,
    /// How it is spoken to; null if that cannot be read
    gateway: Option<Gateway>,
    /// The name that it shows, if not the business's
    from_name: Option<String>,
    /// Of one part, in the business's currency, as `0.8`
    part_price: Option<String>,
    /// Below this somebody should buy more, in its own currency
    low_balance: Option<String>,
    off_since: Option<Timestamp>,
    /// Where it is to report what became of texts, on this server
    report_path: String,
    /// Texts that it did not take, one after the other
    failures: i64,
    failing_since: Option<Timestamp>,
    last_error: Option<String>,
    /// What it said was left
    balance: Option<String>,
    created_at: Timestamp,
    version: i64,
}

impl Shown for Sender {}
impl Shown for Tried {}

impl Sender {
    fn of(app: &crate::app::App, stored: Stored) -> Sender {
        let report_path = report_path(app, &stored);
        let gateway = Gateway::read(&stored);
        let Stored { id, name, place, from_name, created_at, off_since, health, version, .. } =
            stored;
        Sender {
            id,
            name,
            place,
            gateway,
            from_name,
            part_price: stored.part_price.map(written),
            low_balance: stored.low_balance.map(written),
            off_since,
            report_path,
            failures: health.failures,
            failing_since: health.failing_since,
            last_error: health.last_error,
            balance: health
                .balance
                .map(|left| format!("{} {}", left.currency, written(left.amount))),
            created_at,
            version,
        }
    }
}

/// A gateway to be added.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewSender")]
struct NewBody {
    name: Line<50>,
    gateway: Gateway,
    /// What proves that it is us: API key, password or token
    secret: Option<Line<500>>,
    from_name: Option<Line<16>>,
    /// Of one part, in the business's currency, as `0.8`
    part_price: Option<Line<20>>,
    /// Below this somebody should buy more, in its own currency
    low_balance: Option<Line<20>>,
}

/// What is to be different.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SenderChange")]
struct ChangeBody {
    name: Option<Line<50>>,
    gateway: Option<Gateway>,
    secret: Option<Line<500>>,
    #[serde(default)]
    from_name: Field<Line<16>>,
    #[serde(default)]
    part_price: Field<Line<20>>,
    #[serde(default)]
    low_balance: Field<Line<20>>,
    on: Option<bool>,
}

/// In which order they are tried.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
struct OrderBody {
    /// Every sender of the business once
    #[schemars(length(max = 20))]
    senders: Vec<SenderId>,
}

/// To whom the test goes.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
struct TestBody {
    to: Line<254>,
}

/// In whose name messages come, and when.
#[derive(Serialize, JsonSchema, Debug)]
#[schemars(rename = "MessageSettings")]
struct Settings {
    sender_name: Option<String>,
    promotion_hours: Option<String>,
    link: Option<String>,
}

impl Shown for Settings {}

/// What is to be different.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "MessageSettingsChange")]
struct SettingsBody {
    /// What phones show as the sender
    #[serde(default)]
    sender_name: Field<Line<16>>,
    /// When promotions may be sent: `Mo-Sa 08:00-18:00`
    #[serde(default)]
    promotion_hours: Field<Line<200>>,
    /// Where more can be bought; else it is the portal's address
    #[serde(default)]
    link: Field<Line<60>>,
}

/// How a message is worded.
#[derive(Serialize, JsonSchema, Debug)]
#[schemars(rename = "MessageTemplate")]
struct Worded {
    message: String,
    language: Language,
    text: String,
    /// Whether these are the business's own words
    own: bool,
    /// What it can say
    places: Vec<String>,
}

impl Shown for Worded {}

impl Worded {
    fn of(settings: &MessageSettings, template: Template, language: Language) -> Worded {
        Worded {
            message: template.word().to_owned(),
            language,
            text: settings.text(template, language).into_owned(),
            own: settings.texts.contains_key(&key(template, language)),
            places: template.places().into_iter().map(|place| place.word().to_owned()).collect(),
        }
    }
}

/// How a message is to be worded.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
struct WordBody {
    language: Language,
    /// Null is Lango's own words again
    text: Option<Line<268>>,
}

const TAG: &str = "messages";

pub(crate) fn open(doors: &mut Doors) {
    let list = Sign::list("/api/v1/messages", "list_messages")
        .about(TAG, "Texts and what became of them, latest first");
    doors.open_list(list, async |ask: Ask<(), MessagesQuery>| messages_page(&ask).await);
    let show = Sign::get("/api/v1/messages/{message}", "show_message").about(TAG, "One text");
    doors.open(show, async |ask: Ask<MessageId>| {
        let (tenant, id) = (ask.tenant(), ask.path);
        let find = async move |tx: &mut Tx<'_>| messages::find(tx, tenant, id).await;
        let found = ask.here.app.store().read(find).await?;
        found
            .map(|stored| Reply::ok(Message::from(stored)))
            .ok_or_else(|| Problem::missing("message"))
    });
    let send = Sign::make("/api/v1/messages", "send_message")
        .about(TAG, "Send a text to a number")
        .needs(Permission::Manage);
    doors.open(send, async |ask: Ask<(), NoQuery, Json<SendBody>>| send_one(&ask).await);
    let look = Sign::run("/api/v1/messages/preview", "preview_message")
        .about(TAG, "What a text would be, its parts and what they cost");
    doors.open(look, async |ask: Ask<(), NoQuery, Json<PreviewBody>>| look_at(&ask).await);
    open_wording(doors);
    open_senders(doors);
    open_sender(doors);
}

fn open_wording(doors: &mut Doors) {
    let show = Sign::get("/api/v1/message-settings", "show_message_settings")
        .about(TAG, "In whose name messages come, and when");
    doors.open(show, async |ask: Ask| {
        Ok(reply_settings(settings(&ask.here.app, ask.tenant()).await?))
    });
    let change = Sign::change("/api/v1/message-settings", "change_message_settings")
        .about(TAG, "Change in whose name messages come, and when")
        .unversioned()
        .needs(Permission::Manage);
    doors.open(change, async |ask: Ask<(), NoQuery, Json<SettingsBody>>| {
        let SettingsBody { sender_name, promotion_hours, link } = &ask.body.0;
        let change = SettingsChange {
            sender_name: texts(sender_name),
            promotion_hours: texts(promotion_hours),
            link: texts(link),
        };
        let (app, by) = (&ask.here.app, ask.by());
        Ok(reply_settings(change_settings(app, ask.tenant(), change, by, ask.now()).await?))
    });
    let list = Sign::list("/api/v1/message-templates", "list_message_templates")
        .about(TAG, "How messages are worded, in every language");
    doors.open_list(list, async |ask: Ask| {
        let settings = settings(&ask.here.app, ask.tenant()).await?;
        let languages = [Language::Sw, Language::En, Language::Fr];
        let each = |template| languages.map(|language| Worded::of(&settings, template, language));
        let items = Template::ALL.into_iter().flat_map(each).collect();
        Ok(Reply::ok(Page { items, next: None }))
    });
    let word = Sign::change("/api/v1/message-templates/{template}", "word_message")
        .about(TAG, "Word a message, or give it Lango's own words again")
        .unversioned()
        .needs(Permission::Manage);
    doors.open(word, async |ask: Ask<String, NoQuery, Json<WordBody>>| {
        let template = Template::read(&ask.path).map_err(|_| Problem::missing("message"))?;
        let WordBody { language, text } = &ask.body.0;
        let (app, by, text) = (&ask.here.app, ask.by(), text.as_ref().map(|text| text.0.clone()));
        let which = (template, *language);
        let settings = word_message(app, ask.tenant(), which, text, by, ask.now()).await?;
        Ok(Reply::ok(Worded::of(&settings, template, *language)))
    });
}

fn open_senders(doors: &mut Doors) {
    let list = Sign::list("/api/v1/senders", "list_senders")
        .about(TAG, "Gateways that take texts, in order")
        .needs(Permission::Own);
    doors.open_list(list, async |ask: Ask| {
        let tenant = ask.tenant();
        let all = async move |tx: &mut Tx<'_>| senders::of_tenant(tx, tenant).await;
        let all = ask.here.app.store().read(all).await?.into_iter();
        let items = all.map(|stored| Sender::of(&ask.here.app, stored)).collect();
        Ok(Reply::ok(Page { items, next: None }))
    });
    let add = Sign::make("/api/v1/senders", "add_sender")
        .about(TAG, "Add a gateway behind those that there are")
        .needs(Permission::Own);
    doors.open(add, async |ask: Ask<(), NoQuery, Json<NewBody>>| {
        let NewBody { name, gateway, secret, from_name, part_price, low_balance } = &ask.body.0;
        let new = NewSender {
            tenant: ask.tenant(),
            name: name.0.clone(),
            gateway: gateway.clone(),
            secret: secret.as_ref().map(|secret| secret.0.clone()).unwrap_or_default(),
            from_name: from_name.as_ref().map(|name| name.0.clone()),
            part_price: part_price.as_ref().map(|it| amount(it, "/part_price")).transpose()?,
            low_balance: low_balance.as_ref().map(|it| amount(it, "/low_balance")).transpose()?,
        };
        let stored = add_sender(&ask.here.app, new, ask.by(), ask.now()).await?;
        let location = format!("/api/v1/senders/{}", stored.id);
        Ok(reply(&ask.here.app, stored).at(location))
    });
    let order = Sign::run("/api/v1/senders/order", "order_senders")
        .about(TAG, "Say in which order gateways are tried")
        .needs(Permission::Own);
    doors.open(order, async |ask: Ask<(), NoQuery, Json<OrderBody>>| {
        let order = ask.body.0.senders.clone();
        let all = order_senders(&ask.here.app, ask.tenant(), order, ask.by(), ask.now()).await?;
        let items = all.into_iter().map(|stored| Sender::of(&ask.here.app, stored)).collect();
        Ok(Reply::ok(Page::<Sender> { items, next: None }))
    });
}

fn open_sender(doors: &mut Doors) {
    let show = Sign::get("/api/v1/senders/{sender}", "show_sender")
        .about(TAG, "One gateway and how it does")
        .needs(Permission::Own);
    doors.open(show, async |ask: Ask<SenderId>| {
        let (tenant, id) = (ask.tenant(), ask.path);
        let find = async move |tx: &mut Tx<'_>| of_tenant(tx, tenant, id).await;
        let found = ask.here.app.store().read(find).await?;
        let found = found.ok_or_else(|| Problem::missing("sender"))?;
        Ok(reply(&ask.here.app, found))
    });
    let change = Sign::change("/api/v1/senders/{sender}", "change_sender")
        .about(TAG, "Change a gateway, switch it off or on")
        .needs(Permission::Own);
    doors.open(change, async |ask: Ask<SenderId, NoQuery, Json<ChangeBody>>| {
        let ChangeBody { name, gateway, secret, from_name, part_price, low_balance, on } =
            &ask.body.0;
        let change = SenderChange {
            name: name.as_ref().map(|name| name.0.clone()),
            gateway: gateway.clone(),
            secret: secret.as_ref().map(|secret| secret.0.clone()),
            from_name: texts(from_name),
            part_price: amounts(part_price, "/part_price")?,
            low_balance: amounts(low_balance, "/low_balance")?,
            on: *on,
        };
        let (app, whose, by) = (&ask.here.app, (ask.tenant(), ask.path), ask.by());
        let changed = change_sender(app, whose, change, ask.expected, by, ask.now()).await?;
        Ok(reply(app, changed))
    });
    let remove = Sign::remove("/api/v1/senders/{sender}", "remove_sender")
        .about(TAG, "Give it nothing more")
        .needs(Permission::Own);
    doors.open(remove, async |ask: Ask<SenderId>| {
        let whose = (ask.tenant(), ask.path);
        remove_sender(&ask.here.app, whose, ask.expected, ask.by(), ask.now()).await?;
        Ok(Reply::nothing())
    });
    let test = Sign::run("/api/v1/senders/{sender}/test", "test_sender")
        .about(TAG, "Hand it a text, and ask how much is left to be spent")
        .needs(Permission::Own);
    doors.open(test, async |ask: Ask<SenderId, NoQuery, Json<TestBody>>| {
        let whose = (ask.tenant(), ask.path);
        Ok(Reply::ok(test_sender(&ask.here.app, whose, &ask.body.0.to.0, ask.now()).await?))
    });
}

fn reply(app: &crate::app::App, stored: Stored) -> Reply<Sender> {
    let version = stored.version;
    Reply::ok(Sender::of(app, stored)).version(version)
}

fn reply_settings(settings: MessageSettings) -> Reply<Settings> {
    let MessageSettings { sender_name, promotion_hours, link, .. } = settings;
    Reply::ok(Settings { sender_name, promotion_hours, link })
}

fn texts<const MOST: usize>(field: &Field<Line<MOST>>) -> Option<Option<String>> {
    field.clone().change().map(|text| text.map(|text| text.0))
}

fn amount<const MOST: usize>(text: &Line<MOST>, at: &'static str) -> Result<i64, Problem> {
    let refused = || Problem::invalid("write an amount as `0.8`").at(at);
    ten_thousandths(&text.0).filter(|amount| *amount >= 0).ok_or_else(refused)
}

fn amounts<const MOST: usize>(
    field: &Field<Line<MOST>>,
    at: &'static str,
) -> Result<Option<Option<i64>>, Problem> {
    let change = field.clone().change();
    change.map(|text| text.map(|text| amount(&text, at)).transpose()).transpose()
}

async fn business<P, Q, B>(ask: &Ask<P, Q, B, TenantId>) -> Result<Tenant, Problem> {
    let tenant = ask.tenant();
    let one = async move |tx: &mut Tx<'_>| lango_store::tenants::one(tx, tenant).await;
    Ok(ask.here.app.store().read(one).await?)
}

async fn send_one(ask: &Ask<(), NoQuery, Json<SendBody>>) -> Result<Reply<Ordered>, Problem> {
    let SendBody { to, text, promotion } = &ask.body.0;
    let tenant = business(ask).await?;
    let to = PhoneNumber::parse(&to.0, tenant.country);
    let to = to.map_err(|refused| Problem::invalid(refused.to_string()).at("/to"))?;
    let (text, promotion) = (text.0.clone(), *promotion);
    let order = StaffText { tenant: tenant.id, to, text, promotion };
    let job = send_text(&ask.here.app, order, ask.by(), ask.now()).await?;
    Ok(Reply::ok(Ordered { job }).at(format!("/api/v1/jobs/{job}")))
}

async fn look_at(ask: &Ask<(), NoQuery, Json<PreviewBody>>) -> Result<Reply<Preview>, Problem> {
    let PreviewBody { message, language, text } = &ask.body.0;
    let text = text.as_ref().map(|text| text.0.clone());
    let sample = match (message, text) {
        (Some(message), text) => Sample::Message(
            Template::read(&message.0)
                .map_err(|wrong| Problem::invalid(wrong.to_string()).at("/message"))?,
            text,
        ),
        (None, Some(text)) => Sample::Text(text),
        (None, None) => return Err(Problem::invalid("give a message, a text, or both")),
    };
    let tenant = business(ask).await?;
    let language = language.unwrap_or(tenant.language);
    Ok(Reply::ok(preview(&ask.here.app, &tenant, sample, language).await?.into()))
}

async fn messages_page(ask: &Ask<(), MessagesQuery>) -> Result<Reply<Page<Message>>, Problem> {
    let (query, tenant, store) = (&ask.query, ask.tenant(), ask.here.app.store());
    let place = Place::read("messages", Order::Descending, query.limit, query.cursor.as_deref())?;
    let read = |from: Option<MessageId>, limit: i64| {
        let store = store.clone();
        async move {
            let read = async move |tx: &mut Tx<'_>| messages::page(tx, tenant, from, limit).await;
            store.read(read).await
        }
    };
    let (rows, next) = walk(&place, true, read, |message| message.id, |_| true).await?;
    Ok(Reply::ok(place.page(rows.into_iter().map(Message::from).collect(), next)))
}

impl From<SenderError> for Problem {
    fn from(error: SenderError) -> Problem {
        match error {
            SenderError::Gateway(_) => Problem::invalid(error.to_string()).at("/gateway"),
            SenderError::Name(_) => Problem::invalid(error.to_string()).at("/from_name"),
            SenderError::Order(_) => Problem::invalid(error.to_string()).at("/senders"),
            SenderError::Taken(_) | SenderError::TooMany => Problem::conflict(error.to_string()),
            SenderError::Reused(reused) => reused.into(),
            SenderError::Lost(lost) => lost.into(),
            SenderError::Store(error) => error.into(),
        }
    }
}

impl From<WordingError> for Problem {
    fn from(error: WordingError) -> Problem {
        match error {
            WordingError::Name(_) => Problem::invalid(error.to_string()).at("/sender_name"),
            WordingError::Hours(_) => Problem::invalid(error.to_string()).at("/promotion_hours"),
            WordingError::Link(_) => Problem::invalid(error.to_string()).at("/link"),
            WordingError::LinkInUse(_) => Problem::conflict(error.to_string()),
            WordingError::Template(_) | WordingError::Length => {
                Problem::invalid(error.to_string()).at("/text")
            }
            WordingError::Reused(reused) => reused.into(),
            WordingError::Store(error) => error.into(),
        }
    }
}
