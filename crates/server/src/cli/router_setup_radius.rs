//! `lango router setup --radius`: what to paste into a router that is to ask by RADIUS.

use super::output::{json, line, note};
use super::router_setup::for_shell;
use crate::enforcement::radius::setup::{RadiusLine, RadiusSetup};

pub(super) fn setup(name: &str, setup: &RadiusSetup, wants_json: bool) -> anyhow::Result<()> {
    let lines = setup.lines();
    let port = match setup.orders_port {
        3799 => String::new(),
        other => format!(":{other}"),
    };
    let next = format!("lango router add {} radius://ROUTER{port}", for_shell(name));
    if wants_json {
        return json(&serde_json::json!({
            "secret": setup.secret.as_str(),
            "lines": lines,
            "next": next,
        }));
    }
    for RadiusLine { step, why, command } in &lines {
        line(format!("# {step}: {why}"))?;
        line(command)?;
    }
    note(
        "Paste the above into the router's terminal. Then, with the address from which it asks in",
    );
    note("place of ROUTER, and the secret of the line `radius`, which is not shown again:");
    note(format!("  {next}"));
    note("A router that asked somebody else goes on asking him first: /radius print");
    Ok(())
}
