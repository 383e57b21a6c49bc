//! RADIUS with programs that others wrote: our NAS of the other stories shares its author with the
//! server, these do not. `scripts/test-clients` installs them.

mod binary;
mod proxy;
mod pyrad;
mod radclient;
mod radsec;
mod supplicant;
mod wired;

use super::{Lab, SECRET};
use crate::harness::Engine;
use std::fs::File;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const ANN: &str = "02:00:00:00:00:01";
const BOB: &str = "02:00:00:00:00:02";

fn tool(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let tool = root.join("target/test-clients").join(name);
    assert!(tool.exists(), "run scripts/test-clients first: {} is missing", tool.display());
    tool
}

/// What a program said until it ended by itself.
async fn said(command: &mut Command) -> String {
    let output = tokio::task::block_in_place(|| command.stdin(Stdio::null()).output()).unwrap();
    let (said, complained) = (output.stdout, output.stderr);
    format!("{}{}", String::from_utf8_lossy(&said), String::from_utf8_lossy(&complained))
}

/// A program that runs beside a story, and not longer.
struct Beside {
    child: Child,
    log: PathBuf,
}

impl Beside {
    fn start(command: &mut Command, log: PathBuf) -> Beside {
        let file = File::create(&log).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        Beside { child, log }
    }

    fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap()).into_owned()
    }

    /// Waits until it says something.
    async fn until_it_says(&self, lab: &Lab, what: &str) {
        lab.until(what, async || self.log().contains(what)).await;
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.log.display(), self.log());
        }
    }
}

/// A port that nobody has at the moment.
fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
