//! What holds for every input.

use lango_radius::dictionary::{CLASS, DEFINITIONS, USER_PASSWORD};
use lango_radius::{AttributeId, Code, Credentials, Draft, Packet, Secret, accounting, coa};
use proptest::collection::vec;
use proptest::prelude::*;

fn secret() -> Secret {
    Secret::new("testing123").expect("it has octets")
}

/// Touches everything that reads octets from the network.
fn read_everything(datagram: &[u8]) {
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
}
