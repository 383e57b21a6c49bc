//! The server, in a process of its own.

use crate::world;
use anyhow::Context;
use lango_routeros::Timeouts;
use lango_server::messaging::sender::Sender;
use lango_server::run;
use lango_server::web::Manners;
use lango_server::web::listen::Settings;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A running server. Ends with this handle.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
}

impl Server {
    pub(crate) fn start(database: &Path) -> anyhow::Result<Server> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("--serve")
            .arg(database)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the server")?;
        let out = child.stdout.take().context("the server has no output")?;
        let mut url = String::new();
        BufReader::new(out).read_line(&mut url).context("reading where the server listens")?;
        Ok(Server { child, url: url.trim().to_owned() })
    }

    /// Its memory now.
    pub(crate) fn memory(&self) -> anyhow::Result<String> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib: u64 = line
            .and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
            .context("reading the server's memory")?;
        Ok(format!("{} MiB", kib / 1_024))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Gone already, if it broke.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves until it is killed.
pub(crate) async fn serve(database: &Path) -> anyhow::Result<()> {
    let app = world::open(database).await?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let manners = Manners { requests_per_second: 1_000_000, ..Manners::default() };
    let connections = Settings::default();
    let http = Some(run::Http { listener, manners, connections });
    let mut running = run::start(&app, Sender::LogOnly, Timeouts::default(), http, None);
    println!("{url}");
    anyhow::bail!("{} ended", running.until_broken().await)
}
