//! A business says how its messages are worded, in whose name they come and when it may advertise;
//! and looks at what a text would be and cost before it is sent.

use crate::app::App;
use crate::config::public_url::PublicUrl;
use crate::messaging::gateways::Gateway;
use crate::messaging::notice::Notice;
use crate::messaging::settings::{LONGEST_NAME, MessageSettings, is_sender_name, key};
use crate::messaging::templates::{Facts, NotATemplate, Template, fill};
use crate::messaging::{self, MessageOrder};
use crate::operations::asked::{self, By, Entry, KeyReused};
use lango_domain::hours::{NotHours, Week};
use lango_domain::ids::{Id, JobId, TenantId};
use lango_domain::language::Language;
use lango_domain::phone_number::PhoneNumber;
use lango_domain::sms_text::{self, Measure};
use lango_domain::time::Timestamp;
use lango_store::senders;
use lango_store::tenants::Tenant;
use lango_store::{Error, Tx};

/// How long a text of the staff may be: ten parts.
pub const LONGEST_TEXT: usize = 1_530;

/// What is to be different; what is none stays as it is.
#[derive(Clone, Debug, Default)]
pub struct SettingsChange {
    /// What phones show as the sender.
    pub sender_name: Option<Option<String>>,
    /// When promotions may be sent.
    pub promotion_hours: Option<Option<String>>,
    /// Where more can be bought.
    pub link: Option<Option<String>>,
}

/// Why messages cannot be like that.
#[derive(Debug, thiserror::Error)]
pub enum WordingError {
    /// No network takes that name.
    #[error(
        "`{0}` is no sender's name: write at most {LONGEST_NAME} letters, digits, spaces, `-`, \
         `_`, `.` or `&`, or a number"
    )]
    Name(String),
    /// No hours.
    #[error(transparent)]
    Hours(#[from] NotHours),
    /// No link.
    #[error("`{0}` is no link: write https://HOST/PATH, at most 60 signs")]
    Link(String),
    /// It is in a text.
    #[error("the text of `{0}` says {{link}}: reset it first")]
    LinkInUse(String),
    /// No template.
    #[error(transparent)]
    Template(#[from] NotATemplate),
    /// Nothing to send, or too much.
    #[error("a text needs 1 to {LONGEST_TEXT} signs")]
    Length,
    /// The key was used for another request.
    #[error(transparent)]
    Reused(#[from] KeyReused),
    /// The database.
    #[error("changing how messages are worded")]
    Store(#[from] Error),
}

/// The words of a business.
///
/// # Errors
/// A fault of the store.
pub async fn settings(app: &App, tenant: TenantId) -> Result<MessageSettings, Error> {
    let read = async move |tx: &mut Tx<'_>| MessageSettings::read(tx, tenant).await;
    app.store().read(read).await
}

/// Changes in whose name messages come, when promotions may, and where more can be bought.
///
/// # Errors
/// See [`WordingError`].
pub async fn change_settings(
    app: &App,
    tenant: TenantId,
    change: SettingsChange,
    by: &By,
    now: Timestamp,
) -> Result<MessageSettings, WordingError> {
    if let Some(Some(name)) = &change.sender_name
        && !is_sender_name(name)
    {
        return Err(WordingError::Name(name.clone()));
    }
    if let Some(Some(hours)) = &change.promotion_hours {
        hours.parse::<Week>()?;
    }
    if let Some(Some(link)) = &change.link
        && !(link.starts_with("http") && link.contains("://") && link.len() <= 60)
    {
        return Err(WordingError::Link(link.clone()));
    }
    edit(app, tenant, Edit::Settings(change), by, now).await
}

/// Words a message, or gives it Lango's own words again.
///
/// # Errors
/// See [`WordingError`].
pub async fn word_message(
    app: &App,
    tenant: TenantId,
    which: (Template, Language),
    text: Option<String>,
    by: &By,
    now: Timestamp,
) -> Result<MessageSettings, WordingError> {
    edit(app, tenant, Edit::Words(which, text), by, now).await
}

/// What is to be different, in a type without references: closures of the store own theirs.
#[derive(Clone, Debug)]
enum Edit {
    Settings(SettingsChange),
    Words((Template, Language), Option<String>),
}

impl Edit {
    const fn what(&self) -> &'static str {
        match self {
            Edit::Settings(_) => "message settings changed",
            Edit::Words(..) => "message worded",
        }
    }

    /// Changes the settings; what the account says of it.
    fn apply(
        &self,
        settings: &mut MessageSettings,
        portal: Option<&PublicUrl>,
    ) -> Result<String, WordingError> {
        match self {
            Edit::Settings(change) => {
                let says_link = |(_, text): &(&String, &String)| text.contains("{link}");
                if change.link == Some(None)
                    && portal.is_none()
                    && let Some((name, _)) = settings.texts.iter().find(says_link)
                {
                    return Err(WordingError::LinkInUse(name.clone()));
                }
                let SettingsChange { sender_name, promotion_hours, link } = change.clone();
                settings.sender_name = sender_name.unwrap_or(settings.sender_name.take());
                settings.promotion_hours =
                    promotion_hours.unwrap_or(settings.promotion_hours.take());
                settings.link = link.unwrap_or(settings.link.take());
                Ok(String::new())
            }
            Edit::Words((template, language), text) => {
                let name = key(*template, *language);
                match text {
                    Some(text) => {
                        template.check(text, settings.link(portal).is_some())?;
                        settings.texts.insert(name.clone(), text.trim().to_owned());
                    }
                    None => {
                        settings.texts.remove(&name);
                    }
                }
                Ok(name)
            }
        }
    }
}

async fn edit(
    app: &App,
    tenant: TenantId,
    edit: Edit,
    by: &By,
    now: Timestamp,
) -> Result<MessageSettings, WordingError> {
    let (desk, by) = (app.clone(), by.clone());
    app.store()
        .attempt(async move |tx: &mut Tx<'_>| {
            let mut settings = MessageSettings::read(tx, tenant).await?;
            let detail = match edit.apply(&mut settings, desk.public_url()) {
                Ok(detail) => detail,
                Err(refused) => return Ok(Err(refused)),
            };
            senders::keep_settings(tx, tenant, &settings).await?;
            let entry = Entry::of(tenant, edit.what(), detail);
            asked::account(tx, &desk, &by.actor, entry, now).await?;
            Ok(Ok(settings))
        })
        .await?
}

/// What a text would be.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Preview {
    /// As it would leave the house.
    pub text: String,
    /// In which alphabet, of how many units and parts.
    #[serde(flatten)]
    pub measure: Measure,
    /// What each sender would take for it, in order.
    pub costs: Vec<Cost>,
}

/// What a gateway would take.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, schemars::JsonSchema)]
pub struct Cost {
    /// The sender's name
    pub sender: String,
    /// In the business's currency; null if its price is not known
    pub cost: Option<String>,
}

/// What is to be looked at.
#[derive(Clone, Debug)]
pub enum Sample {
    /// A message of Lango's or the business's wording, or with this one.
    Message(Template, Option<String>),
    /// Any text.
    Text(String),
}

/// Shows what a text would be and cost.
///
/// # Errors
/// See [`WordingError`].
pub async fn preview(
    app: &App,
    tenant: &Tenant,
    sample: Sample,
    language: Language,
) -> Result<Preview, WordingError> {
    let id = tenant.id;
    let read = async move |tx: &mut Tx<'_>| {
        Ok((MessageSettings::read(tx, id).await?, senders::of_tenant(tx, id).await?))
    };
    let (settings, senders) = app.store().read(read).await?;
    let link = settings.link(app.public_url());
    let has_link = link.is_some();
    let facts = Facts { link, ..Facts::example(&tenant.name) };
    let text = match sample {
        Sample::Text(text) => text,
        Sample::Message(template, Some(text)) => {
            template.check(&text, has_link)?;
            fill(&text, &facts)
        }
        Sample::Message(template, None) => fill(&settings.text(template, language), &facts),
    };
    if text.trim().is_empty() || text.chars().count() > LONGEST_TEXT {
        return Err(WordingError::Length);
    }
    let text = sms_text::plain(&text);
    let measure = sms_text::measure(&text);
    let parts = i64::try_from(measure.parts).unwrap_or(i64::MAX);
    let on = senders.into_iter().filter(|sender| sender.off_since.is_none());
    let by_phone = on.filter(|sender| Gateway::read(sender).is_some_and(|it| it.reaches("+")));
    let costs = by_phone.map(|sender| Cost {
        cost: sender.part_price.map(|price| {
            let cost = messaging::gateways::written(price.saturating_mul(parts));
            format!("{} {cost}", tenant.currency)
        }),
        sender: sender.name,
    });
    Ok(Preview { text, measure, costs: costs.collect() })
}

/// A text of the staff.
#[derive(Clone, Debug)]
pub struct StaffText {
    /// In whose name.
    pub tenant: TenantId,
    /// To whom.
    pub to: PhoneNumber,
    /// What.
    pub text: String,
    /// Whether it is to sell something.
    pub promotion: bool,
}

/// Sends a text of the staff; its job.
///
/// # Errors
/// See [`WordingError`].
pub async fn send_text(
    app: &App,
    order: StaffText,
    by: &By,
    now: Timestamp,
) -> Result<JobId, WordingError> {
    if order.text.trim().is_empty() || order.text.chars().count() > LONGEST_TEXT {
        return Err(WordingError::Length);
    }
    let (desk, by) = (app.clone(), by.clone());
    app.store()
        .attempt(async move |tx: &mut Tx<'_>| {
            match asked::made_before::<JobId>(tx, &by).await? {
                Err(reused) => return Ok(Err(reused.into())),
                Ok(Some(made)) => {
                    return Ok(Ok(made.first().copied().unwrap_or(JobId::from_raw(0))));
                }
                Ok(None) => {}
            }
            // A reason of its own: whoever sends the same text twice wants it twice.
            let reason: JobId = desk.id(now);
            let message = MessageOrder {
                tenant: order.tenant,
                recipient: order.to.clone(),
                language: None,
                grant: None,
                once_key: format!("text {reason}"),
                text: Notice::Text { body: order.text.clone(), promotion: order.promotion },
            };
            let job = messaging::queue(tx, &desk, message, now).await?;
            asked::keep_made(tx, &by, &[job], now).await?;
            let entry = Entry::of(order.tenant, "text ordered", format!("{:?}", order.to));
            asked::account(tx, &desk, &by.actor, entry, now).await?;
            Ok(Ok(job))
        })
        .await?
}
