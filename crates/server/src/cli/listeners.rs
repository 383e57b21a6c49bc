//! One server per database, and where it listens, for other programs to read.

use crate::config::Config;
use crate::radius;
use anyhow::{Context, bail};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The right to serve a database. The system takes it back when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct Exclusive {
    _file: File,
}

impl Exclusive {
    /// Takes the right, or says who has it. For PostgreSQL, which several nodes share, it is the
    /// right to the data directory.
    pub(super) fn take(config: &Config) -> anyhow::Result<Exclusive> {
        let path = place(config);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .with_context(|| {
                format!("cannot write {}: check the data directory", path.display())
            })?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!(
                "another `lango` ({}) works on {} already: stop that first",
                owner(&mut file),
                config.database
            ),
            Err(TryLockError::Error(cause)) => {
                return Err(cause).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
        note_owner(&mut file).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Exclusive { _file: file })
    }
}

fn place(config: &Config) -> PathBuf {
    match config.database.sqlite_path() {
        Some(database) => {
            let mut name = database.as_os_str().to_owned();
            name.push(".serving");
            PathBuf::from(name)
        }
        None => config.data_dir.join("serving"),
    }
}

fn owner(file: &mut File) -> String {
    let mut pid = String::new();
    match file.read_to_string(&mut pid) {
        Ok(read) if read > 0 => format!("process {}", pid.trim()),
        _ => "just starting".to_owned(),
    }
}

fn note_owner(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

/// `DATA_DIR/listeners.json`, there while the server listens.
pub(super) struct Listeners {
    path: PathBuf,
}

impl Listeners {
    /// Writes the file, whole or not at all.
    pub(super) fn announce(
        data_dir: &Path,
        http: SocketAddr,
        radius: Option<&radius::Bound>,
    ) -> anyhow::Result<Listeners> {
        let path = data_dir.join("listeners.json");
        let part = data_dir.join("listeners.json.part");
        let mut listeners = serde_json::json!({ "http": http.to_string() });
        if let Some(radius) = radius {
            listeners["radius_authentication"] = radius.authentication.to_string().into();
            listeners["radius_accounting"] = radius.accounting.to_string().into();
            if let Some(radsec) = radius.radsec {
                listeners["radsec"] = radsec.to_string().into();
            }
        }
        let text = listeners.to_string();
        std::fs::write(&part, text + "\n")
            .and_then(|()| std::fs::rename(&part, &path))
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Listeners { path })
    }
}

impl Drop for Listeners {
    fn drop(&mut self) {
        // Whoever removed it before us wanted the same.
        let _ = std::fs::remove_file(&self.path);
    }
}
