//! From which address somebody asks. Behind a proxy it is what the proxy says; nobody else is
//! believed, or everybody could choose whose limits he uses up.

use axum::http::HeaderMap;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The address of whoever asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClientAddress(pub IpAddr);

impl Default for ClientAddress {
    /// Without a listener, as in a test of routes alone, everybody is this machine.
    fn default() -> ClientAddress {
        ClientAddress(IpAddr::V4(Ipv4Addr::LOCALHOST))
    }
}

impl ClientAddress {
    /// The peer; if he is a trusted proxy, the last one in his list that is none.
    ///
    /// The list is read from its end: what stands before an address that we do not trust was written
    /// by that one.
    pub fn read(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> ClientAddress {
        let peer = peer.to_canonical();
        if !is_trusted(peer, trusted) {
            return ClientAddress(peer);
        }
        let lists = headers.get_all("x-forwarded-for").iter().rev();
        let mut farthest = peer;
        for list in lists.filter_map(|list| list.to_str().ok()) {
            for said in list.rsplit(',') {
                let Some(address) = address(said) else { return ClientAddress(farthest) };
                farthest = address;
                if !is_trusted(address, trusted) {
                    return ClientAddress(address);
                }
            }
        }
        ClientAddress(farthest)
    }
}

/// Whom limits take for one: an IPv4 address, or a network of IPv6 with 64 bits. One customer has at
/// least such a network (RFC 6177), and in it more addresses than anybody could count.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Origin(IpAddr);

impl From<IpAddr> for Origin {
    fn from(address: IpAddr) -> Origin {
        match address.to_canonical() {
            IpAddr::V4(v4) => Origin(IpAddr::V4(v4)),
            IpAddr::V6(v6) => {
                let network = v6.to_bits() & !u128::from(u64::MAX);
                Origin(IpAddr::V6(Ipv6Addr::from_bits(network)))
            }
        }
    }
}

/// Whether somebody may say in whose name he asks.
///
/// A listener on `[::]` sees IPv4 peers as `::ffff:a.b.c.d` (RFC 4291, 2.5.5.2), which is in no
/// network of IPv4.
pub(super) fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    let address = address.to_canonical();
    trusted.iter().any(|network| network.contains(&address))
}

/// `192.0.2.1`, `192.0.2.1:8080`, `2001:db8::1` or `[2001:db8::1]:443`.
fn address(said: &str) -> Option<IpAddr> {
    let said = said.trim();
    let bare = said.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse().ok().or_else(|| said.parse().ok().map(|at: SocketAddr| at.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(peer: &str, forwarded: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        let trusted = ["127.0.0.1/32".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
        ClientAddress::read(peer.parse().unwrap(), &headers, &trusted).0.to_string()
    }

    #[test]
    fn a_proxy_is_believed_and_nobody_else() {
        assert_eq!(read("127.0.0.1", &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(read("203.0.113.1", &["198.51.100.7"]), "203.0.113.1");
        assert_eq!(read("127.0.0.1", &[]), "127.0.0.1");
        // What the client wrote himself stands before what the proxy saw.
        assert_eq!(read("127.0.0.1", &["1.1.1.1, 203.0.113.9, 10.1.2.3"]), "203.0.113.9");
        assert_eq!(read("127.0.0.1", &["1.1.1.1", "203.0.113.9"]), "203.0.113.9");
        assert_eq!(read("127.0.0.1", &["[2001:db8::1]:443"]), "2001:db8::1");
        assert_eq!(read("127.0.0.1", &["203.0.113.9, nonsense"]), "127.0.0.1");
    }

    #[test]
    fn an_ipv4_address_is_the_same_in_the_clothes_of_ipv6() {
        assert_eq!(read("::ffff:127.0.0.1", &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(read("::ffff:203.0.113.1", &["198.51.100.7"]), "203.0.113.1");
        assert_eq!(read("127.0.0.1", &["203.0.113.9, ::ffff:10.1.2.3"]), "203.0.113.9");
        assert_eq!(read("127.0.0.1", &["[::ffff:203.0.113.9]:443"]), "203.0.113.9");
    }

    #[test]
    fn sixty_four_bits_are_one() {
        let origin = |address: &str| Origin::from(address.parse::<IpAddr>().unwrap());
        assert_eq!(origin("2001:db8::1"), origin("2001:db8::ffff:0:0:2"));
        assert_ne!(origin("2001:db8::1"), origin("2001:db8:0:1::1"));
        assert_ne!(origin("192.0.2.1"), origin("192.0.2.2"));
        assert_eq!(origin("192.0.2.1"), origin("::ffff:192.0.2.1"));
    }

    proptest! {
        #[test]
        fn no_header_makes_an_untrusted_peer_somebody_else(text in "[ -~]{0,60}") {
            prop_assert_eq!(read("203.0.113.1", &[&text]), "203.0.113.1");
            let _ = read("127.0.0.1", &[&text]);
        }
    }
}
