//! The thread that tells what the kernel holds: [`Lookout`], beside the writer's, which would drop nobody while it reads a list.
//!
//! A question comes through the writer's queue, so that everything submitted before it is in the kernel when it is answered here.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SendError, Sender, channel};

use super::queue::{Job, Question, Queue};
use crate::error::Error;
use crate::firewall::eye::{Eye, InUse};
use crate::thread;

/// Where questions are handed in. Dropping it ends the thread.
pub(super) struct Lookout(Sender<(InUse, Question)>);

impl Lookout {
    /// Starts the thread; the network namespace is that of the calling thread.
    pub(super) fn spawn(eye: Eye, queue: &Arc<Queue>) -> Result<Self, Error> {
        let (sender, receiver) = channel();
        let queue = Arc::clone(queue);
        std::thread::Builder::new()
            .name("firewall look".into())
            .spawn(move || run(&receiver, eye, &queue))
            .map_err(|error| {
            Error::from_code("starting a thread", error.raw_os_error().unwrap_or(libc::EAGAIN))
        })?;
        Ok(Self(sender))
    }

    /// Who asked hears the answer. Gives the question back when the thread has ended, which only a panic brings about.
    pub(super) fn ask(&self, in_use: InUse, question: Question) -> Option<Question> {
        self.0.send((in_use, question)).err().map(|SendError((_, question))| question)
    }
}

fn run(receiver: &Receiver<(InUse, Question)>, mut eye: Eye, queue: &Queue) {
    thread::stand_back();
    while let Ok((in_use, question)) = receiver.recv() {
        eye.know(in_use);
        if let Some(question) = answer(&mut eye, question) {
            queue.push(Job::Insist(question));
        }
    }
}

/// Answers, or gives the question back: what looks wrong may be the writer's own work under way, and it knows for certain.
fn answer(eye: &mut Eye, question: Question) -> Option<Question> {
    match question {
        Question::Elements(reply) => match eye.elements() {
            Ok(elements) => drop(reply.try_send(Ok(elements))),
            Err(_) => return Some(Question::Elements(reply)),
        },
        Question::Counters(reply) => match eye.counters() {
            Ok(counters) => drop(reply.try_send(Ok(counters))),
            Err(_) => return Some(Question::Counters(reply)),
        },
        Question::Health(reply) => match eye.health() {
            Ok(health) if health.is_good() => drop(reply.try_send(Ok(health))),
            _ => return Some(Question::Health(reply)),
        },
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_a_thread_that_has_ended_gets_the_question_back_and_who_asked_before_hears_that_it_has() {
        let (sender, receiver) = channel();
        let lookout = Lookout(sender);
        let in_use = || InUse::Ipset([false; 4]);
        let (reply, answer) = std::sync::mpsc::sync_channel(1);
        assert!(lookout.ask(in_use(), Question::Elements(reply)).is_none());
        drop(receiver);
        assert!(answer.recv().is_err());
        let (reply, answer) = std::sync::mpsc::sync_channel(1);
        let back = lookout.ask(in_use(), Question::Health(reply));
        assert!(matches!(back, Some(Question::Health(_))));
        assert_eq!(answer.try_recv(), Err(std::sync::mpsc::TryRecvError::Empty));
    }
}
