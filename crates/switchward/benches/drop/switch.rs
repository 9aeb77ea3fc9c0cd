//! The simulated switch on a thread and a runtime of its own: [`Switch`] tells of attackers, one event after the other.

use crate::net::Family;
use simswitch::{Action, ActorId, Client, Credentials, Effects, Event, SimSwitch, Step};
use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc::{Sender as Reply, channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::MissedTickBehavior;

/// Events a second of other attackers, while there are any.
pub(crate) const FLOOD: u32 = 5000;
/// Failed registrations of a source that make a ban.
const FAILURES: usize = 5;
/// Other attackers that are at it at the same time.
const CROWD: u32 = 20;

enum Order {
    Prepare(IpAddr),
    Decide(Reply<Instant>),
    Flood(Option<Family>),
}

/// See the module. The thread ends with it.
pub(crate) struct Switch {
    orders: UnboundedSender<Order>,
    /// Where its event socket listens.
    pub(crate) address: SocketAddr,
}

impl Switch {
    pub(crate) fn start() -> Switch {
        let (orders, received) = unbounded_channel();
        let (told, address) = channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(run(received, told));
        });
        Switch { orders, address: address.recv().unwrap() }
    }

    /// Tells all of a source's failed registrations but the last failure.
    pub(crate) fn prepare(&self, source: IpAddr) {
        self.order(Order::Prepare(source));
    }

    /// Tells the last failure; when the event went to the connection's writer, which writes at once.
    pub(crate) fn decide(&self) -> Instant {
        let (reply, told) = channel();
        self.order(Order::Decide(reply));
        told.recv().expect("the switch panicked")
    }

    /// Lets [`FLOOD`] events a second of other attackers come, or none any more.
    pub(crate) fn flood(&self, from: Option<Family>) {
        self.order(Order::Flood(from));
    }

    fn order(&self, order: Order) {
        assert!(self.orders.send(order).is_ok(), "the switch panicked");
    }
}

async fn run(mut orders: UnboundedReceiver<Order>, told: Reply<SocketAddr>) {
    let switch = SimSwitch::bind(simswitch::Config::default()).await.unwrap();
    told.send(switch.addr()).unwrap();
    assert!(switch.wait_for_subscribers(3, Duration::from_secs(10)).await, "nobody listens to the switch");
    let mut every = tokio::time::interval(Duration::from_millis(1));
    every.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut deciding, mut flood) = (None, None);
    loop {
        tokio::select! {
            biased;
            order = orders.recv() => match order {
                Some(Order::Prepare(source)) => {
                    let mut events: Vec<Event> = (0..FAILURES).flat_map(|_| guess(&switch, source)).collect();
                    deciding = events.pop();
                    events.iter().for_each(|event| _ = switch.emit(event));
                }
                Some(Order::Decide(reply)) => {
                    let event: Event = deciding.take().expect("a deciding event was prepared");
                    let at = Instant::now();
                    assert_eq!(switch.emit(&event), 1, "the daemon listens");
                    // The writer first.
                    tokio::task::yield_now().await;
                    reply.send(at).unwrap();
                }
                Some(Order::Flood(from)) => {
                    flood = from.map(Flood::new);
                    every.reset();
                }
                None => return,
            },
            _ = every.tick(), if flood.is_some() => flood.iter_mut().for_each(|flood| flood.go_on(&switch)),
        }
    }
}

/// Other attackers: [`CROWD`] of them guess in turn until they are banned, then come the next.
struct Flood {
    family: Family,
    guesses: u32,
    waiting: Vec<Event>,
}

impl Flood {
    fn new(family: Family) -> Flood {
        Flood { family, guesses: 0, waiting: Vec::new() }
    }

    /// Tells what is due in a millisecond.
    fn go_on(&mut self, switch: &SimSwitch) {
        let due = FLOOD as usize / 1000;
        while self.waiting.len() < due {
            let crowd = self.guesses / (CROWD * FAILURES as u32) * CROWD;
            let source = self.family.other((crowd + self.guesses % CROWD) as u16);
            self.waiting.extend(guess(switch, source));
            self.guesses += 1;
        }
        self.waiting.drain(..due).for_each(|event| _ = switch.emit(&event));
    }
}

/// The events of a REGISTER with a wrong password; the last is the failure.
fn guess(switch: &SimSwitch, source: IpAddr) -> Vec<Event> {
    let client =
        Client { user: "1000".into(), call_id: format!("{source}@call").into(), agent: "Bench/1.0".into() };
    let action = Action::Register { client, credentials: Credentials::Wrong, expires: 3600 };
    let step = Step { actor: ActorId(0), source: SocketAddr::new(source, 5060), action };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64;
    let mut effects = Effects::default();
    switch.world().act(now, &step, &mut effects);
    let last =
        effects.events.last().and_then(|event| event.view().subclass()).map(|name| name.decoded().to_vec());
    assert_eq!(last.as_deref(), Some(b"sofia::register_failure".as_slice()));
    effects.events
}
