//! What holds for every input.

use lango_radius::dictionary::{
    CLASS, DEFINITIONS, MS_CHAP_MPPE_KEYS, MS_MPPE_SEND_KEY, TUNNEL_PASSWORD, USER_PASSWORD,
};
use lango_radius::format::Tagged;
use lango_radius::mschap::{Known, MsChap1, MsChap2, NtHash, Reason, response1, response2};
use lango_radius::{
    AttributeId, Code, Credentials, Draft, Packet, Secret, accounting, coa, eap, password,
};
use proptest::collection::vec;
use proptest::prelude::*;

pub(crate) fn secret() -> Secret {
    Secret::new("testing123").expect("it has octets")
}

/// Touches everything that reads octets from the network.
pub(crate) fn read_everything(datagram: &[u8]) {
    let Ok(packet) = Packet::parse(datagram) else { return };
    assert!(packet.octets().len() <= datagram.len());
    let raw: usize = packet.raw_attributes().map(|held| held.value.len() + 2).sum();
    assert_eq!(raw + 20, packet.octets().len());
    for attribute in packet.attributes() {
        let _ = (attribute.id.to_string(), packet.first(attribute.id));
    }
    let _ = (format!("{packet:?}"), accounting::Status::of(&packet));
    let _ = accounting::MIKROTIK_TOTAL_LIMIT.read(&packet);
    if let Ok(request) = packet.verify_request(&secret()) {
        let _ = Credentials::of(&request, &secret());
        let _ = request.reveal(USER_PASSWORD, &secret());
    }
    let asked = Draft::coa_request(packet.identifier()).seal(&secret());
    if let Ok(reply) = packet.verify_reply(&asked.packet(), &secret()) {
        let _ = coa::outcome(&reply);
    }
    if let Some(message) = eap::Message::of(&packet) {
        let joined: usize = packet
            .raw_attributes()
            .filter(|held| held.number == 79)
            .map(|held| held.value.len())
            .sum();
        assert_eq!(message.octets().len(), joined);
        read_eap(message.octets());
    }
}

/// What could be read as EAP can be written, and says the same then.
pub(crate) fn read_eap(octets: &[u8]) {
    let Ok(packet) = eap::Packet::parse(octets) else { return };
    let written = packet.encode().expect("what came in one packet fits into one");
    assert!(written.len() <= octets.len());
    assert_eq!(eap::Packet::parse(&written), Ok(packet));
    let _ = format!("{packet:?}");
}

fn any_id() -> impl Strategy<Value = AttributeId> {
    prop_oneof![
        (0..DEFINITIONS.len()).prop_map(|place| DEFINITIONS[place].id),
        any::<u8>().prop_map(AttributeId::Standard),
        (any::<u32>(), 0..256_u32)
            .prop_map(|(vendor, number)| AttributeId::Vendor { vendor, number }),
    ]
}

proptest! {
    #[test]
    fn arbitrary_octets_never_panic(datagram in vec(any::<u8>(), 0..600)) {
        read_everything(&datagram);
    }

    #[test]
    fn arbitrary_attributes_behind_a_true_header_never_panic(
        code in prop::sample::select(vec![1_u8, 2, 4, 5, 11, 12, 40, 43, 44, 45]),
        attributes in vec((any::<u8>(), vec(any::<u8>(), 0..40)), 0..20),
        vendors in vec(vec(0..12_u8, 0..12), 0..8),
        cut in 0..40_usize,
    ) {
        let mut datagram = vec![code, 1, 0, 0];
        datagram.extend([0; 16]);
        let vendors = vendors.into_iter().map(|value| (26, value));
        for (number, value) in attributes.into_iter().chain(vendors) {
            datagram.extend([number, value.len() as u8 + 2]);
            datagram.extend(value);
        }
        let length = datagram.len().saturating_sub(cut).max(20) as u16;
        datagram[2..4].copy_from_slice(&length.to_be_bytes());
        read_everything(&datagram);
    }

    #[test]
    fn what_was_put_in_comes_out_in_order(
        wanted in vec((any_id(), vec(any::<u8>(), 1..260)), 0..40),
        identifier: u8,
        authenticator: [u8; 16],
        signed: bool,
    ) {
        let mut draft = Draft::access_request(identifier, authenticator).signed(signed);
        let mut written = Vec::new();
        for (id, value) in wanted {
            // A raw Vendor-Specific attribute may open into others, rightly.
            if id != AttributeId::Standard(26) && draft.put_octets(id, &value).is_ok() {
                written.push((id, value));
            }
        }
        let sealed = draft.seal(&secret());
        let request = sealed.packet().verify_request(&secret()).unwrap();
        prop_assert_eq!(request.authenticator(), &authenticator);
        let signature = AttributeId::Standard(80);
        let read: Vec<_> = request
            .attributes()
            .filter(|held| held.id != signature)
            .map(|held| (held.id, held.value.to_vec()))
            .collect();
        prop_assert_eq!(read, written);
    }

    #[test]
    fn every_reply_verifies_for_its_request_and_for_no_other(
        value in vec(any::<u8>(), 1..200),
        authenticator: [u8; 16],
        other: [u8; 16],
        signed: bool,
    ) {
        prop_assume!(authenticator != other);
        let asked = Draft::access_request(5, authenticator).seal(&secret());
        let request = asked.packet().verify_request(&secret()).unwrap();
        let mut reply = Draft::reply(&request, Code::AccessAccept).unwrap().signed(signed);
        reply.put(CLASS, &value).unwrap();
        let reply = reply.seal(&secret());
        let verified = reply.packet().verify_reply(&request, &secret()).unwrap();
        prop_assert_eq!(verified.signature().is_present(), signed);
        prop_assert_eq!(verified.read(CLASS), Some(&value[..]));
        let another = Draft::access_request(5, other).seal(&secret());
        prop_assert!(reply.packet().verify_reply(&another.packet(), &secret()).is_err());
    }

    #[test]
    fn arbitrary_octets_are_read_as_eap_without_panic(octets in vec(any::<u8>(), 0..80)) {
        read_eap(&octets);
    }

    #[test]
    fn arbitrary_methods_behind_a_true_eap_header_are_read_and_written(
        code in 0..6_u8,
        method in prop::sample::select(vec![1_u8, 2, 3, 4, 13, 21, 25, 26, 254]),
        data in vec(any::<u8>(), 0..40),
        cut in 0..4_u16,
    ) {
        let length = (5 + data.len() as u16).saturating_sub(cut);
        let [high, low] = length.to_be_bytes();
        read_eap(&[&[code, 1, high, low, method][..], &data].concat());
    }

    #[test]
    fn eap_of_any_length_comes_out_of_its_pieces(packet in vec(any::<u8>(), 1..3500)) {
        let mut draft = Draft::access_request(1, [1; 16]);
        draft.put_eap(&packet).unwrap();
        let sealed = draft.seal(&secret());
        let message = eap::Message::of(&sealed.packet()).unwrap();
        prop_assert_eq!(message.octets(), packet);
    }

    #[test]
    fn arbitrary_octets_prove_nothing_by_ms_chap(
        response in vec(any::<u8>(), 45..55),
        eight: [u8; 8],
        sixteen: [u8; 16],
        name in vec(any::<u8>(), 0..20),
        message in ".{0,300}",
    ) {
        let known = Known::ClearText("pw");
        if let Some(answer) = MsChap1::parse(&response, &eight) {
            prop_assert!(answer.verify(known).is_none());
        }
        if let Some(answer) = MsChap2::parse(&response, &sixteen, &name) {
            prop_assert!(answer.verify(known).is_none());
            let refusal = answer.refusal(Reason::AuthenticationFailure, &sixteen, &message);
            prop_assert!(refusal.len() <= 247 && std::str::from_utf8(&refusal[1..]).is_ok());
        }
    }

    #[test]
    fn whoever_knows_the_password_proves_it_by_ms_chap(
        clear in ".{0,40}",
        other in ".{0,40}",
        name in vec(any::<u8>(), 0..40),
        eight: [u8; 8],
        sixteen: [u8; 16],
        peer: [u8; 16],
    ) {
        prop_assume!(clear != other);
        let (known, other) = (Known::ClearText(&clear), Known::ClearText(&other));
        let stored = NtHash::of(&clear);
        let response = response1(1, known, &eight);
        let answer = MsChap1::parse(&response, &eight).unwrap();
        prop_assert!(answer.verify(Known::NtHash(&stored)).is_some());
        prop_assert!(answer.verify(other).is_none());
        let response = response2(1, known, &name, &sixteen, &peer);
        let answer = MsChap2::parse(&response, &sixteen, &name).unwrap();
        prop_assert!(answer.verify(Known::NtHash(&stored)).is_some());
        prop_assert!(answer.verify(other).is_none());
    }

    #[test]
    fn salted_values_come_back_with_their_tunnel(
        clear in vec(any::<u8>(), 0..240),
        tag in 0..32_u8,
        salt: u16,
        authenticator: [u8; 16],
    ) {
        let asked = Draft::access_request(5, authenticator).seal(&secret());
        let request = asked.packet().verify_request(&secret()).unwrap();
        let mut accept = Draft::reply(&request, Code::AccessAccept).unwrap();
        accept.hide_salted(MS_MPPE_SEND_KEY, &secret(), salt, &clear).unwrap();
        let tagged = Tagged { tag, value: &clear[..] };
        accept.hide_tagged(TUNNEL_PASSWORD, &secret(), salt, tagged).unwrap();
        let accept = accept.seal(&secret());
        let accept = accept.packet().verify_reply(&asked.packet(), &secret()).unwrap();
        prop_assert!(accept.reveal(MS_MPPE_SEND_KEY, &secret()).unwrap().matches(&clear));
        let tunnel = accept.reveal_tagged(TUNNEL_PASSWORD, &secret()).next().unwrap();
        prop_assert_eq!(tunnel.tag, tag);
        prop_assert!(tunnel.value.matches(&clear));
    }

    #[test]
    fn arbitrary_hidden_values_come_out_as_something_or_nothing(
        hidden in vec(any::<u8>(), 0..254),
        authenticator: [u8; 16],
    ) {
        if let Some(clear) = password::unhide_salted(&secret(), &authenticator, &hidden) {
            prop_assert!(clear.expose().len() < hidden.len());
        }
        if let Some(clear) = password::unhide(&secret(), &authenticator, &hidden) {
            prop_assert!(clear.expose().len() <= hidden.len());
        }
        let asked = Draft::access_request(5, authenticator).seal(&secret());
        let request = asked.packet().verify_request(&secret()).unwrap();
        let mut accept = Draft::reply(&request, Code::AccessAccept).unwrap();
        for id in [TUNNEL_PASSWORD.id(), MS_MPPE_SEND_KEY.id(), MS_CHAP_MPPE_KEYS.id()] {
            let _ = accept.put_octets(id, &hidden);
        }
        let accept = accept.seal(&secret());
        let accept = accept.packet().verify_reply(&asked.packet(), &secret()).unwrap();
        let _ = accept.reveal(MS_CHAP_MPPE_KEYS, &secret());
        let _ = accept.reveal(MS_MPPE_SEND_KEY, &secret());
        prop_assert!(accept.reveal_tagged(TUNNEL_PASSWORD, &secret()).count() <= 1);
    }
}
