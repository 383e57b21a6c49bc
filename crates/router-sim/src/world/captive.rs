//! Owns what a guest's browser meets before he is logged in: the redirect to the login page, the
//! pages with their `$(…)`, the walled garden, the DHCP options; and what the router fetches for
//! itself. (RouterOS manual, "Hotspot customisation", "Walled Garden", "DHCP server".)

use std::net::Ipv4Addr;

use lango_routeros::values::MacAddress;

use super::command::Command;
use super::hotspot::{Login, Server};
use super::items::Spot;
use super::menu::Range;
use super::menus::Place;
use super::people::Page;
use super::trap::Trap;
use super::{Answer, Obstacle, Verdict, Way, World};

/// Pages of the router that were not put there by anybody.
const STOCK_RLOGIN: &str = "$(if http-status == 302)Hotspot login required$(endif)\
                            $(if http-header == \"Location\")$(link-redirect)$(endif)";
const STOCK_ALOGIN: &str = "$(if http-status == 302)You are logged in$(endif)\
                            $(if http-header == \"Location\")$(link-orig)$(endif)";
const STOCK_LOGIN: &str = "<form action=\"$(link-login-only)\"><p>$(error)</p></form>";
const STOCK_STATUS: &str = "<p>Welcome $(username)!</p>";

/// What came of opening a page by plain HTTP, or of trying it with HTTPS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// It goes out to its host: the router lets it through.
    Passes(Way),
    /// The router answers with a redirect.
    Redirect(String),
    /// The router answers with a page of its own.
    Page(String),
    /// The connection is reset, or there is no network.
    Reset,
}

impl Fetched {
    /// Where a redirect leads.
    pub fn location(&self) -> Option<&str> {
        match self {
            Fetched::Redirect(to) => Some(to),
            _ => None,
        }
    }
}

/// What a request for one of the router's own addresses comes to.
pub(crate) enum Opened {
    Done(Fetched),
    /// Somebody logs in by it, and this is where he wanted to go.
    LoggingIn {
        login: Result<Login, String>,
        dst: String,
    },
}

impl World {
    /// Opens a page with a machine's browser.
    pub(crate) fn open_page(&mut self, mac: MacAddress, url: &str) -> Opened {
        let Some((ip, _)) = self.people.attached(mac) else { return Opened::Done(Fetched::Reset) };
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let host = authority.split(':').next().unwrap_or_default();
        let server = self.hotspot_server(ip);
        if let Some(server) = server.filter(|server| self.is_own_host(*server, host)) {
            return self.own_page(mac, ip, server, path);
        }
        self.see(mac, ip, true);
        Opened::Done(match self.can_reach(mac, ip, host) {
            Verdict::Allowed { why } => Fetched::Passes(why),
            // Since 7.5 nobody else's certificate is pretended.
            Verdict::Blocked { why: Obstacle::NotLoggedIn } if scheme == "http" => {
                let name = self.page_values(mac, ip, server, Some(url), None);
                self.render_page(server, "rlogin.html", STOCK_RLOGIN, &name)
            }
            Verdict::Blocked { .. } => Fetched::Reset,
        })
    }

    fn own_page(&mut self, mac: MacAddress, ip: Ipv4Addr, server: Server, path: &str) -> Opened {
        let (page, query) = path.split_once('?').unwrap_or((path, ""));
        let given = |name: &str| value_of(query, name);
        self.see(mac, ip, false);
        let is_in = self.hotspot.actives.get(&ip).is_some_and(|active| active.mac == mac);
        if page == "/login"
            && let Some(user) = given("username")
        {
            let password = given("password").unwrap_or_default();
            let login = self.type_in(mac, &user, &password, Page::Portal);
            return Opened::LoggingIn { login, dst: given("dst").unwrap_or_default() };
        }
        let values = self.page_values(mac, ip, Some(server), given("dst").as_deref(), None);
        let (name, stock) = match page {
            "/logout" => {
                self.press_logout(mac);
                ("logout.html", STOCK_LOGIN)
            }
            "/api" => ("api.json", "{}"),
            _ if is_in => ("status.html", STOCK_STATUS),
            _ => ("login.html", STOCK_LOGIN),
        };
        Opened::Done(self.render_page(Some(server), name, stock, &values))
    }

    /// What the browser gets after a login that was tried.
    pub(crate) fn after_login(
        &self,
        mac: MacAddress,
        dst: &str,
        login: &Result<(), String>,
    ) -> Fetched {
        let Some((ip, _)) = self.people.attached(mac) else { return Fetched::Reset };
        let server = self.hotspot_server(ip);
        let error = login.as_ref().err().map(String::as_str);
        let values = self.page_values(mac, ip, server, Some(dst), error);
        match error {
            None => self.render_page(server, "alogin.html", STOCK_ALOGIN, &values),
            Some(_) if self.page_text(server, "flogin.html").is_some() => {
                self.render_page(server, "flogin.html", STOCK_LOGIN, &values)
            }
            Some(_) => self.render_page(server, "login.html", STOCK_LOGIN, &values),
        }
    }

    fn is_own_host(&self, server: Server, host: &str) -> bool {
        let own = [self.own_host(server), self.server_says(server, "dns-name")];
        own.iter().any(|own| !own.is_empty() && own.eq_ignore_ascii_case(host))
    }

    /// By what the login page is reached.
    fn own_host(&self, server: Server) -> String {
        let said = ["dns-name", "hotspot-address"].map(|name| self.server_says(server, name));
        if let Some(host) = said.into_iter().find(|host| !host.is_empty() && host != "0.0.0.0") {
            return host;
        }
        let interface = self.table(Place::Hotspot).text(server.id, "interface");
        let addresses = self.table(Place::Address);
        let here = addresses.find("interface", &interface).into_iter().next();
        let address = here.map(|id| addresses.text(id, "address")).unwrap_or_default();
        address.split('/').next().unwrap_or_default().to_owned()
    }

    fn page_values(
        &self,
        mac: MacAddress,
        ip: Ipv4Addr,
        server: Option<Server>,
        orig: Option<&str>,
        error: Option<&str>,
    ) -> Vec<(&'static str, String)> {
        let host = server.map(|server| self.own_host(server)).unwrap_or_default();
        let orig = orig.unwrap_or_default();
        let active = self.hotspot.actives.get(&ip).filter(|active| active.mac == mac);
        let login = format!("http://{host}/login");
        let left = self.session_due(ip).filter(|_| active.is_some());
        let seconds = left.map_or(0, |(at, _)| (at - self.now) / 1_000_000);
        let error = error.unwrap_or_default().to_owned();
        vec![
            ("mac", mac.to_string()),
            ("ip", ip.to_string()),
            ("link-login", format!("{login}?dst={}", escaped(orig))),
            ("link-redirect", format!("{login}?dst={}", escaped(orig))),
            ("link-login-only", login),
            ("link-status", format!("http://{host}/status")),
            ("link-logout", format!("http://{host}/logout")),
            ("link-orig", orig.to_owned()),
            ("username", active.map(|active| active.user.clone()).unwrap_or_default()),
            ("logged-in", if active.is_some() { "yes" } else { "no" }.to_owned()),
            ("session-time-left-secs", seconds.to_string()),
            ("server-name", server.map(|server| self.server_title(server)).unwrap_or_default()),
            ("identity", self.table(Place::Identity).text(1, "name")),
            ("host-ip", ip.to_string()),
            ("error-orig", error.clone()),
            ("error", error),
        ]
    }

    fn server_title(&self, server: Server) -> String {
        self.table(Place::Hotspot).text(server.id, "name")
    }

    /// The page that somebody put into the directory of the hotspot, if he did.
    fn page_text(&self, server: Option<Server>, name: &str) -> Option<String> {
        let files = self.table(Place::File);
        let directories = ["html-directory-override", "html-directory"]
            .map(|property| server.map(|server| self.server_says(server, property)));
        let mut directories = directories.into_iter().flatten().filter(|text| !text.is_empty());
        directories.find_map(|directory| {
            let id = files.first("name", &format!("{}/{name}", directory.trim_matches('/')))?;
            Some(files.text(id, "contents"))
        })
    }

    fn render_page(
        &self,
        server: Option<Server>,
        name: &str,
        stock: &str,
        values: &[(&'static str, String)],
    ) -> Fetched {
        let text = self.page_text(server, name).unwrap_or_else(|| stock.to_owned());
        let mut answer = Rendered::default();
        render(&text, values, &mut answer);
        match answer.location {
            Some(to) if answer.is_redirect => Fetched::Redirect(to),
            _ => Fetched::Page(answer.body),
        }
    }

    /// Whether a machine reaches a host: by its own right, or by the walled garden.
    pub(crate) fn can_reach(&self, mac: MacAddress, ip: Ipv4Addr, host: &str) -> Verdict {
        match self.can_browse(mac, ip) {
            Verdict::Blocked { why: Obstacle::NotLoggedIn } if self.is_in_garden(host) => {
                Verdict::Allowed { why: Way::WalledGarden { host: host.to_owned() } }
            }
            verdict => verdict,
        }
    }

    /// The first entry that matches says it.
    fn is_in_garden(&self, host: &str) -> bool {
        [Place::WalledGardenIp, Place::WalledGarden].into_iter().any(|place| {
            let garden = self.table(place);
            let matching = garden.ids().find(|id| {
                let (name, network) =
                    (garden.text(*id, "dst-host"), garden.text(*id, "dst-address"));
                let by_name = !name.is_empty() && is_host_like(&name, host);
                let address: Option<Ipv4Addr> = host.parse().ok();
                let by_address = address.zip(Range::parse(&network));
                garden.is_enabled(*id)
                    && (by_name || by_address.is_some_and(|(ip, range)| range.contains(ip)))
            });
            matching.is_some_and(|id| ["accept", "allow"].contains(&&*garden.text(id, "action")))
        })
    }

    /// What DHCP tells a machine with that address, by number of the option.
    pub(crate) fn dhcp_option(&self, ip: Ipv4Addr, code: u8) -> Option<String> {
        let networks = self.table(Place::DhcpNetwork);
        let here = networks.ids().find(|id| {
            Range::parse(&networks.text(*id, "address")).is_some_and(|range| range.contains(ip))
        })?;
        let sets = self.table(Place::DhcpOptionSet);
        let set = sets.first("name", &networks.text(here, "dhcp-option-set"))?;
        let options = self.table(Place::DhcpOption);
        let named = sets.text(set, "options");
        let mut given = named.split(',').filter_map(|name| options.first("name", name));
        let option = given.find(|id| options.text(*id, "code") == code.to_string())?;
        Some(options.text(option, "value").trim_matches('\'').to_owned())
    }

    /// Something that the router can fetch.
    pub(crate) fn publish(&mut self, url: &str, text: &str) {
        self.web.insert(url.to_owned(), text.to_owned());
    }

    /// `/tool/fetch`: a file from an address.
    pub(crate) fn fetch(&mut self, command: &Command) -> Result<Answer, Trap> {
        let url = command.text("url").ok_or_else(|| Trap::missing("url"))?;
        let Some(text) = self.web.get(&url).cloned() else {
            return Err(Trap::new("failure: connection refused"));
        };
        let name = command
            .text("dst-path")
            .unwrap_or_else(|| url.rsplit('/').next().unwrap_or_default().to_owned());
        let spot = Spot::Table(Place::File);
        let contents = Some(text.into_bytes());
        match self.table(Place::File).first("name", &name) {
            Some(id) => self.set(spot, id, &[("contents", contents.as_deref())])?,
            None => {
                let values = [
                    ("name", Some(name.as_bytes())),
                    ("type", Some(b".html file".as_slice())),
                    ("contents", contents.as_deref()),
                ];
                self.add(spot, &values)?;
            }
        }
        Ok(Answer::Done)
    }
}

/// What a page became.
#[derive(Debug, Default)]
struct Rendered {
    body: String,
    is_redirect: bool,
    location: Option<String>,
}

/// Puts values in. `$(if http-status == 302)` and `$(if http-header == "Location")` set the answer
/// and show nothing.
fn render(text: &str, values: &[(&'static str, String)], answer: &mut Rendered) {
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("$(") {
        answer.body.push_str(before);
        let Some((inside, after)) = after.split_once(')') else {
            answer.body.push_str(after);
            return;
        };
        rest = match inside.strip_prefix("if ") {
            Some(condition) => branch(condition, after, values, answer),
            None => {
                answer.body.push_str(&value(inside, values));
                after
            }
        };
    }
    answer.body.push_str(rest);
}

fn value(name: &str, values: &[(&'static str, String)]) -> String {
    let of = |name: &str| values.iter().find(|(known, _)| *known == name).map(|(_, v)| v.clone());
    let escape = || of(name.strip_suffix("-esc")?).map(|value| escaped(&value));
    of(name).or_else(escape).unwrap_or_default()
}

/// Takes one of the branches; returns what follows the end of all.
fn branch<'t>(
    condition: &str,
    text: &'t str,
    values: &[(&'static str, String)],
    answer: &mut Rendered,
) -> &'t str {
    let (body, rest) = text.split_once("$(endif)").unwrap_or((text, ""));
    let (then, other) = body.split_once("$(else)").unwrap_or((body, ""));
    let unquoted = |text: &str| text.trim().trim_matches(['"', '\'']).to_owned();
    let mut taken = Rendered::default();
    match condition {
        "http-status == 302" => answer.is_redirect = true,
        "http-header == \"Location\"" => {
            render(then, values, &mut taken);
            answer.location = Some(taken.body);
        }
        _ => {
            let holds = match (condition.split_once("=="), condition.split_once("!=")) {
                (Some((name, wanted)), _) => value(name.trim(), values) == unquoted(wanted),
                (_, Some((name, wanted))) => value(name.trim(), values) != unquoted(wanted),
                _ => !value(condition.trim(), values).is_empty(),
            };
            render(if holds { then } else { other }, values, &mut taken);
            answer.body.push_str(&taken.body);
        }
    }
    rest
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                escaped.push(char::from(byte));
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

/// A value of a query, unescaped.
fn value_of(query: &str, name: &str) -> Option<String> {
    let pair = query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then_some(value)
    })?;
    let (mut bytes, mut rest) = (Vec::new(), pair.as_bytes());
    while let Some((first, more)) = rest.split_first() {
        let hex = || u8::from_str_radix(std::str::from_utf8(more.get(..2)?).ok()?, 16).ok();
        match (first, hex()) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &more[2..];
                continue;
            }
            (b'+', _) => bytes.push(b' '),
            _ => bytes.push(*first),
        }
        rest = more;
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// `*` is any text, `?` any sign; regular expressions are not there and match nothing.
fn is_host_like(pattern: &str, host: &str) -> bool {
    match pattern.split_once('*') {
        None => {
            pattern.len() == host.len()
                && pattern
                    .bytes()
                    .zip(host.bytes())
                    .all(|(p, h)| p == b'?' || p.eq_ignore_ascii_case(&h))
        }
        Some((start, rest)) => (0..=host.len()).any(|at| {
            host.is_char_boundary(at)
                && is_host_like(start, host.get(..start.len().min(host.len())).unwrap_or_default())
                && at >= start.len()
                && is_host_like(rest, &host[at..])
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_rendered_as_the_router_does() {
        let values = [("mac", "AA:BB".to_owned()), ("logged-in", "yes".to_owned())];
        let text = "$(if http-status == 302)x$(endif)$(if http-header == \"Location\")\
                    http://p/?m=$(mac-esc)$(endif)a$(if logged-in == 'yes')b$(else)c$(endif)\
                    $(if error)d$(endif)e";
        let mut answer = Rendered::default();
        render(text, &values, &mut answer);
        assert!(answer.is_redirect);
        assert_eq!(answer.location.as_deref(), Some("http://p/?m=AA%3ABB"));
        assert_eq!(answer.body, "abe");
    }

    #[test]
    fn patterns_and_queries_are_read() {
        assert!(is_host_like("*.example.com", "pay.example.com"));
        assert!(is_host_like("pay.example.com", "PAY.example.com"));
        assert!(!is_host_like("*.example.com", "example.org"));
        assert!(is_host_like("*", "x"));
        assert_eq!(value_of("a=1&dst=http%3A%2F%2Fx&b=+", "dst").as_deref(), Some("http://x"));
        assert_eq!(value_of("a=%", "a").as_deref(), Some("%"));
        assert_eq!(value_of("a=1", "c"), None);
    }
}
