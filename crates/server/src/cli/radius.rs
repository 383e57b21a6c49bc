//! `lango radius …`: NASes, how they stand with us, and a FreeRADIUS beside us.

use super::Everywhere;
use super::check_nases;
use super::desk::Desk;
use super::freeradius_tables::TablesArguments;
use super::output::{json, line, shown};
use crate::operations::asked::By;
use crate::operations::nases::{change_signing, nases};
use crate::radius::directory::Signing;
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(super) enum RadiusCommand {
    /// NASes: when each was last heard, whether secret and signatures are in order
    Nases(NasesArguments),
    /// Say whether a NAS's requests must be signed
    Signing(SigningArguments),
    /// Keep FreeRADIUS's tables in step with grants, count its sessions, end those that must end
    FreeradiusTables(TablesArguments),
}

#[derive(clap::Args)]
#[command(after_help = "Example:\n  lango radius nases")]
pub(super) struct NasesArguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[command(after_help = "Example:\n  lango radius signing Lobby learning\n\n\
                        learning: its first signed request decides.\n\
                        required: unsigned ones are dropped.\n\
                        off: only for equipment that cannot sign, and a warning in `lango\n\
                        check` for as long as it is so.")]
pub(super) struct SigningArguments {
    /// Its name or id
    router: String,
    /// What holds from now on
    signing: Signing,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    everywhere: &Everywhere,
    command: RadiusCommand,
) -> anyhow::Result<ExitCode> {
    match command {
        RadiusCommand::Nases(arguments) => list(everywhere, &arguments).await?,
        RadiusCommand::Signing(arguments) => signing(everywhere, &arguments).await?,
        RadiusCommand::FreeradiusTables(arguments) => {
            return super::freeradius_tables::run(everywhere, arguments).await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(everywhere: &Everywhere, arguments: &NasesArguments) -> anyhow::Result<()> {
    let desk = Desk::open(everywhere).await?;
    let tenant = desk.tenant().await?;
    let nases = nases(&desk.app, tenant.id).await?;
    if arguments.json {
        return json(&nases);
    }
    if nases.is_empty() {
        return line("No router asks by RADIUS yet: lango router add NAME radius://ADDRESS");
    }
    check_nases::tell(&nases, desk.now(), 0)
}

async fn signing(everywhere: &Everywhere, arguments: &SigningArguments) -> anyhow::Result<()> {
    let desk = Desk::open(everywhere).await?;
    let tenant = desk.tenant().await?;
    let router = desk.router(Some(tenant.id), &arguments.router).await?;
    let (whose, signing) = ((tenant.id, router.id), arguments.signing);
    change_signing(&desk.app, whose, signing, None, &By::cli(), desk.now()).await?;
    if arguments.json {
        let (id, name) = (router.id, &router.name);
        return json(&serde_json::json!({ "id": id, "name": name, "signing": signing.word() }));
    }
    line(match signing {
        Signing::Learning => format!("{}: its first signed request decides", shown(&router.name)),
        Signing::Required => format!("{} must sign its requests", shown(&router.name)),
        Signing::Off => format!("{} need not sign its requests", shown(&router.name)),
    })
}
