//! Recordings: what is kept replays the same, without secrets, within its size.

use super::*;
use crate::replay::{Line, Replay, captures};
use esl::{Decoder, Limits};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// The thread has the lowest priority, and the machine may be busy.
const DEADLINE: Duration = Duration::from_secs(600);

fn settings(directory: &Path) -> Settings {
    let directory = directory.join("record");
    Settings { directory, file_size: 64 << 20, file_age: Duration::from_secs(3600), total_size: 1 << 30 }
}

fn capture(name: &str) -> Vec<u8> {
    let path = format!("{}/../../testdata/captures/freeswitch/{name}.esl.zst", env!("CARGO_MANIFEST_DIR"));
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).unwrap();
    ruzstd::decoding::StreamingDecoder::new(file).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

/// Gives a tap all frames of a capture, as a reader would.
fn feed(tap: &mut Tap, bytes: &[u8]) -> u64 {
    let mut decoder = Decoder::new(Limits::default());
    let mut frames = 0;
    for piece in bytes.chunks(65_536) {
        decoder.push(piece);
        while let Some(frame) = decoder.next().unwrap() {
            match frame.event() {
                Some(Ok(event)) => tap.event(&event),
                _ if frame.kind() == esl::FrameKind::LogData => tap.log(&frame),
                _ => continue,
            }
            frames += 1;
        }
        tap.pass_on();
    }
    frames
}

fn verdicts(paths: &[PathBuf]) -> Vec<Line> {
    let mut replay = Replay::new(&Config::default(), vec!["127.0.0.0/16=198.18.0.0/16".parse().unwrap()]);
    let mut lines = Vec::new();
    captures(paths).unwrap().each(|path| replay.play(path, &mut |line| lines.push(line))).unwrap();
    lines
}

/// All bytes of all files of a directory, decompressed.
fn recorded(directory: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for path in captures(&[directory.to_owned()]).unwrap().files() {
        let mut rest = std::io::BufReader::new(std::fs::File::open(path).unwrap());
        while !std::io::BufRead::fill_buf(&mut rest).unwrap().is_empty() {
            let mut frame = ruzstd::decoding::StreamingDecoder::new(rest).unwrap();
            frame.read_to_end(&mut bytes).unwrap();
            rest = frame.into_inner();
        }
    }
    bytes
}

#[test]
fn what_was_recorded_replays_to_the_same_verdicts_word_for_word() {
    for name in ["scanner.plain", "calls.plain", "hostile.plain"] {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path());
        let recorder = Recorder::start(settings.clone(), &Config::default()).unwrap();
        let frames = feed(&mut recorder.tap("pbx"), &capture(name));
        assert!(recorder.stop(DEADLINE));
        let stats = recorder.stats();
        assert_eq!((stats.frames, stats.dropped, stats.waiting), (frames, 0, 0), "{name}");

        let original = folder.path().join("original.esl");
        std::fs::write(&original, capture(name)).unwrap();
        let (before, after) = (verdicts(&[original]), verdicts(std::slice::from_ref(&settings.directory)));
        assert!(!before.is_empty() || name == "hostile.plain");
        assert_eq!(before, after, "{name}");

        let file = captures(std::slice::from_ref(&settings.directory)).unwrap().files()[0].clone();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&settings.directory), mode(&file)), (0o700, 0o600));
        let size = std::fs::metadata(&file).unwrap().len();
        assert_eq!((stats.bytes, stats.kept), (size, size));
        assert!(size * 3 < capture(name).len() as u64, "compressed: {size} of {}", capture(name).len());
    }
}

#[test]
fn secrets_are_taken_out_and_lengths_stay_right() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let recorder = Recorder::start(settings.clone(), &Config::default()).unwrap();
    let body = "note: a1-hash=GEHEIM5 and password=GEHEIM6\n";
    let event = format!(
        "Event-Name: CHANNEL_CREATE\nCore-UUID: 1\nvariable_sip_auth_password: GEHEIM1\nvariable_sip_h_Authorization: \
         Digest%20response%3DGEHEIM2\nvariable_vm-password: GEHEIM3\nvariable_a1-hash: GEHEIM4\nvariable_sip_auth_username: \
         1001\nContent-Length: {}\n\n{body}",
        body.len()
    );
    let log = "2026-11-21 10:00:00.123456 98.50% [WARNING] sofia_reg.c:1 password=GEHEIM7\n";
    let bytes = format!(
        "Content-Length: {}\nContent-Type: text/event-plain\n\n{event}Content-Type: log/data\nContent-Length: \
         {}\nLog-Level: 4\n\n{log}Content-Length: 34\nContent-Type: text/event-plain\n\nEvent-Name: HEARTBEAT\nUp-Time: 9\n\n\n",
        event.len(),
        log.len()
    );
    let mut tap = recorder.tap("pbx");
    assert_eq!(feed(&mut tap, bytes.as_bytes()), 3);
    drop(tap);
    assert!(recorder.stop(DEADLINE));

    let recorded = recorded(&settings.directory);
    let text = String::from_utf8(recorded.clone()).unwrap();
    assert!(!text.contains("GEHEIM"), "{text}");
    assert!(text.contains("variable_sip_auth_username: 1001"), "the guard judges by it: {text}");
    let mut decoder = Decoder::new(Limits::default());
    decoder.push(&recorded);
    let mut names = Vec::new();
    while let Some(frame) = decoder.next().unwrap() {
        match frame.event() {
            Some(event) => names.push(String::from_utf8(event.unwrap().name().to_vec()).unwrap()),
            None => names.push(frame.header("Log-Level").map_or_else(String::new, |_| "log".into())),
        }
    }
    assert_eq!(names, ["CUSTOM", "CHANNEL_CREATE", "log", "HEARTBEAT"], "ours says which switch they are of");
    assert!(matches!(decoder.finish(), esl::End::Clean), "{:?}", decoder.buffered());
}

#[test]
fn files_are_ended_by_size_and_the_oldest_deleted_and_nothing_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { file_size: 1000, total_size: 3500, ..settings(folder.path()) };
    let mut files = Files::open(settings.clone()).unwrap();
    for name in ["mine.esl.zst", "switchward-1.esl.zst", "switchward-0000000001-x.esl.zst"] {
        std::fs::write(settings.directory.join(name), [0; 5000]).unwrap();
    }
    let names = || -> Vec<String> {
        let all = settings.directory.read_dir().unwrap().map(|entry| entry.unwrap().file_name());
        let mut ours: Vec<String> = all.map(|name| name.into_string().unwrap()).collect();
        ours.retain(|name| name.starts_with("switchward-00000000") && name.len() == 46);
        ours.sort();
        ours.iter().map(|name| name["switchward-".len()..][..10].trim_start_matches('0').to_owned()).collect()
    };
    for _ in 0..4 {
        files.append(&[1; 400]).unwrap();
    }
    assert_eq!((names(), files.total()), (vec!["1".into(), "2".into()], 1600));
    for _ in 0..8 {
        files.append(&[1; 400]).unwrap();
    }
    assert_eq!((names(), files.total()), (["3", "4", "5", "6"].map(String::from).to_vec(), 3200));
    drop(files);

    let mut files = Files::open(Settings { total_size: 2000, ..settings.clone() }).unwrap();
    assert_eq!(
        (names(), files.total()),
        (["5", "6"].map(String::from).to_vec(), 1600),
        "goes on where it was"
    );
    files.append(&[1; 300]).unwrap();
    assert_eq!(names(), ["5", "6", "7"], "a file is never opened a second time");
    assert_eq!(settings.directory.read_dir().unwrap().count(), 6, "others' files are theirs");
    files.close();
    let old = Settings { file_age: Duration::ZERO, ..settings.clone() };
    let mut files = Files::open(old).unwrap();
    files.append(&[1; 10]).unwrap();
    files.append(&[1; 10]).unwrap();
    assert_eq!(names(), ["5", "6", "7", "8", "9"], "an old one is ended, however small");
}

#[test]
fn a_directory_that_others_may_enter_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    std::fs::create_dir(&settings.directory).unwrap();
    std::fs::set_permissions(&settings.directory, std::fs::Permissions::from_mode(0o750)).unwrap();
    let error = Recorder::start(settings.clone(), &Config::default()).err().unwrap().to_string();
    assert!(error.contains("chmod 700"), "{error}");
    std::fs::write(folder.path().join("file"), "").unwrap();
    let settings = Settings { directory: folder.path().join("file"), ..settings };
    let error = Recorder::start(settings, &Config::default()).err().unwrap().to_string();
    assert!(error.contains("cannot record into"), "{error}");
}

#[test]
fn what_cannot_be_written_is_counted_and_told_and_it_goes_on_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let files = Files::open(settings.clone()).unwrap();
    let shared = Arc::new(Shared::default());
    let mut writer = writer::Writer::new(files, redactor(&Config::default()), shared.clone());
    let heartbeat = b"Content-Length: 22\nContent-Type: text/event-plain\n\nEvent-Name: HEARTBEAT\n";
    let mut write = |pause_is_over: bool| {
        let (queue, orders) = mpsc::channel();
        shared.waiting.fetch_add(heartbeat.len(), Relaxed);
        queue.send(Message::Frames(heartbeat.to_vec(), 1, "pbx".into())).unwrap();
        drop(queue);
        if pause_is_over {
            writer.try_again();
        }
        writer.run(&orders);
    };
    std::fs::remove_dir(&settings.directory).unwrap();
    write(false);
    let trouble = shared.trouble.lock().clone().unwrap();
    assert!(trouble.contains("cannot be written to") && trouble.contains("No such file"), "{trouble}");
    write(false);
    assert_eq!((shared.dropped.load(Relaxed), shared.frames.load(Relaxed)), (2, 0));
    std::fs::create_dir(&settings.directory).unwrap();
    write(true);
    assert_eq!((shared.dropped.load(Relaxed), shared.frames.load(Relaxed)), (2, 1));
    assert_eq!(*shared.trouble.lock(), None);
    let text = String::from_utf8(recorded(&settings.directory)).unwrap();
    assert!(text.contains("Event-Name: HEARTBEAT\n"), "{text}");
}

#[test]
fn more_than_may_wait_is_dropped_and_counted_and_nobody_waits() {
    // A thread that never comes: nobody takes anything out of the queue.
    let (queue, orders) = mpsc::channel();
    let shared = Arc::new(Shared::default());
    let recorder = Arc::new(Recorder { queue, shared: shared.clone() });
    let mut tap = recorder.tap("pbx");
    let body = format!("Event-Name: X\nfiller: {}\n\n", "x".repeat(1 << 20));
    let event = EventView::parse(Format::Plain, body.as_bytes()).unwrap();
    for _ in 0..100 {
        tap.event(&event);
        tap.pass_on();
    }
    let stats = recorder.stats();
    assert_eq!(stats.dropped, 100 - 63, "{stats:?}");
    assert!(stats.waiting <= MOST_WAITING as u64, "{stats:?}");
    assert_eq!(orders.try_iter().count(), 63);
    drop(orders);
    tap.event(&event);
    tap.pass_on();
    assert_eq!(recorder.stats().dropped, 38, "nor is there an end");
}

#[test]
fn a_file_whose_end_is_missing_replays_up_to_there() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let recorder = Recorder::start(settings.clone(), &Config::default()).unwrap();
    let scanner = capture("scanner.plain");
    // More than a block's worth.
    for _ in 0..1 + (3 << 20) / scanner.len() {
        feed(&mut recorder.tap("pbx"), &scanner);
    }
    assert!(recorder.stop(DEADLINE));
    let path = captures(&[settings.directory]).unwrap().files()[0].clone();
    let whole = std::fs::read(&path).unwrap();
    let starts: Vec<usize> =
        (0..whole.len() - 4).filter(|at| whole[*at..*at + 4] == [0x28, 0xb5, 0x2f, 0xfd]).collect();
    assert!(starts.len() > 1, "{starts:?}");
    let last = *starts.last().unwrap();
    let play = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let mut replay = Replay::new(&Config::default(), Vec::new());
        replay.play(&path, &mut |_| ()).map(|()| replay.summary())
    };
    let (all, without) = (play(&whole).unwrap(), play(&whole[..last]).unwrap());
    assert!(all.events > without.events && all.cut_off == 0 && without.events > 100);
    for end in [last + 2, last + 5, last + 30, whole.len() - 1] {
        let cut = play(&whole[..end]).unwrap();
        assert!(cut.events >= without.events, "{end}: {cut:?}");
        assert_eq!(cut.cut_off, 1, "{end}");
    }
    let mut damaged = whole.clone();
    damaged[last..last + 4].copy_from_slice(b"oops");
    assert!(play(&damaged).unwrap_err().to_string().contains("cannot read"));
}

/// What a recording says besides the switches' events, file by file; of each switch's frames only its name.
fn told(directory: &Path) -> Vec<Vec<State>> {
    let of = |path: &PathBuf| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(path, folder.path().join("one.esl.zst")).unwrap();
        let mut decoder = Decoder::new(Limits::default());
        decoder.push(&recorded(folder.path()));
        let mut states = Vec::new();
        while let Some(frame) = decoder.next().unwrap() {
            states.extend(frame.event().and_then(|event| State::read(&event.unwrap())));
        }
        states
    };
    captures(&[directory.to_owned()]).unwrap().files().iter().map(of).collect()
}

fn phone(number: u16) -> Registration {
    let (user, domain) = (number.to_string(), "pbx.example".into());
    Registration {
        ip: "192.0.2.20".parse().unwrap(),
        port: number,
        user,
        domain,
        until: guard::Time::from_secs(9),
    }
}

#[test]
fn every_file_begins_with_what_is_known_and_the_rest_comes_when_it_does() {
    let folder = tempfile::tempdir().unwrap();
    // Each block is a file.
    let settings = Settings { file_size: 1, ..settings(folder.path()) };
    let recorder = Recorder::start(settings.clone(), &Config::default()).unwrap();
    let head = State::registered("north", (0..2500).map(phone).collect());
    let known = head.clone();
    recorder.begin_with(Box::new(move |_| vec![known.clone()]));
    let later = State { disallowed: vec!["192.0.2.0/24".parse().unwrap()], ..State::default() };
    let scanner = capture("scanner.plain");
    // More than a block's worth.
    for _ in 0..1 + (2 << 20) / scanner.len() {
        feed(&mut recorder.tap("north"), &scanner);
        recorder.tell(later.clone());
        feed(&mut recorder.tap("south"), &scanner);
    }
    assert!(recorder.stop(DEADLINE));
    let files = told(&settings.directory);
    assert!(files.len() > 1, "{}", files.len());
    for states in &files {
        let phones = states.iter().map_while(|state| state.registrations.as_deref()).flatten();
        assert_eq!(phones.cloned().collect::<Vec<_>>(), head.registrations.clone().unwrap(), "in pieces");
        assert!(states.iter().all(|state| state.registrations.as_ref().is_none_or(|all| all.len() <= 1000)));
        let first = states.iter().find_map(|state| state.from.as_deref());
        assert!(matches!(first, Some("north" | "south")), "{first:?}");
    }
    let all: Vec<&State> = files.iter().flatten().collect();
    assert!(all.contains(&&later));
    let from: Vec<&str> = all.iter().filter_map(|state| state.from.as_deref()).collect();
    assert!(from.contains(&"north") && from.contains(&"south"));
}

#[test]
fn what_a_switch_sends_under_our_name_is_left_out_and_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let recorder = Recorder::start(settings.clone(), &Config::default()).unwrap();
    let body = r#"{"disallowed":["192.0.2.0/24"]}"#;
    let events = [
        format!(
            "Event-Subclass: switchward%3A%3Astate\nEvent-Name: CUSTOM\nCore-UUID: 1\nContent-Length: {}\n\n{body}",
            body.len()
        ),
        format!(
            "Event-Name: CUSTOM\nEvent-Subclass: switchward%3A%3Astate\nCore-UUID: 1\nContent-Length: {}\n\n{body}",
            body.len()
        ),
        "Event-Name: HEARTBEAT\n\n".to_owned(),
    ];
    let mut tap = recorder.tap("pbx");
    for event in &events {
        let event = EventView::parse(Format::Plain, event.as_bytes()).unwrap();
        assert_eq!(State::read(&event), None);
        tap.event(&event);
    }
    drop(tap);
    assert!(recorder.stop(DEADLINE));
    assert_eq!((recorder.stats().frames, recorder.stats().dropped), (1, 2));
    let said = told(&settings.directory).concat();
    assert_eq!(said, [State { from: Some("pbx".into()), ..State::default() }]);
}
