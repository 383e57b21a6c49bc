//! What a RouterOS router needs before it asks us by RADIUS: the commands that a person pastes into
//! its terminal. They look before they add, and pasting them again changes nothing.

use crate::enforcement::MARK;
use crate::enforcement::routeros::setup::{
    Major, TerminalText, first_of_input, quoted, right_time, unless,
};
use std::net::Ipv4Addr;

/// How long the router waits before it asks again: longer than we take at our busiest, and three
/// tries are over before a customer gives up.
const TIMEOUT: &str = "1s";

/// A router that is to ask us.
#[derive(Debug, Clone)]
pub struct RadiusSetup {
    /// Where we are, as the router sees it.
    pub us: Ipv4Addr,
    /// Where we listen for logins and reports.
    pub ports: (u16, u16),
    /// Where it is to take orders.
    pub orders_port: u16,
    /// What both sides know.
    pub secret: TerminalText,
    /// What it runs.
    pub major: Major,
}

/// A command for the router's terminal and why it is there.
#[derive(Debug, Clone, serde::Serialize)]
pub struct RadiusLine {
    /// What it is about.
    pub step: &'static str,
    /// For whoever pastes it.
    pub why: &'static str,
    /// One line for the terminal.
    pub command: String,
}

/// The mark on the router's entry for us, as a literal.
pub fn entry() -> String {
    quoted(&format!("{MARK}radius"))
}

/// What gives the router the secret that it was added with. It is not shown here: who may read a
/// diagnosis may not log customers in.
pub fn give_secret() -> String {
    format!("/radius set [find comment={}] secret=\"SECRET\"", entry())
}

/// What has the router take orders.
pub fn take_orders(port: u16) -> String {
    format!("/radius incoming set accept=yes port={port}")
}

/// What has the router sign, and take no answer that is not signed.
pub fn sign() -> String {
    format!("/radius set [find comment={}] require-message-auth=yes-for-request-resp", entry())
}

/// What has the hotspot ask us and report to us.
pub fn ask_for_hotspot() -> String {
    "/ip hotspot profile set [find] use-radius=yes radius-accounting=yes \
     radius-interim-update=received"
        .to_owned()
}

/// The same for PPPoE and what else is PPP.
pub fn ask_for_ppp() -> String {
    // Zero is as often as the answer to a login says (MikroTik manual, "RADIUS", Acct-Interim-Interval).
    "/ppp aaa set use-radius=yes accounting=yes interim-update=0s".to_owned()
}

impl RadiusSetup {
    /// Everything to be pasted, in order.
    pub fn lines(&self) -> Vec<RadiusLine> {
        let line = |step, why, command| RadiusLine { step, why, command };
        let mut lines = vec![
            line("radius", "whom to ask about hotspot and PPP customers", self.server()),
            line(
                "signature",
                "answers without a signature are forged (CVE-2024-3596); a version that does not \
                 know the word is too old",
                sign(),
            ),
            line(
                "incoming",
                "orders from Lango are carried out: customers are cut on time",
                take_orders(self.orders_port),
            ),
            line("input", "no rule of the firewall keeps the orders out", self.input()),
            line(
                "hotspot",
                "every hotspot asks, and reports as often as Lango says",
                ask_for_hotspot(),
            ),
            line("ppp", "PPPoE asks and reports too", ask_for_ppp()),
        ];
        let time = right_time(self.major);
        lines.push(line("ntp", time.why, time.command));
        lines
    }

    fn server(&self) -> String {
        let (us, (authentication, accounting)) = (self.us, self.ports);
        let secret = quoted(self.secret.as_str());
        let values = format!(
            "service=hotspot,ppp address={us} authentication-port={authentication} \
             accounting-port={accounting} secret={secret} timeout={TIMEOUT}"
        );
        let find = format!("/radius find comment={}", entry());
        format!(
            "{}; /radius set [find comment={}] {values}",
            unless(&find, &format!("/radius add {values} comment={}", entry())),
            entry()
        )
    }

    fn input(&self) -> String {
        let (us, port) = (self.us, self.orders_port);
        let comment = quoted(&format!("{MARK}radius incoming {us}"));
        let add = format!(
            "/ip firewall filter add chain=input action=accept protocol=udp src-address={us} \
             dst-port={port} comment={comment}"
        );
        first_of_input(&comment, &add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_of_ascii_and_the_secret_is_one_literal() {
        let setup = RadiusSetup {
            us: Ipv4Addr::new(10, 0, 0, 2),
            ports: (1812, 1813),
            orders_port: 3799,
            secret: "p$w?\"; /user".parse().unwrap(),
            major: Major::Six,
        };
        let lines = setup.lines();
        for RadiusLine { why, command, .. } in &lines {
            for text in [*why, command.as_str()] {
                assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{text}");
                assert!(!text.contains('?'), "version 6 would show its help: {text}");
            }
        }
        assert!(lines[0].command.contains(r#"secret="p\$w\3F\"; /user" timeout=1s"#), "{lines:?}");
    }
}
