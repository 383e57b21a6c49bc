//! A datagram from anybody: reading it never panics, never sees more than came, and what could be
//! read is trusted only if its signature is right.
#![no_main]

use lango_radius::{Code, Draft, MAXIMUM_LENGTH, Packet, Secret, coa, eap};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|datagram: &[u8]| {
    let Ok(packet) = Packet::parse(datagram) else { return };
    assert!(packet.octets().len() <= datagram.len().min(MAXIMUM_LENGTH));
    let raw: usize = packet.raw_attributes().map(|held| held.value.len() + 2).sum();
    assert_eq!(raw + 20, packet.octets().len());
    // Padding behind the packet is no part of it.
    assert_eq!(Packet::parse(packet.octets()).map(|again| again.octets()), Ok(packet.octets()));
    for attribute in packet.attributes() {
        assert!(attribute.id.to_string().len() < 300);
        assert!(packet.first(attribute.id).is_some());
    }
    assert!(format!("{packet:?}").len() < 64 * MAXIMUM_LENGTH);
    let secret = Secret::new("testing123").expect("it has octets");
    if let Ok(request) = packet.verify_request(&secret) {
        // Whoever answers answers within a packet, whatever was asked.
        for code in [Code::AccessAccept, Code::AccessReject, Code::AccountingResponse] {
            let Ok(reply) = Draft::reply(&request, code) else { continue };
            let sealed = reply.seal(&secret);
            assert!(sealed.octets().len() <= MAXIMUM_LENGTH);
            sealed.packet().verify_reply(&request, &secret).expect("we sign what we send");
        }
    }
    let asked = Draft::coa_request(packet.identifier()).seal(&secret);
    if let Ok(reply) = packet.verify_reply(&asked.packet(), &secret) {
        let _ = coa::outcome(&reply);
    }
    if let Some(message) = eap::Message::of(&packet) {
        let _ = message.packet().map(|packet| packet.encode());
    }
});
