//! `lango router setup ROUTER --portal`: what leads the customers of a known router to the portal.

use super::desk::Desk;
use super::output::{json, line, note};
use crate::enforcement::routeros::setup::portal::{GardenHost, PortalSetup};
use crate::portal_address::PortalAddress;
use anyhow::Context;

pub(super) async fn setup(
    desk: &Desk,
    router: &str,
    allowed: Vec<GardenHost>,
    wants_json: bool,
) -> anyhow::Result<()> {
    let tenant = desk.tenant().await?;
    let router = desk.router(Some(tenant.id), router).await?;
    let public = desk.app.public_url().context(
        "it is not said where the portal is reached: set public_url in lango.toml, for example \
         public_url = \"https://wifi.example.com\"",
    )?;
    let ours = PortalAddress::of(public, router.id);
    let setup = PortalSetup { ours, allowed };
    let lines = setup.plan();
    if wants_json {
        let portal = setup.ours.portal();
        return json(&serde_json::json!({ "portal": portal, "lines": lines }));
    }
    let mut said = "";
    for one in &lines {
        if one.step != said {
            line(format!("# {}: {}", one.step, one.why))?;
            said = one.step;
        }
        line(&one.command)?;
    }
    note("Paste the above into the router's terminal. The router fetches its pages from");
    note("this server, which must be running. Then see what works:");
    note(format!("  lango router test {}", super::router_setup::for_shell(&router.name)));
    if !setup.ours.is_secure() {
        note("Phones are told of a portal by DHCP only if public_url begins with https://.");
    }
    Ok(())
}
