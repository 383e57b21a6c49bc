//! Logins whose attributes are anything, rightly signed: what is read only from whom we trust.
//! Nobody proves a password that he was not given.
#![no_main]

use lango_radius::dictionary::USER_PASSWORD;
use lango_radius::mschap::Known;
use lango_radius::{AttributeId, Credentials, Draft, Secret};
use libfuzzer_sys::fuzz_target;

/// What credentials are made of, and what stands beside them.
const TELLING: [u8; 10] = [1, 2, 3, 4, 24, 31, 32, 60, 79, 33];

fuzz_target!(|octets: &[u8]| {
    let secret = Secret::new("testing123").expect("it has octets");
    let mut draft = Draft::access_request(1, [7; 16]);
    let mut rest = octets;
    while let [which, length, tail @ ..] = rest {
        let (value, after) = tail.split_at(usize::from(*length).min(tail.len()));
        rest = after;
        let id = match which % 16 {
            place @ 0..=9 => AttributeId::Standard(TELLING[usize::from(place)]),
            10..=12 => AttributeId::Vendor { vendor: 311, number: u32::from(which / 16) + 1 },
            13 | 14 => {
                AttributeId::Vendor { vendor: 311, number: [11, 25][usize::from(which & 1)] }
            }
            _ => AttributeId::Standard(*which),
        };
        if id != AttributeId::Standard(80) {
            let _ = draft.put_octets(id, value);
        }
    }
    let sealed = draft.seal(&secret);
    let Ok(request) = sealed.packet().verify_request(&secret) else { return };
    let wrong = Known::ClearText("a password that nobody has");
    match Credentials::of(&request, &secret) {
        Ok(Credentials::Password(password)) => {
            assert!(!password.matches(b"a password that nobody has"));
        }
        Ok(Credentials::Chap(chap)) => assert!(!chap.verifies(b"a password that nobody has")),
        Ok(Credentials::MsChap1(answer)) => assert!(answer.verify(wrong).is_none()),
        Ok(Credentials::MsChap2(answer)) => assert!(answer.verify(wrong).is_none()),
        Ok(Credentials::Eap(message)) => {
            let _ = message.packet().map(|packet| packet.encode());
        }
        _ => {}
    }
    let _ = request.reveal(USER_PASSWORD, &secret);
});
