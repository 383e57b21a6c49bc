//! `lango check`: the diagnosis, as an experienced operator would put it.

use super::Everywhere;
use super::desk::{Desk, kind_in_words};
use super::installation::Installation;
use super::output::{Paint, counted, hanging, json, line, shown};
use super::router::state;
use super::table::{Table, terminal_width};
use crate::operations::diagnose::{
    Diagnosis, Finding, Health, SOON, TenantDiagnosis, Uncut, diagnose,
};
use lango_domain::calendar::Zone;
use lango_domain::ids::TenantId;
use lango_domain::quantity::DataSize;
use lango_domain::time::Timestamp;
use std::collections::HashMap;
use std::process::ExitCode;

/// Of findings that ask for the same, so many are told.
const MOST_ALIKE: usize = 5;

#[derive(clap::Args)]
#[command(
    after_help = "Exit code 0: healthy; 1: somebody must do something; 2: could not look.\n\n\
    Examples:\n  lango check\n  lango check --json --tenant \"Hotel ABC\""
)]
pub(super) struct CheckArguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The diagnosis, and the database and machine under it.
#[derive(serde::Serialize)]
struct Checked<'c> {
    #[serde(flatten)]
    diagnosis: &'c Diagnosis,
    database: &'c Installation,
}

pub(super) async fn run(
    everywhere: &Everywhere,
    arguments: CheckArguments,
) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(everywhere).await?;
    let mut diagnosis = diagnose(&desk.app, desk.now()).await?;
    if let Some(tenant) = desk.only_tenant().await? {
        diagnosis = diagnosis.of_tenant(tenant);
    }
    let database = Installation::look(&desk).await?;
    database.judge(&mut diagnosis);
    if arguments.json {
        json(&Checked { diagnosis: &diagnosis, database: &database })?;
    } else {
        let tenants = desk.every_tenant().await?;
        let zones = tenants.into_iter().map(|tenant| (tenant.id, tenant.zone)).collect();
        let database = &database;
        Told { diagnosis: &diagnosis, database, zones, paint: Paint::of_stdout() }.tell()?;
    }
    Ok(match diagnosis.health {
        Health::Healthy => ExitCode::SUCCESS,
        Health::NeedsAttention => ExitCode::FAILURE,
    })
}

/// A diagnosis and what is needed to put it into words.
struct Told<'d> {
    diagnosis: &'d Diagnosis,
    database: &'d Installation,
    zones: HashMap<TenantId, Zone>,
    paint: Paint,
}

impl Told<'_> {
    fn tell(&self) -> anyhow::Result<()> {
        for tenant in &self.diagnosis.tenants {
            self.tell_tenant(tenant)?;
            line("")?;
        }
        self.tell_queues()?;
        self.tell_engines()?;
        self.tell_clock()?;
        self.tell_database()?;
        self.tell_findings()?;
        self.tell_recommendations()
    }

    fn tell_queues(&self) -> anyhow::Result<()> {
        let now = self.diagnosis.at;
        let jobs = usize::try_from(self.diagnosis.jobs_waiting).unwrap_or_default();
        let jobs = counted(jobs, "message or other job", "messages and other jobs");
        let age = match self.diagnosis.oldest_job_since {
            Some(at) => format!(", the oldest for {}", now.since(at)),
            None => String::new(),
        };
        let routers = || self.diagnosis.tenants.iter().flat_map(|tenant| &tenant.routers);
        let orders: i64 = routers().map(|router| router.waiting).sum();
        let orders = usize::try_from(orders).unwrap_or_default();
        let oldest = routers().filter_map(|router| router.oldest_order).min();
        let oldest = oldest.map(|at| format!(", the oldest for {}", now.since(at)));
        let orders = counted(orders, "order for routers", "orders for routers");
        let text = format!("{jobs} to be done{age}; {orders}{}", oldest.unwrap_or_default());
        line(hanging("Queues: ", &text, terminal_width()))
    }

    fn tell_clock(&self) -> anyhow::Result<()> {
        let clock = self.diagnosis.clock;
        line(match (clock.routers, clock.all_ahead_seconds) {
            (0, _) => "Clock: no router has told us its time lately".to_owned(),
            (_, Some(ahead)) => {
                self.paint.red(&format!("Clock: ours is wrong by {} s", ahead.abs()))
            }
            (1, None) => "Clock: compared with 1 router".to_owned(),
            (count, None) => format!("Clock: compared with {count} routers"),
        })
    }

    fn tell_database(&self) -> anyhow::Result<()> {
        let Installation { place, bytes, free_bytes, schema_version, last_backup, .. } =
            self.database;
        let free = free_bytes.map(|free| format!(", {} free", DataSize::bytes(free)));
        let backup = match last_backup {
            Some(made) => {
                let ago = self.diagnosis.at.since(made.at);
                format!("last backup {ago} ago to {}", shown(&made.path))
            }
            None => "no backup yet".to_owned(),
        };
        let (size, free) = (DataSize::bytes(*bytes), free.unwrap_or_default());
        let text = format!("{place}, {size}{free}, schema {schema_version}; {backup}");
        line(hanging("Database: ", &text, terminal_width()))
    }

    fn tell_engines(&self) -> anyhow::Result<()> {
        let now = self.diagnosis.at;
        let beats: Vec<String> = self
            .diagnosis
            .engines
            .iter()
            .map(|(engine, at)| format!("{} {} ago", engine.word(), now.since(*at)))
            .collect();
        let beats =
            if beats.is_empty() { "nobody is at work".to_owned() } else { beats.join(", ") };
        line(format!("Last passes: {beats}"))
    }

    fn tell_tenant(&self, tenant: &TenantDiagnosis) -> anyhow::Result<()> {
        let overdue = tenant.expired_not_disconnected.len();
        let headline = format!(
            "{}: {} running, {} to end within {SOON}, {overdue} to be off and not confirmed off",
            shown(&tenant.name),
            tenant.active,
            tenant.expiring_soon.len(),
        );
        line(self.paint.bold(&headline))?;
        self.tell_overdue(tenant)?;
        self.tell_soon(tenant)?;
        self.tell_routers(tenant)?;
        super::check_nases::tell(&tenant.nases, self.diagnosis.at, 2)
    }

    fn tell_overdue(&self, tenant: &TenantDiagnosis) -> anyhow::Result<()> {
        if tenant.expired_not_disconnected.is_empty() {
            return Ok(());
        }
        line(self.paint.red("\n  Expired and perhaps still connected"))?;
        let mut table = Table::new(["WHO", "ROUTER", "SINCE", "FOR", "TRIES", "WHY"]).indented(2);
        for Uncut { line: uncut, .. } in &tenant.expired_not_disconnected {
            let why =
                uncut.last_error.as_deref().unwrap_or("the router has not been reached since");
            table.row([
                uncut.label.clone(),
                uncut.router_name.clone(),
                self.local(tenant.id, uncut.due_at),
                self.diagnosis.at.since(uncut.due_at).to_string(),
                uncut.failures.to_string(),
                why.to_owned(),
            ]);
        }
        table.print()
    }

    fn tell_soon(&self, tenant: &TenantDiagnosis) -> anyhow::Result<()> {
        if tenant.expiring_soon.is_empty() {
            return Ok(());
        }
        line("\n  Ends soon")?;
        let heads = ["WHO", "WHAT", "PLAN", "ENDS", "MINUTES", "CUSTOMER", "PHONE"];
        let mut table = Table::new(heads).indented(2);
        for soon in &tenant.expiring_soon {
            let ends_at = soon.line.ends_at.unwrap_or(self.diagnosis.at);
            table.row([
                soon.line.label.clone(),
                kind_in_words(soon.line.kind).to_owned(),
                soon.line.plan.clone(),
                self.local(tenant.id, ends_at),
                soon.remaining_minutes.to_string(),
                soon.customer_name.clone().unwrap_or_default(),
                soon.phone.as_ref().map(ToString::to_string).unwrap_or_default(),
            ]);
        }
        table.print()
    }

    fn tell_routers(&self, tenant: &TenantDiagnosis) -> anyhow::Result<()> {
        if tenant.routers.is_empty() {
            return Ok(());
        }
        line("\n  Routers")?;
        let mut table = Table::new([
            "NAME",
            "STATE",
            "LAST CONTACT",
            "VERSION",
            "SESSIONS",
            "WAITING",
            "OLDEST",
        ])
        .indented(2);
        for router in &tenant.routers {
            let observed = router.observed.as_ref();
            table.row([
                router.name.clone(),
                state(router).to_owned(),
                match router.last_contact {
                    Some(at) => format!("{} ago", self.diagnosis.at.since(at)),
                    None => "never".to_owned(),
                },
                observed.map(|seen| seen.version.clone()).unwrap_or_default(),
                observed.map(|seen| seen.active_sessions.to_string()).unwrap_or_default(),
                router.waiting.to_string(),
                router
                    .oldest_order
                    .map(|at| self.diagnosis.at.since(at).to_string())
                    .unwrap_or_default(),
            ]);
        }
        table.print()
    }

    fn tell_findings(&self) -> anyhow::Result<()> {
        if self.diagnosis.findings.is_empty() {
            return line(self.paint.green("Healthy: nothing to do."));
        }
        line(self.paint.yellow("\nNeeds attention"))?;
        let width = terminal_width();
        for (number, (advice, what)) in by_advice(&self.diagnosis.findings).iter().enumerate() {
            for (place, what) in what.iter().take(MOST_ALIKE).enumerate() {
                let number = if place == 0 { format!("{}.", number + 1) } else { String::new() };
                line(hanging(&format!("  {number:<3} "), &shown(what), width))?;
            }
            if what.len() > MOST_ALIKE {
                line(format!("      … and {} more like these", what.len() - MOST_ALIKE))?;
            }
            line(hanging("      → ", &shown(advice), width))?;
        }
        Ok(())
    }

    fn tell_recommendations(&self) -> anyhow::Result<()> {
        if self.diagnosis.recommendations.is_empty() {
            return Ok(());
        }
        line(self.paint.bold("\nWould be wise"))?;
        let width = terminal_width();
        for Finding { what, advice, .. } in &self.diagnosis.recommendations {
            line(hanging("  -   ", &shown(what), width))?;
            line(hanging("      → ", &shown(advice), width))?;
        }
        Ok(())
    }

    fn local(&self, tenant: TenantId, at: Timestamp) -> String {
        self.zones.get(&tenant).map_or_else(|| at.to_string(), |zone| zone.local(at))
    }
}

/// Forty customers on one dead router ask for one thing.
fn by_advice(findings: &[Finding]) -> Vec<(&str, Vec<&str>)> {
    let mut grouped: Vec<(&str, Vec<&str>)> = Vec::new();
    for finding in findings {
        match grouped.iter_mut().find(|(advice, _)| *advice == finding.advice) {
            Some((_, what)) => what.push(&finding.what),
            None => grouped.push((&finding.advice, vec![&finding.what])),
        }
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_asks_for_the_same_is_told_together_in_the_order_of_urgency() {
        let findings = [Finding::new("a", "x"), Finding::new("b", "y"), Finding::new("c", "x")];
        assert_eq!(by_advice(&findings), [("x", vec!["a", "c"]), ("y", vec!["b"])]);
    }
}
