//! The program as a process: its log, its signals, its end.

use super::http::Http;
use super::{DEADLINE, comes_true};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

/// A daemon that runs. Dropping it kills it.
pub(crate) struct Daemon {
    child: Child,
    pub(crate) log: Log,
    /// Its HTTP interface, at the default port.
    pub(crate) http: Http,
}

impl Daemon {
    pub(crate) fn spawn(mut command: Command) -> Daemon {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Log::default();
        log.follow(child.stdout.take().unwrap());
        log.follow(child.stderr.take().unwrap());
        Daemon { child, log, http: Http::default() }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, name: &str) {
        super::sh(&format!("kill -{name} {}", self.child.id()));
    }

    /// Kills it as nothing else does, and waits until it is gone.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends SIGTERM and waits for the end.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.ended()
    }

    /// Waits until it has ended by itself.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        let ended = comes_true(DEADLINE, || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        assert!(ended, "it does not end:\n{}", self.log.text());
        status.unwrap()
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until it reads the events of its first switch.
    pub(crate) fn wait_for_switch(&self) {
        super::eventually("the daemon reads the switch", || {
            self.http.get("/security/esl")["connected"] == true
        });
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the daemon's log\n{}", self.log.text());
        }
    }
}

/// What a process writes, line by line.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<(Mutex<Said>, Condvar)>);

#[derive(Default)]
struct Said {
    lines: Vec<String>,
    /// Ways on which more may come.
    open: usize,
}

impl Log {
    fn follow(&self, from: impl Read + Send + 'static) {
        let log = self.clone();
        log.change(|said| said.open += 1);
        std::thread::spawn(move || {
            for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
                log.change(|said| said.lines.push(String::from_utf8_lossy(&line).into_owned()));
            }
            log.change(|said| said.open -= 1);
        });
    }

    fn change(&self, how: impl FnOnce(&mut Said)) {
        let (said, changed) = &*self.0;
        how(&mut said.lock().unwrap());
        changed.notify_all();
    }

    /// All lines so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.0.lock().unwrap().lines.clone()
    }

    /// All lines so far, as one text.
    pub(crate) fn text(&self) -> String {
        self.lines().join("\n")
    }

    /// Waits for a line with this text in it.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) -> String {
        self.wait_after(0, text)
    }

    /// Waits for a line with this text in it, after so many lines.
    #[track_caller]
    pub(crate) fn wait_after(&self, skip: usize, text: &str) -> String {
        match self.find(skip, text) {
            Some(line) => line,
            None => panic!("never said {text:?}:\n{}", self.text()),
        }
    }

    /// Waits for the end of the process's words: all that it has said.
    #[track_caller]
    pub(crate) fn whole(&self) -> String {
        assert!(
            comes_true(DEADLINE, || self.0.0.lock().unwrap().open == 0),
            "it still talks:\n{}",
            self.text()
        );
        self.text()
    }

    fn find(&self, skip: usize, text: &str) -> Option<String> {
        let start = Instant::now();
        let (said, changed) = &*self.0;
        let mut said = said.lock().unwrap();
        loop {
            if let Some(line) = said.lines.iter().skip(skip).find(|line| line.contains(text)) {
                return Some(line.clone());
            }
            let left = DEADLINE.saturating_sub(start.elapsed());
            if left.is_zero() || said.open == 0 {
                return None;
            }
            said = changed.wait_timeout(said, left).unwrap().0;
        }
    }
}

/// A program that has run to its end.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Kills a program that does not end by itself.
struct EndInTime {
    ended: Sender<()>,
    killer: JoinHandle<bool>,
}

impl EndInTime {
    fn of(process: u32) -> EndInTime {
        let (ended, end) = channel();
        let killer = std::thread::spawn(move || {
            let is_late = end.recv_timeout(DEADLINE).is_err();
            if is_late {
                super::sh(&format!("kill -KILL {process}"));
            }
            is_late
        });
        EndInTime { ended, killer }
    }

    #[track_caller]
    fn end(self) {
        _ = self.ended.send(());
        assert!(!self.killer.join().unwrap(), "the program did not end by itself");
    }
}

impl Ended {
    pub(crate) fn of(command: &mut Command) -> Ended {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let guard = EndInTime::of(child.id());
        let output = child.wait_with_output().unwrap();
        guard.end();
        let text = |bytes| String::from_utf8(bytes).expect("the program wrote what is not UTF-8");
        Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Asserts the exit code and gives what was written, on both ways.
    #[track_caller]
    pub(crate) fn with(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        self.out + &self.err
    }
}
