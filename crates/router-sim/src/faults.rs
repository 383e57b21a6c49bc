//! Owns what goes wrong on purpose: between the client and the router, never inside its rules.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::world::Trap;

/// The faults of one router; every change takes effect at once, also on open connections.
#[derive(Debug, Clone)]
pub struct Faults {
    plan: watch::Sender<Plan>,
    dice: Arc<Mutex<fastrand::Rng>>,
}

/// What happens to RADIUS datagrams on their way, in both directions. Chances are per cent of all
/// datagrams, drawn from `seed`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Disturbance {
    /// Where the dice begin.
    pub seed: u64,
    /// Never arrive.
    pub lost: u8,
    /// Arrive twice.
    pub duplicated: u8,
    /// Arrive late, so that others overtake them.
    pub delayed: u8,
    /// The longest delay, in real time.
    pub longest_delay: Duration,
}

/// How a router's accounting differs from the RFC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counting {
    /// What the user sends is called output, as some makes and one page of MikroTik's manual do.
    pub swapped: bool,
    /// Octets wrap at 2^32 and nothing says so.
    pub without_gigawords: bool,
}

/// Which way a datagram goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heading {
    Out,
    In,
}

/// What is wrong at the moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    pub(crate) unreachable: bool,
    pub(crate) hanging: bool,
    pub(crate) delay: Duration,
    pub(crate) piece: Option<usize>,
    pub(crate) cut_reply_after: Option<usize>,
    pub(crate) drop_at_command: Option<u64>,
    pub(crate) session_limit: Option<usize>,
    pub(crate) taken_policies: Vec<String>,
    pub(crate) tag_last: bool,
    /// Connections of an older epoch are reset.
    pub(crate) epoch: u64,
    refusals: Vec<Refusal>,
    lost_replies: Vec<(String, u32)>,
    short_print: Option<(String, usize, PrintEnd)>,
    radius_silent: bool,
    radius_lost_out: u32,
    radius_lost_in: u32,
    disturbance: Disturbance,
    pub(crate) counting: Counting,
}

#[derive(Debug, Clone)]
struct Refusal {
    matching: String,
    times: u32,
    trap: Trap,
}

/// How a print that is cut short ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrintEnd {
    /// With `!trap` and `!done`, as connection tables do when a row vanishes midway.
    Trap(Trap),
    /// With a reset connection.
    Close,
}

impl Faults {
    pub(crate) fn new() -> Faults {
        let dice = Arc::new(Mutex::new(fastrand::Rng::with_seed(0)));
        Faults { plan: watch::Sender::new(Plan::default()), dice }
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Plan> {
        self.plan.subscribe()
    }

    pub(crate) fn now(&self) -> watch::Ref<'_, Plan> {
        self.plan.borrow()
    }

    /// Refuses new connections and resets those that are open.
    pub fn unreachable(&self, unreachable: bool) {
        self.change(|plan| {
            plan.unreachable = unreachable;
            plan.epoch += u64::from(unreachable);
        });
    }

    /// Takes connections and commands, and does and answers nothing until this ends.
    pub fn hang(&self, hanging: bool) {
        self.change(|plan| plan.hanging = hanging);
    }

    /// Waits this long, in real time, before each reply.
    pub fn slow(&self, delay: Duration) {
        self.change(|plan| plan.delay = delay);
    }

    /// Writes replies in pieces of at most so many bytes.
    pub fn write_in_pieces(&self, most: Option<usize>) {
        self.change(|plan| plan.piece = most.map(|most| most.max(1)));
    }

    /// The next reply is cut after so many bytes by a reset. The command itself is done.
    pub fn cut_next_reply_after(&self, bytes: usize) {
        self.change(|plan| plan.cut_reply_after = Some(bytes));
    }

    /// The next connection to send its `number`-th command (login counts as the first) is reset;
    /// that command is not done.
    pub fn drop_at_command(&self, number: u64) {
        self.change(|plan| plan.drop_at_command = Some(number));
    }

    /// The next `times` commands whose path contains `matching` are done, but instead of a reply
    /// the connection is reset.
    pub fn lose_reply(&self, matching: &str, times: u32) {
        self.change(|plan| plan.lost_replies.push((matching.to_owned(), times)));
    }

    /// The next `times` commands whose path contains `matching` are refused with `message`.
    pub fn refuse(&self, matching: &str, times: u32, message: &str) {
        let (matching, trap) = (matching.to_owned(), Trap::new(message));
        self.change(|plan| plan.refusals.push(Refusal { matching, times, trap }));
    }

    /// The next print whose path contains `matching` ends after so many rows.
    pub fn cut_next_print(&self, matching: &str, rows: usize, end: PrintEnd) {
        self.change(|plan| plan.short_print = Some((matching.to_owned(), rows, end)));
    }

    /// Takes policies away from every user of the interfaces; an empty list gives them back.
    pub fn take_policies(&self, policies: &[&str]) {
        self.change(|plan| {
            plan.taken_policies = policies.iter().map(|policy| (*policy).to_owned()).collect();
        });
    }

    /// At most so many connections at a time, instead of what `/ip/service` says.
    pub fn limit_sessions(&self, most: Option<usize>) {
        self.change(|plan| plan.session_limit = most);
    }

    /// Puts `.tag` at the end of a sentence instead of behind the reply word.
    pub fn tag_last(&self, last: bool) {
        self.change(|plan| plan.tag_last = last);
    }

    /// Resets every open connection once.
    pub fn reset_connections(&self) {
        self.change(|plan| plan.epoch += 1);
    }

    /// No RADIUS datagram leaves the router or reaches it.
    pub fn silence_radius(&self, silent: bool) {
        self.change(|plan| plan.radius_silent = silent);
    }

    /// The next RADIUS datagrams that the router sends are lost.
    pub fn lose_radius_sent(&self, datagrams: u32) {
        self.change(|plan| plan.radius_lost_out = datagrams);
    }

    /// The next RADIUS datagrams that are sent to the router are lost.
    pub fn lose_radius_received(&self, datagrams: u32) {
        self.change(|plan| plan.radius_lost_in = datagrams);
    }

    /// From now on RADIUS datagrams meet this.
    pub fn disturb_radius(&self, disturbance: Disturbance) {
        self.dice.lock().unwrap_or_else(PoisonError::into_inner).seed(disturbance.seed);
        self.change(|plan| plan.disturbance = disturbance);
    }

    /// Accounting packets made from now on count like this.
    pub fn count_radius(&self, counting: Counting) {
        self.change(|plan| plan.counting = counting);
    }

    /// After which delays a RADIUS datagram arrives: none if it is lost, two if it is doubled.
    pub(crate) fn radius_fate(&self, heading: Heading) -> Vec<Duration> {
        if self.now().radius_silent || self.take_radius_loss(heading) {
            return Vec::new();
        }
        let disturbance = self.now().disturbance;
        let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
        let mut happens = |chance: u8| dice.u8(0..100) < chance;
        if happens(disturbance.lost) {
            return Vec::new();
        }
        let copies = if happens(disturbance.duplicated) { 2 } else { 1 };
        let late: Vec<bool> = (0..copies).map(|_| happens(disturbance.delayed)).collect();
        let longest = disturbance.longest_delay;
        late.into_iter()
            .map(|late| if late { longest.mul_f64(dice.f64()) } else { Duration::ZERO })
            .collect()
    }

    fn take_radius_loss(&self, heading: Heading) -> bool {
        self.take(|plan| {
            let left = match heading {
                Heading::Out => &mut plan.radius_lost_out,
                Heading::In => &mut plan.radius_lost_in,
            };
            *left = left.checked_sub(1)?;
            Some(())
        })
        .is_some()
    }

    /// Everything works again.
    pub fn clear(&self) {
        self.change(|plan| *plan = Plan { epoch: plan.epoch, ..Plan::default() });
    }

    fn change(&self, change: impl FnOnce(&mut Plan)) {
        self.plan.send_modify(change);
    }

    /// Takes something out of the plan, telling nobody: it concerns only the taker.
    fn take<T>(&self, take: impl FnOnce(&mut Plan) -> Option<T>) -> Option<T> {
        let mut taken = None;
        self.plan.send_if_modified(|plan| {
            taken = take(plan);
            false
        });
        taken
    }

    pub(crate) fn take_refusal(&self, path: &str) -> Option<Trap> {
        self.take(|plan| {
            let at = plan.refusals.iter().position(|refusal| path.contains(&refusal.matching))?;
            let refusal = plan.refusals.get_mut(at)?;
            let trap = refusal.trap.clone();
            refusal.times = refusal.times.saturating_sub(1);
            if refusal.times == 0 {
                plan.refusals.remove(at);
            }
            Some(trap)
        })
    }

    pub(crate) fn take_lost_reply(&self, path: &str) -> bool {
        let taken = self.take(|plan| {
            let at = plan.lost_replies.iter().position(|(matching, _)| path.contains(matching))?;
            let lost = plan.lost_replies.get_mut(at)?;
            lost.1 = lost.1.saturating_sub(1);
            if lost.1 == 0 {
                plan.lost_replies.remove(at);
            }
            Some(())
        });
        taken.is_some()
    }

    pub(crate) fn take_short_print(&self, path: &str) -> Option<(usize, PrintEnd)> {
        self.take(|plan| {
            let concerns =
                plan.short_print.as_ref().is_some_and(|(matching, _, _)| path.contains(matching));
            concerns.then(|| plan.short_print.take()).flatten().map(|(_, rows, end)| (rows, end))
        })
    }

    pub(crate) fn take_cut(&self) -> Option<usize> {
        self.take(|plan| plan.cut_reply_after.take())
    }

    pub(crate) fn take_drop(&self, number: u64) -> bool {
        self.take(|plan| {
            (plan.drop_at_command == Some(number)).then(|| plan.drop_at_command = None)
        })
        .is_some()
    }
}
