//! A RADIUS server that does what a story scripts, records what it heard, and gives orders.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lango_radius::accounting::Status;
use lango_radius::mschap::{Known, Reason};
use lango_radius::{
    Code, Credentials, Draft, Packet, Secret, VerifiedRequest, dictionary as field,
};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

pub(crate) const SECRET: &str = "a secret of twenty-two";

/// A user, and what an Access-Accept for him says.
type Accept = Arc<dyn Fn(&mut Draft) + Send + Sync>;

/// How the server behaves.
#[derive(Clone)]
pub(crate) struct Manners {
    /// Puts a Message-Authenticator into replies to access requests.
    pub(crate) signs: bool,
    /// What a Reject says.
    pub(crate) refusal: Option<String>,
    /// Proves by MS-CHAP2-Success that it knows the password too.
    pub(crate) proves: bool,
    /// Answers this many datagrams with silence first.
    pub(crate) deaf_for: usize,
}

/// A datagram that came.
#[derive(Clone)]
pub(crate) struct Heard {
    pub(crate) octets: Vec<u8>,
    pub(crate) from: SocketAddr,
}

impl Heard {
    pub(crate) fn packet(&self) -> Packet<'_> {
        Packet::parse(&self.octets).unwrap()
    }

    pub(crate) fn status(&self) -> Option<Status> {
        Status::of(&self.packet())
    }
}

pub(crate) struct Server {
    pub(crate) port: u16,
    socket: Arc<UdpSocket>,
    script: Arc<Mutex<Script>>,
    task: JoinHandle<()>,
}

struct Script {
    manners: Manners,
    users: HashMap<String, (String, Accept)>,
    heard: Vec<Heard>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(crate) async fn open() -> Server {
        let socket = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap());
        let port = socket.local_addr().unwrap().port();
        let manners = Manners { signs: true, refusal: None, proves: true, deaf_for: 0 };
        let script = Script { manners, users: HashMap::new(), heard: Vec::new() };
        let script = Arc::new(Mutex::new(script));
        let task = tokio::spawn(serve(socket.clone(), script.clone()));
        Server { port, socket, script, task }
    }

    pub(crate) fn user(&self, name: &str, accept: impl Fn(&mut Draft) + Send + Sync + 'static) {
        let user = ("pw".to_owned(), Arc::new(accept) as Accept);
        self.script.lock().unwrap().users.insert(name.to_owned(), user);
    }

    pub(crate) fn user_with(&self, name: &str, password: &str) {
        let user = (password.to_owned(), Arc::new(|_: &mut Draft| ()) as Accept);
        self.script.lock().unwrap().users.insert(name.to_owned(), user);
    }

    pub(crate) fn behave(&self, change: impl FnOnce(&mut Manners)) {
        change(&mut self.script.lock().unwrap().manners);
    }

    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.script.lock().unwrap().heard.clone()
    }

    pub(crate) fn asked(&self) -> Vec<Heard> {
        self.of(Code::AccessRequest)
    }

    pub(crate) fn reports(&self) -> Vec<Heard> {
        self.of(Code::AccountingRequest)
    }

    pub(crate) fn of_code(&self, code: Code) -> usize {
        self.of(code).len()
    }

    fn of(&self, code: Code) -> Vec<Heard> {
        self.heard().into_iter().filter(|heard| heard.packet().code() == code).collect()
    }

    /// The reports with this status, once there are `count` of them.
    pub(crate) async fn reports_of(&self, status: Status, count: usize) -> Vec<Heard> {
        for _ in 0..500 {
            let reports = self.reports();
            let reports: Vec<Heard> =
                reports.into_iter().filter(|heard| heard.status() == Some(status)).collect();
            if reports.len() >= count {
                return reports;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{count} reports of {status:?} did not come within five seconds");
    }

    /// The only report with this status.
    pub(crate) async fn report(&self, status: Status) -> Heard {
        self.reports_of(status, 1).await.remove(0)
    }
}

async fn serve(socket: Arc<UdpSocket>, script: Arc<Mutex<Script>>) {
    let mut buffer = vec![0; 4_096];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
        let octets = buffer[..length].to_vec();
        let reply = script.lock().unwrap().answer(Heard { octets, from });
        if let Some(reply) = reply {
            socket.send_to(&reply, from).await.unwrap();
        }
    }
}

impl Script {
    fn answer(&mut self, heard: Heard) -> Option<Vec<u8>> {
        self.heard.push(heard.clone());
        if self.manners.deaf_for > 0 {
            self.manners.deaf_for -= 1;
            return None;
        }
        let secret = Secret::new(SECRET).unwrap();
        let request = heard.packet().verify_request(&secret).ok()?;
        let reply = match request.code() {
            Code::AccountingRequest => Draft::reply(&request, Code::AccountingResponse).unwrap(),
            _ => self.judge(&request, &secret).signed(self.manners.signs),
        };
        Some(reply.seal(&secret).into_octets())
    }

    fn judge(&self, request: &VerifiedRequest<'_>, secret: &Secret) -> Draft {
        let name = request.read(field::USER_NAME).unwrap_or_default();
        let mut accept = Draft::reply(request, Code::AccessAccept).unwrap();
        let user = self.users.get(name);
        let known =
            user.is_some_and(|(password, _)| match Credentials::of(request, secret).unwrap() {
                Credentials::Password(given) => given.matches(password.as_bytes()),
                Credentials::Chap(chap) => chap.verifies(password.as_bytes()),
                Credentials::MsChap1(answer) => answer.verify(Known::ClearText(password)).is_some(),
                Credentials::MsChap2(answer) => {
                    let verified = answer.verify(Known::ClearText(password));
                    if let Some(verified) = verified.as_ref().filter(|_| self.manners.proves) {
                        verified.put_into(&mut accept, secret, 0x8001).unwrap();
                    }
                    verified.is_some()
                }
                _ => false,
            });
        match user.filter(|_| known) {
            Some((_, grant)) => {
                grant(&mut accept);
                accept
            }
            None => self.refuse(request, secret),
        }
    }

    fn refuse(&self, request: &VerifiedRequest<'_>, secret: &Secret) -> Draft {
        let mut reject = Draft::reply(request, Code::AccessReject).unwrap();
        let Some(text) = &self.manners.refusal else { return reject };
        match Credentials::of(request, secret) {
            Ok(Credentials::MsChap2(answer)) => {
                let error = answer.refusal(Reason::AuthenticationFailure, &[7; 16], text);
                reject.put(field::MS_CHAP_ERROR, &error).unwrap();
            }
            _ => reject.put(field::REPLY_MESSAGE, text).unwrap(),
        }
        reject
    }
}

impl Server {
    /// Sends an order to a router and returns its answer: the octets of order and answer.
    pub(crate) async fn order(
        &self,
        to: SocketAddr,
        identifier: u8,
        code: Code,
        fill: impl Fn(&mut Draft),
    ) -> (Vec<u8>, Vec<u8>) {
        let mut draft = match code {
            Code::CoaRequest => Draft::coa_request(identifier),
            _ => Draft::disconnect_request(identifier),
        };
        fill(&mut draft);
        let order = draft.seal(&Secret::new(SECRET).unwrap()).into_octets();
        let answer =
            self.exchange(to, &order).await.expect("the router answers within two seconds");
        (order, answer)
    }

    /// Sends these octets and returns the answer, if one comes within two seconds.
    pub(crate) async fn exchange(&self, to: SocketAddr, octets: &[u8]) -> Option<Vec<u8>> {
        // The server's own address, but a socket of its own.
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        exchange_by(&socket, to, octets).await
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }
}

pub(crate) async fn exchange_by(
    socket: &UdpSocket,
    to: SocketAddr,
    octets: &[u8],
) -> Option<Vec<u8>> {
    socket.send_to(octets, to).await.unwrap();
    let mut buffer = vec![0; 4_096];
    let heard = tokio::time::timeout(Duration::from_secs(2), socket.recv_from(&mut buffer)).await;
    let (length, _) = heard.ok()?.unwrap();
    Some(buffer[..length].to_vec())
}
