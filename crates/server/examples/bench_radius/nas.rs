//! The load: NASes that ask by the clock, whether they are answered or not. Several threads with
//! many sockets each. How long an answer took is counted from when its question was due, so that a
//! server that stops for a while is charged with everything that piled up meanwhile.

use crate::sessions::{Proof, Session};
use anyhow::Context;
use lango_radius::accounting::{INPUT_OCTETS, OUTPUT_OCTETS, Status};
use lango_radius::dictionary::*;
use lango_radius::{Code, Draft, Packet, Sealed, Secret, chap};
use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// What both sides know.
pub(crate) const SECRET: &str = "a secret of sixteen octets";
/// RouterOS: `/radius timeout`, and how often it asks again.
const TIMEOUT: Duration = Duration::from_millis(1_100);
const RESENDS: u8 = 3;
/// Questions that a socket can have under way: RADIUS numbers them with an octet.
const NUMBERS: usize = 256;
/// Sockets of a thread for logins, and as many for reports. With two threads that is as many
/// numbers as FreeRADIUS keeps requests by default.
const LINES: usize = 16;
/// Sockets when numbers rest because of what was asked again.
const MOST_LINES: usize = 4 * LINES;
/// Questions that a thread has under way.
const MOST_UNDER_WAY: usize = LINES * NUMBERS;
/// How long a number rests of which another answer may come: what was asked twice can be answered
/// twice, and the second answer must not meet another question. Servers keep answers as long.
const QUARANTINE: Duration = Duration::from_secs(10);
/// How long a thread rests when nothing is due and nothing came.
const REST: Duration = Duration::from_micros(150);
/// Questions and answers between two looks at the clock.
const AT_ONCE: usize = 32;

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flow {
    /// Logins, nothing else.
    Logins(Proof),
    /// Reports of sessions that last.
    Interims,
    /// Logins, and the Start of each that was accepted.
    Comebacks,
}

/// How much and how fast.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// So many questions a second, from all threads together, for so long; given up as soon as
    /// the server is seen not to follow, if so wanted.
    Clock {
        /// A second.
        rate: f64,
        /// How many of them.
        count: usize,
        /// Whether to go on to the end whatever happens.
        to_the_end: bool,
    },
    /// As many as are answered, with so many under way, at most for so long.
    AsFastAsPossible {
        /// Under way together.
        under_way: usize,
        /// How many.
        count: usize,
        /// At most for.
        patience: Duration,
    },
}

/// What came of it.
#[derive(Default)]
pub(crate) struct Came {
    /// From due to answered, in microseconds: logins.
    pub(crate) logins: Vec<u32>,
    /// The same for reports.
    pub(crate) reports: Vec<u32>,
    /// Good passwords that were refused.
    pub(crate) rejected: usize,
    /// Never answered.
    pub(crate) lost: usize,
    /// Asked again.
    pub(crate) resent: usize,
    /// Answers that do not belong to the question of their number.
    pub(crate) wrong: usize,
    /// The server did not follow, and it was given up.
    pub(crate) gave_up: bool,
    /// The questions could not be sent when they were due, although the server followed.
    pub(crate) was_late: bool,
    /// How long it took.
    pub(crate) took: Duration,
}

impl Came {
    pub(crate) fn answered(&self) -> usize {
        self.logins.len() + self.reports.len()
    }

    fn add(&mut self, other: Came) {
        self.logins.extend(other.logins);
        self.reports.extend(other.reports);
        self.rejected += other.rejected;
        self.lost += other.lost;
        self.resent += other.resent;
        self.wrong += other.wrong;
        self.gave_up |= other.gave_up;
        self.was_late |= other.was_late;
        self.took = self.took.max(other.took);
    }
}

/// All NASes, and what they know of their sessions.
pub(crate) struct Fleet {
    nases: Vec<Nas>,
}

impl Fleet {
    /// So many subscribers, dealt out over the threads.
    pub(crate) fn new(
        authentication: SocketAddr,
        accounting: SocketAddr,
        subscribers: usize,
    ) -> anyhow::Result<Fleet> {
        const THREADS: usize = 2;
        let nas = |thread| Nas::new(authentication, accounting, thread, THREADS, subscribers);
        Ok(Fleet { nases: (0..THREADS).map(nas).collect::<anyhow::Result<_>>()? })
    }

    /// Asks.
    pub(crate) fn run(&mut self, flow: Flow, pace: Pace) -> Came {
        let threads = self.nases.len();
        let begin = Instant::now() + Duration::from_millis(20);
        let mut all = Came::default();
        std::thread::scope(|scope| {
            let running: Vec<_> = self
                .nases
                .iter_mut()
                .map(|nas| scope.spawn(move || nas.run(flow, part(pace, threads), begin)))
                .collect();
            for one in running {
                all.add(one.join().expect("no thread of the load panics"));
            }
        });
        all
    }

    /// Waits until the server has no more to say.
    pub(crate) fn calm_down(&mut self) {
        let began = Instant::now();
        let mut quiet_since = began;
        while quiet_since.elapsed() < Duration::from_millis(700)
            && began.elapsed() < Duration::from_secs(40)
        {
            if self.nases.iter_mut().any(Nas::has_heard) {
                quiet_since = Instant::now();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Every session is over, as after a loss of power: the next logins begin new ones. What the
    /// NAS says when it is back, and how long that took to be acknowledged.
    pub(crate) fn reboot(&mut self) -> anyhow::Result<Duration> {
        for nas in &mut self.nases {
            nas.sessions.iter_mut().for_each(Session::forget);
        }
        self.nases[0].say_on()
    }

    /// Sessions whose Start was acknowledged.
    pub(crate) fn open(&self) -> usize {
        self.nases.iter().flat_map(|nas| &nas.sessions).filter(|session| session.is_open).count()
    }

    /// Whether the server is there at all.
    pub(crate) fn is_answered(&self) -> bool {
        self.nases[0].ask_for_life().is_ok()
    }
}

/// A thread's part.
fn part(pace: Pace, threads: usize) -> Pace {
    match pace {
        Pace::Clock { rate, count, to_the_end } => {
            Pace::Clock { rate: rate / threads as f64, count: count / threads, to_the_end }
        }
        Pace::AsFastAsPossible { under_way, count, patience } => Pace::AsFastAsPossible {
            under_way: under_way / threads,
            count: count / threads,
            patience,
        },
    }
}

/// One thread's sockets and sessions.
struct Nas {
    secret: Secret,
    logins: Vec<Line>,
    reports: Vec<Line>,
    /// The socket that is used next.
    turn: usize,
    sessions: Vec<Session>,
    /// Those that are asked about next.
    cursor: usize,
    /// In the order in which they run out: all wait equally long.
    waits: VecDeque<(Instant, Place, u64)>,
    /// Starts that are due now.
    starts: VecDeque<(usize, Instant)>,
    under_way: usize,
    serial: u64,
}

/// Where a question waits for its answer.
#[derive(Clone, Copy)]
struct Place {
    is_report: bool,
    line: usize,
    number: u8,
}

/// A socket with its questions.
struct Line {
    socket: UdpSocket,
    numbers: Vec<Number>,
    next: u8,
}

/// What a number of a socket is used for.
#[derive(Default)]
enum Number {
    #[default]
    Free,
    Waiting(Waiting),
    /// Answered or given up, but another answer may come until then.
    Resting(Sealed, Instant),
}

struct Waiting {
    serial: u64,
    due: Instant,
    resends: u8,
    session: usize,
    sealed: Sealed,
}

impl Nas {
    fn new(
        authentication: SocketAddr,
        accounting: SocketAddr,
        thread: usize,
        threads: usize,
        subscribers: usize,
    ) -> anyhow::Result<Nas> {
        let lines = |to| (0..LINES).map(|_| Line::open(to)).collect::<anyhow::Result<Vec<_>>>();
        let sessions = (thread..subscribers).step_by(threads).map(Session::of).collect();
        Ok(Nas {
            secret: Secret::new(SECRET).context("the secret")?,
            logins: lines(authentication)?,
            reports: lines(accounting)?,
            turn: 0,
            sessions,
            cursor: 0,
            waits: VecDeque::new(),
            starts: VecDeque::new(),
            under_way: 0,
            serial: 0,
        })
    }

    fn run(&mut self, flow: Flow, pace: Pace, begin: Instant) -> Came {
        self.begin_anew();
        let mut came = Came::default();
        while Instant::now() < begin {
            std::thread::sleep(REST);
        }
        let mut sent = 0;
        loop {
            let mut is_busy = self.send_starts(&mut came);
            is_busy |= self.send_due(flow, pace, begin, &mut sent, &mut came);
            is_busy |= self.hear(flow, &mut came);
            self.ask_again(&mut came);
            let all = match pace {
                Pace::Clock { count, .. } | Pace::AsFastAsPossible { count, .. } => count,
            };
            if sent == all && self.under_way == 0 && self.starts.is_empty() {
                break;
            }
            if came.gave_up {
                break;
            }
            if !is_busy {
                std::thread::sleep(REST);
            }
        }
        came.took = begin.elapsed();
        came
    }

    fn begin_anew(&mut self) {
        self.waits.clear();
        self.starts.clear();
        self.under_way = 0;
        for lines in [&mut self.logins, &mut self.reports] {
            lines.truncate(LINES);
            // What is answered yet goes where nobody listens.
            for line in lines.iter_mut().filter(|line| !line.is_idle()) {
                *line = line.another().expect("as many descriptors were to be had before");
            }
        }
    }

    fn send_due(
        &mut self,
        flow: Flow,
        pace: Pace,
        begin: Instant,
        sent: &mut usize,
        came: &mut Came,
    ) -> bool {
        let now = Instant::now();
        for turn in 0..AT_ONCE {
            let due = match pace {
                Pace::Clock { rate, count, to_the_end } => {
                    let due = begin + Duration::from_secs_f64(*sent as f64 / rate);
                    if *sent == count || due > now {
                        return turn > 0;
                    }
                    let behind = now.duration_since(due) > Duration::from_secs(1);
                    let many = came.resent > 50 && came.resent * 50 > *sent;
                    if !to_the_end && (behind || many || came.lost > 0) {
                        came.gave_up = true;
                        return false;
                    }
                    due
                }
                Pace::AsFastAsPossible { under_way, count, patience } => {
                    if now.saturating_duration_since(begin) > patience {
                        came.gave_up = true;
                        return false;
                    }
                    if *sent == count || self.under_way + self.starts.len() >= under_way {
                        return turn > 0;
                    }
                    Instant::now()
                }
            };
            let is_report = flow == Flow::Interims;
            let Some((place, session)) = self.next(is_report) else {
                // Every number is taken: the question stays due.
                came.was_late = true;
                return turn > 0;
            };
            let sealed = match flow {
                Flow::Logins(proof) => self.login(place.number, session, proof),
                Flow::Comebacks => self.login(place.number, session, Proof::Pap),
                Flow::Interims => self.report(place.number, session, Status::Interim),
            };
            self.send(place, session, due, sealed);
            *sent += 1;
        }
        true
    }

    /// A free number, and the session whose turn it is.
    fn next(&mut self, is_report: bool) -> Option<(Place, usize)> {
        let place = self.place(is_report)?;
        for _ in 0..self.sessions.len() {
            let session = self.cursor;
            self.cursor = (self.cursor + 1) % self.sessions.len();
            if !is_report || self.sessions[session].is_open {
                return Some((place, session));
            }
        }
        None
    }

    fn place(&mut self, is_report: bool) -> Option<Place> {
        if self.under_way >= MOST_UNDER_WAY {
            return None;
        }
        let lines = if is_report { &mut self.reports } else { &mut self.logins };
        for _ in 0..lines.len() {
            self.turn = (self.turn + 1) % lines.len();
            if let Some(number) = lines[self.turn].free() {
                return Some(Place { is_report, line: self.turn, number });
            }
        }
        if lines.len() == MOST_LINES {
            return None;
        }
        let mut line = lines[0].another().ok()?;
        let number = line.free()?;
        lines.push(line);
        Some(Place { is_report, line: lines.len() - 1, number })
    }

    fn send_starts(&mut self, came: &mut Came) -> bool {
        let mut is_busy = false;
        for _ in 0..AT_ONCE {
            let Some((session, due)) = self.starts.pop_front() else { break };
            let Some(place) = self.place(true) else {
                came.was_late = true;
                self.starts.push_front((session, due));
                break;
            };
            let sealed = self.report(place.number, session, Status::Start);
            self.send(place, session, due, sealed);
            is_busy = true;
        }
        is_busy
    }

    fn send(&mut self, place: Place, session: usize, due: Instant, sealed: Sealed) {
        self.serial += 1;
        let serial = self.serial;
        let line = self.line(place);
        // What does not go out is asked again like what gets lost.
        let _ = line.socket.send(sealed.octets());
        line.numbers[usize::from(place.number)] =
            Number::Waiting(Waiting { serial, due, resends: 0, session, sealed });
        self.under_way += 1;
        self.waits.push_back((Instant::now() + TIMEOUT, place, serial));
    }

    fn line(&mut self, place: Place) -> &mut Line {
        let lines = if place.is_report { &mut self.reports } else { &mut self.logins };
        &mut lines[place.line]
    }

    fn ask_again(&mut self, came: &mut Came) {
        let now = Instant::now();
        while let Some((at, place, serial)) = self.waits.front().copied() {
            if at > now {
                return;
            }
            self.waits.pop_front();
            let line = self.line(place);
            let number = &mut line.numbers[usize::from(place.number)];
            match std::mem::take(number) {
                Number::Waiting(one) if one.serial == serial && one.resends == RESENDS => {
                    *number = Number::Resting(one.sealed, now + QUARANTINE);
                    self.under_way -= 1;
                    came.lost += 1;
                }
                Number::Waiting(mut one) if one.serial == serial => {
                    one.resends += 1;
                    let _ = line.socket.send(one.sealed.octets());
                    *number = Number::Waiting(one);
                    came.resent += 1;
                    self.waits.push_back((now + TIMEOUT, place, serial));
                }
                other => *number = other,
            }
        }
    }

    fn hear(&mut self, flow: Flow, came: &mut Came) -> bool {
        let mut buffer = [0; 4_096];
        let mut is_busy = false;
        for is_report in [false, true] {
            let lines = if is_report { self.reports.len() } else { self.logins.len() };
            let idle = match flow {
                Flow::Logins(_) => is_report,
                Flow::Interims => !is_report,
                Flow::Comebacks => false,
            };
            for line in 0..if idle { 0 } else { lines } {
                for _ in 0..AT_ONCE {
                    let place = Place { is_report, line, number: 0 };
                    let Ok(length) = self.line(place).socket.recv(&mut buffer) else { break };
                    is_busy = true;
                    self.take(place, &buffer[..length], flow, came);
                }
            }
        }
        is_busy
    }

    fn take(&mut self, place: Place, octets: &[u8], flow: Flow, came: &mut Came) {
        let now = Instant::now();
        let Ok(packet) = Packet::parse(octets) else {
            came.wrong += 1;
            return;
        };
        let fits = |sealed: &Sealed| packet.verify_reply(&sealed.packet(), &self.secret).is_ok();
        let lines = if place.is_report { &mut self.reports } else { &mut self.logins };
        let number = &mut lines[place.line].numbers[usize::from(packet.identifier())];
        let one = match std::mem::take(number) {
            Number::Waiting(one) if fits(&one.sealed) => one,
            // The answer to what was asked twice, once more.
            Number::Resting(sealed, until) if fits(&sealed) => {
                *number = Number::Resting(sealed, until);
                return;
            }
            other => {
                *number = other;
                came.wrong += 1;
                return;
            }
        };
        let code = packet.code();
        let class = packet.first(CLASS.id()).map(<[u8]>::to_vec);
        if one.resends > 0 {
            *number = Number::Resting(one.sealed, now + QUARANTINE);
        }
        self.under_way -= 1;
        let took = now.saturating_duration_since(one.due).as_micros();
        let took = u32::try_from(took).unwrap_or(u32::MAX);
        let session = &mut self.sessions[one.session];
        match code {
            Code::AccessAccept => {
                came.logins.push(took);
                if flow == Flow::Comebacks {
                    session.begin(class);
                    self.starts.push_back((one.session, now));
                }
            }
            Code::AccountingResponse => {
                came.reports.push(took);
                session.is_open = true;
            }
            Code::AccessReject => came.rejected += 1,
            _ => came.wrong += 1,
        }
    }

    fn has_heard(&mut self) -> bool {
        let mut buffer = [0; 4_096];
        let mut heard = false;
        for line in self.logins.iter().chain(&self.reports) {
            while line.socket.recv(&mut buffer).is_ok() {
                heard = true;
            }
        }
        heard
    }

    fn login(&self, number: u8, session: usize, proof: Proof) -> Sealed {
        let session = &self.sessions[session];
        let mut authenticator = [0; 16];
        fastrand::fill(&mut authenticator);
        let mut draft = Draft::access_request(number, authenticator);
        let name = session.name();
        let put = (|| {
            draft.put(USER_NAME, &name)?;
            match proof {
                Proof::Pap => {
                    draft.hide(USER_PASSWORD, &self.secret, session.password().as_bytes())?;
                }
                Proof::Chap => {
                    let clear = session.password();
                    let answer = chap::password(number, clear.as_bytes(), &authenticator);
                    draft.put(CHAP_PASSWORD, &answer)?;
                }
            }
            draft.put(SERVICE_TYPE, 2)?;
            draft.put(FRAMED_PROTOCOL, 1)?;
            session.put_where(&mut draft)
        })();
        put.expect("a login fits into a packet");
        draft.seal(&self.secret)
    }

    fn report(&mut self, number: u8, session: usize, status: Status) -> Sealed {
        let session = &mut self.sessions[session];
        if status == Status::Interim {
            session.go_on();
        }
        let mut draft = Draft::accounting_request(number);
        let put = (|| {
            draft.put(ACCT_STATUS_TYPE, status.number())?;
            draft.put(ACCT_SESSION_ID, &session.id())?;
            draft.put(USER_NAME, &session.name())?;
            draft.put(SERVICE_TYPE, 2)?;
            draft.put(FRAMED_PROTOCOL, 1)?;
            draft.put(FRAMED_IP_ADDRESS, session.address())?;
            draft.put(ACCT_SESSION_TIME, session.seconds)?;
            INPUT_OCTETS.put(&mut draft, session.input)?;
            OUTPUT_OCTETS.put(&mut draft, session.input * 9)?;
            if let Some(class) = &session.class {
                draft.put(CLASS, class)?;
            }
            session.put_where(&mut draft)
        })();
        put.expect("a report fits into a packet");
        draft.seal(&self.secret)
    }

    fn say_on(&self) -> anyhow::Result<Duration> {
        let mut draft = Draft::accounting_request(0);
        draft.put(ACCT_STATUS_TYPE, Status::On.number())?;
        draft.put(ACCT_SESSION_ID, "00000000")?;
        draft.put(NAS_IP_ADDRESS, Ipv4Addr::LOCALHOST)?;
        self.ask_once(&self.reports[0].socket, &draft.seal(&self.secret))
    }

    fn ask_for_life(&self) -> anyhow::Result<Duration> {
        let mut authenticator = [0; 16];
        fastrand::fill(&mut authenticator);
        let sealed = Draft::status_server(0, authenticator).seal(&self.secret);
        self.ask_once(&self.logins[0].socket, &sealed)
    }

    /// Asks on a socket of its own until there is an answer.
    fn ask_once(&self, like: &UdpSocket, sealed: &Sealed) -> anyhow::Result<Duration> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.connect(like.peer_addr()?)?;
        socket.set_read_timeout(Some(TIMEOUT))?;
        let (began, mut buffer) = (Instant::now(), [0; 4_096]);
        while began.elapsed() < Duration::from_secs(120) {
            socket.send(sealed.octets())?;
            if let Ok(length) = socket.recv(&mut buffer) {
                let reply = Packet::parse(&buffer[..length])?;
                reply.verify_reply(&sealed.packet(), &self.secret)?;
                return Ok(began.elapsed());
            }
            // Where nobody listens yet the kernel says so at once.
            std::thread::sleep(Duration::from_millis(20));
        }
        anyhow::bail!("the server does not answer")
    }
}

impl Line {
    fn open(to: SocketAddr) -> anyhow::Result<Line> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.connect(to)?;
        socket.set_nonblocking(true)?;
        let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(4 << 20);
        Ok(Line { socket, numbers: (0..NUMBERS).map(|_| Number::Free).collect(), next: 0 })
    }

    /// A new one to the same server.
    fn another(&self) -> anyhow::Result<Line> {
        Line::open(self.socket.peer_addr()?)
    }

    fn is_idle(&self) -> bool {
        self.numbers.iter().all(|number| matches!(number, Number::Free))
    }

    fn free(&mut self) -> Option<u8> {
        let now = Instant::now();
        for _ in 0..NUMBERS {
            let number = self.next;
            self.next = self.next.wrapping_add(1);
            match &self.numbers[usize::from(number)] {
                Number::Free => return Some(number),
                Number::Resting(_, until) if *until <= now => return Some(number),
                Number::Resting(..) | Number::Waiting(_) => {}
            }
        }
        None
    }
}
