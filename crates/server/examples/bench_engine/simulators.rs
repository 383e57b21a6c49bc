//! The routers, in a process of their own so that Lango's cost is its own: one JSON line asks,
//! one answers.

use anyhow::{Context, anyhow};
use lango_domain::ids::{GrantId, Id};
use lango_domain::time::Timestamp;
use lango_router_sim::{Clock, MacAddress, Router, RouterSim, Settings, SystemClock};
use lango_routeros::values::write_duration;
use lango_server::enforcement::MARK;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::net::Ipv4Addr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// The profile that Lango gives to one device at any speed.
const PROFILE: &str = "lango-max-1";
/// How much later than the deadline the simulated account's own limit strikes, as the driver sets
/// it: every cut that is measured is Lango's.
const LIMIT_LATER: Duration = lango_server::enforcement::routeros::ROUTER_MARGIN;

/// What a router is asked.
#[derive(serde::Serialize, serde::Deserialize)]
enum Ask {
    Start { routers: usize },
    Plant(Plant),
    Audit,
    Usage,
}

/// Accounts to be put on a router.
#[derive(serde::Serialize, serde::Deserialize)]
pub(crate) struct Plant {
    /// Which router.
    pub(crate) router: usize,
    /// Under which number they are counted at an audit.
    pub(crate) group: u8,
    /// Whether somebody is online by each.
    pub(crate) online: bool,
    /// Whether they carry Lango's mark.
    pub(crate) marked: bool,
    /// Grant and end in microseconds; the time online that an unused one has instead.
    pub(crate) accounts: Vec<(i64, i64)>,
}

/// Who is online by what was planted.
#[derive(serde::Serialize, serde::Deserialize)]
pub(crate) struct Planted {
    /// When.
    pub(crate) at: i64,
    /// Device and address, in the order of the accounts.
    pub(crate) devices: Vec<([u8; 6], Ipv4Addr)>,
}

/// How many of one group can browse, and how many cannot.
#[derive(Clone, Copy, Default, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Browsing {
    pub(crate) on: usize,
    pub(crate) off: usize,
}

/// The account's name, which is also its password.
pub(crate) fn name_of(grant: GrantId) -> String {
    format!("V{:X}", grant.raw())
}

// ---------------------------------------------------------------------------------------------
// The benchmark's side

/// The process that plays the routers. Ends with this handle.
pub(crate) struct Simulators {
    child: Child,
    ask: BufWriter<ChildStdin>,
    answer: BufReader<ChildStdout>,
    /// Where each router listens.
    pub(crate) ports: Vec<u16>,
}

impl Simulators {
    /// Starts so many routers.
    pub(crate) fn start(routers: usize) -> anyhow::Result<Simulators> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("--play-routers")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting a process for the routers")?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (ask, answer) = pipes.ok_or_else(|| anyhow!("the routers' process has no pipes"))?;
        let (ask, answer) = (BufWriter::new(ask), BufReader::new(answer));
        let mut simulators = Simulators { child, ask, answer, ports: Vec::new() };
        simulators.ports = simulators.ask(&Ask::Start { routers })?;
        Ok(simulators)
    }

    /// Puts accounts on a router and people online by them.
    pub(crate) fn plant(&mut self, plant: Plant) -> anyhow::Result<Planted> {
        self.ask(&Ask::Plant(plant))
    }

    /// Who can browse, by group.
    pub(crate) fn audit(&mut self) -> anyhow::Result<Vec<Browsing>> {
        self.ask(&Ask::Audit)
    }

    /// Processor time that the routers used so far, in milliseconds.
    pub(crate) fn usage(&mut self) -> anyhow::Result<u64> {
        self.ask(&Ask::Usage)
    }

    fn ask<T: serde::de::DeserializeOwned>(&mut self, ask: &Ask) -> anyhow::Result<T> {
        serde_json::to_writer(&mut self.ask, ask)?;
        self.ask.write_all(b"\n")?;
        self.ask.flush()?;
        let mut line = String::new();
        self.answer.read_line(&mut line)?;
        serde_json::from_str(&line).context("the routers' process gave up; see above")
    }
}

impl Drop for Simulators {
    fn drop(&mut self) {
        // It ends by itself when its input ends; this is for the case that it hangs.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

// ---------------------------------------------------------------------------------------------
// The routers' side

/// Plays routers until the input ends.
pub(crate) fn play() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let _inside = runtime.enter();
    let mut stage = Stage::default();
    let mut answer = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let text = match serde_json::from_str(&line?)? {
            Ask::Start { routers } => serde_json::to_string(&stage.start(routers)?),
            Ask::Plant(plant) => serde_json::to_string(&stage.plant(&plant)?),
            Ask::Audit => serde_json::to_string(&stage.audit()),
            Ask::Usage => serde_json::to_string(&crate::cost::cpu_millis()?),
        };
        writeln!(answer, "{}", text?)?;
        answer.flush()?;
    }
    Ok(())
}

#[derive(Default)]
struct Stage {
    routers: Vec<(RouterSim, Vec<Somebody>)>,
}

struct Somebody {
    group: u8,
    mac: MacAddress,
    ip: Ipv4Addr,
}

impl Stage {
    fn start(&mut self, routers: usize) -> anyhow::Result<Vec<u16>> {
        let mut ports = Vec::new();
        for number in 0..routers {
            let settings =
                Settings { identity: format!("R{number}"), rest: None, ..Settings::default() };
            let sim = RouterSim::start(settings, Arc::new(SystemClock))?;
            let profile = [("name", PROFILE), ("shared-users", "1")];
            told(sim.router().add("/ip/hotspot/user/profile", &profile))?;
            ports.extend(sim.router().api_address().map(|address| address.port()));
            self.routers.push((sim, Vec::new()));
        }
        Ok(ports)
    }

    fn plant(&mut self, plant: &Plant) -> anyhow::Result<Planted> {
        let place = plant.router;
        let (sim, people) = self.routers.get_mut(place).ok_or_else(|| anyhow!("no such router"))?;
        let at = SystemClock.now_micros();
        let mut devices = Vec::new();
        for (grant, end) in &plant.accounts {
            let grant = GrantId::from_raw(*grant);
            add_account(sim.router(), grant, *end, plant)?;
            if !plant.online {
                continue;
            }
            let mac = mac(place, people.len());
            let ip = sim.router().join(mac);
            let name = name_of(grant);
            sim.router()
                .login(mac, &name, &name)
                .map_err(|why| anyhow!("router {place} did not let {name} in: {why}"))?;
            // Somebody who is quiet would be logged out, and nobody quiet tries to come back.
            sim.router().keep_busy(mac, 100, 1_000);
            people.push(Somebody { group: plant.group, mac, ip });
            devices.push((mac.0, ip));
        }
        Ok(Planted { at, devices })
    }

    fn audit(&self) -> Vec<Browsing> {
        let mut groups = vec![Browsing::default(); usize::from(u8::MAX) + 1];
        for (sim, people) in &self.routers {
            for somebody in people {
                let group = &mut groups[usize::from(somebody.group)];
                match sim.router().can_browse(somebody.mac, somebody.ip).is_allowed() {
                    true => group.on += 1,
                    false => group.off += 1,
                }
            }
        }
        groups
    }
}

fn add_account(router: &Router, grant: GrantId, end: i64, plant: &Plant) -> anyhow::Result<()> {
    let (name, mark) = (name_of(grant), format!("{MARK}{grant}"));
    let limit = match plant.online {
        true => {
            let left =
                Timestamp::from_micros(end).since(Timestamp::from_micros(SystemClock.now_micros()));
            Duration::from_secs(left.to_std().as_secs()) + LIMIT_LATER
        }
        false => Duration::from_micros(end.unsigned_abs()),
    };
    let limit = write_duration(limit);
    let mut values = vec![("name", name.as_str()), ("password", &name), ("profile", PROFILE)];
    if plant.marked {
        values.extend([("comment", mark.as_str()), ("limit-uptime", &limit)]);
    }
    told(router.add("/ip/hotspot/user", &values)).map(drop)
}

fn told<T>(result: Result<T, lango_router_sim::Trap>) -> anyhow::Result<T> {
    result.map_err(|trap| anyhow!("a router refused: {trap:?}"))
}

fn mac(router: usize, number: usize) -> MacAddress {
    let [.., high, middle, low] = (number as u32).to_be_bytes();
    MacAddress([2, 0, router as u8, high, middle, low])
}
