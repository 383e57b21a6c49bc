//! `lango init`: a database, a business, its owner.

use super::Everywhere;
use super::desk::{Desk, is_name};
use super::dialogue::{ask, ask_or, ask_secretly};
use super::output::{json, line, note};
use crate::config::open::Want;
use crate::config::{Config, environment};
use crate::operations::asked::By;
use crate::operations::found_tenant::{Founded, Founding, found_tenant};
use anyhow::bail;
use lango_domain::calendar::Zone;
use lango_domain::language::Language;
use lango_domain::phone_number::Country;
use std::process::ExitCode;

#[derive(clap::Args)]
#[command(after_help = "Example:\n  \
                        lango init --business \"Hotel ABC WiFi\" --email owner@abc.example \
                        --country KE")]
pub(super) struct InitArguments {
    /// Name of the business, as customers read it
    #[arg(long, value_name = "NAME")]
    business: Option<String>,
    /// The owner's e-mail address
    #[arg(long, value_name = "EMAIL")]
    email: Option<String>,
    /// The owner's password, at least 8 signs; LANGO_PASSWORD keeps it out of the process list
    #[arg(long, value_name = "PASSWORD", env = "LANGO_PASSWORD", hide_env_values = true)]
    password: Option<String>,
    /// Country: KE, TZ, UG or RW; gives currency, time zone and the reading of phone numbers [KE]
    #[arg(long, value_name = "CODE")]
    country: Option<Country>,
    /// Time zone, if not the country's
    #[arg(long, value_name = "ZONE")]
    zone: Option<Zone>,
    /// Language of the customers: en, sw or fr
    #[arg(long, value_name = "CODE", default_value = "en")]
    language: Language,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    everywhere: &Everywhere,
    arguments: InitArguments,
) -> anyhow::Result<ExitCode> {
    let config = Config::load(&everywhere.flags(), &environment)?;
    let wants_json = arguments.json;
    let founding = founding(arguments)?;
    let desk = Desk::with(config, everywhere, Want::MadeIfMissing).await?;
    let others = desk.every_tenant().await?;
    if others.iter().any(|tenant| is_name(tenant, &founding.business)) {
        bail!("there is a business `{}` here already: choose another name", founding.business);
    }
    if !others.is_empty() {
        note(format!(
            "this database has {} already; another is added, and commands need --tenant from now \
             on",
            super::output::counted(others.len(), "business", "businesses")
        ));
    }
    let business = founding.business.trim().to_owned();
    let founded = found_tenant(&desk.app, founding, &By::cli(), desk.now()).await?;
    if wants_json {
        json(&as_json(&desk, &business, &founded))?;
    } else {
        tell(&desk, &business, &founded)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Flags are never asked for again; with all of them there is no dialogue. The country is only
/// asked for where there is a dialogue anyway: it has a proposal.
fn founding(arguments: InitArguments) -> anyhow::Result<Founding> {
    let complete =
        arguments.business.is_some() && arguments.email.is_some() && arguments.password.is_some();
    let or_ask = |given: Option<String>, question: &str, flag: &str| match given {
        Some(given) => Ok(given),
        None => ask(question, flag),
    };
    let business = or_ask(arguments.business, "Name of the business", "--business NAME")?;
    let country = match arguments.country {
        Some(country) => country,
        None if complete => Country::Ke,
        None => ask_or("Country (KE, TZ, UG, RW)", "KE", "--country CODE")?.parse()?,
    };
    let email = or_ask(arguments.email, "E-mail address of the owner", "--email EMAIL")?;
    let password = match arguments.password {
        Some(password) => password,
        None => ask_secretly("Password of the owner", "--password PASSWORD")?,
    };
    let (zone, language) = (arguments.zone, arguments.language);
    Ok(Founding { business, email, password, country, zone, language })
}

fn as_json(desk: &Desk, business: &str, founded: &Founded) -> serde_json::Value {
    serde_json::json!({
        "tenant": founded.tenant,
        "business": business,
        "token": founded.token,
        "database": desk.config.database.to_string(),
        "data_dir": desk.config.data_dir,
    })
}

fn tell(desk: &Desk, business: &str, founded: &Founded) -> anyhow::Result<()> {
    line(format!("{business} is ready in {}", desk.config.database))?;
    line(format!("API token, shown only now: {}", founded.token.as_deref().unwrap_or_default()))?;
    if desk.config.secret_key.is_none() {
        let key = desk.config.key_file();
        line(format!("Keep a copy of {} away from backups: without it", key.display()))?;
        line("nothing that is sealed in the database can be opened.")?;
    }
    line("")?;
    line("Next:")?;
    line("  lango router add NAME api://ADDRESS --user USER --password PASSWORD")?;
    line("  lango plan add \"1 hour\" --price 20 --time 1h")?;
    line("  lango voucher create --plan \"1 hour\" --count 10")?;
    line("  lango serve")
}
