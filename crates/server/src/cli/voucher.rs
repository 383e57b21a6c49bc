//! `lango voucher …`: codes to print or to sell.

use super::Everywhere;
use super::desk::{Desk, kind_in_words};
use super::output::{Shape, counted, json, line, note, printed, shown};
use super::progress::Progress;
use super::service::{COLUMNS, act, lines_of, show_grant};
use super::table::Table;
use crate::operations::act_on_grant::Action;
use crate::operations::asked::By;
use crate::operations::issue_vouchers::{Voucher, VoucherOrder, issue_vouchers_told};
use crate::sheet;
use anyhow::{Context, bail};
use lango_domain::access::GrantKind;
use lango_store::grants::StoredGrant;
use lango_store::tenants::Tenant;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(super) enum VoucherCommand {
    /// Make vouchers; their codes are shown only now
    #[command(visible_alias = "add")]
    Create(CreateArguments),
    /// The vouchers there are
    List(ListArguments),
    /// A voucher, what routers make of it, and everything that happened to it
    Show(CodeArguments),
    /// End a voucher for good, used or not: lost, stolen or misprinted
    Void(CodeArguments),
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
                        lango voucher create --plan \"1 hour\" --count 50 --csv vouchers.csv\n  \
                        lango voucher create --plan Day --customer 0712345678")]
pub(super) struct CreateArguments {
    /// The plan's name or id
    #[arg(long, value_name = "PLAN")]
    plan: String,
    /// How many
    #[arg(long, value_name = "COUNT", default_value = "1",
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    count: u32,
    /// Write them to this new file, for the printer
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Sold to this customer: phone number, name or id
    #[arg(long, value_name = "WHO")]
    customer: Option<String>,
    /// Good on this router only: its name or id
    #[arg(long, value_name = "NAME")]
    router: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango voucher show ABCD-2345\n  \
                        lango voucher void ABCD-2345")]
pub(super) struct CodeArguments {
    /// Its code as it is printed, or its id
    code: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango voucher list --state unused\n  \
                        lango voucher list --csv > sold.csv")]
pub(super) struct ListArguments {
    /// Only those in this state: unused, active, throttled, grace, paused, suspended or ended
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
    #[command(flatten)]
    shape: Shape,
}

pub(super) async fn run(
    everywhere: &Everywhere,
    command: VoucherCommand,
) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(everywhere).await?;
    match command {
        VoucherCommand::Create(arguments) => create(&desk, arguments).await?,
        VoucherCommand::List(arguments) => list(&desk, arguments).await?,
        VoucherCommand::Show(arguments) => {
            let (tenant, stored) = one(&desk, &arguments.code).await?;
            return show_grant(&desk, &tenant, &stored, arguments.json).await;
        }
        VoucherCommand::Void(arguments) => {
            let (tenant, stored) = one(&desk, &arguments.code).await?;
            return act(&desk, &tenant, stored, vec![Action::End], arguments.json).await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn create(desk: &Desk, arguments: CreateArguments) -> anyhow::Result<()> {
    let order = order(desk, &arguments).await?;
    let plan = order.plan.clone();
    // Before any voucher exists: a code that cannot be written anywhere is lost.
    let file = arguments.csv.as_deref().map(new_file).transpose()?;
    let (total, mut progress) = (order.count, Progress::of("vouchers", arguments.json));
    let told = |made| progress.done(made, total);
    let issued = issue_vouchers_told(&desk.app, order, &By::cli(), desk.now(), told).await;
    drop(progress);
    let vouchers = match (issued, arguments.csv.as_deref()) {
        (Ok(vouchers), _) => vouchers,
        (Err(error), csv) => {
            // The empty file was ours; it would be in the way of the next try.
            csv.map(std::fs::remove_file);
            return Err(error.into());
        }
    };
    if let (Some(file), Some(path)) = (file, arguments.csv.as_deref()) {
        write(file, path, &plan, &vouchers)?;
        note(format!("The codes are in {}; they are not shown again.", path.display()));
    }
    tell(&arguments, &plan, &vouchers)
}

/// The voucher that is meant. What is no voucher has its own commands, so that nobody ends a
/// monthly service by a slip.
async fn one(desk: &Desk, code: &str) -> anyhow::Result<(Tenant, StoredGrant)> {
    let tenant = desk.tenant().await?;
    let found = desk.grant(&tenant, code).await?;
    if found.grant.kind != GrantKind::Voucher {
        bail!(
            "{} is no voucher but {}: see `lango service --help`",
            shown(&found.label),
            kind_in_words(found.grant.kind)
        );
    }
    Ok((tenant, found))
}

async fn order(desk: &Desk, arguments: &CreateArguments) -> anyhow::Result<VoucherOrder> {
    let tenant = desk.tenant().await?;
    let customer = match &arguments.customer {
        Some(phone) => Some(desk.customer(&tenant, phone).await?.id),
        None => None,
    };
    let router = match &arguments.router {
        Some(name) => Some(desk.router(Some(tenant.id), name).await?.id),
        None => None,
    };
    let plan = desk.plan(&tenant, &arguments.plan).await?.plan.name;
    let count = arguments.count as usize;
    Ok(VoucherOrder { tenant: tenant.id, plan, count, customer, router })
}

fn tell(arguments: &CreateArguments, plan: &str, vouchers: &[Voucher]) -> anyhow::Result<()> {
    if arguments.json {
        return json(&vouchers);
    }
    if arguments.csv.is_none() {
        vouchers.iter().try_for_each(|voucher| line(&voucher.code))?;
    }
    let made = counted(vouchers.len(), "voucher", "vouchers");
    note(format!("{made} of plan {} made.", shown(plan)));
    Ok(())
}

fn new_file(path: &Path) -> anyhow::Result<File> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    made.map_err(|cause| match cause.kind() {
        std::io::ErrorKind::AlreadyExists => {
            anyhow::anyhow!("{} exists: choose another name for --csv", path.display())
        }
        _ => anyhow::Error::new(cause)
            .context(format!("cannot write {}: check its directory", path.display())),
    })
}

/// Writes the codes. If that fails they are shown, so that nobody has paid for lost ones.
fn write(mut file: File, path: &Path, plan: &str, vouchers: &[Voucher]) -> anyhow::Result<()> {
    let text = csv(plan, vouchers);
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    if written.is_err() {
        vouchers.iter().try_for_each(|voucher| line(&voucher.code))?;
    }
    written.with_context(|| {
        format!("cannot write {}; the codes are made and shown instead", path.display())
    })
}

fn csv(plan: &str, vouchers: &[Voucher]) -> String {
    let line = |voucher: &Voucher| {
        sheet::line([voucher.code.clone(), plan.to_owned(), voucher.id.to_string()])
    };
    std::iter::once("code,plan,id\r\n".to_owned()).chain(vouchers.iter().map(line)).collect()
}

async fn list(desk: &Desk, arguments: ListArguments) -> anyhow::Result<()> {
    let tenant = desk.tenant().await?;
    let mut vouchers = lines_of(desk, tenant.id, &[GrantKind::Voucher]).await?;
    if let Some(state) = &arguments.state {
        const STATES: [&str; 7] =
            ["unused", "active", "throttled", "grace", "paused", "suspended", "ended"];
        if !STATES.contains(&state.as_str()) {
            bail!("`{state}` is not a state: there are {}", STATES.join(", "));
        }
        vouchers.retain(|voucher| voucher.state == *state);
    }
    if printed(arguments.shape, &vouchers, &COLUMNS)? {
        return Ok(());
    }
    if vouchers.is_empty() {
        return line("No such voucher: lango voucher create --plan PLAN --count 10");
    }
    let mut table = Table::new(["CODE", "PLAN", "STATE", "ENDS", "ID"]);
    for voucher in vouchers {
        table.row([
            voucher.label,
            voucher.plan,
            voucher.state,
            voucher.ends_at.map(|at| tenant.zone.local(at)).unwrap_or_default(),
            voucher.id.to_string(),
        ]);
    }
    table.print()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lango_domain::ids::{GrantId, Id};

    #[test]
    fn a_plan_with_a_comma_stays_one_field() {
        let voucher = Voucher { id: GrantId::from_raw(1), code: "AAAA-BBBB".to_owned() };
        let text = csv("1 hour, \"fast\"", &[voucher]);
        assert_eq!(text, "code,plan,id\r\nAAAA-BBBB,\"1 hour, \"\"fast\"\"\",g0000000000001\r\n");
    }
}
