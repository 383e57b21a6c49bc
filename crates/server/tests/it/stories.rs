//! What happens in the shops of operators, and what must come of it. Every story runs on both
//! databases.

use crate::harness::{By, Engine, Harness, NOON, browses, fixed, hotspot, log_in, mac, pppoe};
use lango_domain::grant::{EndReason, Event, SuspendReason};
use lango_domain::plan::{AfterEnd, AtDataCap, Clock, Terms, WhenSessionEnds};
use lango_domain::quantity::{DataSize, Speed};
use lango_domain::time::Span;
use lango_router_sim::{PrintEnd, Reboot};
use lango_server::operations::accept_payment::Accepted;
use lango_server::operations::clean_up::retire_devices;
use std::num::NonZeroU16;

crate::harness::stories!(
    past_paid_until_is_cut_from_both_routers_and_warned_once,
    a_failing_router_does_not_stop_the_others_and_is_finished_when_it_returns,
    a_voucher_never_used_in_seven_days_lapses,
    paid_but_never_activated_lapses,
    an_hour_ends_after_an_hour,
    a_session_that_ended_early_ends_the_grant_only_where_the_plan_says_so,
    a_user_removed_by_the_admin_is_put_back,
    a_service_is_suspended_overdue_and_terminated,
    a_service_paid_again_while_its_router_is_down_comes_back_with_it,
    after_a_power_cut_the_routers_are_read_before_anything_is_ended,
    a_cut_is_whole,
    a_fixed_address_is_cut_with_its_connections_and_comes_back,
    pppoe_does_not_come_back_by_dialling,
    one_receipt_makes_one_renewal,
    half_a_reading_ends_nobodys_grant,
    strangers_are_reported_and_never_touched,
    a_dry_run_tells_and_changes_nothing,
    two_gigabytes_over_two_routers_are_two_gigabytes,
    time_online_ends_by_the_routers_own_count,
    buying_again_after_the_end_gives_the_whole_cap_again,
    a_renewal_that_the_router_cannot_hear_of_is_not_cut_by_it,
    a_reply_lost_in_the_middle_of_a_cut_does_not_lose_the_cut,
    the_router_cuts_by_itself_when_it_loses_us,
    a_reboot_lets_nobody_in_and_throws_nobody_out,
    unused_devices_are_retired,
);

fn hourly() -> Terms {
    Terms::hotspot(Span::hours(1))
}

fn monthly() -> Terms {
    Terms::service(Span::days(30))
}

async fn past_paid_until_is_cut_from_both_routers_and_warned_once(engine: Engine) {
    let mut t = Harness::on(engine).await;
    let lobby = t.router("Lobby", By::Api).await;
    let garden = t.router("Garden", By::Rest).await;
    let terms = Terms {
        devices: NonZeroU16::new(2).unwrap(),
        warn_before: Some(Span::minutes(30)),
        ..Terms::service(Span::hours(24))
    };
    t.plan("Day", terms).await;
    let grant = t.service("Day", hotspot("amina")).await;
    t.pump().await;
    log_in(&lobby, mac(1), "amina");
    log_in(&garden, mac(2), "amina");
    t.advance(Span::hours(23)).await;
    assert!(browses(&lobby, mac(1)) && browses(&garden, mac(2)));
    t.advance(Span::hours(1)).await;
    assert!(!browses(&lobby, mac(1)) && !browses(&garden, mac(2)));
    let cuts = t.cuts(grant).await;
    assert_eq!(cuts.len(), 2, "one proof per router");
    assert!(cuts.iter().all(|cut| cut.due_at == NOON + Span::hours(24)));

    t.advance(Span::days(2)).await;
    let texts: Vec<String> = t.messages().await.into_iter().map(|message| message.body).collect();
    assert_eq!(
        texts,
        [
            "Hotel ABC WiFi: your internet ends 22 Nov 12:00. Pay now to stay online.",
            "Hotel ABC WiFi: your internet time is over. Pay to go on.",
        ]
    );
    t.finish().await;
}

async fn a_failing_router_does_not_stop_the_others_and_is_finished_when_it_returns(engine: Engine) {
    let mut t = Harness::on(engine).await;
    let lobby = t.router("Lobby", By::Api).await;
    let garden = t.router("Garden", By::Api).await;
    let terms = Terms { devices: NonZeroU16::new(2).unwrap(), ..Terms::service(Span::hours(24)) };
    t.plan("Day", terms).await;
    let grant = t.service("Day", hotspot("amina")).await;
    t.pump().await;
    log_in(&lobby, mac(1), "amina");
    log_in(&garden, mac(2), "amina");
    t.advance(Span::hours(23)).await;
    // Somebody took the router's own limits away, so that only we can end it; then the line broke.
    let user = garden.matching("/ip/hotspot/user", &[("name", "amina")]).remove(0);
    let id = user.text(".id").unwrap();
    garden.set("/ip/hotspot/user", &id, &[("limit-uptime", "0s")]).unwrap();
    for guard in garden.rows("/system/scheduler") {
        garden.remove("/system/scheduler", &guard.text(".id").unwrap()).unwrap();
    }
    garden.faults().unreachable(true);
    t.advance(Span::hours(2)).await;
    assert!(!browses(&lobby, mac(1)), "the router that answers was not kept waiting");
    assert!(browses(&garden, mac(2)));
    assert_eq!(t.cuts(grant).await.len(), 1, "nobody is called cut before a router confirmed it");
    assert_eq!(t.open_work(grant).await.len(), 1);

    garden.faults().unreachable(false);
    t.advance(Span::minutes(1)).await;
    assert!(!browses(&garden, mac(2)));
    let cuts = t.cuts(grant).await;
    assert_eq!(cuts.len(), 2);
    assert!(cuts[1].lateness >= Span::hours(1), "the proof says how late it was");
    t.finish().await;
}

async fn a_voucher_never_used_in_seven_days_lapses(engine: Engine) {
    let mut t = Harness::on(engine).await;
    let lobby = t.router("Lobby", By::Api).await;
    t.plan("Hour", Terms { shelf_life: Some(Span::days(7)), ..hourly() }).await;
    let (grant, code) = t.voucher("Hour", None).await;
    t.advance(Span::days(7).less(Span::seconds(1))).await;
    assert_eq!(t.ended(grant).await, None);
    t.advance(Span::seconds(1)).await;
    assert_eq!(t.ended(grant).await, Some(EndReason::NeverUsed));
    lobby.join(mac(1));
    assert!(lobby.login(mac(1), &code, &code).is_err(), "the code opens nothing any more");
    assert!(t.messages().await.is_empty(), "nobody bought it, nobody is told");
    t.finish().await;
}

async fn paid_but_never_activated_lapses(engine: Engine) {
    let mut t = Harness::on(engine).await;
    t.router("Lobby", By::Rest).await;
    t.plan("Hour", Terms { activate_within: Some(Span::days(1)), ..hourly() }).await;
    let customer = t.customer().await;
    let (grant, _) = t.voucher("Hour", Some(customer)).await;
    t.advance(Span::days(1)).await;
    assert_eq!(t.ended(grant).await, Some(EndReason::NeverActivated));
    assert_eq!(t.messages().await.len(), 1);
    t.finish().await;
}

async fn an_hour_ends_after_an_hour(engine: Engine) {
    let mut t = Harness::on(engine).await;
    let lobby = t.router("Lobby", By::Api).await;
    t.plan("Hour", hourly()).await;
    let (grant, code) = t.voucher("Hour", None).await;
    t.advance(Span::minutes(5)).await;
    log_in(&lobby, mac(1), &code);
    t.advance(Span::minutes(59)).await;
    assert!(browses(&lobby, mac(1)));
    t.advance(Span::minutes(1)).await;
    assert!(!browses(&lobby, mac(1)));
    assert_eq!(t.ended(grant).await, Some(EndReason::TimeUp));
    let story: Vec<String> = t.story_of(grant).await.into_iter().map(|line| line.what).collect();
    assert_eq!(story, ["created", "started", "ended", "cut"]);
    t.finish().await;
}

async fn a_session_that_ended_early_ends_the_grant_only_where_the_plan_says_so(engine: Engine) {
    let mut t = Harness::on(engine).await;
    let lobby = t.router("Lobby", By::Api).await;
    t.plan("Keep", hourly()).await;
    let once = WhenSessionEnds::EndAfter(Span::minutes(10));
    t.plan("Once", Terms { when_session_ends: once, ..hourly() }).await;
    let (keep, keep_code) = t.voucher("Keep", None).await;
    let (once, once_code) = t.voucher("Once", None).await;
    t.pump().await;
    log_in(&lobby, mac(1), &keep_code);
    log_in(&lobby, mac(2), &once_code);
    t.advance(Span::minutes(10)).await;
    lobby.press_logout(mac(1));
    lobby.press_logout(mac(2));
    t.advance(Span::minutes(15)).await;
    assert_eq!(t.ended(keep).await, None, "he paid for an hour and may come back");
    assert_eq!(t.ended(once).await, Some(EndReason::SessionEnded));
    t.finish().await;
}

async fn a_user_removed_by_the_admin_is_put_back(engine: Engine) {
    let mut t = Harness::on(engine).await;
    let lobby = t.router("Lobby", By::Rest).await;
    t.plan("Month", monthly()).await;
    let grant = t.service("Month", hotspot("amina")).await;
    t.pump().await;
    let user = lobby.matching("/ip/hotspot/user", &[("name", "amina")]).remove(0);
    lobby.remove("/ip/hotspot/user", &user.text(".id").unwrap()).unwrap();
    let report = t.sync("Lobby").await;
    assert_eq!(report.differences.len(), 1, "{:?}", report.differences);
    log_in(&lobby, mac(1), "amina");
    assert!(browses(&lobby, mac(1)), "what was paid is the truth, not what somebody clicked");
    assert_eq!(t.ended(grant).await, None);
    t.finish().await;
}

async fn a_service_is_suspended_overdue_and_terminated(engine: Engine) {
    let mut t = Harness::on(engine).await;
    let tower = t.router("Tower", By::Api).await;
    t.plan("Home", Terms { grace: Span::days(3), ..monthly() }).await;
    let grant = t.service("Home", pppoe("otieno")).await;
    t.pump().await;
    tower.dial(mac(1), "otieno", "pass");
    assert!(browses(&tower, mac(1)));

    t.tell(grant, Event::Suspend(SuspendReason::Staff)).await;
    t.advance(Span::minutes(1)).await;
    assert!(!browses(&tower, mac(1)), "suspended");
    t.tell(grant, Event::Resume).await;
    t.advance(Span::minutes(1)).await;
    assert!(browses(&tower, mac(1)), "resumed: the modem dials in by itself");

    t.advance(Span::days(31)).await;
    assert!(browses(&tower, mac(1)), "overdue, in grace");
    t.advance(Span::days(3)).await;
    assert!(!browses(&tower, mac(1)), "overdue, grace is over");
    t.pay(grant).await;
    t.advance(Span::minutes(1)).await;
    assert!(browses(&tower, mac(1)), "paid");

    t.tell(grant, Event::Terminate).await;
    t.advance(Span::minutes(1)).await;
    assert!(!browses(&tower, mac(1)), "terminated");
    assert!(matches!(t.pay(grant).await, Accepted::Refused(_)));
    t.finish().await;
}

async fn a_service_paid_again_while_its_router_is_down_comes_back_with_it(engine: Engine) {
    let mut t = Harness::on(engine).await;
    let tower = t.router("Tower", By::Api).await;
    t.plan("Home", monthly()).await;
    let grant = t.service("Home", pppoe("otieno")).await;
    t.pump().await;
    tower.dial(mac(1), "otieno", "pass");
    t.advance(Span::days(30)).await;
    assert!(!browses(&tower, mac(1)));
    tower.faults().unreachable(true);
    t.pay(grant).await;
    t.advance(Span::hours(1)).await;
    assert!(!browses(&tower, mac(1)));
    tower.faults().unreachable(false);
    t.advance(Span::minutes(2)).await;
    assert!(browses(&tower, mac(1)));
    t.finish().await;
}

async fn after_a_power_cut_the_routers_are_read_before_anything_is_ended(engine: Engine) {
    let mut t = Harness::on(engine).await;
    let lobby = t.router("Lobby", By::Api).await;
    let shelf = Terms { shelf_life: Some(Span::days(7)), ..Terms::hotspot(Span::days(3)) };
    t.plan("Three days", shelf).await;
    t.plan("Hour", hourly()).await;
    let (late, late_code) = t.voucher("Three days", None).await;
    let (hour, hour_code) = t.voucher("Hour", None).await;
    t.advance(Span::days(6)).await;
    log_in(&lobby, mac(1), &hour_code);
    t.advance(Span::minutes(30)).await;

    // Our machine is off for two days. Meanwhile somebody uses the other voucher in time, and
    // everything falls due.
    t.sleep(Span::hours(12));
    log_in(&lobby, mac(2), &late_code);
    t.sleep(Span::hours(36));
    let report = t.sync("Lobby").await;
    assert_eq!(report.online, 1, "the router had ended the hour by itself");
    t.pump().await;
    assert_eq!(t.ended(hour).await, Some(EndReason::TimeUp));
    assert_eq!(t.ended(late).await, None, "first used within its shelf life");
    assert!(browses(&lobby, mac(2)), "nobody who paid is cut");
    assert!(!browses(&lobby, mac(1)));
    t.finish().await;
}

async fn a_cut_is_whole(engine: Engine) {
    let mut t = Harness::on(engine).await;
    let lobby = t.router("Lobby", By::Api).await;
    t.plan("Family", Terms { devices: NonZeroU16::new(3).unwrap(), ..hourly() }).await;
    let (grant, code) = t.voucher("Family", None).await;
    t.pump().await;
    log_in(&lobby, mac(1), &code);
    log_in(&lobby, mac(2), &code);
    log_in(&lobby, mac(3), &code);
    lobby.open_download(mac(1)).unwrap();
    t.advance(Span::minutes(10)).await;
    // The third phone went home with its cookies, and comes back after the end.
    lobby.leave(mac(3));
    let bypass = format!("lango:{grant}");
    let address = lobby.address_of(mac(2)).unwrap().to_string();
    let binding = [("mac-address", "AA:BB:CC:00:00:02"), ("type", "bypassed")];
    let binding = [&binding[..], &[("address", address.as_str()), ("comment", bypass.as_str())]];
    lobby.add("/ip/hotspot/ip-binding", &binding.concat()).unwrap();
    t.advance(Span::minutes(50)).await;
    lobby.come_back(mac(3));
    for phone in [mac(1), mac(2), mac(3)] {
        assert!(!browses(&lobby, phone), "{phone:?}");
    }
    assert!(lobby.rows("/ip/hotspot/cookie").is_empty());
    t.finish().await;
}

async fn a_fixed_address_is_cut_with_its_connections_and_comes_back(engine: Engine) {
    let mut t = Harness::on(engine).await;
    let tower = t.router("Tower", By::Rest).await;
    t.plan("Office", monthly()).await;
    let grant = t.service("Office", fixed(10)).await;
    t.pump().await;
    tower.use_address(mac(1), std::net::Ipv4Addr::new(10, 77, 0, 10));
    assert!(browses(&tower, mac(1)));
    tower.open_download(mac(1)).unwrap();
    t.advance(Span::days(30)).await;
    assert!(!browses(&tower, mac(1)));
    t.pay(grant).await;
    t.advance(Span::minutes(1)).await;
    assert!(browses(&tower, mac(1)));
    t.finish().await;
}

async fn pppoe_does_not_come_back_by_dialling(engine: Engine) {
    let mut t = Harness::on(engine).await;
    let tower = t.router("Tower", By::Api).await;
    t.plan("Home", Terms { after_end: AfterEnd::Wall, ..monthly() }).await;
    t.plan("Cut", monthly()).await;
    let walled = t.service("Home", pppoe("walled")).await;
    let cut = t.service("Cut", pppoe("cut")).await;
    t.pump().await;
    tower.dial(mac(1), "walled", "pass");
    tower.dial(mac(2), "cut", "pass");
    assert!(browses(&tower, mac(1)) && browses(&tower, mac(2)));
    t.advance(Span::days(30)).await;
    t.advance(Span::hours(1)).await;
    assert!(!browses(&tower, mac(1)), "walled: dialled in, but only the pay page");
    assert!(!browses(&tower, mac(2)), "cut");
    for grant in [walled, cut] {
        assert_eq!(t.cuts(grant).await.len(), 1);
    }
    t.finish().await;
}

async fn one_receipt_makes_one_renewal(engine: Engine) {
    let mut t = Harness::on(engine).await;
    t.router("Tower", By::Api).await;
    t.plan("Home", monthly()).await;
    let grant = t.service("Home", pppoe("otieno")).await;
    assert!(matches!(t.pay_with(grant, "SAME").await, Accepted::Now(_)));
    for _ in 0..5 {
        assert_eq!(t.pay_with(grant, "SAME").await, Accepted::Already(grant));
    }
    let (first, second) = tokio::join!(t.pay_with(grant, "TWIN"), t.pay_with(grant, "TWIN"));
    let taken = [first, second].iter().filter(|a| matches!(a, Accepted::Now(_))).count();
    assert_eq!(taken, 1, "two at the same instant are one");
    let end = t.grant(grant).await.grant.state.ends_at();
    assert_eq!(end, Some(NOON + Span::days(90)), "the first month, and two receipts");
    t.finish().await;
}

async fn half_a_reading_ends_nobodys_grant(engine: Engine) {
    let mut t = Harness::on(engine).await;
    let lobby = t.router("Lobby", By::Api).await;
    let once = WhenSessionEnds::EndAfter(Span::ZERO);
    t.plan("Once", Terms { when_session_ends: once, ..hourly() }).await;
    let (grant, code) = t.voucher("Once", None).await;
    t.pump().await;
    log_in(&lobby, mac(1), &code);
    t.advance(Span::minutes(1)).await;
    lobby.faults().cut_next_print("/ip/hotspot/active", 0, PrintEnd::Close);
    assert!(!t.try_sync("Lobby").await, "half a reading is an error");
    t.advance(Span::minutes(1)).await;
    assert_eq!(t.ended(grant).await, None);
    assert!(browses(&lobby, mac(1)));
    t.finish().await;
}

async fn strangers_are_reported_and_never_touched(engine: Engine) {
    let mut t = Harness::on(engine).await;
    let lobby = t.router("Lobby", By::Api).await;
    let theirs = [("name", "boss"), ("password", "x"), ("comment", "the owner himself")];
    lobby.add("/ip/hotspot/user", &theirs).unwrap();
    let orphan = [("name", "old"), ("password", "x"), ("comment", "lango:g0000000000001")];
    lobby.add("/ip/hotspot/user", &orphan).unwrap();
    let before = lobby.rows("/ip/hotspot/user").len();
    t.plan("Month", monthly()).await;
    t.service("Month", hotspot("amina")).await;
    t.pump().await;
    let report = t.sync("Lobby").await;
    let names: Vec<&str> = report.strangers.iter().map(|stranger| stranger.name.as_str()).collect();
    assert_eq!(names, ["old"], "only what carries our mark without being ours is worth a word");
    assert_eq!(lobby.rows("/ip/hotspot/user").len(), before + 1);
    t.finish().await;
}

async fn a_dry_run_tells_and_changes_nothing(engine: Engine) {
    let mut t = Harness::on(engine).await;
    let lobby = t.router("Lobby", By::Rest).await;
    t.plan("Month", monthly()).await;
    t.service("Month", hotspot("amina")).await;
    t.pump().await;
    let user = lobby.matching("/ip/hotspot/user", &[("name", "amina")]).remove(0);
    let id = user.text(".id").unwrap();
    lobby.set("/ip/hotspot/user", &id, &[("disabled", "yes")]).unwrap();
    let report = t.dry_run("Lobby").await;
    assert_eq!(report.differences.len(), 1);
    assert_eq!(report.differences[0].label, "amina");
    let user = lobby.matching("/ip/hotspot/user", &[("name", "amina")]).remove(0);
    assert_eq!(user.text("disabled").as_deref(), Some("true"), "only told");
    t.sync("Lobby").await;
    let user = lobby.matching("/ip/hotspot/user", &[("name", "amina")]).remove(0);
    assert_eq!(user.text("disabled").as_deref(), Some("false"));
    t.finish().await;
}

async fn two_gigabytes_over_two_routers_are_two_gigabytes(engine: Engine) {
    let mut t = Harness::on(engine).await;
    let lobby = t.router("Lobby", By::Api).await;
    let garden = t.router("Garden", By::Api).await;
    let slow = Speed { upload: 64_000, download: 128_000 };
    let clock = Clock { data: Some(DataSize::megabytes(2_000)), ..Clock::default() };
    let capped = Terms { clock, devices: NonZeroU16::new(3).unwrap(), ..hourly() };
    t.plan("Cap", capped.clone()).await;
    t.plan("Slow", Terms { at_data_cap: AtDataCap::Throttle(slow), ..capped }).await;
    let (cap, cap_code) = t.voucher("Cap", None).await;
    let (throttled, slow_code) = t.voucher("Slow", None).await;
    t.pump().await;
    log_in(&lobby, mac(1), &cap_code);
    log_in(&garden, mac(2), &cap_code);
    log_in(&lobby, mac(3), &slow_code);
    lobby.surf(mac(1), 1_200_000_000);
    t.advance(Span::minutes(1)).await;
    assert_eq!(t.ended(cap).await, None);
    garden.surf(mac(2), 900_000_000);
    lobby.surf(mac(3), 2_100_000_000);
    t.advance(Span::minutes(1)).await;
    assert_eq!(t.ended(cap).await, Some(EndReason::DataUsedUp));
    assert!(!browses(&lobby, mac(1)) && !browses(&garden, mac(2)));
    assert!(browses(&lobby, mac(3)), "throttled, not cut");
    assert_eq!(t.grant(throttled).await.grant.state.word(), "throttled");
    let ip = lobby.address_of(mac(3)).unwrap();
    assert_eq!(lobby.speed_limit(mac(3), ip), Some((64_000, 128_000)));
    t.finish().await;
}

async fn time_online_ends_by_the_routers_own_count(engine: Engine) {
    let mut t = Harness::on(engine).await;
    let lobby = t.router("Lobby", By::Api).await;
    let clock = Clock { uptime: Some(Span::hours(2)), ..Clock::default() };
    t.plan("Two hours online", Terms { clock, ..hourly() }).await;
    let (grant, code) = t.voucher("Two hours online", None).await;
    t.pump().await;
    log_in(&lobby, mac(1), &code);
    t.advance(Span::hours(1)).await;
    lobby.press_logout(mac(1));
    lobby.leave(mac(1));
    t.advance(Span::hours(5)).await;
    assert_eq!(t.ended(grant).await, None, "offline does not count");
    lobby.come_back(mac(1));
    if !browses(&lobby, mac(1)) {
        log_in(&lobby, mac(1), &code);
    }
    lobby.keep_busy(mac(1), 100, 1_000);
    t.advance(Span::minutes(59)).await;
    assert!(browses(&lobby, mac(1)));
    t.advance(Span::minutes(3)).await;
    assert!(!browses(&lobby, mac(1)));
    assert_eq!(t.ended(grant).await, Some(EndReason::UptimeUsedUp));
    t.finish().await;
}

async fn buying_again_after_the_end_gives_the_whole_cap_again(engine: Engine) {
    let mut t = Harness::on(engine).await;
    let lobby = t.router("Lobby", By::Api).await;
    let mut terms = Terms::service(Span::hours(10));
    terms.clock.data = Some(DataSize::megabytes(2_000));
    t.plan("Cap", terms).await;
    let grant = t.service("Cap", hotspot("amina")).await;
    t.pump().await;
    log_in(&lobby, mac(1), "amina");
    lobby.surf(mac(1), 1_500_000_000);
    t.advance(Span::hours(10)).await;
    assert_eq!(t.ended(grant).await, Some(EndReason::TimeUp), "with 500 MB left");
    t.pay(grant).await;
    t.advance(Span::minutes(1)).await;
    log_in(&lobby, mac(1), "amina");
    lobby.surf(mac(1), 1_900_000_000);
    t.advance(Span::minutes(1)).await;
    assert!(browses(&lobby, mac(1)), "he bought two more gigabytes, not what was left");
    lobby.surf(mac(1), 200_000_000);
    t.advance(Span::minutes(1)).await;
    assert!(!browses(&lobby, mac(1)));
    assert_eq!(t.ended(grant).await, Some(EndReason::DataUsedUp));
    t.finish().await;
}

async fn a_renewal_that_the_router_cannot_hear_of_is_not_cut_by_it(engine: Engine) {
    let mut t = Harness::on(engine).await;
    let lobby = t.router("Lobby", By::Api).await;
    t.plan("Hour", Terms::service(Span::hours(1))).await;
    let account = t.service("Hour", hotspot("amina")).await;
    let home = t.service("Hour", pppoe("otieno")).await;
    t.pump().await;
    log_in(&lobby, mac(1), "amina");
    lobby.dial(mac(2), "otieno", "pass");
    t.advance(Span::minutes(55)).await;
    lobby.faults().unreachable(true);
    t.pay(account).await;
    t.pay(home).await;
    for _ in 0..12 {
        t.advance(Span::minutes(1)).await;
        assert!(browses(&lobby, mac(1)) && browses(&lobby, mac(2)), "paid at {}", t.now());
    }
    lobby.faults().unreachable(false);
    t.advance(Span::minutes(40)).await;
    assert!(browses(&lobby, mac(1)) && browses(&lobby, mac(2)), "the second hour");
    t.advance(Span::minutes(13)).await;
    assert!(!browses(&lobby, mac(1)) && !browses(&lobby, mac(2)));
    t.finish().await;
}

async fn a_reply_lost_in_the_middle_of_a_cut_does_not_lose_the_cut(engine: Engine) {
    let mut t = Harness::on(engine).await;
    let lobby = t.router("Lobby", By::Api).await;
    t.plan("Hour", hourly()).await;
    let (grant, code) = t.voucher("Hour", None).await;
    t.pump().await;
    log_in(&lobby, mac(1), &code);
    t.advance(Span::minutes(59)).await;
    lobby.faults().lose_reply("/ip/hotspot/active/remove", 1);
    t.advance(Span::minutes(2)).await;
    t.advance(Span::minutes(2)).await;
    assert!(!browses(&lobby, mac(1)));
    assert!(!t.cuts(grant).await.is_empty());
    t.finish().await;
}

async fn the_router_cuts_by_itself_when_it_loses_us(engine: Engine) {
    let mut t = Harness::on(engine).await;
    let lobby = t.router("Lobby", By::Api).await;
    t.plan("Hour", hourly()).await;
    t.plan("Day", Terms::service(Span::hours(20))).await;
    let (grant, code) = t.voucher("Hour", None).await;
    let home = t.service("Day", pppoe("otieno")).await;
    let office = t.service("Day", fixed(10)).await;
    t.pump().await;
    log_in(&lobby, mac(1), &code);
    lobby.dial(mac(2), "otieno", "pass");
    lobby.use_address(mac(3), std::net::Ipv4Addr::new(10, 77, 0, 10));
    t.advance(Span::minutes(1)).await;
    t.sleep(Span::minutes(70));
    assert!(!browses(&lobby, mac(1)), "the hotspot's own limit");
    assert!(browses(&lobby, mac(2)) && browses(&lobby, mac(3)));
    t.sleep(Span::hours(20));
    assert!(!browses(&lobby, mac(2)), "the guard on the router, dialling or not");
    assert!(!browses(&lobby, mac(3)), "the guard on the router");
    t.pump().await;
    for grant in [grant, home, office] {
        let cuts = t.cuts(grant).await;
        assert_eq!(cuts.len(), 1);
        assert_eq!(cuts[0].confirmed_by, "router", "the proof says who did it");
    }
    t.finish().await;
}

async fn a_reboot_lets_nobody_in_and_throws_nobody_out(engine: Engine) {
    let mut t = Harness::on(engine).await;
    let tower = t.router("Tower", By::Api).await;
    t.plan("Month", monthly()).await;
    t.plan("Hour", Terms::service(Span::hours(1))).await;
    t.service("Month", pppoe("otieno")).await;
    t.service("Month", fixed(10)).await;
    t.service("Hour", fixed(11)).await;
    t.pump().await;
    tower.dial(mac(1), "otieno", "pass");
    tower.use_address(mac(2), std::net::Ipv4Addr::new(10, 77, 0, 10));
    tower.use_address(mac(3), std::net::Ipv4Addr::new(10, 77, 0, 11));
    t.advance(Span::hours(2)).await;
    tower.reboot(Reboot { ntp_after: None });
    tower.use_address(mac(2), std::net::Ipv4Addr::new(10, 77, 0, 10));
    tower.use_address(mac(3), std::net::Ipv4Addr::new(10, 77, 0, 11));
    assert!(!browses(&tower, mac(3)), "also before we are back");
    t.advance(Span::minutes(2)).await;
    assert!(browses(&tower, mac(1)), "dialled in again");
    assert!(browses(&tower, mac(2)));
    assert!(!browses(&tower, mac(3)));
    t.finish().await;
}

async fn unused_devices_are_retired(engine: Engine) {
    let mut t = Harness::on(engine).await;
    let lobby = t.router("Lobby", By::Api).await;
    t.plan("Hour", hourly()).await;
    let (_, code) = t.voucher("Hour", None).await;
    t.pump().await;
    log_in(&lobby, mac(1), &code);
    t.advance(Span::hours(1)).await;
    assert_eq!(retire_devices(&t.app, t.now()).await.unwrap(), 0);
    t.advance(Span::days(91)).await;
    assert_eq!(retire_devices(&t.app, t.now()).await.unwrap(), 1);
    assert_eq!(retire_devices(&t.app, t.now()).await.unwrap(), 0, "once");
    t.finish().await;
}
