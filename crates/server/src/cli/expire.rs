//! `lango expire`: what is due ends, and the routers confirm it, in the foreground. For people who
//! have cron, and for people who want to see it.

use super::Everywhere;
use super::desk::Desk;
use super::output::{line, note, shown};
use super::progress::Progress;
use super::serve::Stops;
use crate::observe::chain;
use crate::observe::pulse::{self, Engine};
use crate::operations::end_due_grants::end_due_grants;
use crate::operations::renew_itself::renew_due;
use crate::reconcile::pass::{Errand, RouterPass, run_told as pass_over_routers, summary};
use anyhow::bail;
use lango_domain::ids::TenantId;
use lango_domain::time::Span;
use lango_store::Tx;
use lango_store::enforcements::Line;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How long a pass waits for cuts that somebody else has in hand, such as a running server.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How many customers that are still connected are listed, business by business.
const MOST_LINES: i64 = 1_000;

#[derive(clap::Args)]
#[command(after_help = "Example:\n  lango expire --once")]
#[command(group(clap::ArgGroup::new("how").required(true).args(["once", "interval"])))]
pub(super) struct ExpireArguments {
    /// One pass; exit code 1 if something due could not be confirmed
    #[arg(long)]
    once: bool,
    /// A pass every so often, in seconds or as in `1m`, until stopped
    #[arg(long, value_name = "TIME", value_parser = read_interval)]
    interval: Option<Span>,
    /// Print JSON, one object for each pass
    #[arg(long)]
    json: bool,
}

pub(super) fn read_interval(text: &str) -> Result<Span, String> {
    let seconds = text.parse::<i64>().map(Span::seconds);
    let span = seconds.or_else(|_| text.parse::<Span>().map_err(|error| error.to_string()))?;
    if span < Span::seconds(1) { Err("wait at least 1 second".to_owned()) } else { Ok(span) }
}

/// What a pass did.
#[derive(serde::Serialize)]
struct Expired {
    ended: usize,
    warned: usize,
    cut: usize,
    failed: usize,
    confirmed: bool,
    routers: Vec<RouterPass>,
    still_connected: Vec<Line>,
    without_router: Vec<String>,
}

pub(super) async fn run(
    everywhere: &Everywhere,
    arguments: ExpireArguments,
) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(everywhere).await?;
    let tenant = desk.only_tenant().await?;
    if desk.every_tenant().await?.is_empty() {
        bail!("there is no business yet: run `lango init`");
    }
    match arguments.interval {
        Some(interval) => again_and_again(&desk, tenant, interval, arguments.json).await,
        None => {
            let expired = expire(&desk, tenant, arguments.json).await?;
            tell(&expired, arguments.json)?;
            Ok(if expired.confirmed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}

async fn again_and_again(
    desk: &Desk,
    tenant: Option<TenantId>,
    interval: Span,
    wants_json: bool,
) -> anyhow::Result<ExitCode> {
    let mut stops = Stops::listen()?;
    loop {
        // The pass is not dropped halfway at a stop: what a router confirms is to be recorded.
        match expire(desk, tenant, wants_json).await {
            Ok(expired) => tell(&expired, wants_json)?,
            Err(error) => note(format!("error: {}; trying again", chain(error.as_ref()))),
        }
        tokio::select! {
            _ = stops.asked() => return Ok(ExitCode::SUCCESS),
            () = tokio::time::sleep(interval.to_std()) => {}
        }
    }
}

async fn expire(
    desk: &Desk,
    tenant: Option<TenantId>,
    wants_json: bool,
) -> anyhow::Result<Expired> {
    renew_due(&desk.app, desk.now()).await?;
    let due = end_due_grants(&desk.app, desk.now()).await?;
    desk.app.pulse().beat(Engine::Deadlines, desk.now());
    pulse::keep(&desk.app).await?;
    let timeouts = desk.config.router_timeouts;
    let started = Instant::now();
    let mut routers = Vec::new();
    loop {
        let mut progress = Progress::of("routers", wants_json);
        let told = |done, of| progress.done(done, of);
        let pass = pass_over_routers(&desk.app, tenant, None, Errand::Act, timeouts, told).await?;
        drop(progress);
        add(&mut routers, pass);
        let still_connected = still_connected(desk, tenant).await?;
        let stuck = routers.iter().any(|pass| pass.error.is_some() || pass.round.failed > 0);
        if still_connected.is_empty() || stuck || started.elapsed() > PATIENCE {
            return Ok(Expired {
                ended: due.ended,
                warned: due.warned,
                cut: routers.iter().map(|pass| pass.round.cut).sum(),
                failed: routers.iter().map(|pass| pass.round.failed).sum(),
                confirmed: still_connected.is_empty() && !stuck,
                without_router: without_router(desk, tenant).await?,
                routers,
                still_connected,
            });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn add(routers: &mut Vec<RouterPass>, passes: Vec<RouterPass>) {
    for pass in passes {
        match routers.iter_mut().find(|known| known.router == pass.router) {
            Some(known) => {
                known.round.add(pass.round);
                known.error = pass.error;
            }
            None => routers.push(pass),
        }
    }
}

async fn still_connected(desk: &Desk, only: Option<TenantId>) -> anyhow::Result<Vec<Line>> {
    let uncut = async move |tx: &mut Tx<'_>| {
        let mut lines = Vec::new();
        for tenant in lango_store::tenants::all(tx).await? {
            if only.is_none_or(|only| only == tenant.id) {
                let uncut = lango_store::enforcements::uncut(tx, tenant.id, MOST_LINES).await?;
                lines.extend(uncut);
            }
        }
        Ok(lines)
    };
    Ok(desk.app.store().report(uncut).await?)
}

async fn without_router(desk: &Desk, only: Option<TenantId>) -> anyhow::Result<Vec<String>> {
    let bare = async move |tx: &mut Tx<'_>| {
        let mut names = Vec::new();
        for tenant in lango_store::tenants::all(tx).await? {
            let meant = only.is_none_or(|only| only == tenant.id);
            if meant && lango_store::routers::ids_of_tenant(tx, tenant.id).await?.is_empty() {
                names.push(tenant.name);
            }
        }
        Ok(names)
    };
    Ok(desk.app.store().read(bare).await?)
}

fn tell(expired: &Expired, wants_json: bool) -> anyhow::Result<()> {
    warn(expired);
    if wants_json {
        return line(serde_json::to_string(expired)?);
    }
    line(summary(&expired.routers))
}

fn warn(expired: &Expired) {
    for name in &expired.without_router {
        note(format!(
            "warning: {} has no router, so nobody can be cut: add one with `lango router add`",
            shown(name)
        ));
    }
    for pass in &expired.routers {
        if let Some(error) = &pass.error {
            note(format!(
                "{}: {}; its work waits, try `lango router test {}`",
                shown(&pass.router),
                shown(error),
                shown(&pass.router)
            ));
        }
    }
    for uncut in expired.still_connected.iter().take(10) {
        let why = uncut.last_error.as_deref().unwrap_or("it has not been reached since");
        note(format!(
            "{} is not confirmed off {}: {}",
            shown(&uncut.label),
            shown(&uncut.router_name),
            shown(why)
        ));
    }
    if expired.still_connected.len() > 10 {
        note(format!("… and {} more: `lango check`", expired.still_connected.len() - 10));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_seconds_or_what_people_say() {
        assert_eq!(read_interval("30"), Ok(Span::seconds(30)));
        assert_eq!(read_interval("2m"), Ok(Span::minutes(2)));
        for wrong in ["0", "-5", "soon", "100ms", ""] {
            assert!(read_interval(wrong).is_err(), "{wrong}");
        }
    }
}
