//! Where the servers keep their things: a directory on a real disk, and a PostgreSQL that syncs.

use crate::servers;
use anyhow::{Context, bail};
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// All of it. Removed with this.
pub(crate) struct Place {
    directory: tempfile::TempDir,
    postgres: Option<Postgres>,
    /// Where the NAS takes orders.
    pub(crate) orders: SocketAddr,
}

/// A server, as `postgres://user@host:port/database` says it.
struct Postgres {
    user: String,
    host: String,
    port: String,
}

impl Place {
    /// Beside the program, which no machine keeps in memory only.
    pub(crate) fn new(postgres: Option<&str>, orders: SocketAddr) -> anyhow::Result<Place> {
        let program = std::env::current_exe()?;
        let beside = program.parent().context("the program lies nowhere")?;
        let directory = tempfile::Builder::new().prefix("bench-radius-").tempdir_in(beside)?;
        let postgres = postgres.map(Postgres::read).transpose()?;
        Ok(Place { directory, postgres, orders })
    }

    pub(crate) fn has_postgres(&self) -> bool {
        self.postgres.is_some()
    }

    /// An empty directory.
    pub(crate) fn fresh_directory(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.directory.path().join(name);
        if path.exists() {
            std::fs::remove_dir_all(&path)?;
        }
        std::fs::create_dir(&path)?;
        Ok(path)
    }

    /// An empty database; its address.
    pub(crate) fn fresh_database(&self, name: &str) -> anyhow::Result<String> {
        self.run_sql("postgres", &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE);"))?;
        self.run_sql("postgres", &format!("CREATE DATABASE {name};"))?;
        Ok(self.url_of(name))
    }

    /// As the database does by itself within minutes, and what was written goes to the disk.
    pub(crate) fn tidy(&self, database: &str) -> anyhow::Result<()> {
        self.run_sql(database, "VACUUM ANALYZE;\nCHECKPOINT;")
    }

    pub(crate) fn url_of(&self, database: &str) -> String {
        match &self.postgres {
            Some(Postgres { user, host, port }) => {
                format!("postgres://{user}@{host}:{port}/{database}")
            }
            None => String::new(),
        }
    }

    /// The same in libpq's words.
    pub(crate) fn connection(&self, database: &str) -> String {
        match &self.postgres {
            Some(Postgres { user, host, port }) => {
                format!("host={host} port={port} user={user} dbname={database}")
            }
            None => String::new(),
        }
    }

    pub(crate) fn run_sql(&self, database: &str, text: &str) -> anyhow::Result<()> {
        self.ask_sql(database, text).map(drop)
    }

    fn ask_sql(&self, database: &str, text: &str) -> anyhow::Result<String> {
        let mut psql = Command::new("psql")
            .args(["-q", "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d"])
            .arg(self.connection(database))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting psql")?;
        psql.stdin.take().context("psql takes no input")?.write_all(text.as_bytes())?;
        let said = psql.wait_with_output()?;
        if !said.status.success() {
            bail!("psql failed on {database}");
        }
        Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned())
    }

    /// The process that is the parent of all of PostgreSQL's.
    pub(crate) fn postmaster(&self) -> anyhow::Result<u32> {
        let ask = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer';";
        let child = self.ask_sql("postgres", ask)?.parse().context("PostgreSQL's checkpointer")?;
        servers::parent(child).context("PostgreSQL must run on this machine")
    }

    /// What the disk and the two databases promise.
    pub(crate) fn durability(&self) -> anyhow::Result<String> {
        if self.postgres.is_none() {
            return Ok("no PostgreSQL".to_owned());
        }
        let ask = "SELECT string_agg(name || ' ' || setting, ', ' ORDER BY name) FROM pg_settings \
                   WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes');";
        self.ask_sql("postgres", ask)
    }
}

impl Postgres {
    fn read(url: &str) -> anyhow::Result<Postgres> {
        let parts = || {
            let (user, rest) = url.strip_prefix("postgres://")?.split_once('@')?;
            let (server, _) = rest.split_once('/')?;
            let (host, port) = server.split_once(':')?;
            Some(Postgres { user: user.to_owned(), host: host.to_owned(), port: port.to_owned() })
        };
        parts().with_context(|| format!("{url}: write postgres://USER@HOST:PORT/DATABASE"))
    }
}
