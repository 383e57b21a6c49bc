//! What is written into a packet is what is read from it: every attribute of the dictionary by its
//! own format, and any other as octets.
#![no_main]

use lango_radius::dictionary::{DEFINITIONS, definition, definition_named};
use lango_radius::{AttributeId, Code, Draft, Secret};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    let secret = Secret::new("testing123").expect("it has octets");
    let mut draft = Draft::access_request(1, [7; 16]);
    let (mut rest, mut written) = (octets, Vec::new());
    while let [which, more, length, tail @ ..] = rest {
        let (value, after) = tail.split_at(usize::from(*length).min(tail.len()));
        rest = after;
        let id = match which {
            0..=127 => {
                let place = (usize::from(*which) << 8 | usize::from(*more)) % DEFINITIONS.len();
                DEFINITIONS[place].id
            }
            128..=191 => AttributeId::Standard(*more),
            _ => AttributeId::Vendor { vendor: u32::from(*which), number: u32::from(*more) },
        };
        // A raw Vendor-Specific opens into others, and a signature is the seal's own.
        let is_own = matches!(id, AttributeId::Standard(26 | 80));
        let length = draft.length();
        if !is_own && draft.put_octets(id, value).is_ok() {
            assert!(draft.length() > length);
            written.push((id, value.to_vec()));
        } else {
            assert_eq!(draft.length(), length, "what is refused leaves nothing behind");
        }
    }
    let sealed = draft.seal(&secret);
    let request = sealed.packet().verify_request(&secret).expect("we sign what we send");
    let signature = AttributeId::Standard(80);
    let read: Vec<_> = request
        .attributes()
        .filter(|held| held.id != signature)
        .map(|held| (held.id, held.value.to_vec()))
        .collect();
    assert_eq!(read, written);
    for (id, _) in &written {
        if let Some(known) = definition(*id) {
            assert_eq!(definition_named(known.name).map(|same| same.id), Some(*id));
        }
    }
    let accept = Draft::reply(&request, Code::AccessAccept).expect("an Accept answers a login");
    accept.seal(&secret).packet().verify_reply(&request, &secret).expect("we sign what we send");
});
