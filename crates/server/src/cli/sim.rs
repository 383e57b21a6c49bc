//! `lango sim …`: simulated equipment on real sockets.

use super::output::{json, line};
use super::serve::Stops;
use anyhow::Context;
use lango_router_sim::{Account, RouterSim, Settings, SystemClock};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

#[derive(clap::Subcommand)]
pub(super) enum SimCommand {
    /// A RouterOS router that speaks the API and REST, until Ctrl-C
    Router(RouterArguments),
}

#[derive(clap::Args)]
#[command(after_help = "Example:\n  lango sim router --api 127.0.0.1:8728 --rest 127.0.0.1:8081")]
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
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(command: SimCommand) -> anyhow::Result<ExitCode> {
    let SimCommand::Router(arguments) = command;
    let wants_json = arguments.json;
    let (user, password) = (arguments.user.clone(), arguments.password.clone());
    let mut stops = Stops::listen()?;
    let sim = RouterSim::start(settings(arguments), Arc::new(SystemClock))
        .context("cannot start the simulated router: are its ports free?")?;
    let router = sim.router();
    let address = |address: Option<SocketAddr>| address.map(|address| address.to_string());
    let fingerprint = router
        .api_tls_fingerprint()
        .map(|bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    let (api, rest) = (address(router.api_address()), address(router.rest_address()));
    let api_tls = address(router.api_tls_address());
    if wants_json {
        json(&serde_json::json!({
            "api": api, "api_tls": api_tls, "fingerprint": fingerprint, "rest": rest,
        }))?;
    } else {
        for (scheme, address) in [("api", &api), ("apis", &api_tls), ("rest", &rest)] {
            if let Some(address) = address {
                line(format!("{scheme}://{address}"))?;
            }
        }
        if let Some(fingerprint) = fingerprint {
            line(format!("certificate {fingerprint}"))?;
        }
        if let Some(api) = api {
            line(format!("lango router add Sim api://{api} --user {user} --password {password}"))?;
        }
    }
    stops.asked().await;
    sim.stop().await;
    Ok(ExitCode::SUCCESS)
}

fn settings(arguments: RouterArguments) -> Settings {
    Settings {
        identity: arguments.identity,
        version: arguments.version,
        api: Some(arguments.api),
        api_tls: arguments.api_tls,
        rest: Some(arguments.rest),
        users: vec![Account::new(&arguments.user, &arguments.password, &arguments.group)],
        absent_menus: arguments.without,
        ..Settings::default()
    }
}
