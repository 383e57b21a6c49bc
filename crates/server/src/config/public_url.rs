//! Under which address customers reach the portal from outside.

use std::fmt;
use std::str::FromStr;

/// The address of the portal: `https://wifi.example.com`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicUrl {
    scheme: &'static str,
    /// The host, and the port where it is not the usual one.
    authority: String,
}

/// Why a text is not such an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("write the scheme and the host alone, for example https://wifi.example.com")]
pub struct NotAPublicUrl;

impl PublicUrl {
    /// What the QR code of a voucher says. In capitals, because such a code has fewer modules, which
    /// can be larger (alphanumeric mode, ISO/IEC 18004): scheme and host know no case, and the
    /// portal answers `/V/` too.
    pub fn of_voucher(&self, code: &str) -> String {
        format!("{self}/V/{code}").to_ascii_uppercase()
    }
}

impl FromStr for PublicUrl {
    type Err = NotAPublicUrl;

    fn from_str(text: &str) -> Result<PublicUrl, NotAPublicUrl> {
        let text = text.trim().trim_end_matches('/').to_ascii_lowercase();
        let (scheme, authority) = match text.split_once("://") {
            Some(("https", rest)) => ("https", rest),
            Some(("http", rest)) => ("http", rest),
            _ => return Err(NotAPublicUrl),
        };
        let (host, port) =
            authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
        let is_name = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '-' | '.');
        let is_host = !host.is_empty() && host.len() <= 253 && host.chars().all(is_name);
        let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
        if !is_host || !is_port {
            return Err(NotAPublicUrl);
        }
        Ok(PublicUrl { scheme, authority: authority.to_owned() })
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voucher_is_found_by_an_address_in_capitals() {
        let portal: PublicUrl = " https://WiFi.example.com/ ".parse().unwrap();
        assert_eq!(portal.to_string(), "https://wifi.example.com");
        assert_eq!(portal.of_voucher("23456789"), "HTTPS://WIFI.EXAMPLE.COM/V/23456789");
        let local: PublicUrl = "http://10.0.0.1:8080".parse().unwrap();
        assert_eq!(local.of_voucher("A"), "HTTP://10.0.0.1:8080/V/A");
    }

    #[test]
    fn what_is_more_than_a_host_is_refused() {
        for wrong in [
            "",
            "wifi.example.com",
            "https://",
            "ftp://a",
            "https://a/b",
            "https://a b",
            "https://a:0",
            "https://a:x",
            "https://u@a",
            "https://[::1]",
            "https://a?b",
        ] {
            assert!(wrong.parse::<PublicUrl>().is_err(), "{wrong}");
        }
    }
}
