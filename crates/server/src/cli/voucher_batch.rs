//! `lango voucher batch …`: vouchers that were made together, on paper and off sale.

use super::desk::Desk;
use super::output::{Shape, counted, json, line, note, printed, shown};
use super::table::Table;
use super::voucher::new_file;
use crate::operations::asked::By;
use crate::operations::issue_vouchers::printed as code_as_printed;
use crate::operations::print_batch::{Printout, print_batch};
use crate::operations::void_batch::void_batch;
use crate::printing::{self, Layout};
use crate::sheet;
use anyhow::{Context, anyhow};
use lango_domain::ids::{BatchId, ResellerId, TenantId};
use lango_store::batches::{self, Fate, ListedBatch, Print};
use lango_store::tenants::Tenant;
use lango_store::{Order, Tx};
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(clap::Subcommand)]
pub(super) enum BatchCommand {
    /// The batches there are, oldest first
    List(ListArguments),
    /// A batch, what became of it, and each time it was printed
    Show(WhichArguments),
    /// Print what is unused of it as PDF, once more; each time is written down
    Print(PrintArguments),
    /// Write the codes of what is unused as a table; written down as a print
    Export(ExportArguments),
    /// End whatever is unused of it for good; what is used stays
    Void(WhichArguments),
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango voucher batch list\n  \
                        lango voucher batch list --reseller \"Mama Njeri\" --csv > hers.csv")]
pub(super) struct ListArguments {
    /// Only those that this reseller sells: his name or id
    #[arg(long, value_name = "NAME")]
    reseller: Option<String>,
    #[command(flatten)]
    shape: Shape,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango voucher batch show v06c2k8r4d0g80\n  \
                        lango voucher batch void v06c2k8r4d0g80")]
pub(super) struct WhichArguments {
    /// Its id, as it stands on each voucher
    batch: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
                        lango voucher batch print v06c2k8r4d0g80 --pdf again.pdf\n  \
                        lango voucher batch print v06c2k8r4d0g80 --pdf till.pdf --layout 58mm")]
pub(super) struct PrintArguments {
    /// Its id, as it stands on each voucher
    batch: String,
    /// Write it to this new file
    #[arg(long, value_name = "FILE")]
    pdf: PathBuf,
    /// A4 with 24, 40 or 65 vouchers, or a roll of 58mm or 80mm
    #[arg(long, value_name = "LAYOUT", default_value = "24")]
    layout: Layout,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
                        lango voucher batch export v06c2k8r4d0g80 > codes.csv\n  \
                        lango voucher batch export v06c2k8r4d0g80 --csv codes.csv")]
pub(super) struct ExportArguments {
    /// Its id, as it stands on each voucher
    batch: String,
    /// Write the table to this new file instead of showing it
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    csv: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(desk: &Desk, command: BatchCommand) -> anyhow::Result<()> {
    match command {
        BatchCommand::List(arguments) => list(desk, &arguments).await,
        BatchCommand::Show(arguments) => show(desk, &arguments).await,
        BatchCommand::Print(arguments) => print(desk, &arguments).await,
        BatchCommand::Export(arguments) => export(desk, &arguments).await,
        BatchCommand::Void(arguments) => void(desk, &arguments).await,
    }
}

fn read(typed: &str) -> anyhow::Result<BatchId> {
    typed.trim().parse().map_err(|_| {
        anyhow!("`{}` is no batch of vouchers: see `lango voucher batch list`", shown(typed))
    })
}

const COLUMNS: [&str; 13] = [
    "id",
    "created_at",
    "plan",
    "count",
    "sold",
    "left",
    "reseller",
    "price_amount",
    "price_currency",
    "router",
    "prints",
    "made_by",
    "voided_at",
];

fn as_json(listed: &ListedBatch, fate: Fate) -> serde_json::Value {
    let batch = &listed.batch;
    serde_json::json!({
        "id": batch.id, "plan": listed.plan, "plan_id": batch.plan,
        "reseller": listed.reseller, "reseller_id": batch.reseller, "router": batch.router,
        "count": batch.count, "sold": fate.sold, "left": fate.left,
        "code_signs": batch.signs, "price": batch.price, "prints": listed.prints,
        "made_by": batch.actor, "created_at": batch.created_at, "voided_at": batch.voided_at,
    })
}

async fn list(desk: &Desk, arguments: &ListArguments) -> anyhow::Result<()> {
    let tenant = desk.tenant().await?;
    let reseller = match &arguments.reseller {
        Some(typed) => Some(desk.reseller(&tenant, typed).await?.id),
        None => None,
    };
    let batches = every_batch(desk, tenant.id, reseller).await?;
    let rows: Vec<serde_json::Value> =
        batches.iter().map(|(batch, fate)| as_json(batch, *fate)).collect();
    if printed(arguments.shape, &rows, &COLUMNS)? {
        return Ok(());
    }
    if batches.is_empty() {
        return line("No batch: lango voucher create --plan PLAN --count 100 --pdf FILE");
    }
    let mut table =
        Table::new(["ID", "MADE", "PLAN", "COUNT", "SOLD", "LEFT", "RESELLER", "PRINTED"]);
    for (ListedBatch { batch, plan, reseller, prints }, fate) in batches {
        table.row([
            batch.id.to_string(),
            tenant.zone.local(batch.created_at),
            plan,
            batch.count.to_string(),
            fate.sold.to_string(),
            if batch.voided_at.is_some() { "void".to_owned() } else { fate.left.to_string() },
            reseller.unwrap_or_default(),
            prints.to_string(),
        ]);
    }
    table.print()
}

async fn every_batch(
    desk: &Desk,
    tenant: TenantId,
    reseller: Option<ResellerId>,
) -> anyhow::Result<Vec<(ListedBatch, Fate)>> {
    const PAGE: i64 = 200;
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = async move |tx: &mut Tx<'_>| {
            let page = batches::page(tx, tenant, Order::Ascending, after, PAGE).await?;
            let mut rows = Vec::with_capacity(page.len());
            for listed in page {
                let fate = batches::fate(tx, listed.batch.id).await?;
                rows.push((listed, fate));
            }
            Ok(rows)
        };
        let page = desk.app.store().read(page).await?;
        let is_last = (page.len() as i64) < PAGE;
        after = page.last().map(|(listed, _)| listed.batch.id);
        let wanted = |listed: &ListedBatch| reseller.is_none() || listed.batch.reseller == reseller;
        all.extend(page.into_iter().filter(|(listed, _)| wanted(listed)));
        if is_last {
            return Ok(all);
        }
    }
}

async fn show(desk: &Desk, arguments: &WhichArguments) -> anyhow::Result<()> {
    let (tenant, id) = (desk.tenant().await?, read(&arguments.batch)?);
    let (listed, fate, prints) = one(desk, tenant.id, id).await?;
    if arguments.json {
        let mut shown = as_json(&listed, fate);
        shown["printed"] = serde_json::to_value(&prints)?;
        return json(&shown);
    }
    tell(&tenant, &listed, fate, &prints)
}

async fn one(
    desk: &Desk,
    tenant: TenantId,
    id: BatchId,
) -> anyhow::Result<(ListedBatch, Fate, Vec<Print>)> {
    let look = async move |tx: &mut Tx<'_>| {
        let Some(listed) = batches::find(tx, tenant, id).await? else { return Ok(None) };
        Ok(Some((listed, batches::fate(tx, id).await?, batches::prints(tx, id).await?)))
    };
    let found = desk.app.store().read(look).await?;
    found.ok_or_else(|| anyhow!("there is no batch {id}: see `lango voucher batch list`"))
}

fn tell(tenant: &Tenant, listed: &ListedBatch, fate: Fate, prints: &[Print]) -> anyhow::Result<()> {
    let ListedBatch { batch, plan, reseller, .. } = listed;
    let made = tenant.zone.local(batch.created_at);
    line(format!(
        "{}: {} of plan {} at {}, made {made} by {}",
        batch.id,
        counted(batch.count as usize, "voucher", "vouchers"),
        shown(plan),
        batch.price,
        shown(&batch.actor)
    ))?;
    if let Some(reseller) = reseller {
        line(format!("  sold by: {}", shown(reseller)))?;
    }
    let over = batch.count - fate.sold - fate.left;
    line(format!("  used: {}, unused: {}, over unused: {over}", fate.sold, fate.left))?;
    if let Some(at) = batch.voided_at {
        line(format!("  voided: {}", tenant.zone.local(at)))?;
    }
    if prints.is_empty() {
        return line("  never printed");
    }
    prints.iter().try_for_each(|print| {
        let at = tenant.zone.local(print.at);
        let by = shown(&print.actor);
        line(format!("  printed {at} by {by}: {} as {}", print.count, print.layout))
    })
}

async fn print(desk: &Desk, arguments: &PrintArguments) -> anyhow::Result<()> {
    let (tenant, id) = (desk.tenant().await?, read(&arguments.batch)?);
    let made = to_pdf(desk, (tenant.id, id), arguments.layout, &arguments.pdf).await?;
    if arguments.json {
        return json(&serde_json::json!({
            "id": id, "printed": made.vouchers, "layout": arguments.layout.word(),
            "pdf": arguments.pdf, "printed_before": made.before,
        }));
    }
    if made.before > 0 {
        let times = counted(made.before as usize, "time", "times");
        note(format!("This batch was printed {times} before: tear up what is doubled."));
    }
    line(made.told(&arguments.pdf))
}

/// What was printed.
pub(super) struct Made {
    vouchers: usize,
    before: i64,
}

impl Made {
    pub(super) fn told(&self, path: &Path) -> String {
        let vouchers = counted(self.vouchers, "voucher is", "vouchers are");
        format!("{vouchers} in {}, ready to be printed at 100 %.", path.display())
    }
}

/// Prints what is unused of a batch into a new file.
pub(super) async fn to_pdf(
    desk: &Desk,
    whose: (TenantId, BatchId),
    layout: Layout,
    path: &Path,
) -> anyhow::Result<Made> {
    let mut file = new_file(path, "--pdf")?;
    let made = print_batch(&desk.app, whose, layout.word(), &By::cli(), desk.now()).await;
    let printout = match made {
        Ok(printout) => printout,
        Err(error) => {
            // The empty file was ours; it would be in the way of the next try.
            let _ = std::fs::remove_file(path);
            return Err(error.into());
        }
    };
    let bytes = printing::print(layout, &cards(desk, &printout, layout))?;
    file.write_all(&bytes)
        .and_then(|()| file.sync_all())
        .with_context(|| format!("cannot write {}: print it again elsewhere", path.display()))?;
    Ok(Made { vouchers: printout.vouchers.len(), before: printout.before })
}

fn cards(desk: &Desk, printout: &Printout, layout: Layout) -> Vec<printing::Card> {
    let portal = desk.app.public_url().filter(|_| layout.has_qr());
    if portal.is_none() && layout.has_qr() {
        note(
            "The vouchers have no QR code: Lango does not know where customers reach its portal. \
             Say it in lango.toml, as in public_url = \"https://wifi.example.com\".",
        );
    }
    printout.vouchers.iter().map(|voucher| printing::card_of(printout, voucher, portal)).collect()
}

async fn export(desk: &Desk, arguments: &ExportArguments) -> anyhow::Result<()> {
    let (tenant, id) = (desk.tenant().await?, read(&arguments.batch)?);
    let file = arguments.csv.as_deref().map(|path| new_file(path, "--csv")).transpose()?;
    let read = print_batch(&desk.app, (tenant.id, id), "table", &By::cli(), desk.now()).await;
    let printout = match read {
        Ok(printout) => printout,
        Err(error) => {
            arguments.csv.as_deref().map(std::fs::remove_file);
            return Err(error.into());
        }
    };
    let rows: Vec<serde_json::Value> = rows(&printout);
    if arguments.json {
        return json(&rows);
    }
    let text = sheet::table(&rows, &EXPORTED);
    let Some(mut file) = file else {
        write!(std::io::stdout().lock(), "{text}")?;
        return Ok(());
    };
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).context("writing the codes")?;
    line(counted(rows.len(), "code is written", "codes are written"))
}

const EXPORTED: [&str; 8] =
    ["serial", "code", "plan", "price_amount", "price_currency", "use_before", "id", "batch"];

fn rows(printout: &Printout) -> Vec<serde_json::Value> {
    let listed = &printout.batch;
    let row = |voucher: &crate::operations::print_batch::Printable| {
        serde_json::json!({
            "serial": voucher.serial, "code": code_as_printed(&voucher.code),
            "plan": listed.plan, "price": listed.batch.price,
            "use_before": voucher.lapses_at, "id": voucher.grant, "batch": listed.batch.id,
        })
    };
    printout.vouchers.iter().map(row).collect()
}

async fn void(desk: &Desk, arguments: &WhichArguments) -> anyhow::Result<()> {
    let (tenant, id) = (desk.tenant().await?, read(&arguments.batch)?);
    let voided = void_batch(&desk.app, (tenant.id, id), &By::cli(), desk.now()).await?;
    if arguments.json {
        return json(&serde_json::json!({
            "id": id, "ended": voided.ended, "used": voided.used, "over": voided.over,
        }));
    }
    line(format!(
        "{id} is void: {} ended, {} in use or used up and left as they are",
        counted(voided.ended, "unused voucher", "unused vouchers"),
        voided.used
    ))
}
