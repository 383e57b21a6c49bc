//! How devices find out whether they are behind a portal: they fetch a known page by plain HTTP and
//! look whether it is the known one. Which hosts and pages these are, as operating systems and
//! browsers have them (Wireless Broadband Alliance, captive-behavior; AOSP NetworkMonitor; Firefox
//! captivedetect). A device that reaches its probe believes that it is online and shows no portal.

/// Hosts of probes.
pub const HOSTS: [&str; 26] = [
    "captive.apple.com",
    "www.apple.com",
    "www.appleiphonecell.com",
    "www.itools.info",
    "www.ibook.info",
    "www.airport.us",
    "www.thinkdifferent.us",
    "connectivitycheck.gstatic.com",
    "www.gstatic.com",
    "connectivitycheck.android.com",
    "clients1.google.com",
    "clients3.google.com",
    "www.google.com",
    "play.googleapis.com",
    "connectivity.samsung.com",
    "connectivitycheck.platform.hicloud.com",
    "connect.rom.miui.com",
    "connectivitycheck.oppomobile.com",
    "wifi.coloros.com",
    "wifi.vivo.com.cn",
    "www.msftconnecttest.com",
    "ipv6.msftconnecttest.com",
    "www.msftncsi.com",
    "detectportal.firefox.com",
    "spectrum.s3.amazonaws.com",
    "nmcheck.gnome.org",
];

/// Pages of probes, also on hosts that we do not know.
const PATHS: [&str; 11] = [
    "/generate_204",
    "/gen_204",
    "/generate204",
    "/hotspot-detect.html",
    "/library/test/success.html",
    "/connecttest.txt",
    "/ncsi.txt",
    "/success.txt",
    "/canonical.html",
    "/kindle-wifi/wifistub.html",
    "/check_network_status.txt",
];

/// Whether a request is a probe: by the host that it is for, or, where that is not ours, by its
/// page.
pub fn is_probe(host: &str, path: &str, ours: Option<&str>) -> bool {
    let host = host.split(':').next().unwrap_or_default().trim_end_matches('.');
    let is_host = HOSTS.iter().any(|known| known.eq_ignore_ascii_case(host));
    let is_ours = ours.is_some_and(|ours| ours.eq_ignore_ascii_case(host));
    !is_ours && (is_host || PATHS.contains(&path))
}

/// The first probe host that an entry of a walled garden lets through, if there is one. Patterns
/// are those of RouterOS: `*` is any text and `?` any sign; one that begins with `:` is a regular
/// expression, of which the literal text counts. (RouterOS manual, "Walled Garden".)
pub fn covered_by(pattern: &str) -> Option<&'static str> {
    let pattern = pattern.trim().to_ascii_lowercase();
    if pattern.is_empty() {
        return None;
    }
    match pattern.strip_prefix(':') {
        Some(expression) => {
            let text = literal(expression);
            HOSTS.into_iter().find(|host| text.is_empty() || host.contains(&text))
        }
        None => HOSTS.into_iter().find(|host| matches(pattern.as_bytes(), host.as_bytes())),
    }
}

/// Whether a name stands for more than itself and its like: everybody's `*` or a whole company.
pub fn is_too_broad(pattern: &str) -> bool {
    covered_by(pattern).is_some() || covers_a_parent(pattern)
}

/// `apple.com`, `google.com`: what people write who mean all below it, and what some versions of
/// the router take it for.
fn covers_a_parent(pattern: &str) -> bool {
    let pattern = pattern.trim().trim_start_matches(['*', '.']).to_ascii_lowercase();
    pattern.contains('.') && HOSTS.iter().any(|host| host.ends_with(&format!(".{pattern}")))
}

/// What a regular expression certainly has in it: signs without a meaning of their own, and dots
/// that are escaped.
fn literal(expression: &str) -> String {
    let plain = expression.replace("\\.", ".");
    let kept = |sign: &char| sign.is_ascii_alphanumeric() || matches!(sign, '.' | '-');
    let text: String = plain.chars().filter(kept).collect();
    text.trim_matches('.').to_owned()
}

fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where the last `*` stands, and up to where it was taken to reach.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(sign) if *sign == b'?' || *sign == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, reach)) = star else { return false };
                star = Some((at, reach + 1));
                p = at + 1;
                t = reach + 1;
            }
        }
    }
    pattern[p..].iter().all(|sign| *sign == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_probe_is_known_by_its_host_or_its_page() {
        assert!(is_probe("captive.apple.com", "/hotspot-detect.html", None));
        assert!(is_probe("Captive.Apple.com:80", "/anything", None));
        assert!(is_probe("wifi.new-phone.example", "/generate_204", None));
        assert!(!is_probe("wifi.example.com", "/generate_204", Some("wifi.example.com")));
        assert!(!is_probe("wifi.example.com", "/p/r0", Some("wifi.example.com")));
    }

    #[test]
    fn a_garden_that_lets_a_probe_through_is_found() {
        for wrong in [
            "*.google.com",
            "*google*",
            "*",
            "captive.apple.com",
            "*.apple.com",
            "www.g?static.com",
            "www.gstat??.com",
            ":google",
            ":^.*\\.gstatic\\.com$",
            "WWW.Google.com",
            "*.s3.amazonaws.com",
            "apple.com",
            "google.com",
        ] {
            assert_eq!(is_too_broad(wrong), wrong != "www.g?static.com", "{wrong}");
        }
        for right in [
            "wifi.example.com",
            "api.safaricom.co.ke",
            "*.pesapal.com",
            "",
            "fonts.googleapis.com",
            "clickpesa.com",
        ] {
            assert!(!is_too_broad(right), "{right}");
        }
    }

    proptest! {
        #[test]
        fn any_pattern_is_judged(pattern in "[*?:.a-z\\\\]{0,24}") {
            let _ = is_too_broad(&pattern);
        }
    }
}
