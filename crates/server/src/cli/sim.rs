//! `lango sim …`: simulated equipment on real sockets.

use super::output::{json, line, note, shown};
use super::serve::Stops;
use anyhow::Context;
use lango_router_sim::{Account, RouterSim, Settings, SystemClock};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

#[derive(clap::Subcommand)]
pub(super) enum SimCommand {
    /// A RouterOS router that speaks the API and REST, until Ctrl-C
    Router(RouterArguments),
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
                        lango sim router --api 127.0.0.1:8728 --rest 127.0.0.1:8081\n  \
                        lango router setup --from 127.0.0.1 > setup.rsc\n  \
                        lango sim router --blank --api-tls 127.0.0.1:8729 --paste setup.rsc")]
pub(super) struct RouterArguments {
    /// Where the binary API listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    api: SocketAddr,
    /// Where the binary API listens with a certificate of its own making
    #[arg(long, value_name = "ADDRESS")]
    api_tls: Option<SocketAddr>,
    /// Where REST listens, without encryption
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    rest: SocketAddr,
    /// User that may log in
    #[arg(long, value_name = "USER", default_value = "lango")]
    user: String,
    /// Its password
    #[arg(long, value_name = "PASSWORD", default_value = "secret")]
    password: String,
    /// Its group: full, write or read
    #[arg(long, value_name = "GROUP", default_value = "full",
          value_parser = ["full", "write", "read"])]
    group: String,
    /// The router's name
    #[arg(long, value_name = "NAME", default_value = "MikroTik")]
    identity: String,
    /// Its RouterOS version, which decides how it behaves
    #[arg(long, value_name = "VERSION", default_value = "7.20.6 (stable)")]
    version: String,
    /// A menu that it does not have, such as /ip/hotspot; may be given several times
    #[arg(long, value_name = "MENU")]
    without: Vec<String>,
    /// Where REST listens with the same certificate
    #[arg(long, value_name = "ADDRESS")]
    rest_tls: Option<SocketAddr>,
    /// As it leaves the factory: nobody but admin, no hotspot, no certificate
    #[arg(long, conflicts_with_all = ["user", "password", "group"])]
    blank: bool,
    /// Paste this file into its terminal, such as what `lango router setup` prints
    #[arg(long, value_name = "FILE")]
    paste: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(command: SimCommand) -> anyhow::Result<ExitCode> {
    let SimCommand::Router(arguments) = command;
    let wants_json = arguments.json;
    let login = (!arguments.blank).then(|| (arguments.user.clone(), arguments.password.clone()));
    let script = arguments.paste.as_deref().map(read).transpose()?;
    let mut stops = Stops::listen()?;
    let sim = RouterSim::start(settings(arguments), Arc::new(SystemClock))
        .context("cannot start the simulated router: are its ports free?")?;
    let router = sim.router();
    for pasted in script.iter().flat_map(|script| router.paste(script)) {
        if let Err(trap) = pasted.outcome {
            note(format!("line {}: {trap}: {}", pasted.line, shown(&pasted.command)));
        }
    }
    let address = |address: Option<SocketAddr>| address.map(|address| address.to_string());
    let fingerprint = router
        .api_tls_fingerprint()
        .map(|bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    let (api, rest) = (address(router.api_address()), address(router.rest_address()));
    let (api_tls, rest_tls) =
        (address(router.api_tls_address()), address(router.rest_tls_address()));
    if wants_json {
        json(&serde_json::json!({
            "api": api, "api_tls": api_tls, "fingerprint": fingerprint, "rest": rest,
            "rest_tls": rest_tls,
        }))?;
    } else {
        for (scheme, address) in
            [("api", &api), ("apis", &api_tls), ("rest", &rest), ("rests", &rest_tls)]
        {
            if let Some(address) = address {
                line(format!("{scheme}://{address}"))?;
            }
        }
        if let Some(fingerprint) = fingerprint {
            line(format!("certificate {fingerprint}"))?;
        }
        if let (Some(api), Some((user, password))) = (api, login) {
            line(format!("lango router add Sim api://{api} --user {user} --password {password}"))?;
        }
    }
    stops.asked().await;
    sim.stop().await;
    Ok(ExitCode::SUCCESS)
}

fn read(script: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(script).with_context(|| format!("cannot read {}", script.display()))
}

fn settings(arguments: RouterArguments) -> Settings {
    let users = match arguments.blank {
        true => vec![Account::new("admin", "", "full")],
        false => vec![Account::new(&arguments.user, &arguments.password, &arguments.group)],
    };
    Settings {
        identity: arguments.identity,
        version: arguments.version,
        api: Some(arguments.api),
        api_tls: arguments.api_tls,
        rest: Some(arguments.rest),
        rest_tls: arguments.rest_tls,
        users,
        blank: arguments.blank,
        absent_menus: arguments.without,
        ..Settings::default()
    }
}
