//! Captures and test vectors that others published, octet for octet, with what they mean found out
//! here.
//!
//! - Wireshark's sample capture `radius_localhost.pcapng` and tcpdump's `RADIUS-RFC3162.pcap`,
//!   `RADIUS-RFC4675.pcap`, `RADIUS-RFC5176-2.pcap`, which FreeRADIUS transcribes (CC BY 4.0, Network
//!   RADIUS) in `src/tests/unit/protocols/radius/packet_*.txt`. Their secret is `testing123`.
//! - The octets of single attributes in FreeRADIUS's `src/tests/unit/{rfc,vendor,extended,errors}.txt`
//!   and `protocols/radius/{rfc2868,lucent}.txt`: the formats of RFC 2865, 2868, 6929 and of vendors.

use crate::vectors::octets;
use lango_radius::dictionary::*;
use lango_radius::format::{Ipv6Network, Ipv6Prefix, Tagged, TaggedInteger, TaggedText};
use lango_radius::{
    AttributeId, Code, Credentials, Draft, Malformed, Packet, Secret, Signature, Untrusted, eap,
    password,
};
use std::net::Ipv4Addr;

fn secret() -> Secret {
    Secret::new("testing123").expect("it has octets")
}

/// Steve's two logins by EAP-MD5: a wrong password, then the right one.
const STEVE: [(&str, &str, Code); 4] = [
    (
        "0167005740b664dbf5d681b2adbd1769515118c8010773746576650212dbc6c4b758be14f005b3877c9e2fb6010406c0a8001c05060000007b50125f0f8647e8c89bd881364268fcd045324f0c0266000a017374657665",
        "0b67008383ece707a2f31bb65badfb22a64023d90606000000020706000000010806ac1003210906ffffff000a06000000030b097374642e7070700c06000005dc0d06000000014f180167001604 10ff0bf1d6e401a9cbe5b46eb943e5549a50126e794a020c45c66f4247ba8c5ff04ed11812736f868573088277414ae3f31eac34e9",
        Code::AccessChallenge,
    ),
    (
        "01680075b3e22ff855a690280e6c3444c46e663b010773746576650212fb92fb798ed9d630275018e45c6c8ba20406c0a8001c05060000007b50128f34afd11960af922582abea64ffc2f31812736f868573088277414ae3f31eac34e94f180267001604 10c76e1d28726fd1c0cb671a5424168d26",
        "0368002c71624da25c0b5897f70539e019a81eae4f06046700045012ce70fe87a997b44de583cd19bea29321",
        Code::AccessReject,
    ),
    (
        "01710057a4e48005358cafa1bdd4fc63eb8bc47601077374657665021215b2ec9a8dcf3e08037384aac161a8b50406c0a8001c05060000007b50124f0d82ff3605618aa3865f5a729014794f0c0270000a017374657665",
        "0b71008333fd82fc521b41a414e3f8e418275d450606000000020706000000010806ac1003210906ffffff000a06000000030b097374642e7070700c06000005dc0d06000000014f180171001604 10ba0bf4a7e7177359caa52e7eb10d9d0b501259fdf234544b48d7c932e7bd721aa8d41812dbe0f49fdb91f0d023718fe66f2de007",
        Code::AccessChallenge,
    ),
    (
        "017200758ab086d60ae57ca04652a68710e630de010773746576650212c0238daf7ea499d48be32512a0ae5bc70406c0a8001c05060000007b5012c50b17d546cdf7c0a0bfffbdd35a72801812dbe0f49fdb91f0d023718fe66f2de0074f180271001604 1036d93b94f142714e95061613640ed36d",
        "02720066e6c459f6076314876535 5164ac5994140606000000020706000000010806ac1003210906ffffff000a06000000030b097374642e7070700c06000005dc0d06000000014f0603710004501269ff0aab721668cd28256de57573b9bd01077374657665",
        Code::AccessAccept,
    ),
];

#[test]
fn steve_is_challenged_rejected_challenged_and_let_in() {
    let mut challenge = Vec::new();
    let mut proved = Vec::new();
    for (asked, answered, code) in STEVE {
        let (asked, answered) = (octets(asked), octets(answered));
        let request = Packet::parse(&asked).unwrap().verify_request(&secret()).unwrap();
        assert_eq!(request.signature(), Signature::Later);
        assert_eq!(request.read(USER_NAME), Some("steve"));
        assert_eq!(request.read(NAS_IP_ADDRESS), Some(Ipv4Addr::new(192, 168, 0, 28)));
        let message = eap::Message::of(&request).unwrap();
        match message.packet().unwrap() {
            eap::Packet::Response { response: eap::Response::Identity(name), .. } => {
                assert_eq!(name, b"steve");
            }
            eap::Packet::Response {
                identifier,
                response: eap::Response::Method(eap::Method::Md5(md5)),
            } => {
                let answer = md5.answer(identifier, &challenge).unwrap();
                proved.push((answer.verifies(b"testing"), code));
            }
            other => panic!("{other:?}"),
        }
        let reply = Packet::parse(&answered).unwrap().verify_reply(&request, &secret()).unwrap();
        assert_eq!(reply.code(), code);
        assert!(reply.signature().is_present());
        let message = eap::Message::of(&reply).unwrap();
        if let eap::Packet::Request { request: eap::Request::Method(method), .. } =
            message.packet().unwrap()
        {
            let eap::Method::Md5(md5) = method else { panic!("{method:?}") };
            challenge = md5.value.to_vec();
            assert_eq!(reply.read(STATE).map(<[u8]>::len), Some(16));
        }
    }
    assert_eq!(proved, [(false, Code::AccessReject), (true, Code::AccessAccept)]);
}

/// A password beside EAP: which of the two proves him? He is not believed (RFC 3579 §3.3).
#[test]
fn steve_gives_two_kinds_of_proof_at_once() {
    let asked = octets(STEVE[0].0);
    let request = Packet::parse(&asked).unwrap().verify_request(&secret()).unwrap();
    assert!(request.reveal(USER_PASSWORD, &secret()).unwrap().matches(b"bad"));
    assert!(Credentials::of(&request, &secret()).is_err());
}

/// tcpdump's RADIUS-RFC4675.pcap: signed questions, answers that are not, attributes that we know
/// by number only.
#[test]
fn bob_is_told_his_networks() {
    for (asked, answered, name) in [
        (
            "01460050f44757bc498c3393763a27d0b2393702010c626f622d7461676765640212a30e22b0369e89f89eb6e0612c2c3c2304067f0000010506000000015012ffb19e8ea9620aec372d7fa3b2c76287",
            "02460035766a0314eaf4b95f1ec271ae19cb3bdc38063100007b3906000000013a0b31766c616e6e616d653b0a6162636461626364",
            "bob-tagged",
        ),
        (
            "01b5005211851d8b1b483f54a864b703ea21f4dc010e626f622d756e7461676765640212f969a007453d0f91bb586e8ed679bf4604067f0000010506000000015012af8f6f9bd87d66d1c364ad3bfe9e525b",
            "02b5002be223a663823b20ccc18bcf90c3ecbe2738063200007b3906000000023a0b32766c616e6e616d65",
            "bob-untagged",
        ),
        (
            "015a00518dd685f50f837e8ad29e9cc095261172010d626f622d696e76616c696402125a72c916f6f49bbe89ce236e0a5969fe04067f0000010506000000015012c39fb2d328b7a55e41cc66bf89f1acd5",
            "025a002bfbaa7d05d009953514d00697da4d1dfc38063300007b3906000000033a0b33766c616e6e616d65",
            "bob-invalid",
        ),
    ] {
        let (asked, answered) = (octets(asked), octets(answered));
        let request = Packet::parse(&asked).unwrap().verify_request(&secret()).unwrap();
        assert_eq!(request.read(USER_NAME), Some(name));
        match Credentials::of(&request, &secret()).unwrap() {
            Credentials::Password(password) => assert!(password.matches(b"hello")),
            other => panic!("{other:?}"),
        }
        let reply = Packet::parse(&answered).unwrap().verify_reply(&request, &secret()).unwrap();
        assert_eq!(reply.signature(), Signature::Absent);
        let vlan = reply.first(AttributeId::Standard(56)).unwrap();
        assert_eq!(&vlan[1..], [0, 0, 123]);
    }
}

/// tcpdump's RADIUS-RFC3162.pcap: prefixes in every legal length, and in three that are none.
#[test]
fn prefixes_come_long_short_and_wrong() {
    let asked = octets(
        "01f0008d2afdb090418ac6365298fbbb15e0fd2e0105626f62021245e8d5daead87e4015e0fcc0ec0f08a15f1220010db80a0b12f00000000000000001611400 4020010db80a0b12f00000000000000000610c004020010db80a0b12f06104000061030061150040 20010db80a0b12f0000000000000000000611400 8120010db80a0b12f00000000000000001",
    );
    let request = Packet::parse(&asked).unwrap().verify_request(&secret()).unwrap();
    assert_eq!(request.signature(), Signature::Absent);
    assert!(request.reveal(USER_PASSWORD, &secret()).unwrap().matches(b"hello"));
    let prefix: Field<Ipv6Prefix> = Field::new(AttributeId::Standard(97));
    let network = Ipv6Network::new("2001:db8:a0b:12f0::".parse().unwrap(), 64).unwrap();
    let all = Ipv6Network::new("::".parse().unwrap(), 0).unwrap();
    assert_eq!(request.read_all(prefix).collect::<Vec<_>>(), [network, network, all]);
    // What makes no sense is kept as octets, and is no reason to drop the rest.
    let raw = request.raw_attributes().filter(|held| held.number == 97);
    assert_eq!(raw.map(|held| held.value.len()).collect::<Vec<_>>(), [18, 10, 2, 1, 19, 18]);
}

/// tcpdump's RADIUS-RFC5176-2.pcap: an attribute where nobody expects it, twice.
#[test]
fn error_causes_in_a_login_disturb_nobody() {
    let asked = octets(
        "01c80037bc6e7022445e359835692c8c121c19850105626f62021212f41bff810dbe2294a8eedc62c57d036506000000c96506000000d1",
    );
    let request = Packet::parse(&asked).unwrap().verify_request(&secret()).unwrap();
    assert!(request.reveal(USER_PASSWORD, &secret()).unwrap().matches(b"hello"));
    assert_eq!(request.read_all(ERROR_CAUSE).collect::<Vec<_>>(), [201, 209]);
}

/// One attribute in an Access-Request.
fn packet(attributes: &str) -> Vec<u8> {
    let attributes = octets(attributes);
    let length = 20 + attributes.len() as u16;
    let header = [&[1, 1][..], &length.to_be_bytes(), &[0; 16]].concat();
    [header, attributes].concat()
}

#[test]
fn vendors_spend_one_two_or_four_octets_on_a_number() {
    for (attribute, vendor, number, value) in [
        // Starent: two octets of number, two of length.
        ("1a0d00001fe400020007666f6f", 8164, 2, &b"foo"[..]),
        // USR: four of number, none of length.
        ("1a0e000001ad0000bfbe000004d2", 429, 0xbfbe, &[0, 0, 4, 0xd2]),
        // Lucent: two of number, one of length.
        ("1a0d000012ee00020700000001", 4846, 2, &[0, 0, 0, 1]),
        ("1a0d000012eeff020700000001", 4846, 0xff02, &[0, 0, 0, 1]),
        ("1a1500004e20010f6c6974686961737072696e6773", 20_000, 1, b"lithiasprings"),
    ] {
        let octets = packet(attribute);
        let packet = Packet::parse(&octets).unwrap();
        let held: Vec<_> = packet.attributes().collect();
        let id = AttributeId::Vendor { vendor, number };
        assert_eq!(held.len(), 1, "{attribute}");
        assert_eq!((held[0].id, held[0].value), (id, value), "{attribute}");
        let mut draft = Draft::access_request(1, [0; 16]).signed(false);
        draft.put_octets(id, value).unwrap();
        assert_eq!(draft.seal(&secret()).octets()[20..], octets[20..], "as it came");
    }
}

#[test]
fn what_is_in_a_vendors_attribute_and_does_not_add_up_stays_closed() {
    // 3Com's, two in one: of the first the length counts its header, in the other it does not.
    let two = packet(
        "1a2c0000002b0106000000003c203135352e342e31322e3130302030303a30303a30303a30303a30303a3030",
    );
    let held: Vec<_> = Packet::parse(&two).unwrap().attributes().map(|held| held.id).collect();
    let of = |number| AttributeId::Vendor { vendor: 43, number };
    assert_eq!(held, [of(1), of(60)]);
    let closed = packet("1a0900000009abcdef");
    let closed = Packet::parse(&closed).unwrap();
    let held: Vec<_> = closed.attributes().collect();
    assert_eq!(held.len(), 1);
    assert_eq!(held[0].id, AttributeId::Standard(26));
    assert_eq!(held[0].value, [0, 0, 0, 9, 0xab, 0xcd, 0xef]);
}

/// RFC 6929's attributes of several octets of number: nobody reads them here, and each goes through
/// as it is.
#[test]
fn extended_attributes_are_kept_as_octets() {
    for attribute in [
        "f10601626f62",
        "f1070201042345",
        "f10b020104234502046789",
        "f112020104234 5030b0104abcd0205666f6f",
        "f10c1a000000010474657374",
        "f5070100626f62",
        "f50d1a00000000010474657374",
        "f5091a800000000106f5051a8001",
        "f5040100",
        "f50301",
    ] {
        let octets = packet(attribute);
        let packet = Packet::parse(&octets).unwrap();
        let rest: Vec<u8> = packet
            .raw_attributes()
            .flat_map(|held| [&[held.number, held.value.len() as u8 + 2][..], held.value].concat())
            .collect();
        assert_eq!(rest, octets[20..], "{attribute}");
        assert!(
            packet.attributes().all(|held| matches!(held.id, AttributeId::Standard(241 | 245)))
        );
    }
}

#[test]
fn tags_are_tags_only_where_they_can_be() {
    let octets_of =
        packet("4006010000014006020000014106010000014006200000014205666f6f420600010203");
    let packet = Packet::parse(&octets_of).unwrap();
    let kind: Field<TaggedInteger> = Field::new(AttributeId::Standard(64));
    let kinds: Vec<_> = packet.read_all(kind).collect();
    assert_eq!(
        kinds[..2],
        [Tagged { tag: 1, value: 1 }, Tagged { tag: 2, value: 1 }],
        "of two tunnels"
    );
    assert_eq!(kinds[2].tag, 0, "0x20 is no tag");
    let end: Field<TaggedText> = Field::new(AttributeId::Standard(66));
    let ends: Vec<_> = packet.read_all(end).collect();
    let expected = [Tagged { tag: 0, value: "foo" }, Tagged { tag: 0, value: "\u{1}\u{2}\u{3}" }];
    assert_eq!(ends, expected, "a text that looks like a tag has one of its own");
}

/// Hidden by another implementation for the authenticator 00 01 .. 0f, with a tag of 0.
#[test]
fn tunnel_passwords_of_others_are_revealed() {
    let authenticator: [u8; 16] = std::array::from_fn(|place| place as u8);
    for (attribute, clear) in [
        ("00997305 1de6c557307dacd5daa599f4e26e7e", &b"foo"[..]),
        ("009dc5c469233a1657b35c97823c97ec6b7ef1", b"bar"),
        ("00c06f255f09b7dc0e4a1a465605f48f7c0ba4", b"barbar"),
    ] {
        let hidden = octets(attribute);
        let shown = password::unhide_salted(&secret(), &authenticator, &hidden[1..]).unwrap();
        assert!(shown.matches(clear), "{attribute}");
        let salt = u16::from_be_bytes([hidden[1], hidden[2]]);
        // Ours sets the highest bit of the salt, as RFC 2868 §3.5 wants it: theirs has it not.
        let own = password::hide_salted(&secret(), &authenticator, salt | 0x8000, clear).unwrap();
        let own = password::unhide_salted(&secret(), &authenticator, &own).unwrap();
        assert!(own.matches(clear));
    }
}

#[test]
fn lengths_that_cannot_be_drop_the_packet_and_empty_values_do_not() {
    for wrong in ["01010 0", "010400"] {
        let octets = packet(wrong);
        assert!(
            matches!(Packet::parse(&octets), Err(Malformed::AttributeLength { .. })),
            "{wrong}"
        );
    }
    let empty = packet("0102");
    let read = Packet::parse(&empty).unwrap();
    assert_eq!(read.read(USER_NAME).unwrap_or_default(), "");
    let odd = packet("0404abcd");
    let odd = Packet::parse(&odd).unwrap();
    assert_eq!(odd.read(NAS_IP_ADDRESS), None, "an address has four octets");
    assert_eq!(odd.first(NAS_IP_ADDRESS.id()), Some(&[0xab, 0xcd][..]), "and is kept all the same");
}

#[test]
fn a_long_eap_message_is_cut_after_253_octets() {
    let whole = [vec![0x78; 300], vec![0x61]].concat();
    let mut draft = Draft::access_request(1, [0; 16]);
    draft.put_eap(&whole).unwrap();
    let sealed = draft.seal(&secret());
    let packet = sealed.packet();
    let pieces = packet.raw_attributes().filter(|held| held.number == 79);
    assert_eq!(pieces.map(|held| held.value.len()).collect::<Vec<_>>(), [253, 48]);
    assert_eq!(eap::Message::of(&packet).unwrap().octets(), whole);
}

#[test]
fn captures_do_not_verify_under_another_secret() {
    let other = Secret::new("testing124").unwrap();
    for (asked, answered, _) in STEVE {
        let (asked, answered) = (octets(asked), octets(answered));
        let packet = Packet::parse(&asked).unwrap();
        assert!(matches!(packet.verify_request(&other), Err(Untrusted::WrongSignature { .. })));
        let reply = Packet::parse(&answered).unwrap();
        assert!(reply.verify_reply(&packet, &other).is_err());
    }
}
