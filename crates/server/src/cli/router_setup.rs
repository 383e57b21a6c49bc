//! `lango router setup`: what to paste into a router's terminal. Needs no database and no router.

use super::output::{json, line, note};
use crate::enforcement::radius::setup::RadiusSetup;
use crate::enforcement::routeros::setup::{
    HotspotNetwork, HotspotPlace, Login, Major, OurAddress, Setup, SetupLine, TerminalText, Way,
};
use crate::operations::open_service::made_up_password;
use anyhow::Context;

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
                        lango router setup Router1 --from 10.0.0.2\n  \
                        lango router setup Router1 --from 10.0.0.2,10.0.0.64/28 --routeros 6\n  \
                        lango router setup Router1 --from 10.0.0.2 --hotspot bridge\n  \
                        lango router setup Lobby --from 10.0.0.2 --radius\n\n\
                        Paste what it prints into the router's terminal; pasting it again\n\
                        changes nothing. It is made for one router: each gets its own password.")]
pub(super) struct SetupArguments {
    /// What staff call the router
    #[arg(default_value = "Router1")]
    name: TerminalText,
    /// Where Lango runs, as the router sees it; several with commas. Nobody else can use its user
    /// or the service
    #[arg(long, value_name = "ADDRESS[/MASK]", value_delimiter = ',', required = true)]
    from: Vec<OurAddress>,
    /// Lango's user on the router
    #[arg(long, value_name = "USER", default_value = "lango")]
    user: TerminalText,
    /// Its password; LANGO_ROUTER_PASSWORD keeps it out of the process list; else one is made up
    #[arg(long, value_name = "PASSWORD", env = "LANGO_ROUTER_PASSWORD", hide_env_values = true)]
    password: Option<TerminalText>,
    /// Its major version
    #[arg(long, value_name = "VERSION", default_value = "7", value_parser = ["6", "7"])]
    routeros: String,
    /// How Lango comes: with encryption apis or rests, without api or rest
    #[arg(long, value_name = "WAY", default_value = "apis")]
    by: Way,
    /// Also a hotspot on this interface, if there is none
    #[arg(long, value_name = "INTERFACE")]
    hotspot: Option<TerminalText>,
    /// Its network
    #[arg(long, value_name = "NETWORK", default_value_t = HotspotNetwork::default(), requires = "hotspot")]
    network: HotspotNetwork,
    /// Also switch off telnet, ftp and the API without encryption
    #[arg(long)]
    close_plain: bool,
    /// Have it ask Lango by RADIUS, instead of letting Lango in; the password is then the secret
    #[arg(long, conflicts_with_all = ["user", "by", "hotspot", "close_plain"])]
    radius: bool,
    /// Where it takes Lango's orders
    #[arg(long, value_name = "PORT", default_value_t = 3799, requires = "radius")]
    orders_port: u16,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn setup(arguments: SetupArguments) -> anyhow::Result<()> {
    if arguments.radius {
        return by_radius(arguments);
    }
    let password = match arguments.password {
        Some(password) => password,
        None => made_up_password().parse().context("cannot make up a password")?,
    };
    let network = arguments.network;
    let hotspot = arguments.hotspot.map(|interface| HotspotPlace { interface, network });
    let setup = Setup {
        from: arguments.from,
        login: Login { user: arguments.user, password: Some(password.clone()) },
        major: major(&arguments.routeros),
        by: arguments.by,
        hotspot,
        closes_plain: arguments.close_plain,
    };
    let lines = setup.plan()?;
    let next = next(&arguments.name, &setup);
    if arguments.json {
        return json(&serde_json::json!({
            "user": setup.login.user.as_str(),
            "password": password.as_str(),
            "lines": lines,
            "next": next,
        }));
    }
    print(&lines)?;
    note("Paste the above into the router's terminal. Then, with its address in place of ROUTER");
    note("and the password of the line `user`, which is not shown again:");
    note(format!("  {next}"));
    note("A user of that name that is there already keeps its password.");
    Ok(())
}

/// The ports are the usual ones: the settings of the server may lie on another machine.
fn by_radius(arguments: SetupArguments) -> anyhow::Result<()> {
    let SetupArguments { name, from, password, routeros, orders_port, json, .. } = arguments;
    let us = match from.as_slice() {
        [one] => one.alone(),
        _ => None,
    };
    let us = us.context("by RADIUS a router asks one address: --from 10.0.0.2")?;
    let secret = match password {
        Some(secret) => secret,
        // Longer than what a person types: whoever hears a login can try secrets at leisure.
        None => [made_up_password(), made_up_password()]
            .concat()
            .parse()
            .context("cannot make up a secret")?,
    };
    let setup =
        RadiusSetup { us, ports: (1812, 1813), orders_port, secret, major: major(&routeros) };
    super::router_setup_radius::setup(name.as_str(), &setup, json)
}

fn major(typed: &str) -> Major {
    if typed == "6" { Major::Six } else { Major::Seven }
}

fn print(lines: &[SetupLine]) -> anyhow::Result<()> {
    for SetupLine { proof, why, command } in lines {
        line(format!("# {}: {why}", proof.step()))?;
        line(command)?;
    }
    Ok(())
}

/// What is to be typed afterwards, on this machine.
fn next(name: &TerminalText, setup: &Setup) -> String {
    format!(
        "lango router add {} {}://ROUTER --user {}",
        for_shell(name.as_str()),
        setup.by.scheme(),
        for_shell(setup.login.user.as_str()),
    )
}

/// One word of a shell's command line.
pub(super) fn for_shell(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@+:".contains(&byte);
    match text.bytes().all(plain) && !text.starts_with('-') {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_word_of_the_next_command() {
        assert_eq!(for_shell("Router1"), "Router1");
        assert_eq!(for_shell("Ann's; rm"), r"'Ann'\''s; rm'");
    }
}
