//! Reports whose attributes are anything, rightly signed: what is read of them, and counters that
//! are wider than one attribute.
#![no_main]

use lango_radius::accounting::{
    Count, INPUT_OCTETS, MIKROTIK_TOTAL_LIMIT, OUTPUT_OCTETS, Status, TerminateCause,
};
use lango_radius::dictionary::{
    ACCT_DELAY_TIME, ACCT_SESSION_ID, ACCT_SESSION_TIME, CALLING_STATION_ID, CLASS,
    EVENT_TIMESTAMP, FRAMED_IP_ADDRESS, FRAMED_PROTOCOL, NAS_PORT_TYPE, SERVICE_TYPE, USER_NAME,
};
use lango_radius::{AttributeId, Code, Draft, Secret};
use libfuzzer_sys::fuzz_target;

const TELLING: [u8; 16] = [1, 6, 7, 8, 25, 31, 40, 41, 42, 43, 44, 46, 49, 52, 53, 55];

fuzz_target!(|octets: &[u8]| {
    let secret = Secret::new("testing123").expect("it has octets");
    let mut draft = Draft::accounting_request(1);
    let mut rest = octets;
    while let [which, length, tail @ ..] = rest {
        let (value, after) = tail.split_at(usize::from(*length).min(tail.len()));
        rest = after;
        let number = match which {
            0..=239 => TELLING[usize::from(which % 16)],
            _ => which.wrapping_mul(7),
        };
        if number != 80 {
            let _ = draft.put_octets(AttributeId::Standard(number), value);
        }
    }
    let sealed = draft.seal(&secret);
    let packet = sealed.packet();
    let request = packet.verify_request(&secret).expect("we sign what we send");
    if let Some(status) = Status::of(&request) {
        assert_eq!(Status::from_number(status.number()), status);
    }
    if let Some(cause) = TerminateCause::of(&request) {
        assert!(cause.to_string().len() < 100);
    }
    let _ = (request.read(ACCT_SESSION_TIME), request.read(ACCT_DELAY_TIME));
    let _ = (request.read(EVENT_TIMESTAMP), request.read(FRAMED_IP_ADDRESS));
    let _ = (request.read(SERVICE_TYPE), request.read(FRAMED_PROTOCOL));
    let _ = (request.read(NAS_PORT_TYPE), request.read(CALLING_STATION_ID));
    let _ = (request.read_all(CLASS).count(), request.read(USER_NAME));
    let _ = request.first(ACCT_SESSION_ID.id());
    for wide in [INPUT_OCTETS, OUTPUT_OCTETS, MIKROTIK_TOTAL_LIMIT] {
        let Some(count) = wide.read(&request) else { continue };
        let whole = match count {
            Count::Whole(whole) => whole,
            Count::Modulo32(low) => u64::from(low),
        };
        let mut again = Draft::accounting_request(2);
        wide.put(&mut again, whole).expect("two numbers fit");
        let again = again.seal(&secret);
        let read = wide.read(&again.packet());
        assert!(
            matches!(read, Some(Count::Whole(same)) if same == whole)
                || matches!(read, Some(Count::Modulo32(low)) if u64::from(low) == whole),
            "{read:?} of {whole}"
        );
    }
    let reply = Draft::reply(&request, Code::AccountingResponse).expect("a report is answered");
    reply.seal(&secret).packet().verify_reply(&request, &secret).expect("we sign what we send");
});
