//! EAP, with the fragments of TLS in it: what can be read can be written and says the same then,
//! and what is cut into pieces for packets is whole again.
#![no_main]

use lango_radius::{Draft, Secret, eap};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    if let Ok(packet) = eap::Packet::parse(octets) {
        let written = packet.encode().expect("what came in one packet fits into one");
        assert!(written.len() <= octets.len());
        assert_eq!(eap::Packet::parse(&written).as_ref(), Ok(&packet));
        assert!(format!("{packet:?}").len() < 64 * octets.len() + 1_000);
        if let eap::Packet::Response { response: eap::Response::Method(method), .. } = &packet
            && let eap::Method::Tls(_, fragment) = method
        {
            assert!(fragment.data.len() < octets.len());
            assert!(!fragment.is_acknowledgement() || fragment.data.is_empty());
        }
    }
    let whole: Vec<u8> = eap::pieces(octets).flatten().copied().collect();
    assert_eq!(whole, octets);
    let mut draft = Draft::access_request(1, [1; 16]);
    if octets.is_empty() || draft.put_eap(octets).is_err() {
        return;
    }
    let sealed = draft.seal(&Secret::new("testing123").expect("it has octets"));
    let message = eap::Message::of(&sealed.packet()).expect("it was put there");
    assert_eq!(message.octets(), octets);
});
