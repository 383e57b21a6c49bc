//! `lango radius freeradius-tables`: the tables by which a FreeRADIUS serves our customers.

use super::Everywhere;
use super::desk::Desk;
use super::expire::read_interval;
use super::output::{counted, line, note, shown};
use super::serve::Stops;
use crate::enforcement::freeradius::disconnect::PORT;
use crate::observe::chain;
use crate::reconcile::freeradius::{FreeradiusPass, create_tables, missing_tables, pass};
use anyhow::{Context, bail};
use lango_domain::time::Span;
use lango_store::freeradius::{RIGHTS, TABLES};
use std::process::ExitCode;

/// How many troubles of one kind are listed.
const MOST_LINES: usize = 10;

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango radius freeradius-tables --print\n  \
                        lango radius freeradius-tables --create --once\n  \
                        lango radius freeradius-tables --interval 30")]
pub(super) struct TablesArguments {
    /// Make the tables that are missing, in the schema radius of Lango's database
    #[arg(long)]
    create: bool,
    /// One pass, which is what happens without --interval
    #[arg(long, conflicts_with = "interval")]
    once: bool,
    /// A pass every so often, in seconds or as in `1m`, until stopped
    #[arg(long, value_name = "TIME", value_parser = read_interval)]
    interval: Option<Span>,
    /// Print the tables, the rights and FreeRADIUS's settings; change nothing
    #[arg(long, conflicts_with_all = ["create", "once", "interval", "json"])]
    print: bool,
    /// The port at which NASes take Disconnect-Requests
    #[arg(long, value_name = "PORT", default_value_t = PORT)]
    disconnect_port: u16,
    /// Print JSON, one object for each pass
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    everywhere: &Everywhere,
    arguments: TablesArguments,
) -> anyhow::Result<ExitCode> {
    if arguments.print {
        line(format!("{TABLES}{RIGHTS}{SETTINGS}"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let desk = Desk::open(everywhere).await?;
    check(&desk, arguments.create).await?;
    let port = arguments.disconnect_port;
    match arguments.interval {
        Some(interval) => again_and_again(&desk, interval, port, arguments.json).await,
        None => {
            let pass = pass(&desk.app, port).await?;
            tell(&pass, arguments.json)?;
            Ok(if pass.is_done() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}

/// What FreeRADIUS must be told besides, as comments of SQL.
const SETTINGS: &str = r#"
-- FreeRADIUS, mods-available/sql (linked into mods-enabled):
--   driver = "rlm_sql_postgresql"
--   dialect = "postgresql"
--   radius_db = "host=127.0.0.1 dbname=lango user=radius password=… options='-c search_path=radius'"
--   read_clients = yes        # nas is read at start: restart FreeRADIUS after a new router
-- sites-available/default:
--   authorize { … sql … expiration … pap }     # expiration behind sql
--   session { sql }                            # or Simultaneous-Use limits nothing
--   accounting { … sql }
--   post-auth { sql }                          # without clear passwords: see its query
-- FreeRADIUS before 3.2.5 signs no reply, and RouterOS then takes none. In post-auth and in its
-- Post-Auth-Type REJECT:
--   update reply { &Message-Authenticator := 0x00 }
"#;

async fn check(desk: &Desk, create: bool) -> anyhow::Result<()> {
    let store = desk.app.store();
    if let Some(path) = store.url().sqlite_path() {
        bail!(
            "FreeRADIUS's tables need PostgreSQL, and this database is SQLite ({}): FreeRADIUS \
             and Lango write at the same time. Set LANGO_DATABASE_URL to postgres://…",
            path.display()
        );
    }
    if create {
        let advice = "making FreeRADIUS's tables: `--print` shows what the owner of the database \
                      can run instead";
        create_tables(&desk.app).await.context(advice)?;
    }
    let missing = missing_tables(&desk.app).await?;
    if !missing.is_empty() {
        bail!(
            "the schema radius of this database lacks {}: --create makes them, --print shows how",
            missing.join(", ")
        );
    }
    if desk.every_tenant().await?.is_empty() {
        bail!("there is no business yet: run `lango init`");
    }
    Ok(())
}

async fn again_and_again(
    desk: &Desk,
    interval: Span,
    port: u16,
    wants_json: bool,
) -> anyhow::Result<ExitCode> {
    let mut stops = Stops::listen()?;
    loop {
        // The pass is not dropped halfway at a stop: what a NAS confirms is to be recorded.
        match pass(&desk.app, port).await {
            Ok(pass) => tell(&pass, wants_json)?,
            Err(error) => note(format!("error: {}; trying again", chain(&error))),
        }
        tokio::select! {
            _ = stops.asked() => return Ok(ExitCode::SUCCESS),
            () = tokio::time::sleep(interval.to_std()) => {}
        }
    }
}

fn tell(pass: &FreeradiusPass, wants_json: bool) -> anyhow::Result<()> {
    if wants_json {
        return line(serde_json::to_string(pass)?);
    }
    warn(pass);
    line(format!(
        "{}, {} written; {} open, {} with news; {} ended, {} of {} disconnected",
        counted(pass.kept.grants, "login", "logins"),
        counted(pass.kept.written, "row", "rows"),
        counted(pass.read.open, "session", "sessions"),
        pass.read.news,
        pass.due.ended,
        pass.disconnects.iter().filter(|one| one.confirmed).count(),
        pass.disconnects.len(),
    ))
}

fn warn(pass: &FreeradiusPass) {
    for one in pass.kept.in_the_way.iter().take(MOST_LINES) {
        note(format!("{} ({}) cannot log in: {}", shown(&one.label), one.grant, one.why));
    }
    more(pass.kept.in_the_way.len());
    let online: Vec<_> = pass.disconnects.iter().filter(|one| !one.confirmed).collect();
    for one in online.iter().take(MOST_LINES) {
        let (label, nas, why) = (shown(&one.label), shown(&one.nas), shown(&one.outcome));
        note(format!("{label} is not confirmed off NAS {nas}: {why}"));
    }
    more(online.len());
    if pass.kept.nases_written > 0 {
        note("table nas has changed: restart FreeRADIUS, which reads it when it starts");
    }
    if pass.answers.with_password > 0 {
        note(
            "warning: FreeRADIUS writes passwords into radpostauth in the clear: leave `pass` out \
             of the query of post-auth in queries.conf",
        );
    }
}

fn more(count: usize) {
    if count > MOST_LINES {
        note(format!("… and {} more: --json lists all", count - MOST_LINES));
    }
}
