//! A FreeSWITCH that speaks the real event socket, plays captures and acts out phones and attackers.
//!
//! For the demo, for tests and for benchmarks; never in the way of production. Start with [`SimSwitch`], a switch on
//! a TCP port. [`Scenario`] generates what phones and attackers do, [`World`] says which events a real switch makes
//! of it (both pure), and [`Rehearsal`] runs a scenario in virtual time, for evaluations. Texts, headers and their
//! order are those of FreeSWITCH 1.11 in `testdata/captures/freeswitch`.

mod capture;
mod clock;
pub mod evaluate;
mod event;
mod identity;
mod scenario;
mod show;
mod step;
mod switch;
mod template;
mod world;

pub use capture::{Capture, CaptureError, read};
pub use event::Event;
pub use identity::Identity;
pub use scenario::{
    Attack, Cast, Fault, GroundTruth, Label, Origin, Part, Place, Scenario, Site, Source, Truth,
    UnknownScenario,
};
pub use show::{Moment, Rehearsal, Rehearsed, Show};
pub use step::{Action, ActorId, Client, Credentials, Method, Step};
pub use switch::{
    Config, Dropped, EslUser, Gateway, Pace, Played, Received, RunOptions, RunStats, ScenarioRun, SimSwitch,
    Stamps,
};
pub use world::{Call, Effects, Later, Leg, LogLine, Registration, Sessions, State, World};
