//! Logins by EAP: a device and the server talk, first ours, then one that others wrote.

mod device;
mod site;
mod supplicant;

use device::{Device, WAYS, Way};
use lango_radius::eap::{Fragment, Method, Packet, Request, Response, TlsMethod};
use lango_server::radius::eap::{
    EapServer, Limits, NewestTls, Refusal, Settings, Silence, State, Step, failure_instead_of,
};
use rustls::version::{TLS12, TLS13};
use site::{Made, NOW, Site, account, after};

fn bob(site: &Site, way: Way) -> Device {
    Device::new(site, way, "bob", "correct horse")
}

/// Why a login was refused.
fn why(step: Step) -> Refusal {
    match step {
        Step::Reject { why, eap, .. } => {
            assert!(matches!(Packet::parse(&eap), Ok(Packet::Failure { .. })));
            why
        }
        other => panic!("{other:?}"),
    }
}

/// The State and the request of a challenge.
fn challenge(step: Step) -> (State, Vec<u8>) {
    match step {
        Step::Challenge { state, eap } => (state, eap),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_right_password_lets_in_and_leaves_both_sides_the_same_keys() {
    for newest_tls in [NewestTls::Tls12, NewestTls::Tls13] {
        let site = Site::with(Settings { newest_tls, ..Settings::default() }, 0);
        for way in WAYS {
            let mut device = bob(&site, way);
            match site.log_in(&mut device) {
                Step::Accept { user_name, outer_identity, keys, eap } => {
                    assert_eq!((&*user_name, &*outer_identity), ("bob", "anonymous@isp"));
                    assert_eq!([keys.receive(), keys.send()].concat(), device.keys(), "{way:?}");
                    assert_eq!(eap[0], 3, "EAP says Success");
                    assert_eq!(failure_instead_of(&eap), [4, eap[1], 0, 4]);
                }
                other => panic!("{way:?} {newest_tls:?} {other:?}"),
            }
        }
        assert_eq!(site.server.under_way(), 0);
    }
}

#[test]
fn a_wrong_password_and_an_unknown_name_are_refused_alike_outside() {
    let site = Site::new();
    for way in WAYS {
        let mut rounds = Vec::new();
        for (name, password) in [("bob", "wrong horse"), ("nobody", "correct horse")] {
            let mut count = 0;
            let mut device = Device::new(&site, way, name, password);
            let end = site.log_in_through(&mut device, |_| count += 1);
            rounds.push(count);
            match (name, end) {
                ("bob", Step::Reject { why: Refusal::WrongPassword, user_name, .. }) => {
                    assert_eq!(user_name.as_deref(), Some("bob"));
                }
                ("nobody", Step::Reject { why: Refusal::UnknownAccount, user_name, .. }) => {
                    assert_eq!(user_name.as_deref(), Some("nobody"));
                }
                (_, other) => panic!("{way:?} {other:?}"),
            }
        }
        assert_eq!(rounds[0], rounds[1], "{way:?}: nothing tells which names exist");
    }
    assert_eq!(site.server.under_way(), 0);
}

#[test]
fn a_stored_hash_is_enough_for_all_but_chap() {
    let site = Site::new();
    for way in WAYS {
        let mut device = Device::new(&site, way, "ümit", "pässwörd");
        match (way, site.log_in(&mut device)) {
            (Way::TtlsChap, end) => assert!(matches!(why(end), Refusal::NeedsClearText)),
            (_, Step::Accept { .. }) => (),
            (_, other) => panic!("{way:?} {other:?}"),
        }
    }
}

#[test]
fn a_windows_domain_before_the_name_is_no_part_of_the_proof() {
    let site = Site::new();
    for way in WAYS {
        let end = site.log_in(&mut Device::new(&site, way, "OFFICE\\bob", "correct horse"));
        assert!(matches!(end, Step::Accept { .. }), "{way:?} {end:?}");
    }
}

#[test]
fn a_name_that_is_no_text_or_empty_is_refused() {
    let site = Site::new();
    for way in WAYS {
        for name in [&b""[..], b"\xff\xfe"] {
            let mut device = Device::new(&site, way, "", "correct horse");
            device.name = name.to_vec();
            assert!(matches!(why(site.log_in(&mut device)), Refusal::NoName), "{way:?}");
        }
    }
}

#[test]
fn long_chains_go_out_in_fragments_that_suit_the_network() {
    let site = Site::with(Settings::default(), 5);
    for (framed_mtu, longest) in
        [(None, 1000), (Some(600), 596), (Some(20), 100), (Some(9000), 1200)]
    {
        let mut device = bob(&site, Way::Peap);
        device.fragment = 60;
        let mut step = site.server.start(&device.begin(0), framed_mtu, NOW);
        let mut sizes = Vec::new();
        while let Step::Challenge { state, eap } = step {
            sizes.push(eap.len());
            let answer = device.answer(&eap);
            step = site.server.go_on(state.octets(), &answer, NOW);
            if let Step::NeedsAccount { conversation, user_name, .. } = step {
                step = site.server.with_account(conversation, account(&user_name), NOW);
            }
        }
        assert!(sizes.iter().max() <= Some(&longest), "{framed_mtu:?}: {sizes:?}");
        match framed_mtu {
            // A chain as long as this does not pass through holes as small as that in 64 rounds.
            Some(20) => assert!(matches!(why(step), Refusal::TooManyRounds { limit: 64 })),
            _ => {
                assert!(matches!(step, Step::Accept { .. }), "{framed_mtu:?}: {step:?}");
                let full = sizes.iter().filter(|size| longest - **size < 5).count();
                assert!(full >= 5, "{framed_mtu:?}: {sizes:?}");
            }
        }
    }
}

#[test]
fn peap_comes_first_and_a_device_may_choose_ttls_but_nothing_without_a_tunnel() {
    let site = Site::new();
    let begin = || challenge(site.server.start(&bob(&site, Way::Peap).begin(7), None, NOW));
    let offered = |eap: &[u8]| match Packet::parse(eap).unwrap() {
        Packet::Request { request: Request::Method(Method::Tls(method, fragment)), .. } => {
            assert!(fragment.start);
            method
        }
        other => panic!("{other:?}"),
    };
    let nak = |eap: &[u8], wanted: &[u8]| {
        let response = Response::Nak(wanted);
        Packet::Response { identifier: eap[1], response }.encode().unwrap()
    };
    let (state, eap) = begin();
    assert_eq!(offered(&eap), TlsMethod::Peap);
    let (state, eap) = challenge(site.server.go_on(state.octets(), &nak(&eap, &[4, 21]), NOW));
    assert_eq!(offered(&eap), TlsMethod::Ttls);
    let end = site.server.go_on(state.octets(), &nak(&eap, &[25]), NOW);
    assert!(matches!(why(end), Refusal::NoCommonMethod { .. }), "choosing has an end");

    for wanted in [&[4][..], &[0], &[], &[26, 6]] {
        let (state, eap) = begin();
        let end = why(site.server.go_on(state.octets(), &nak(&eap, wanted), NOW));
        assert!(matches!(&end, Refusal::NoCommonMethod { wanted: told } if told == wanted));
    }
    assert_eq!(site.server.under_way(), 0);
}

#[test]
fn a_nas_may_ask_the_server_to_begin() {
    let site = Site::new();
    let mut device = bob(&site, Way::TtlsPap);
    let (state, eap) = challenge(site.server.start(&[], None, NOW));
    let request = Packet::parse(&eap).unwrap();
    assert!(matches!(request, Packet::Request { request: Request::Identity(_), .. }));
    let (_, eap) = challenge(site.server.go_on(state.octets(), &device.answer(&eap), NOW));
    assert_eq!(eap[4], 25, "PEAP is offered");
}

#[test]
fn a_login_begins_with_a_name_only() {
    let site = Site::new();
    let start = |octets: &[u8]| why(site.server.start(octets, None, NOW));
    assert!(matches!(start(&[3, 1, 0, 4]), Refusal::NotABeginning));
    assert!(matches!(start(&[2, 1, 0, 6, 3, 21]), Refusal::NotABeginning));
    assert!(matches!(start(&[1, 1, 0, 5, 1]), Refusal::NotABeginning));
    assert!(matches!(start(&[9]), Refusal::Malformed(_)));
    assert_eq!(site.server.under_way(), 0);
}

#[test]
fn a_device_that_does_not_trust_the_certificate_says_so() {
    let (site, elsewhere) = (Site::new(), Site::new());
    for version in [&TLS12, &TLS13] {
        let mut device = bob(&site, Way::Peap);
        device.config = elsewhere.trusting(&[version]);
        match why(site.log_in(&mut device)) {
            Refusal::DeviceBrokeOff { alert } => assert_eq!(alert, "UnknownCA"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_device_that_does_not_believe_our_proof_is_not_let_in() {
    let site = Site::new();
    for way in [Way::Peap, Way::TtlsMsChap2] {
        let mut device = bob(&site, way);
        device.believes = false;
        assert!(matches!(why(site.log_in(&mut device)), Refusal::DeviceDeclined), "{way:?}");
    }
}

#[test]
fn an_answer_to_a_challenge_of_elsewhere_proves_nothing_inside_ttls() {
    let site = Site::new();
    for way in [Way::TtlsChap, Way::TtlsMsChap2] {
        // The octets of the challenge stand behind the name, in each way at its place.
        let place = if way == Way::TtlsChap { 12 + 8 } else { 12 + 12 };
        let mut device = bob(&site, way);
        device.spoil = Some(Box::new(move |said| said[place] ^= 1));
        let end = why(site.log_in(&mut device));
        assert!(end.to_string().contains("not the tunnel's"), "{way:?} {end:?}");
    }
}

#[test]
fn inner_methods_that_nobody_checks_here_are_named() {
    let site = Site::new();
    let mut device = bob(&site, Way::Peap);
    device.spoil = Some(Box::new(|said| {
        if said.first() == Some(&26) {
            *said = vec![3, 6, 4];
        }
    }));
    let end = why(site.log_in(&mut device)).to_string();
    assert_eq!(end, "inside PEAP the device offers EAP GTC, MD5: set it to MSCHAPv2");

    let mut device = bob(&site, Way::TtlsPap);
    device.spoil = Some(Box::new(|said| said.truncate(12)));
    assert!(matches!(why(site.log_in(&mut device)), Refusal::NoCredentials));
}

#[test]
fn tls_that_fails_is_told_to_the_device_before_the_end() {
    let site = Site::new();
    let (state, eap) = challenge(site.server.start(&bob(&site, Way::Peap).begin(7), None, NOW));
    let respond = |eap: &[u8], data| {
        let fragment = Fragment { data, ..Fragment::acknowledgement(0) };
        let response = Response::Method(Method::Tls(TlsMethod::Peap, fragment));
        Packet::Response { identifier: eap[1], response }.encode().unwrap()
    };
    let nonsense = respond(&eap, &[22, 3, 1, 0, 4, 99, 0, 0, 0]);
    let (state, eap) = challenge(site.server.go_on(state.octets(), &nonsense, NOW));
    assert_eq!(eap[6], 21, "an alert");
    let end = site.server.go_on(state.octets(), &respond(&eap, &[]), NOW);
    assert!(matches!(why(end), Refusal::Tls(_)));
}

#[test]
fn a_message_that_comes_twice_is_answered_twice_alike() {
    let site = Site::new();
    for way in WAYS {
        let mut device = bob(&site, way);
        let mut step = site.server.start(&device.begin(7), None, NOW);
        while let Step::Challenge { state, eap } = step {
            let message = device.answer(&eap);
            let first = site.server.go_on(state.octets(), &message, NOW);
            step = match &first {
                Step::Accept { .. } => first,
                _ => site.server.go_on(state.octets(), &message, NOW),
            };
            if let Step::NeedsAccount { conversation, user_name, .. } = step {
                step = site.server.with_account(conversation, account(&user_name), NOW);
                if let Step::Challenge { eap, .. } = &step {
                    let again = site.server.with_account(conversation, None, NOW);
                    assert_eq!(&challenge(again).1, eap, "what is decided stays decided");
                }
            }
        }
        assert!(matches!(step, Step::Accept { .. }), "{way:?} {step:?}");
    }
}

#[test]
fn an_account_that_nobody_asked_for_ends_nothing_well() {
    let site = Site::new();
    let (state, eap) = challenge(site.server.start(&bob(&site, Way::Peap).begin(7), None, NOW));
    let again = site.server.with_account(state, account("bob"), NOW);
    assert_eq!(challenge(again).1, eap);
    let late = site.server.with_account(state, account("bob"), after(31));
    assert!(matches!(why(late), Refusal::UnknownConversation));
}

#[test]
fn logins_are_forgotten_after_their_time_and_the_oldest_when_there_are_too_many() {
    let limits = Limits { conversations: 3, ..Limits::default() };
    let site = Site::with(Settings { limits, ..Settings::default() }, 0);
    let begin = |now| challenge(site.server.start(&bob(&site, Way::Peap).begin(7), None, now));
    let goes_on = |state: &State, eap: &[u8], now| {
        let message = bob(&site, Way::Peap).answer(eap);
        matches!(site.server.go_on(state.octets(), &message, now), Step::Challenge { .. })
    };
    let (first, request) = begin(NOW);
    let (second, _) = begin(after(1));
    let (third, _) = begin(after(2));
    assert!(goes_on(&first, &request, after(29)));
    let (fourth, _) = begin(after(29));
    assert_eq!(site.server.under_way(), 3);
    assert!(!goes_on(&first, &request, after(29)), "the oldest made room");
    assert!(goes_on(&second, &request, after(30)));
    assert!(!goes_on(&second, &request, after(31)), "its time is over");
    let why: Vec<_> = site.server.abandoned(after(32)).into_iter().map(|gone| gone.why).collect();
    assert!(
        matches!(
            why[..],
            [
                Refusal::Forgotten,
                Refusal::FellSilent(Silence::AtCertificate),
                Refusal::FellSilent(Silence::BeforeTls)
            ]
        ),
        "{why:?}"
    );
    assert_eq!(site.server.under_way(), 1);
    assert!(!goes_on(&third, &request, after(32)));
    assert!(goes_on(&fourth, &request, after(58)));
    assert_eq!(site.server.abandoned(after(59)).len(), 1);
    assert_eq!(site.server.under_way(), 0);
    assert_eq!(site.server.abandoned(after(99)).len(), 0, "each is told once");
}

#[test]
fn a_device_that_falls_silent_leaves_a_trace_of_how_far_it_came() {
    let site = Site::new();
    let silent_after = |rounds: usize, password: &str| {
        let mut device = Device::new(&site, Way::Peap, "bob", password);
        let mut step = site.server.start(&device.begin(7), None, NOW);
        for _ in 0..rounds {
            let (state, eap) = challenge(step);
            step = site.server.go_on(state.octets(), &device.answer(&eap), NOW);
            if let Step::NeedsAccount { conversation, user_name, .. } = step {
                step = site.server.with_account(conversation, account(&user_name), NOW);
            }
        }
        let gone = site.server.abandoned(after(30)).remove(0);
        assert_eq!(gone.outer_identity, "anonymous@isp");
        gone
    };
    let stages: Vec<String> = (0..6)
        .map(|rounds| silent_after(rounds, "correct horse"))
        .map(|gone| format!("{:?} {:?}", gone.user_name.as_deref().unwrap_or(""), gone.why))
        .collect();
    assert_eq!(stages[0], "\"\" FellSilent(BeforeTls)");
    assert_eq!(stages[1], "\"\" FellSilent(AtCertificate)");
    assert_eq!(stages[3], "\"\" FellSilent(InTunnel)");
    assert_eq!(stages[5], "\"bob\" FellSilent(InTunnel)", "{stages:?}");
    let gone = silent_after(5, "wrong horse");
    assert!(matches!(gone.why, Refusal::WrongPassword), "{:?}", gone.why);
}

#[test]
fn a_state_cannot_be_guessed_from_another() {
    let site = Site::new();
    let device = bob(&site, Way::Peap);
    let (state, eap) = challenge(site.server.start(&device.begin(7), None, NOW));
    let message = bob(&site, Way::Peap).answer(&eap);
    for place in 0..16 {
        let mut other = *state.octets();
        other[place] ^= 1;
        let end = site.server.go_on(&other, &message, NOW);
        assert!(matches!(why(end), Refusal::UnknownConversation));
    }
    for other in [&b""[..], &state.octets()[..15], &[&state.octets()[..], &[0]].concat()] {
        assert!(matches!(
            why(site.server.go_on(other, &message, NOW)),
            Refusal::UnknownConversation
        ));
    }
    assert!(matches!(site.server.go_on(state.octets(), &message, NOW), Step::Challenge { .. }));
}

#[test]
fn endless_and_huge_messages_are_cut_off() {
    let site = Site::new();
    let fragment = |eap: &[u8], fragment| {
        let response = Response::Method(Method::Tls(TlsMethod::Peap, fragment));
        Packet::Response { identifier: eap[1], response }.encode().unwrap()
    };
    let begin = || challenge(site.server.start(&bob(&site, Way::Peap).begin(7), None, NOW));

    let (state, eap) = begin();
    let announced =
        Fragment { total: Some(65_537), more: true, data: &[22], ..Fragment::acknowledgement(0) };
    let end = site.server.go_on(state.octets(), &fragment(&eap, announced), NOW);
    assert!(matches!(why(end), Refusal::TooLong { limit: 65_536 }));

    // A handshake message that says it has 60,000 octets, in records of 1,000.
    let record = [&[22, 3, 3, 3, 232][..], &[0; 1000]].concat();
    let mut first = record.clone();
    first[5..9].copy_from_slice(&[1, 0, 0xea, 0x60]);
    let (state, mut eap) = begin();
    let mut next = &first;
    let end = loop {
        let more = Fragment { more: true, data: next, ..Fragment::acknowledgement(0) };
        match site.server.go_on(state.octets(), &fragment(&eap, more), NOW) {
            Step::Challenge { eap: request, .. } => eap = request,
            end => break end,
        }
        next = &record;
    };
    let end = why(end);
    assert!(
        matches!(end, Refusal::TooManyRounds { .. } | Refusal::TooLong { .. } | Refusal::Tls(_)),
        "{end:?}"
    );
    assert_eq!(site.server.under_way(), 0);
}

#[test]
fn a_renewed_certificate_serves_the_next_login_and_a_bad_one_does_not() {
    let site = Site::new();
    let renewed = Made::new(0);
    let mut mixed = Made::new(0);
    mixed.key = Made::new(0).key;
    site.server.renew(&mixed.certificates()).unwrap_err();
    let end = site.log_in(&mut bob(&site, Way::Peap));
    assert!(matches!(end, Step::Accept { .. }), "{end:?}");

    site.server.renew(&renewed.certificates()).unwrap();
    let end = site.log_in(&mut bob(&site, Way::Peap));
    assert!(matches!(why(end), Refusal::DeviceBrokeOff { .. }), "devices see the new one");
}

#[test]
fn a_server_needs_a_certificate_and_its_key() {
    let said = |spoil: fn(&mut Made)| {
        let mut made = Made::with_eap_tls();
        spoil(&mut made);
        EapServer::new(&made.certificates(), Settings::default()).unwrap_err().to_string()
    };
    assert!(said(|made| made.chain.clear()).contains("no EAP certificate"));
    assert!(said(|made| made.key.clear()).contains("cannot read the key"));
    assert!(said(|made| made.key = Made::new(0).key).contains("does not belong"));
    assert!(said(|made| made.root.clear()).contains("no authority"));
}

#[test]
fn a_certificate_of_the_house_lets_in_whom_it_names() {
    for newest_tls in [NewestTls::Tls12, NewestTls::Tls13] {
        let site = Site::of(Made::with_eap_tls(), newest_tls);
        let log_in = |name| {
            let mut device = Device::new(&site, Way::Certificate, "", "");
            device.config = site.trusting_with(&site.made.sign_for(name));
            let end = site.log_in(&mut device);
            (device, end)
        };
        match log_in("bob") {
            (device, Step::Accept { user_name, keys, .. }) => {
                assert_eq!(user_name, "bob");
                assert_eq!([keys.receive(), keys.send()].concat(), device.keys());
            }
            (_, other) => panic!("{newest_tls:?} {other:?}"),
        }
        assert!(matches!(why(log_in("nobody").1), Refusal::UnknownAccount));
        assert!(matches!(why(log_in("").1), Refusal::NoName));
    }
}

#[test]
fn a_certificate_of_another_house_or_none_lets_nobody_in() {
    for newest_tls in [NewestTls::Tls12, NewestTls::Tls13] {
        let site = Site::of(Made::with_eap_tls(), newest_tls);
        let mut device = Device::new(&site, Way::Certificate, "", "");
        device.config = site.trusting_with(&Made::new(0).sign_for("bob"));
        assert!(matches!(why(site.log_in(&mut device)), Refusal::Tls(_)), "{newest_tls:?}");
        let mut device = Device::new(&site, Way::Certificate, "", "");
        assert!(matches!(why(site.log_in(&mut device)), Refusal::Tls(_)), "{newest_tls:?}");
    }
    let site = Site::new();
    let end = site.log_in(&mut Device::new(&site, Way::Certificate, "", ""));
    assert!(matches!(why(end), Refusal::NoCommonMethod { .. }), "it is not offered");
}

#[test]
fn many_devices_log_in_at_once() {
    let site = Site::new();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let site = &site;
            scope.spawn(move || {
                for number in 0..12 {
                    let way = WAYS[(thread + number) % WAYS.len()];
                    let end = site.log_in(&mut bob(site, way));
                    assert!(matches!(end, Step::Accept { .. }), "{way:?} {end:?}");
                    assert!(site.server.abandoned(after(1)).is_empty());
                }
            });
        }
    });
    assert_eq!(site.server.under_way(), 0);
}

/// Changes, cuts, lengthens, doubles: what a broken or hostile device may send.
fn damage(rng: &mut fastrand::Rng, octets: &mut Vec<u8>) {
    for _ in 0..rng.usize(1..4) {
        let place = rng.usize(..octets.len().max(1));
        match rng.u8(..6) {
            0 => octets.truncate(place),
            1 => octets.extend((0..rng.usize(..40)).map(|_| rng.u8(..))),
            2 => octets.insert(place.min(octets.len()), rng.u8(..)),
            // The first octets carry code, length, method and flags: they deserve more.
            3 if octets.len() > 10 => octets[place % 10] = rng.u8(..),
            _ if !octets.is_empty() => octets[place] = rng.u8(..),
            _ => (),
        }
    }
}

/// Makes the length of an EAP packet true again, so that damage gets past the first check.
fn mend_length(octets: &mut [u8]) {
    let length = u16::try_from(octets.len()).unwrap();
    if let Some(place) = octets.get_mut(2..4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

#[test]
fn whatever_a_device_sends_the_server_answers_and_forgets() {
    let site = Site::of(Made::with_eap_tls(), NewestTls::Tls13);
    let certificate = site.made.sign_for("bob");
    let ways = [&WAYS[..], &[Way::Certificate]].concat();
    let mut rng = fastrand::Rng::with_seed(20_261_121);
    let mut ends = std::collections::BTreeMap::<String, u32>::new();
    for number in 0..1_200 {
        let way = ways[number % ways.len()];
        let mut device = bob(&site, way);
        device.fragment = rng.usize(40..900);
        device.config = match way {
            Way::Certificate => site.trusting_with(&certificate),
            _ => site.trusting(&[if rng.bool() { &TLS12 } else { &TLS13 }]),
        };
        let mut inside = rng.fork();
        let turn = inside.usize(..6);
        let mut count = 0;
        if number % 2 == 0 {
            device.spoil = Some(Box::new(move |said| {
                if count == turn && !said.is_empty() {
                    damage(&mut inside, said);
                }
                count += 1;
            }));
        }
        let turn = rng.usize(..12);
        let mut count = 0;
        let mut step = site.server.start(&device.begin(7), None, NOW);
        // A device that was confused by its own damage gives up.
        for _ in 0..100 {
            step = match step {
                Step::Challenge { state, eap } => {
                    let mut message = device.answer(&eap);
                    if number % 2 == 1 && count == turn {
                        damage(&mut rng, &mut message);
                        if rng.bool() {
                            mend_length(&mut message);
                        }
                    }
                    count += 1;
                    site.server.go_on(state.octets(), &message, NOW)
                }
                Step::NeedsAccount { conversation, user_name, .. } => {
                    site.server.with_account(conversation, account(&user_name), NOW)
                }
                end => {
                    step = end;
                    break;
                }
            };
        }
        let end = match step {
            Step::Accept { user_name, .. } => {
                assert_eq!(user_name, "bob", "damage never makes somebody else");
                "accept".to_owned()
            }
            end => format!("{:?}", why(end)).split(['(', ' ']).next().unwrap().to_owned(),
        };
        *ends.entry(end).or_default() += 1;
    }
    assert_eq!(site.server.under_way(), 0);
    assert!(ends.len() >= 6, "the damage reaches deep: {ends:?}");
    assert!(ends["accept"] > 50, "and not every login meets it: {ends:?}");
}
