//! Packets printed in RFCs, captured from other implementations, or accepted by them.

use lango_radius::attribute::AttributeId;
use lango_radius::dictionary::*;
use lango_radius::format::{Tagged, TaggedInteger};
use lango_radius::mppe;
use lango_radius::mschap::{Known, MsChap1, MsChap2, NtHash, response1, response2};
use lango_radius::{
    Code, Credentials, Draft, ErrorCause, Malformed, Packet, Secret, Signature, Untrusted, coa,
    password,
};
use std::net::Ipv4Addr;

pub(crate) fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        hex.chars().filter_map(|digit| digit.to_digit(16)).map(|d| d as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn rfc_secret() -> Secret {
    Secret::new("xyzzy5461").expect("it has octets")
}

fn secret() -> Secret {
    Secret::new("testing123").expect("it has octets")
}

const TELNET_REQUEST: &str = "010000380f403f9473978057bd83d5cb98f4227a01066e656d6f02120dbe708d93d413ce3196e43f782a0aee0406c0a80110050600000003";
const TELNET_ACCEPT: &str =
    "0200002686fe220e7624ba2a1005f6bf9b55e0b20606000000010f06000000000e06c0a80103";
const PPP_REQUEST: &str = "010100472aee86f08d0d55969ca5978e0d3367a20108666c6f707379031316e97557c316185895f293ff63440772750406c0a80110050600000014060600000002070600000001";
const PPP_ACCEPT: &str = "0201003815efbc7dab26cfa3dc34d9c03c8601a40606000000020706000000010806fffffffe0a06000000020d06000000010c06000005dc";
const CHALLENGE_REQUEST: &str = "01020039f3a47a1f6a6d76710b947ab93041a03901076d6f707379021233657573778289b570885e15084825c50406c0a80110050600000007";
const CHALLENGE: &str = "0b02004e36f3c8764ae8c71157403c0c71ff9c4512304368616c6c656e67652033323736393433302e2020456e74657220726573706f6e73652061742070726f6d70742e180a3332373639343330";
const RESPONSE_REQUEST: &str = "01030043b122556d428a13d0d6253807c457ecf001076d6f7073790212692c1f205fc081b919b95195f561a5810406c0a8011005060000000718103332373639343330";
const RESPONSE_REJECT: &str = "03030014a42f4fca45916c4e09c8340f9e746aa0";
const STATUS_REQUEST: &str =
    "0cda00268a54f4686fb394c52866e302185d062350125a665e2e1e8411f3e243822097c84fa3";
const STATUS_ACCEPT: &str = "02da0014ef0d552a4bf2d693ec2b6fe8b5411d66";
const DISCONNECT: &str =
    "28010026e1792d2b4ab349f1a4c0fcc733d091c1501258513d662847e5f8734a30dbdac8e4af";
const COA: &str = "2ba600197fbf02c6662b5990838a5e6e331b3ff00105626f62";
const START: &str = "0407002f5072e588d32da091253be5354aea41db0105626f622806000000012c0a383161303030303104060a000001";
const START_RESPONSE: &str = "05070014a4cdb8dba9efffde83e082737a9ac074";
const SIGNED_COA: &str = "2b090042bdc0d1e993cf0eb04c4fa3f92a8c43ae501202489edfa2562d3fae4b2ebc73c1cc530105626f622c0a38316130303030311a0d00003a8c0807314d2f344d";
const SIGNED_DISCONNECT: &str = "280a003573a993e0cb97ef9bc24deb017121c39f50124250bb6e4fc4f24c0e0ef00f3c04c65e0105626f622c0a3831613030303031";
const DISCONNECT_NAK: &str = "2a0a001af01b9b8a8ee77356ee8759b9d2a4747c6506000001f7";
const LONG_PASSWORD: &str = "010b0053000102030405060708090a0b0c0d0e0f5012d75f890d358d5ba02999698b92b1c8840105626f620222f5817bb8119e0e3a782975576534e0ea7f1fcca02b5b95a136db4829fdfb22ce04060a000001";
const SIGNED_ACCEPT: &str = "020b003a3b9c98850947d58ecdeba34dc62535165012b99606fb189578068be70df78821114f1b0600000e101a0e00003a8c0808324d2f31304d";

/// Those that verify under `testing123`.
pub(crate) const PACKETS: &[&str] = &[
    DISCONNECT,
    COA,
    START,
    START_RESPONSE,
    SIGNED_COA,
    SIGNED_DISCONNECT,
    DISCONNECT_NAK,
    LONG_PASSWORD,
    SIGNED_ACCEPT,
];

/// RFC 2865 §7.1.
#[test]
fn nemo_telnets_to_a_host() {
    let (request, accept) = (octets(TELNET_REQUEST), octets(TELNET_ACCEPT));
    let request = Packet::parse(&request).unwrap().verify_request(&rfc_secret()).unwrap();
    assert_eq!(request.signature(), Signature::Absent);
    assert_eq!(request.read(USER_NAME), Some("nemo"));
    assert_eq!(request.read(NAS_IP_ADDRESS), Some(Ipv4Addr::new(192, 168, 1, 16)));
    assert_eq!(request.read(NAS_PORT), Some(3));
    match Credentials::of(&request, &rfc_secret()).unwrap() {
        Credentials::Password(password) => assert!(password.matches(b"arctangent")),
        other => panic!("{other:?}"),
    }
    Packet::parse(&accept).unwrap().verify_reply(&request, &rfc_secret()).unwrap();

    let mut reply = Draft::reply(&request, Code::AccessAccept).unwrap().signed(false);
    reply.put(SERVICE_TYPE, 1).unwrap();
    reply.put(LOGIN_SERVICE, 0).unwrap();
    reply.put(LOGIN_IP_HOST, Ipv4Addr::new(192, 168, 1, 3)).unwrap();
    assert_eq!(reply.seal(&rfc_secret()).octets(), accept);

    let mut again = Draft::access_request(0, *request.authenticator()).signed(false);
    again.put(USER_NAME, "nemo").unwrap();
    again.hide(USER_PASSWORD, &rfc_secret(), b"arctangent").unwrap();
    again.put(NAS_IP_ADDRESS, Ipv4Addr::new(192, 168, 1, 16)).unwrap();
    again.put(NAS_PORT, 3).unwrap();
    assert_eq!(again.seal(&rfc_secret()).octets(), octets(TELNET_REQUEST));
}

/// RFC 2865 §7.2.
#[test]
fn flopsy_frames_ppp_by_chap() {
    let (request, accept) = (octets(PPP_REQUEST), octets(PPP_ACCEPT));
    let request = Packet::parse(&request).unwrap().verify_request(&rfc_secret()).unwrap();
    match Credentials::of(&request, &rfc_secret()).unwrap() {
        Credentials::Chap(chap) => {
            assert!(chap.verifies(b"arctangent"));
            assert!(!chap.verifies(b"arctangens"));
        }
        other => panic!("{other:?}"),
    }
    let accept = Packet::parse(&accept).unwrap().verify_reply(&request, &rfc_secret()).unwrap();
    assert_eq!(accept.read(FRAMED_IP_ADDRESS), Some(Ipv4Addr::new(255, 255, 255, 254)));
    assert_eq!(accept.read(FRAMED_MTU), Some(1500));
}

/// RFC 2865 §7.3, whose second request is malformed as printed.
#[test]
fn mopsy_is_challenged_and_rejected() {
    let (request, challenge) = (octets(CHALLENGE_REQUEST), octets(CHALLENGE));
    let request = Packet::parse(&request).unwrap().verify_request(&rfc_secret()).unwrap();
    assert!(request.reveal(USER_PASSWORD, &rfc_secret()).unwrap().matches(b"challenge"));
    let challenge =
        Packet::parse(&challenge).unwrap().verify_reply(&request, &rfc_secret()).unwrap();
    assert_eq!(challenge.read(STATE), Some(&b"32769430"[..]));
    assert_eq!(
        challenge.read(REPLY_MESSAGE),
        Some("Challenge 32769430.  Enter response at prompt.")
    );

    let mut response = octets(RESPONSE_REQUEST);
    let expected = Malformed::AttributeLength { number: 24, length: 0x10, offset: 57 };
    assert_eq!(Packet::parse(&response), Err(expected));
    response[58] = 0x0a;
    let request = Packet::parse(&response).unwrap().verify_request(&rfc_secret()).unwrap();
    assert!(request.reveal(USER_PASSWORD, &rfc_secret()).unwrap().matches(b"99101462"));
    // The authenticator of the reply was computed over the request's, which is not misprinted.
    let reject = octets(RESPONSE_REJECT);
    Packet::parse(&reject).unwrap().verify_reply(&request, &rfc_secret()).unwrap();
}

/// RFC 5997 §6.1.
#[test]
fn a_server_says_that_it_lives() {
    let (request, accept) = (octets(STATUS_REQUEST), octets(STATUS_ACCEPT));
    let request = Packet::parse(&request).unwrap().verify_request(&rfc_secret()).unwrap();
    assert_eq!(request.signature(), Signature::First);
    Packet::parse(&accept).unwrap().verify_reply(&request, &rfc_secret()).unwrap();
    let again = Draft::status_server(0xda, *request.authenticator()).seal(&rfc_secret());
    assert_eq!(again.octets(), octets(STATUS_REQUEST));
    let reply = Draft::reply(&request, Code::AccessAccept).unwrap().signed(false);
    assert_eq!(reply.seal(&rfc_secret()).octets(), accept);
}

#[test]
fn an_unsigned_status_server_is_dropped() {
    let mut request = octets(STATUS_REQUEST);
    request.truncate(20);
    request[3] = 20;
    let verified = Packet::parse(&request).unwrap().verify_request(&rfc_secret());
    assert_eq!(verified.unwrap_err(), Untrusted::Unsigned { code: Code::StatusServer });
}

/// RFC 3579 §3.2: EAP inside an Access-Request must be signed.
#[test]
fn unsigned_eap_is_dropped() {
    let mut draft = Draft::access_request(1, [3; 16]);
    draft.put(EAP_MESSAGE, &[2, 1, 0, 5, 1]).unwrap();
    let signed = draft.seal(&secret());
    let mut unsigned = signed.octets()[..20].to_vec();
    unsigned.extend(&signed.octets()[38..]);
    unsigned[3] -= 18;
    let verified = Packet::parse(&unsigned).unwrap().verify_request(&secret());
    assert_eq!(verified.unwrap_err(), Untrusted::Unsigned { code: Code::AccessRequest });
}

/// Captured packets of another implementation.
#[test]
fn captured_dynamic_authorization_verifies() {
    let disconnect = octets(DISCONNECT);
    let disconnect = Packet::parse(&disconnect).unwrap().verify_request(&secret()).unwrap();
    assert_eq!(disconnect.signature(), Signature::First);
    let again = Draft::disconnect_request(1).signed(true).seal(&secret());
    assert_eq!(again.octets(), octets(DISCONNECT));

    let change = octets(COA);
    let change = Packet::parse(&change).unwrap().verify_request(&secret()).unwrap();
    assert_eq!(change.read(USER_NAME), Some("bob"));
    let mut again = Draft::coa_request(0xa6);
    again.put(USER_NAME, "bob").unwrap();
    assert_eq!(again.seal(&secret()).octets(), octets(COA));
}

#[test]
fn an_accounting_start_is_answered() {
    let mut start = Draft::accounting_request(7);
    start.put(USER_NAME, "bob").unwrap();
    start.put(ACCT_STATUS_TYPE, 1).unwrap();
    start.put(ACCT_SESSION_ID, "81a00001").unwrap();
    start.put(NAS_IP_ADDRESS, Ipv4Addr::new(10, 0, 0, 1)).unwrap();
    let start = start.seal(&secret());
    assert_eq!(start.octets(), octets(START));
    let request = start.packet().verify_request(&secret()).unwrap();
    let response = Draft::reply(&request, Code::AccountingResponse).unwrap().seal(&secret());
    assert_eq!(response.octets(), octets(START_RESPONSE));
}

#[test]
fn a_signed_change_of_speed_is_made_octet_for_octet() {
    let mut change = Draft::coa_request(9).signed(true);
    change.put(USER_NAME, "bob").unwrap();
    change.put(ACCT_SESSION_ID, "81a00001").unwrap();
    change.put(MIKROTIK_RATE_LIMIT, "1M/4M").unwrap();
    let change = change.seal(&secret());
    assert_eq!(change.octets(), octets(SIGNED_COA));
    assert!(change.packet().verify_request(&secret()).is_ok());
}

#[test]
fn a_disconnect_is_refused_because_the_session_is_gone() {
    let mut disconnect = Draft::disconnect_request(10).signed(true);
    disconnect.put(USER_NAME, "bob").unwrap();
    disconnect.put(ACCT_SESSION_ID, "81a00001").unwrap();
    let disconnect = disconnect.seal(&secret());
    assert_eq!(disconnect.octets(), octets(SIGNED_DISCONNECT));

    let nak = octets(DISCONNECT_NAK);
    let reply = Packet::parse(&nak).unwrap().verify_reply(&disconnect.packet(), &secret()).unwrap();
    let gone = coa::Outcome::Refused(Some(ErrorCause::SessionContextNotFound));
    assert_eq!(coa::outcome(&reply), Some(gone));

    let request = disconnect.packet().verify_request(&secret()).unwrap();
    let mut again = Draft::reply(&request, Code::DisconnectNak).unwrap();
    again.put(ERROR_CAUSE, ErrorCause::SessionContextNotFound.number()).unwrap();
    assert_eq!(again.seal(&secret()).octets(), nak);
}

#[test]
fn a_signed_login_with_a_long_password_is_accepted() {
    let request = octets(LONG_PASSWORD);
    let request = Packet::parse(&request).unwrap().verify_request(&secret()).unwrap();
    assert_eq!(request.signature(), Signature::First);
    let password = request.reveal(USER_PASSWORD, &secret()).unwrap();
    assert!(password.matches(b"correct horse battery"));

    let mut again = Draft::access_request(11, *request.authenticator());
    again.put(USER_NAME, "bob").unwrap();
    again.hide(USER_PASSWORD, &secret(), b"correct horse battery").unwrap();
    again.put(NAS_IP_ADDRESS, Ipv4Addr::new(10, 0, 0, 1)).unwrap();
    assert_eq!(again.seal(&secret()).octets(), octets(LONG_PASSWORD));

    let accept = octets(SIGNED_ACCEPT);
    let read = Packet::parse(&accept).unwrap().verify_reply(&request, &secret()).unwrap();
    assert_eq!(read.signature(), Signature::First);
    assert_eq!(read.read(SESSION_TIMEOUT), Some(3600));
    assert_eq!(read.read(MIKROTIK_RATE_LIMIT), Some("2M/10M"));
    let mut reply = Draft::reply(&request, Code::AccessAccept).unwrap();
    reply.put(SESSION_TIMEOUT, 3600).unwrap();
    reply.put(MIKROTIK_RATE_LIMIT, "2M/10M").unwrap();
    assert_eq!(reply.seal(&secret()).octets(), accept);
}

/// Flipping any bit of a packet that is covered by the secret makes it untrusted.
#[test]
fn one_flipped_bit_is_enough() {
    let request = octets(LONG_PASSWORD);
    let request = Packet::parse(&request).unwrap();
    for (vector, reply_to) in
        [(LONG_PASSWORD, None), (SIGNED_ACCEPT, Some(request)), (SIGNED_COA, None), (START, None)]
    {
        let genuine = octets(vector);
        for bit in 0..genuine.len() * 8 {
            let mut forged = genuine.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            let Ok(packet) = Packet::parse(&forged) else { continue };
            let trusted = match &reply_to {
                Some(request) => packet.verify_reply(request, &secret()).is_ok(),
                // Without its Message-Authenticator an Access-Request has nothing to verify.
                None => packet.verify_request(&secret()).is_ok_and(|request| {
                    request.code() != Code::AccessRequest || request.signature().is_present()
                }),
            };
            assert!(!trusted, "bit {bit} of {vector}");
        }
    }
}

#[test]
fn another_secret_is_named_as_the_likely_reason() {
    let other = Secret::new("testing124").unwrap();
    for vector in [LONG_PASSWORD, START, SIGNED_COA] {
        let octets = octets(vector);
        let reason = Packet::parse(&octets).unwrap().verify_request(&other).unwrap_err();
        assert!(reason.suggests_other_secret(), "{reason}");
    }
}

#[test]
fn two_signatures_or_a_short_one_are_dropped() {
    let sealed = Draft::access_request(1, [3; 16]).seal(&secret());
    let mut twice = sealed.octets().to_vec();
    twice.extend_from_within(20..38);
    twice[3] = 56;
    let mut short = sealed.octets()[..37].to_vec();
    (short[3], short[21]) = (37, 17);
    for forged in [twice, short] {
        let verified = Packet::parse(&forged).unwrap().verify_request(&secret());
        let expected = Untrusted::MalformedSignature { code: Code::AccessRequest };
        assert_eq!(verified.unwrap_err(), expected);
    }
}

#[test]
fn a_reply_to_another_request_is_no_answer() {
    let request = Draft::disconnect_request(11).seal(&secret());
    let nak = octets(DISCONNECT_NAK);
    let nak = Packet::parse(&nak).unwrap();
    let verified = nak.verify_reply(&request.packet(), &secret());
    assert_eq!(verified.unwrap_err(), Untrusted::OtherIdentifier { came: 10, expected: 11 });
    let change = Draft::coa_request(10).seal(&secret());
    let verified = nak.verify_reply(&change.packet(), &secret());
    let expected = Untrusted::NotAnAnswer { code: Code::DisconnectNak, request: Code::CoaRequest };
    assert_eq!(verified.unwrap_err(), expected);
    assert!(matches!(nak.verify_request(&secret()), Err(Untrusted::NotARequest { .. })));
}

/// The vector was computed apart from this crate, block by block as RFC 2868 §3.5 writes it.
#[test]
fn a_salted_key_is_hidden_as_the_rfc_says() {
    let authenticator: [u8; 16] = std::array::from_fn(|place| place as u8);
    let clear = b"a key of twenty-two o.";
    let hidden = password::hide_salted(&secret(), &authenticator, 0x8123, clear).unwrap();
    assert_eq!(hidden, octets(SALTED));
}

/// As above, for the whole of what an Access-Accept owes after MS-CHAP: hidden apart from this
/// crate with the keys of RFC 3079 §3.5.3 and with the key for RFC 2433 §B.2.
#[test]
fn an_accept_carries_the_keys_of_ms_chap() {
    let authenticator: [u8; 16] = std::array::from_fn(|place| place as u8);
    let sealed = Draft::access_request(1, authenticator).seal(&secret());
    let request = sealed.packet().verify_request(&secret()).unwrap();

    let (server, client) = (fixed(SERVER_CHALLENGE), fixed(CLIENT_CHALLENGE));
    let value = response2(7, Known::ClearText("clientPass"), b"User", &server, &client);
    let answer = MsChap2::parse(&value, &server, b"User").unwrap();
    let verified = answer.verify(Known::ClearText("clientPass")).unwrap();
    let mut accept = Draft::reply(&request, Code::AccessAccept).unwrap();
    verified.put_into(&mut accept, &secret(), 0x8123).unwrap();
    let accept = accept.seal(&secret());
    let accept = accept.packet();
    assert_eq!(accept.read(MS_CHAP2_SUCCESS), Some(&verified.success()[..]));
    assert_eq!(accept.first(MS_MPPE_SEND_KEY.id()), Some(&octets(SALTED_SEND_KEY)[..]));
    assert_eq!(accept.first(MS_MPPE_RECV_KEY.id()), Some(&octets(SALTED_RECEIVE_KEY)[..]));

    let challenge = fixed("102DB5DF085D3041");
    let value = response1(9, Known::ClearText("MyPw"), &challenge);
    let answer = MsChap1::parse(&value, &challenge).unwrap();
    let verified = answer.verify(Known::ClearText("MyPw")).unwrap();
    let mut accept = Draft::reply(&request, Code::AccessAccept).unwrap();
    verified.put_into(&mut accept, &secret()).unwrap();
    let accept = accept.seal(&secret());
    assert_eq!(accept.packet().first(MS_CHAP_MPPE_KEYS.id()), Some(&octets(HIDDEN_KEYS)[..]));
}

const SALTED_SEND_KEY: &str =
    "812362ad9414c8c0cfb5907105b0fb85d95f8cfbb98065b763375206a2dbfeef27ce";
const SALTED_RECEIVE_KEY: &str =
    "812419774b4d6ba4b4f790b5bfeb0acfec8fcc4c3b6f0836dd305ef41191be4fd9cc";
const HIDDEN_KEYS: &str = "96ee09ca74fd7a1a9709b74d3e0c92e15e4b4e69d7cdd96053897e0e8c04bff5";

const SALTED: &str = "81236447c8a3b92276e0edf0690c8bd4fbfa8c9d5d44b61fb94f3cca0ee7d73606b9";

#[test]
fn tagged_values_survive_in_a_packet() {
    let mut request = Draft::access_request(1, [3; 16]);
    request.put(TUNNEL_TYPE, Tagged { tag: 1, value: 13 }).unwrap();
    request.put(TUNNEL_PRIVATE_GROUP_ID, Tagged { tag: 1, value: "120" }).unwrap();
    let sealed = request.seal(&secret());
    let packet = sealed.packet();
    assert_eq!(packet.read(TUNNEL_TYPE), Some(Tagged { tag: 1, value: 13 }));
    assert_eq!(packet.first(AttributeId::Standard(81)), Some(&b"\x01120"[..]));
    let unlisted: Field<TaggedInteger> = Field::new(AttributeId::Standard(81));
    assert_eq!(packet.read(unlisted), Some(Tagged { tag: 1, value: 0x0031_3230 }));
}

fn fixed<const LENGTH: usize>(hex: &str) -> [u8; LENGTH] {
    octets(hex).try_into().expect("the vector has this length")
}

const CLIENT_CHALLENGE: &str = "21402324255E262A28295F2B3A337C7E";
const SERVER_CHALLENGE: &str = "5B5D7C7D7B3F2F3E3C2C602132262628";
const CLIENT_RESPONSE: &str = "82309ECD8D708B5EA08FAA3981CD83544233114A3D85D6DF";

/// RFC 2759 §9.2 and RFC 3079 §3.5.3. The RFCs print no key of the other direction: it was
/// computed apart from this crate.
#[test]
fn user_logs_in_by_the_second_ms_chap() {
    let hash = NtHash::of("clientPass");
    assert_eq!(hash.expose(), &fixed("44EBBA8D5312B8D611474411F56989AE"));
    assert_eq!(hash.hashed(), fixed("41C00C584BD2D91C4017A2A12FA59F3F"));

    let (server, client) = (fixed(SERVER_CHALLENGE), fixed(CLIENT_CHALLENGE));
    let value = response2(7, Known::ClearText("clientPass"), b"User", &server, &client);
    assert_eq!(value[26..], octets(CLIENT_RESPONSE));
    let answer = MsChap2::parse(&value, &server, b"User").unwrap();
    assert_eq!(answer.challenge_hash(), fixed("D02E4386BCE91226"));

    assert!(answer.verify(Known::ClearText("clientpass")).is_none());
    let verified = answer.verify(Known::NtHash(&hash)).unwrap();
    let expected = b"\x07S=407A5589115FD0D6209F510FE9C04566932CDA56";
    assert_eq!(&verified.success(), expected);
    let master_key = mppe::master_key(&hash, &fixed(CLIENT_RESPONSE));
    assert_eq!(master_key, fixed("FDECE3717A8C838CB388E527AE3CDD31"));
    assert_eq!(verified.keys().send(), &fixed("8B7CDC149B993A1BA118CB153F56DCCB"));
    assert_eq!(verified.keys().receive(), &fixed("D5F0E9521E3EA9589645E86051C82226"));
}

/// RFC 2433 §B.2. The hash of the hash was computed apart from this crate.
#[test]
fn a_user_logs_in_by_the_first_ms_chap() {
    let hash = NtHash::of("MyPw");
    assert_eq!(hash.expose(), &fixed("FC156AF7EDCD6C0EDDE3337D427F4EAC"));
    let challenge = fixed("102DB5DF085D3041");
    let value = response1(9, Known::NtHash(&hash), &challenge);
    let expected = octets("4E9D3C8F9CFD385D5BF4D3246791956CA4C351AB409A3D61");
    assert_eq!(value[..26], [&[9, 1][..], &[0; 24]].concat());
    assert_eq!(value[26..], expected);

    let answer = MsChap1::parse(&value, &challenge).unwrap();
    assert!(answer.verify(Known::ClearText("MyPW")).is_none());
    let verified = answer.verify(Known::ClearText("MyPw")).unwrap();
    let keys = [&[0; 8][..], &octets("874FB0693E18106A814481BC51CD7D37"), &[0; 8]].concat();
    assert_eq!(verified.keys()[..], keys);
}

/// A whole login of the reference's user, from the request of a NAS to the keys that it reads.
#[test]
fn user_is_let_in_and_shown_that_the_server_knows_him() {
    let mut asked = Draft::access_request(5, [3; 16]);
    let (server, client) = (fixed(SERVER_CHALLENGE), fixed(CLIENT_CHALLENGE));
    let response = response2(7, Known::ClearText("clientPass"), b"User", &server, &client);
    asked.put(USER_NAME, "OFFICE\\User").unwrap();
    asked.put(MS_CHAP_CHALLENGE, &server).unwrap();
    asked.put(MS_CHAP2_RESPONSE, &response).unwrap();
    let asked = asked.seal(&secret());

    let request = asked.packet().verify_request(&secret()).unwrap();
    let stored = NtHash::from_octets(fixed("44EBBA8D5312B8D611474411F56989AE"));
    let Ok(Credentials::MsChap2(answer)) = Credentials::of(&request, &secret()) else {
        panic!("the request carries MS-CHAP version 2");
    };
    let verified = answer.verify(Known::NtHash(&stored)).unwrap();
    let mut accept = Draft::reply(&request, Code::AccessAccept).unwrap();
    verified.put_into(&mut accept, &secret(), 77).unwrap();
    accept.put(MS_MPPE_ENCRYPTION_POLICY, mppe::Policy::Required.number()).unwrap();
    accept.put(MS_MPPE_ENCRYPTION_TYPES, mppe::ENCRYPTION_TYPES).unwrap();
    let accept = accept.seal(&secret());

    let accept = accept.packet().verify_reply(&asked.packet(), &secret()).unwrap();
    let send_key = accept.reveal(MS_MPPE_SEND_KEY, &secret()).unwrap();
    assert!(send_key.matches(&octets("8B7CDC149B993A1BA118CB153F56DCCB")));
    let receive_key = accept.reveal(MS_MPPE_RECV_KEY, &secret()).unwrap();
    assert!(receive_key.matches(&octets("D5F0E9521E3EA9589645E86051C82226")));
    assert_eq!(accept.read(MS_MPPE_ENCRYPTION_POLICY), Some(2));
}
