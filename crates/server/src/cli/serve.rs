//! `lango serve`: everything, until it is told to stop.

use super::Everywhere;
use super::desk::Desk;
use super::listeners::{Exclusive, Listeners};
use super::output::{line, note};
use crate::config::open::{OpenError, Want, make_directories};
use crate::config::{Config, environment};
use crate::messaging::sender::Sender;
use crate::radius;
use crate::run;
use crate::web::Manners;
use crate::web::listen::Settings;
use crate::web::listen::tls::Certificate;
use anyhow::{Context, bail};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

#[derive(clap::Args)]
#[command(after_help = "Example:\n  lango serve --http 0.0.0.0:8080")]
pub(super) struct ServeArguments {
    /// Where HTTP listens, :0 for any free port [LANGO_HTTP; else 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    http: Option<String>,
    /// Certificate for HTTPS, a PEM file with the whole chain; read again when it changes
    #[arg(long, value_name = "FILE")]
    tls_certificate: Option<PathBuf>,
    /// Its key, a PEM file
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
}

pub(super) async fn run(
    everywhere: &Everywhere,
    arguments: ServeArguments,
) -> anyhow::Result<ExitCode> {
    let mut flags = everywhere.flags();
    flags.http = arguments.http;
    flags.tls_certificate = arguments.tls_certificate;
    flags.tls_key = arguments.tls_key;
    let config = Config::load(&flags, &environment)?;
    if !is_there(&config) {
        return Err(OpenError::NoDatabase(config.database).into());
    }
    // A node on PostgreSQL may be the first thing that this machine knows of Lango.
    make_directories(&config)?;
    let _exclusive = Exclusive::take(&config)?;
    let mut stops = Stops::listen()?;
    let desk = Desk::with(config, everywhere, Want::Existing).await?;
    let (listener, http) = listen(desk.config.http).await?;
    let radius = match listen_to_nases(&desk.config)? {
        Some(bound) => Some(show_certificate(&desk, bound).await?),
        None => None,
    };
    let _listeners = Listeners::announce(&desk.config.data_dir, http, radius.as_ref())?;
    announce(&desk, http, radius.as_ref()).await?;
    serve(&desk, listener, radius, &mut stops).await
}

/// Before any file is made: a wrong --data-dir must not leave a directory behind.
fn is_there(config: &Config) -> bool {
    config.database.sqlite_path().is_none_or(std::path::Path::exists)
}

async fn listen(address: SocketAddr) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await.map_err(|cause| {
        let advice = match cause.kind() {
            io::ErrorKind::AddrInUse => "another program has it: choose another with --http",
            io::ErrorKind::PermissionDenied => "ports below 1024 need rights: choose a higher one",
            _ => "check the address given by --http, LANGO_HTTP or lango.toml",
        };
        anyhow::Error::new(cause).context(format!("cannot listen on {address}: {advice}"))
    })?;
    let bound = listener.local_addr().context("cannot find out where HTTP listens")?;
    Ok((listener, bound))
}

/// Nobody who did not ask for RADIUS is kept from serving because another program has its ports.
fn listen_to_nases(config: &Config) -> anyhow::Result<Option<radius::Bound>> {
    let Some(settings) = config.radius else { return Ok(None) };
    match radius::bind(settings) {
        Ok(bound) => Ok(Some(bound)),
        Err(cause) if config.radius_is_asked_for => {
            let (authentication, accounting) = (settings.authentication, settings.accounting);
            Err(anyhow::Error::new(cause).context(format!(
                "cannot listen for RADIUS on {authentication} and {accounting}: choose others with \
                 radius_authentication and radius_accounting, or write off"
            )))
        }
        Err(cause) => {
            note(format!(
                "RADIUS is not served: {cause}. If another server has its ports, write \
                 radius_authentication = \"off\" into lango.toml."
            ));
            Ok(None)
        }
    }
}

/// Without a certificate there is no EAP and no RadSec; whoever named one, or asked for RadSec, is
/// told so, and nobody else is kept from serving.
async fn show_certificate(desk: &Desk, bound: radius::Bound) -> anyhow::Result<radius::Bound> {
    let config = &desk.config;
    let sources = config.radius_certificate.clone();
    let is_asked_for = sources.files.is_some() || config.radsec.is_some();
    let certificate = match radius::certificate::Certificate::open(sources, desk.app.clock().now())
    {
        Ok(certificate) => certificate,
        Err(cause) if is_asked_for => return Err(cause.into()),
        Err(cause) => {
            let cause = crate::observe::chain(&cause);
            note(format!("devices cannot log in by EAP: {cause}"));
            return Ok(bound);
        }
    };
    let listener = match config.radsec {
        None => None,
        Some(address) => Some(TcpListener::bind(address).await.with_context(|| {
            format!(
                "cannot listen for RadSec on {address}: choose another with radsec, or write off"
            )
        })?),
    };
    Ok(bound.known_by(certificate, listener))
}

async fn announce(
    desk: &Desk,
    http: SocketAddr,
    radius: Option<&radius::Bound>,
) -> anyhow::Result<()> {
    let tenants = desk.every_tenant().await?;
    // A closed stdout is no reason not to serve.
    let scheme = if desk.config.tls.is_some() { "https" } else { "http" };
    let _ = line(format!("Lango listens on {scheme}://{http}, database {}", desk.config.database));
    if let Some(radius::Bound { authentication, accounting, radsec, .. }) = radius {
        let radsec = radsec.map(|radsec| format!(", RadSec on {radsec}")).unwrap_or_default();
        let _ =
            line(format!("RADIUS: logins on {authentication}, accounting on {accounting}{radsec}"));
    }
    if tenants.is_empty() {
        note("there is no business yet: run `lango init`");
    }
    Ok(())
}

async fn serve(
    desk: &Desk,
    listener: TcpListener,
    radius: Option<radius::Bound>,
    stops: &mut Stops,
) -> anyhow::Result<ExitCode> {
    let timeouts = desk.config.router_timeouts;
    let requests_per_second = desk.config.api_requests_per_second;
    let manners = Manners { requests_per_second, timeouts, ..Manners::default() };
    let connections = Settings {
        certificate: certificate(&desk.config)?,
        trusted_proxies: desk.config.trusted_proxies.clone(),
        ..Settings::default()
    };
    desk.app.let_webhooks_be_private(desk.config.webhook_private_addresses);
    let http = run::Http { listener, manners, connections };
    let mut running = run::start(&desk.app, Sender::default(), timeouts, Some(http), radius);
    let broken = tokio::select! {
        name = stops.asked() => {
            tracing::info!("{name}: finishing what is under way");
            None
        }
        task = running.until_broken() => Some(task),
    };
    tokio::select! {
        () = drain(running, desk) => {}
        name = stops.asked() => bail!("{name} a second time: stopped at once; open work is kept"),
    }
    match broken {
        Some(task) => bail!("{task} ended by itself, so the server stopped: see the log for why"),
        None => Ok(ExitCode::SUCCESS),
    }
}

fn certificate(config: &Config) -> anyhow::Result<Option<Certificate>> {
    let Some((certificate, key)) = &config.tls else { return Ok(None) };
    Ok(Some(Certificate::read(certificate, key)?))
}

async fn drain(running: run::Running, desk: &Desk) {
    running.stop().await;
    desk.app.store().close().await;
}

/// The signals that ask a server to stop.
pub(super) struct Stops {
    interrupt: Signal,
    terminate: Signal,
}

impl Stops {
    /// From now on these signals do not end the process by themselves.
    pub(super) fn listen() -> anyhow::Result<Stops> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        let interrupt = listen(SignalKind::interrupt())?;
        Ok(Stops { interrupt, terminate: listen(SignalKind::terminate())? })
    }

    /// Waits for one of them; its name.
    pub(super) async fn asked(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "interrupted",
            _ = self.terminate.recv() => "told to stop",
        }
    }
}
