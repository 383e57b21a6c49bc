//! `lango import …`: what other systems know comes along.

use super::Everywhere;
use super::desk::Desk;
use super::output::{counted, json, line, note, shown};
use super::table::Table;
use crate::operations::asked::By;
use crate::operations::import::{Import, MOST_LINES, Report, Subject, import};
use anyhow::{Context, bail};
use clap::ValueEnum;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// No table that is taken in is larger.
const LARGEST: u64 = 8 * 1_024 * 1_024;

#[derive(clap::Subcommand)]
pub(super) enum ImportCommand {
    /// A table: customers, services or vouchers
    Csv(CsvArguments),
}

#[derive(clap::Args)]
#[command(after_help = "Columns, those with * are needed; their order does not matter:\n  \
        customers  name*, phone, language\n  \
        services   kind* (pppoe, hotspot, static_ip), plan*, login, password,\n             \
        address, mac, phone, customer, router, paid_until\n  \
        vouchers   code*, plan*, password, phone, customer, router, paid_until\n\n\
    paid_until is 2026-12-31 (that whole day) or 2026-12-31 18:00, in the zone of\n\
    the business.\n\
    A file is taken in whole or, if anything in it is wrong, not at all.\n\n\
    Examples:\n  \
        lango import csv customers customers.csv --dry-run\n  \
        lango import csv services pppoe.csv")]
pub(super) struct CsvArguments {
    /// What the table is about
    subject: SubjectWord,
    /// The file; - reads what is piped in
    file: PathBuf,
    /// Only say what would happen, and what is wrong
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum SubjectWord {
    Customers,
    Services,
    Vouchers,
}

impl SubjectWord {
    fn subject(self) -> Subject {
        match self {
            SubjectWord::Customers => Subject::Customers,
            SubjectWord::Services => Subject::Services,
            SubjectWord::Vouchers => Subject::Vouchers,
        }
    }
}

pub(super) async fn run(
    everywhere: &Everywhere,
    command: ImportCommand,
) -> anyhow::Result<ExitCode> {
    let ImportCommand::Csv(arguments) = command;
    let text = read(&arguments.file)?;
    let desk = Desk::open(everywhere).await?;
    let tenant = desk.tenant().await?.id;
    let (subject, dry_run) = (arguments.subject.subject(), arguments.dry_run);
    let table = Import { tenant, subject, text, dry_run };
    let report = import(&desk.app, table, &By::cli(), desk.now()).await?;
    if arguments.json {
        json(&report)?;
    } else {
        tell(&report, subject, &arguments.file)?;
    }
    Ok(if report.fault_count == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    let reading = || format!("cannot read {}", file.display());
    if file == Path::new("-") {
        std::io::stdin().lock().take(LARGEST + 1).read_to_end(&mut text).with_context(reading)?;
    } else {
        let opened = std::fs::File::open(file).with_context(reading)?;
        opened.take(LARGEST + 1).read_to_end(&mut text).with_context(reading)?;
    }
    if text.len() as u64 > LARGEST {
        bail!("{} is larger than 8 MiB: split it, {MOST_LINES} lines each", file.display());
    }
    Ok(text)
}

fn tell(report: &Report, subject: Subject, file: &Path) -> anyhow::Result<()> {
    if report.fault_count == 0 {
        let customers = counted(report.customers, "customer", "customers");
        let made = match subject {
            Subject::Customers => customers,
            Subject::Services | Subject::Vouchers => {
                let what = counted(report.grants, subject.word_for_one(), subject.word());
                format!("{what}, {customers}")
            }
        };
        return line(match report.dry_run {
            true => format!("Nothing is wrong. It would add {made}."),
            false => format!("Added {made}."),
        });
    }
    let mut table = Table::new(["LINE", "COLUMN", "WHAT IS WRONG"]);
    for fault in &report.faults {
        let column = fault.column.clone().unwrap_or_default();
        table.row([fault.line.to_string(), column, fault.problem.clone()]);
    }
    table.print()?;
    let more = report.fault_count - report.faults.len();
    if more > 0 {
        note(format!("… and {more} more."));
    }
    let faults = counted(report.fault_count, "fault", "faults");
    let name = shown(&file.display().to_string());
    note(format!("{faults} in {name}: nothing was imported. Mend the file and try again."));
    Ok(())
}
