//! The command line: what people and cron type. A verb reads what was typed, calls operations and
//! one-shot passes, and says what came of it in words or JSON.
//!
//! Results go to stdout, progress and trouble to stderr. Must never write to the database except
//! through an operation, and never guess whom or which business somebody means.

mod backup;
mod business;
mod check;
mod check_nases;
mod cleanup;
mod customer;
mod customer_wallet;
mod desk;
mod dialogue;
mod disconnect;
mod expire;
mod freeradius_tables;
mod import;
mod init;
mod install;
mod installation;
mod job;
mod listeners;
mod manual;
mod message;
mod notify;
mod output;
mod payment;
mod payment_gateway;
mod payment_money;
mod payment_purchases;
mod plan;
mod plan_facts;
mod progress;
mod provision;
mod radius;
mod reseller;
mod restore;
mod router;
mod router_proofs;
mod router_setup;
mod router_setup_portal;
mod router_setup_radius;
mod router_test;
mod router_test_radius;
mod sender;
mod serve;
mod service;
mod settle;
mod sim;
mod sync;
mod table;
mod template;
mod token;
mod voucher;
mod voucher_batch;
mod webhook;

use crate::config::{Config, Flags, environment};
use crate::demo;
use crate::observe::{chain, tracing_setup};
use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;

/// What is typed.
#[derive(Parser)]
#[command(
    name = "lango",
    version,
    about = "Sells access, grants it on routers, and ends it with proof."
)]
#[command(after_help = "Settings: flags, then LANGO_* variables, then lango.toml. `lango COMMAND \
                        --help` shows examples of each command.")]
struct Typed {
    #[command(flatten)]
    everywhere: Everywhere,
    #[command(subcommand)]
    command: Command,
}

/// What may be typed with every command.
#[derive(clap::Args, Clone)]
pub(crate) struct Everywhere {
    /// Settings file [LANGO_CONFIG; else DATA_DIR/lango.toml or /etc/lango/lango.toml]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Everywhere")]
    config: Option<PathBuf>,
    /// Where the database and the secret key are [LANGO_DATA_DIR]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Everywhere")]
    data_dir: Option<PathBuf>,
    /// Database, sqlite:PATH or postgres://… [LANGO_DATABASE_URL; else DATA_DIR/lango.db]
    #[arg(long, global = true, value_name = "URL", help_heading = "Everywhere")]
    database_url: Option<String>,
    /// Which business, where there are several [LANGO_TENANT]
    #[arg(long, global = true, value_name = "NAME", help_heading = "Everywhere")]
    tenant: Option<String>,
    /// Write the log as JSON [LANGO_LOG_JSON]; LANGO_LOG chooses how much, as in LANGO_LOG=debug
    #[arg(long, global = true, help_heading = "Everywhere")]
    log_json: bool,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Create the database, a business and its owner; prints an API token
    Init(init::InitArguments),
    /// Run everything: deadlines, routers, messages, HTTP
    Serve(serve::ServeArguments),
    /// Show the whole thing on a throw-away database with simulated routers
    Demo(demo::DemoArguments),
    /// Who is expired and still connected, who expires soon, how routers and queues do
    Check(check::CheckArguments),
    /// End what is due and cut it on the routers, now
    Expire(expire::ExpireArguments),
    /// Compare routers with what was paid, and repair
    Sync(sync::SyncArguments),
    /// Bring every live access onto the routers
    Provision(provision::ProvisionArguments),
    /// Send the expiry warnings and other messages that are due
    Notify(notify::NotifyArguments),
    /// Retire unused devices, take long ended access off the routers
    Cleanup(cleanup::CleanupArguments),
    /// Throw a customer off now and keep him off until `service resume`
    Disconnect(disconnect::DisconnectArguments),
    /// Routers: set up, add, list, show, change, test, remove
    #[command(subcommand)]
    Router(router::RouterCommand),
    /// Plans: add, list, show, change, retire, offer
    #[command(subcommand)]
    Plan(plan::PlanCommand),
    /// Customers: add, list, show, change, remove
    #[command(subcommand)]
    Customer(customer::CustomerCommand),
    /// Vouchers: create, list, show, void; batches of them: print, export, void
    #[command(subcommand)]
    Voucher(voucher::VoucherCommand),
    /// People who sell vouchers: add, list, show, change, remove
    #[command(subcommand)]
    Reseller(reseller::ResellerCommand),
    /// Hotspot accounts, PPPoE and static-IP services: add, list, show, change, pause …
    #[command(subcommand)]
    Service(service::ServiceCommand),
    /// Money: receipts, providers, what waits for a person, refunds, the books
    #[command(subcommand)]
    Payment(payment::PaymentCommand),
    /// API tokens: add, list, remove
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Addresses that are told what happens: add, list, show, change, remove, replay
    #[command(subcommand)]
    Webhook(webhook::WebhookCommand),
    /// Texts to customers: list, show, send, preview, settings
    #[command(subcommand)]
    Message(message::MessageCommand),
    /// Gateways that take texts: add, list, test, change, remove, order
    #[command(subcommand)]
    Sender(sender::SenderCommand),
    /// How messages are worded: list, show, set, reset
    #[command(subcommand)]
    Template(template::TemplateCommand),
    /// Messages and other work that is to happen, or was given up: list, retry
    #[command(subcommand)]
    Job(job::JobCommand),
    /// The businesses of this database: list, change
    #[command(subcommand)]
    Business(business::BusinessCommand),
    /// Routers that ask by RADIUS, and a FreeRADIUS beside Lango
    #[command(subcommand)]
    Radius(radius::RadiusCommand),
    /// Bring customers, services and vouchers along from other systems
    #[command(subcommand)]
    Import(import::ImportCommand),
    /// Write a backup of the database, also while serving
    Backup(backup::BackupArguments),
    /// Load a backup
    Restore(restore::RestoreArguments),
    /// Start with the machine: systemd, or cron where no server runs
    #[command(subcommand)]
    Install(install::InstallCommand),
    /// Completions for a shell
    Completions(manual::CompletionsArguments),
    /// Manual pages
    Man(manual::ManArguments),
    /// Simulated equipment, for trying things out
    #[command(subcommand)]
    Sim(sim::SimCommand),
}

/// Runs the program.
pub fn main() -> ExitCode {
    let Typed { everywhere, command } = Typed::parse();
    // Looking is its own question: a check that could not look says neither "healthy" nor "ill".
    let failure = if matches!(command, Command::Check(_)) { 2 } else { 1 };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return report(&error.into(), failure),
    };
    match runtime.block_on(run(everywhere, command)) {
        Ok(code) => code,
        Err(error) => report(&error, failure),
    }
}

async fn run(everywhere: Everywhere, command: Command) -> anyhow::Result<ExitCode> {
    let level = if matches!(command, Command::Serve(_)) { "info" } else { "warn" };
    // The demonstration prints its own story and starts its own log.
    if !matches!(command, Command::Demo(_)) {
        tracing_setup::start(level, wants_json_log(&everywhere));
    }
    match command {
        Command::Init(arguments) => init::run(&everywhere, arguments).await,
        Command::Serve(arguments) => serve::run(&everywhere, arguments).await,
        Command::Demo(arguments) => demo::run(arguments).await,
        Command::Check(arguments) => check::run(&everywhere, arguments).await,
        Command::Expire(arguments) => expire::run(&everywhere, arguments).await,
        Command::Sync(arguments) => sync::run(&everywhere, arguments).await,
        Command::Provision(arguments) => provision::run(&everywhere, arguments).await,
        Command::Notify(arguments) => notify::run(&everywhere, arguments).await,
        Command::Cleanup(arguments) => cleanup::run(&everywhere, arguments).await,
        Command::Disconnect(arguments) => disconnect::run(&everywhere, arguments).await,
        Command::Router(command) => router::run(&everywhere, command).await,
        Command::Plan(command) => plan::run(&everywhere, command).await,
        Command::Customer(command) => customer::run(&everywhere, command).await,
        Command::Voucher(command) => voucher::run(&everywhere, command).await,
        Command::Reseller(command) => reseller::run(&everywhere, command).await,
        Command::Service(command) => service::run(&everywhere, command).await,
        Command::Payment(command) => payment::run(&everywhere, command).await,
        Command::Token(command) => token::run(&everywhere, command).await,
        Command::Webhook(command) => webhook::run(&everywhere, command).await,
        Command::Message(command) => message::run(&everywhere, command).await,
        Command::Sender(command) => sender::run(&everywhere, command).await,
        Command::Template(command) => template::run(&everywhere, command).await,
        Command::Job(command) => job::run(&everywhere, command).await,
        Command::Business(command) => business::run(&everywhere, command).await,
        Command::Radius(command) => radius::run(&everywhere, command).await,
        Command::Import(command) => import::run(&everywhere, command).await,
        Command::Backup(arguments) => backup::run(&everywhere, arguments).await,
        Command::Restore(arguments) => restore::run(&everywhere, arguments).await,
        Command::Install(command) => install::run(&everywhere, command),
        Command::Completions(arguments) => manual::completions(&arguments),
        Command::Man(arguments) => manual::man(&arguments),
        Command::Sim(command) => sim::run(command).await,
    }
}

/// Settings that cannot be read are the command's to complain about, once it needs them.
fn wants_json_log(everywhere: &Everywhere) -> bool {
    let config = Config::load(&everywhere.flags(), &environment);
    config.map_or(everywhere.log_json, |config| config.log_json)
}

/// One sentence on stderr, with its causes.
fn report(error: &anyhow::Error, code: u8) -> ExitCode {
    if output::is_closed(error) {
        // The reader has gone, as in `lango voucher list | head`.
        return ExitCode::SUCCESS;
    }
    output::note(format!("error: {}", chain(error.as_ref())));
    ExitCode::from(code)
}

impl Everywhere {
    fn flags(&self) -> Flags {
        Flags {
            file: self.config.clone(),
            data_dir: self.data_dir.clone(),
            database_url: self.database_url.clone(),
            http: None,
            log_json: self.log_json,
            tls_certificate: None,
            tls_key: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_commands_fit_together() {
        super::Typed::command().debug_assert();
    }

    /// Every command that does something, with its name as it is typed.
    fn commands(command: &clap::Command, name: &str) -> Vec<(String, clap::Command)> {
        let inner: Vec<&clap::Command> = command.get_subcommands().collect();
        if inner.is_empty() {
            return vec![(name.to_owned(), command.clone())];
        }
        let named = |inner: &&clap::Command| format!("{name} {}", inner.get_name());
        inner.iter().flat_map(|inner| commands(inner, &named(inner))).collect()
    }

    /// Every command that does something, built as it is when it is typed.
    fn all() -> Vec<(String, clap::Command)> {
        let mut typed = super::Typed::command().term_width(WIDTH);
        typed.build();
        let help = |name: &str| name.ends_with(" help") || name.contains(" help ");
        commands(&typed, "lango").into_iter().filter(|(name, _)| !help(name)).collect()
    }

    /// A terminal as small as they come.
    const WIDTH: usize = 80;
    /// What has no result to print: they run until stopped, or print a text of their own.
    const WITHOUT_RESULT: [&str; 3] = ["lango serve", "lango completions", "lango man"];

    fn has(command: &clap::Command, option: &str) -> bool {
        command.get_arguments().any(|argument| argument.get_id() == option)
    }

    fn lacking(fits: impl Fn(&str, &clap::Command) -> bool) -> Vec<String> {
        let lacking = all().into_iter().filter(|(name, command)| !fits(name, command));
        lacking.map(|(name, _)| name).collect()
    }

    #[test]
    fn every_command_with_a_result_has_json_and_every_list_is_a_table_too() {
        let fits = |name: &str, command: &clap::Command| {
            let json = WITHOUT_RESULT.contains(&name) || has(command, "json");
            json && (!name.ends_with(" list") || has(command, "csv"))
        };
        assert_eq!(lacking(fits), [""; 0]);
        assert!(all().len() > 50, "the walk has found {}", all().len());
    }

    #[test]
    fn every_command_shows_an_example_of_itself() {
        let fits = |name: &str, command: &clap::Command| {
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            // `lango service pause ann` is shown beside its sisters; somewhere it must be typed.
            let verb = name.trim_start_matches("lango ");
            after.lines().any(|line| line.contains("lango ") && line.contains(verb))
        };
        assert_eq!(lacking(fits), [""; 0]);
    }

    #[test]
    fn every_help_fits_a_small_terminal() {
        let mut typed = super::Typed::command().term_width(WIDTH);
        typed.build();
        let groups = typed.get_subcommands().filter(|one| one.has_subcommands());
        let groups: Vec<(String, clap::Command)> =
            groups.map(|group| (group.get_name().to_owned(), group.clone())).collect();
        let mut long = Vec::new();
        for (name, mut command) in all().into_iter().chain(groups) {
            // What is written behind the options is ours to break: clap would break examples.
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let help = command.render_help().to_string();
            let lines = help.lines().chain(after.lines());
            let too_long = lines.filter(|line| line.chars().count() > WIDTH);
            long.extend(too_long.map(|line| format!("{name}: {line}")));
        }
        assert_eq!(long, [""; 0]);
    }
}
