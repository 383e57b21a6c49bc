//! `lango message …`: texts, what became of them, and what one would be.

use super::Everywhere;
use super::desk::Desk;
use super::output::{Shape, counted, json, line, note, printed, shown};
use super::table::Table;
use crate::messaging::gateways::written;
use crate::operations::asked::By;
use crate::operations::word_messages::{
    Preview, Sample, SettingsChange, StaffText, change_settings, preview, send_text, settings,
};
use anyhow::anyhow;
use lango_domain::ids::MessageId;
use lango_domain::language::Language;
use lango_domain::phone_number::PhoneNumber;
use lango_domain::sms_text::Alphabet;
use lango_store::Tx;
use lango_store::messages::{self, Message};
use lango_store::tenants::Tenant;
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(super) enum MessageCommand {
    /// Texts and what became of them, latest first
    List(ListArguments),
    /// One text and every try to hand it over
    Show(ShowArguments),
    /// Send a text to a number
    Send(SendArguments),
    /// What a text would be: its parts and what they cost
    Preview(PreviewArguments),
    /// In whose name messages come, when promotions may, where more can be bought
    Settings(SettingsArguments),
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango message list --last 20\n  lango message list --csv")]
pub(super) struct ListArguments {
    /// How many
    #[arg(long, value_name = "COUNT", default_value = "100",
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    last: u32,
    #[command(flatten)]
    shape: Shape,
}

#[derive(clap::Args)]
#[command(after_help = "Example:\n  lango message show m3m8rq7w00002k")]
pub(super) struct ShowArguments {
    /// Its id, from `lango message list`
    message: MessageId,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango message send 0712345678 'Your router is ready.'\n  \
                        lango message send 0712345678 'Half price today!' --promotion")]
pub(super) struct SendArguments {
    /// To whom
    phone: String,
    /// What
    text: String,
    /// It is to sell something: it waits for decent hours
    #[arg(long)]
    promotion: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango message preview 'Your router is ready.'\n  \
                        lango message preview --language sw 'Karibu!'")]
pub(super) struct PreviewArguments {
    /// What
    text: String,
    /// In which language: sw, en or fr
    #[arg(long)]
    language: Option<Language>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[command(after_help = "An empty value takes a setting away.\n\nExamples:\n  \
                        lango message settings --sender-name HotelABC\n  \
                        lango message settings --promotion-hours 'Mo-Sa 08:00-18:00'")]
pub(super) struct SettingsArguments {
    /// What phones show as the sender, at most 11 signs
    #[arg(long, value_name = "NAME")]
    sender_name: Option<String>,
    /// When promotions may be sent
    #[arg(long, value_name = "HOURS")]
    promotion_hours: Option<String>,
    /// Where more can be bought, if not at the portal
    #[arg(long, value_name = "URL")]
    link: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    everywhere: &Everywhere,
    command: MessageCommand,
) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(everywhere).await?;
    let tenant = desk.tenant().await?;
    match command {
        MessageCommand::List(arguments) => list(&desk, &tenant, &arguments).await?,
        MessageCommand::Show(arguments) => show(&desk, &tenant, &arguments).await?,
        MessageCommand::Send(arguments) => send(&desk, &tenant, arguments).await?,
        MessageCommand::Preview(arguments) => look(&desk, &tenant, arguments).await?,
        MessageCommand::Settings(arguments) => set(&desk, &tenant, arguments).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What a text takes and costs, in words.
pub(super) fn tell_measure(made: &Preview) -> anyhow::Result<()> {
    let alphabet = match made.measure.alphabet {
        Alphabet::Gsm => "plain letters",
        Alphabet::Ucs2 => "letters that take twice the room",
    };
    let parts = counted(made.measure.parts, "SMS", "SMS");
    line(format!("  {parts}, {} signs of {alphabet}", made.measure.units))?;
    for cost in &made.costs {
        let price = cost.cost.as_deref().unwrap_or("price not known: `--price` says it");
        line(format!("  by {}: {price}", shown(&cost.sender)))?;
    }
    Ok(())
}

fn as_json(message: &Message) -> serde_json::Value {
    serde_json::json!({
        "id": message.id, "grant": message.grant, "recipient": message.recipient,
        "body": message.body, "reason": message.reason, "sent_at": message.sent_at,
        "state": message.state, "state_at": message.state_at, "parts": message.parts,
        "cost": message.cost.map(written), "sender": message.tries.last().map(|last| &last.name),
        "last_error": message.last_error, "tries": message.tries,
    })
}

const COLUMNS: [&str; 10] = [
    "id",
    "recipient",
    "reason",
    "state",
    "sent_at",
    "sender",
    "parts",
    "cost",
    "last_error",
    "body",
];

async fn list(desk: &Desk, tenant: &Tenant, arguments: &ListArguments) -> anyhow::Result<()> {
    let (id, last) = (tenant.id, i64::from(arguments.last));
    let page = async move |tx: &mut Tx<'_>| messages::page(tx, id, None, last).await;
    let all = desk.app.store().report(page).await?;
    let rows: Vec<serde_json::Value> = all.iter().map(as_json).collect();
    if printed(arguments.shape, &rows, &COLUMNS)? {
        return Ok(());
    }
    if all.is_empty() {
        return line("No message yet.");
    }
    let mut table = Table::new(["WHEN", "TO", "WHY", "STATE", "BY", "SMS", "TEXT", "ID"]);
    for message in &all {
        table.row([
            tenant.zone.local(message.sent_at),
            message.recipient.clone(),
            message.reason.clone(),
            message.state.word().to_owned(),
            message.tries.last().map(|last| last.name.clone()).unwrap_or_default(),
            message.parts.to_string(),
            message.body.clone(),
            message.id.to_string(),
        ]);
    }
    table.print()
}

async fn show(desk: &Desk, tenant: &Tenant, arguments: &ShowArguments) -> anyhow::Result<()> {
    let (whose, id) = (tenant.id, arguments.message);
    let find = async move |tx: &mut Tx<'_>| messages::find(tx, whose, id).await;
    let found = desk.app.store().read(find).await?;
    let message =
        found.ok_or_else(|| anyhow!("there is no message {id}: see `lango message list`"))?;
    if arguments.json {
        return json(&as_json(&message));
    }
    let since = tenant.zone.local(message.state_at);
    line(format!(
        "{} to {}: {} since {since}",
        message.reason,
        message.recipient,
        message.state.word()
    ))?;
    line(format!("  {}", shown(&message.body)))?;
    let mut table = Table::new(["WHEN", "BY", "OUTCOME", "DETAIL"]).indented(2);
    for one in &message.tries {
        let outcome = match one.outcome {
            Some(messages::Outcome::Taken) => "taken",
            Some(messages::Outcome::NotNow) => "not now",
            Some(messages::Outcome::Refused) => "refused",
            Some(messages::Outcome::Faulty) => "trouble with the sender",
            None => "unknown",
        };
        let detail = one.detail.clone().unwrap_or_default();
        table.row([tenant.zone.local(one.at), one.name.clone(), outcome.to_owned(), detail]);
    }
    table.print()
}

async fn send(desk: &Desk, tenant: &Tenant, arguments: SendArguments) -> anyhow::Result<()> {
    let SendArguments { phone, text, promotion, json: wants_json } = arguments;
    let to = PhoneNumber::parse(&phone, tenant.country)?;
    let made = preview(&desk.app, tenant, Sample::Text(text.clone()), tenant.language).await?;
    let order = StaffText { tenant: tenant.id, to: to.clone(), text, promotion };
    let job = send_text(&desk.app, order, &By::cli(), desk.now()).await?;
    if wants_json {
        return json(&serde_json::json!({ "job": job, "to": to, "preview": made }));
    }
    line(format!("A text to {to} is ordered"))?;
    tell_measure(&made)?;
    note("`lango serve` sends it by itself, `lango notify --once` sends it now.");
    Ok(())
}

async fn look(desk: &Desk, tenant: &Tenant, arguments: PreviewArguments) -> anyhow::Result<()> {
    let language = arguments.language.unwrap_or(tenant.language);
    let made = preview(&desk.app, tenant, Sample::Text(arguments.text), language).await?;
    if arguments.json {
        return json(&made);
    }
    line(shown(&made.text))?;
    tell_measure(&made)
}

async fn set(desk: &Desk, tenant: &Tenant, arguments: SettingsArguments) -> anyhow::Result<()> {
    let SettingsArguments { sender_name, promotion_hours, link, json: wants_json } = arguments;
    let field = |text: Option<String>| text.map(|text| Some(text).filter(|text| !text.is_empty()));
    let change = SettingsChange {
        sender_name: field(sender_name),
        promotion_hours: field(promotion_hours),
        link: field(link),
    };
    let is_change =
        change.sender_name.is_some() || change.promotion_hours.is_some() || change.link.is_some();
    let settings = match is_change {
        true => change_settings(&desk.app, tenant.id, change, &By::cli(), desk.now()).await?,
        false => settings(&desk.app, tenant.id).await?,
    };
    if wants_json {
        return json(&settings);
    }
    let said = |text: &Option<String>, none: &str| shown(text.as_deref().unwrap_or(none));
    line(format!("Sender's name:   {}", said(&settings.sender_name, "none, each gateway's own")))?;
    line(format!("Promotions:      {}", said(&settings.promotion_hours, "08:00-18:00")))?;
    let link = settings.link(desk.app.public_url());
    line(format!("Link:            {}", said(&link, "none")))
}
