//! `lango template …`: how messages are worded.

use super::Everywhere;
use super::desk::Desk;
use super::output::{Shape, json, line, note, printed, shown};
use super::table::Table;
use crate::messaging::settings::key;
use crate::messaging::templates::Template;
use crate::operations::asked::By;
use crate::operations::word_messages::{Sample, preview, settings, word_message};
use lango_domain::language::Language;
use lango_store::tenants::Tenant;
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(super) enum TemplateCommand {
    /// How every message is worded
    List(ListArguments),
    /// One message in a language, what it can say, and what it would be
    Show(WhichArguments),
    /// Word a message yourself
    Set(SetArguments),
    /// Give it Lango's own words again
    Reset(WhichArguments),
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango template list\n  lango template list --csv")]
pub(super) struct ListArguments {
    #[command(flatten)]
    shape: Shape,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango template show credentials --language sw\n  \
                        lango template reset credentials --language sw")]
pub(super) struct WhichArguments {
    /// Which message, as `lango template list` has it
    message: String,
    /// In which language: sw, en or fr; else the business's
    #[arg(long)]
    language: Option<Language>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[command(
    after_help = "A text can say {code} {plan} {ends} {amount} {receipt} {business} {phone}\n\
                        {link}, as far as the message knows them: `lango template show` says so.\n\n\
                        Example:\n  lango template set ends-soon --language en \\\n    \
                        '{business}: {plan} ends {ends}. Pay at the desk.'"
)]
pub(super) struct SetArguments {
    /// Which message, as `lango template list` has it
    message: String,
    /// The words
    text: String,
    /// In which language: sw, en or fr; else the business's
    #[arg(long)]
    language: Option<Language>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    everywhere: &Everywhere,
    command: TemplateCommand,
) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(everywhere).await?;
    let tenant = desk.tenant().await?;
    match command {
        TemplateCommand::List(arguments) => list(&desk, &tenant, &arguments).await?,
        TemplateCommand::Show(arguments) => show(&desk, &tenant, &arguments).await?,
        TemplateCommand::Set(arguments) => {
            let SetArguments { message, text, language, json } = arguments;
            set(&desk, &tenant, (&message, language, json), Some(text)).await?;
        }
        TemplateCommand::Reset(arguments) => {
            let WhichArguments { message, language, json } = arguments;
            set(&desk, &tenant, (&message, language, json), None).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(desk: &Desk, tenant: &Tenant, arguments: &ListArguments) -> anyhow::Result<()> {
    let settings = settings(&desk.app, tenant.id).await?;
    let mut rows = Vec::new();
    for template in Template::ALL {
        for language in [Language::Sw, Language::En, Language::Fr] {
            rows.push(serde_json::json!({
                "message": template.word(), "language": language,
                "own": settings.texts.contains_key(&key(template, language)),
                "text": settings.text(template, language),
            }));
        }
    }
    if printed(arguments.shape, &rows, &["message", "language", "own", "text"])? {
        return Ok(());
    }
    let mut table = Table::new(["MESSAGE", "LANGUAGE", "WORDS", "TEXT"]);
    for template in Template::ALL {
        for language in [Language::Sw, Language::En, Language::Fr] {
            let own = settings.texts.contains_key(&key(template, language));
            table.row([
                template.word().to_owned(),
                language.code().to_owned(),
                if own { "yours" } else { "Lango's" }.to_owned(),
                settings.text(template, language).into_owned(),
            ]);
        }
    }
    table.print()
}

async fn show(desk: &Desk, tenant: &Tenant, arguments: &WhichArguments) -> anyhow::Result<()> {
    let template = Template::read(&arguments.message)?;
    let language = arguments.language.unwrap_or(tenant.language);
    let settings = settings(&desk.app, tenant.id).await?;
    let text = settings.text(template, language).into_owned();
    let places: Vec<&str> = template.places().into_iter().map(|place| place.word()).collect();
    let made = preview(&desk.app, tenant, Sample::Message(template, None), language).await?;
    if arguments.json {
        let own = settings.texts.contains_key(&key(template, language));
        return json(&serde_json::json!({
            "message": template.word(), "language": language, "own": own, "text": text,
            "places": places, "preview": made,
        }));
    }
    line(&text)?;
    line(format!("  It can say {{{}}}", places.join("} {")))?;
    line(format!("  For example: {}", shown(&made.text)))?;
    super::message::tell_measure(&made)
}

async fn set(
    desk: &Desk,
    tenant: &Tenant,
    (message, language, wants_json): (&str, Option<Language>, bool),
    text: Option<String>,
) -> anyhow::Result<()> {
    let template = Template::read(message)?;
    let language = language.unwrap_or(tenant.language);
    let (which, is_own) = ((template, language), text.is_some());
    let settings = word_message(&desk.app, tenant.id, which, text, &By::cli(), desk.now()).await?;
    let text = settings.text(template, language).into_owned();
    let made = preview(&desk.app, tenant, Sample::Message(template, None), language).await?;
    if wants_json {
        return json(&serde_json::json!({
            "message": template.word(), "language": language, "own": is_own, "text": text,
            "preview": made,
        }));
    }
    line(format!("{} ({}): {}", template.word(), language.code(), shown(&text)))?;
    if made.measure.parts > 1 {
        note("It takes more than one SMS.");
    }
    super::message::tell_measure(&made)
}
