//! `switchward top` on a real terminal: a pseudo terminal that `script` opens.

use crate::support::{DEADLINE, Stage, comes_true, eventually, sh};
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};

/// The program on a terminal of its own.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    shown: Arc<Mutex<String>>,
}

impl Terminal {
    fn open(stage: &Stage, arguments: &str, size: &str) -> Terminal {
        let line = format!(
            "stty {size}; {} {arguments}; echo ended with $?; stty -a | tr ';' '\\n' | grep -o -- '-\\?icanon'",
            env!("CARGO_BIN_EXE_switchward")
        );
        let mut command = Command::new("script");
        command.args(["-qec", &line, "/dev/null"]).current_dir(stage.folder());
        command.env("TERM", "xterm-256color").env("SHELL", "/bin/bash");
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let shown = Arc::new(Mutex::new(String::new()));
        let (mut out, into) = (child.stdout.take().unwrap(), shown.clone());
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = out.read(&mut buffer) {
                into.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
        });
        Terminal { keys: child.stdin.take().unwrap(), child, shown }
    }

    fn text(&self) -> String {
        self.shown.lock().unwrap().clone()
    }

    #[track_caller]
    fn wait_for(&self, text: &str) {
        assert!(
            comes_true(DEADLINE, || self.text().contains(text)),
            "never shown: {text}\n{:?}",
            self.text()
        );
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// It has ended so, and the terminal is as it was.
    #[track_caller]
    fn is_put_back(&self, code: i32) {
        self.wait_for(&format!("ended with {code}"));
        eventually("stty answers", || self.text().trim_end().ends_with("icanon"));
        let text = self.text();
        assert!(text.trim_end().ends_with("\nicanon") && !text.trim_end().ends_with("-icanon"), "{text:?}");
        assert!(
            text.contains("\u{1b}[?1049h") && text.contains("\u{1b}[?1049l"),
            "the other screen: {text:?}"
        );
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// The number of the program's process.
fn process_of(terminal: &Terminal) -> String {
    let mut found = String::new();
    eventually("the program runs", || {
        let children = Command::new("pgrep").args(["-P", &terminal.child.id().to_string()]).output().unwrap();
        let shell = String::from_utf8_lossy(&children.stdout).trim().to_owned();
        let of_shell = Command::new("pgrep").args(["-P", &shell, "switchward"]).output().unwrap();
        found = String::from_utf8_lossy(&of_shell.stdout).trim().to_owned();
        !found.is_empty()
    });
    found
}

#[test]
fn it_shows_bans_lifts_one_and_gives_the_terminal_back() {
    let stage = Stage::new();
    let daemon = stage.start("");
    assert!(daemon.http.ban("198.51.100.77"));
    let mut terminal = Terminal::open(&stage, "top", "rows 24 cols 80");
    terminal.wait_for("198.51.100.77");
    terminal.press("u");
    // A word at a time: blanks are jumped over.
    terminal.wait_for("sure?");
    terminal.press("y");
    eventually("the ban is lifted", || daemon.http.ledger().is_empty());
    terminal.press("q");
    terminal.is_put_back(0);
}

#[test]
fn it_waits_for_a_daemon_that_comes_back() {
    let stage = Stage::new();
    let mut daemon = stage.start("");
    let terminal = Terminal::open(&stage, "top", "rows 24 cols 120");
    terminal.wait_for("live");
    daemon.terminate();
    terminal.wait_for("NO CONNECTION");
    let before = terminal.text().len();
    let _daemon = stage.start_again();
    eventually("it is live again", || terminal.text()[before..].contains("live"));
}

#[test]
fn a_signal_gives_the_terminal_back() {
    let stage = Stage::new();
    let _daemon = stage.start("");
    for (signal, size) in [("TERM", "rows 24 cols 80"), ("HUP", "rows 1 cols 1")] {
        let terminal = Terminal::open(&stage, "top", size);
        terminal.wait_for("\u{1b}[?1049h");
        let process = process_of(&terminal);
        sh(&format!("kill -{signal} {process}"));
        terminal.is_put_back(0);
    }
}

#[test]
fn without_a_terminal_it_says_so() {
    let stage = Stage::new();
    assert!(stage.run(&["top"]).with(64).contains("needs a terminal"));
}
