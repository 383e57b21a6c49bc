//! Where data is kept when nobody says where.

use crate::config::Environment;
use crate::config::error::ConfigError;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// `/var/lib/lango` for root; for others the place that the XDG base directory rules name.
pub(super) fn usual_data_dir(environment: Environment<'_>) -> Result<PathBuf, ConfigError> {
    if is_root() {
        return Ok(PathBuf::from("/var/lib/lango"));
    }
    // The rules say that a relative path is to be ignored.
    let xdg = environment("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || environment("HOME").map(|home| PathBuf::from(home).join(".local/share"));
    xdg.or_else(home).map(|base| base.join("lango")).ok_or(ConfigError::NoHome)
}

/// A process owns its own entry in /proc; where there is none nobody is root.
fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|entry| entry.uid() == 0)
}
