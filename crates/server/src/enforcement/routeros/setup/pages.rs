//! The pages in a router's own directory that lead to the portal. The router puts the device's own
//! values where `$(…)` stands, and takes the first line for the answer itself, a redirect; what
//! follows is for versions that do not. (RouterOS manual, "Hotspot customisation".)

use crate::portal_address::{PAGES, PortalAddress};

/// The text of a page; none if there is no such page.
pub fn text(name: &str, ours: &PortalAddress) -> Option<String> {
    let name = PAGES.into_iter().find(|known| *known == name)?;
    Some(match name {
        "api.json" => api(ours),
        _ => page(&target(ours)),
    })
}

/// The portal, told which device it is, where the router takes logins, where the device wanted to
/// go, and what went wrong. The error is last: it may have spaces in it.
fn target(ours: &PortalAddress) -> String {
    format!(
        "{}?mac=$(mac-esc)&ip=$(ip)&login=$(link-login-only-esc)&orig=$(link-orig-esc)\
         &error=$(error-orig)",
        ours.portal()
    )
}

fn page(target: &str) -> String {
    let shown = target.replace('&', "&amp;");
    format!(
        "$(if http-status == 302)Log in$(endif)$(if http-header == \"Location\")\
         {target}$(endif)<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta http-equiv=\"refresh\" content=\"0; url={shown}\">\n\
         <meta name=\"viewport\" content=\"width=device-width\"><title>Wi-Fi</title></head>\n\
         <body><p><a href=\"{shown}\">Wi-Fi</a></p></body></html>\n"
    )
}

/// What the router itself answers to devices that ask whether they are captive, where it has a
/// certificate: it knows each of them.
fn api(ours: &PortalAddress) -> String {
    let portal = ours.portal();
    format!(
        "{{\n\"captive\": $(if logged-in == 'yes')false$(else)true$(endif),\n\
         $(if session-time-left-secs != 0)\"seconds-remaining\": $(session-time-left-secs),\n\
         $(endif)\"can-extend-session\": true,\n\
         \"user-portal-url\": \"{portal}?mac=$(mac-esc)&ip=$(ip)\",\n\
         \"venue-info-url\": \"{portal}?mac=$(mac-esc)&ip=$(ip)\"\n}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use lango_domain::ids::{Id, RouterId};

    #[test]
    fn a_page_says_where_the_portal_is_and_who_comes() {
        let public = "https://wifi.example.com".parse().unwrap();
        let ours = PortalAddress::of(&public, RouterId::from_raw(7));
        for name in PAGES {
            let text = text(name, &ours).unwrap();
            assert!(text.contains(&ours.portal()) && text.contains("$(mac-esc)"), "{name}: {text}");
            // 60 KiB is what a file of the router may have; a phone on a bad line wants less.
            assert!(text.len() < 1_024, "{name}");
        }
        assert_eq!(text("passwd", &ours), None);
    }
}
