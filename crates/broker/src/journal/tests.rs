//! The journal on a real disk: order, ends of files, crashes, disks that fail.

use super::*;
use crate::audit::{Asked, Kind, Record, Torn, Verdict, What};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use tempfile::TempDir;

const AT: u64 = 1_795_267_259_000_000;
const DAY: u64 = 86_400_000_000;

fn asked(at: u64, command: &str) -> Entry<'_> {
    Entry::Asked(Asked {
        at,
        user: "alice",
        form: "api",
        command,
        verdict: Verdict::Allowed,
        ..Asked::default()
    })
}

fn settings(directory: &TempDir) -> Settings {
    Settings::new(directory.path().join("audit"))
}

fn open(settings: Settings) -> Journal {
    Journal::open(settings, None, AT).unwrap().0
}

fn report(journal: &Journal) -> Report {
    report_of(journal.directory(), &[], Some(*journal.newest().borrow()))
}

fn report_of(directory: &Path, keys: &[Key], anchor: Option<Anchor>) -> Report {
    verify(&files(directory).unwrap(), keys, anchor).unwrap()
}

fn records(directory: &Path) -> Vec<Record> {
    Tail::new(directory, 0).next(usize::MAX).unwrap()
}

fn notes(directory: &Path) -> Vec<String> {
    records(directory)
        .into_iter()
        .filter(|record| record.kind == Kind::Note)
        .map(|record| record.text)
        .collect()
}

#[test]
fn what_is_written_is_there_in_order_and_verifies() {
    let directory = TempDir::new().unwrap();
    let journal = open(settings(&directory));
    let first = journal.write(&asked(AT, "status")).unwrap();
    let second = journal.write(&asked(AT, "show calls")).unwrap();
    assert_eq!(second.sequence, first.sequence + 1);
    assert_eq!(*journal.newest().borrow(), second);
    let report = report(&journal);
    assert!(report.is_whole(), "{report:?}");
    assert_eq!(report.last, second);
    let commands: Vec<_> = records(journal.directory()).into_iter().map(|record| record.command).collect();
    // Head and note come first.
    assert_eq!(commands, ["", "", "status", "show calls"]);
    assert_eq!(journal.health().entries, 2);
}

#[test]
fn files_are_only_for_who_may_read_them() {
    for mode in [0o640, 0o600] {
        let directory = TempDir::new().unwrap();
        let journal = open(Settings { mode, ..settings(&directory) });
        let file = journal.health().file.metadata().unwrap();
        assert_eq!(file.permissions().mode() & 0o777, mode);
        assert_eq!(journal.directory().metadata().unwrap().permissions().mode() & 0o777, 0o750);
    }
}

#[test]
fn it_goes_on_where_it_ended() {
    let directory = TempDir::new().unwrap();
    let journal = open(settings(&directory));
    let last = journal.write(&asked(AT, "status")).unwrap();
    drop(journal);
    let (journal, opened) = Journal::open(settings(&directory), Some(last), AT).unwrap();
    assert_eq!(opened, Opened { found: last, ..Opened::default() });
    journal.write(&asked(AT, "status")).unwrap();
    assert!(report(&journal).is_whole());
    assert_eq!(files(journal.directory()).unwrap().len(), 1);
}

#[test]
fn two_processes_do_not_write_one_journal() {
    let directory = TempDir::new().unwrap();
    let journal = open(settings(&directory));
    assert!(matches!(Journal::open(settings(&directory), None, AT), Err(OpenError::InUse(_))));
    drop(journal);
    open(settings(&directory));
}

#[test]
fn what_cannot_be_opened_is_tried_again() {
    let directory = TempDir::new().unwrap();
    let holder = open(settings(&directory));
    let (journal, opened) = Journal::start(settings(&directory), None, AT);
    assert!(matches!(opened, Err(OpenError::InUse(_))));
    assert!(journal.write(&asked(AT, "status")).unwrap_err().reason.contains("another process"));
    assert!(journal.tick(AT).is_err());
    assert!(journal.health().failing.is_some());
    let last = *holder.newest().borrow();
    drop(holder);
    assert_eq!(journal.tick(AT).unwrap().unwrap().found, last);
    assert_eq!(journal.tick(AT).unwrap(), None);
    journal.write(&asked(AT, "status")).unwrap();
    assert_eq!(journal.health().failing, None);
    assert!(report(&journal).is_whole());
}

#[test]
fn a_new_file_is_begun_by_size_and_day() {
    let directory = TempDir::new().unwrap();
    let journal = open(Settings { file_size: 2_000, ..settings(&directory) });
    for _ in 0..20 {
        journal.write(&asked(AT, "status")).unwrap();
    }
    let by_size = files(journal.directory()).unwrap().len();
    assert!(by_size > 3, "{by_size}");
    journal.write(&asked(AT + DAY, "status")).unwrap();
    // An entry from before midnight that comes late begins no file.
    journal.write(&asked(AT, "status")).unwrap();
    let all = files(journal.directory()).unwrap();
    assert_eq!(all.len(), by_size + 1);
    assert!(all.last().unwrap().to_str().unwrap().ends_with("-2026-11-22.jsonl"));
    assert!(report(&journal).is_whole());
}

#[test]
fn old_files_are_deleted_by_age_and_by_size() {
    let directory = TempDir::new().unwrap();
    let keep = Duration::from_secs(10 * 86_400);
    let journal = open(Settings { keep, keep_size: 6_000, file_size: 100_000, ..settings(&directory) });
    for day in 0..5 {
        journal.write(&asked(AT + day * DAY, "status")).unwrap();
    }
    journal.tick(AT + 5 * DAY).unwrap();
    assert_eq!(files(journal.directory()).unwrap().len(), 5);
    // The first file's lines end with the second day at the latest.
    journal.tick(AT + 12 * DAY).unwrap();
    // The note that it was deleted begins a file of its own day.
    assert_eq!(files(journal.directory()).unwrap().len(), 5);
    assert!(notes(journal.directory()).iter().any(|note| note.starts_with("1 files were deleted")));
    let report_after = report(&journal);
    assert!(report_after.is_whole(), "{report_after:?}");
    for _ in 0..20 {
        journal.write(&asked(AT + 12 * DAY, "status")).unwrap();
    }
    journal.tick(AT + 12 * DAY + 3_600_000_000).unwrap();
    assert_eq!(files(journal.directory()).unwrap().len(), 1, "the newest alone is over the size");
    assert!(report(&journal).is_whole());
}

#[test]
fn a_flood_of_lines_takes_no_more_room_than_it_may() {
    let directory = TempDir::new().unwrap();
    let journal = open(Settings { keep_size: 20_000, file_size: 4_000, ..settings(&directory) });
    for second in 0..20 {
        journal.tick(AT + second * 1_000_000).unwrap();
        (0..10).for_each(|_| _ = journal.write(&asked(AT + second * 1_000_000, "status")).unwrap());
    }
    journal.tick(AT + 20_000_000).unwrap();
    let size = |path: &PathBuf| path.metadata().unwrap().len();
    let bytes: u64 = files(journal.directory()).unwrap().iter().map(size).sum();
    assert!((10_000..30_000).contains(&bytes), "{bytes}");
    assert!(report(&journal).is_whole());
}

#[test]
fn a_directory_that_was_exchanged_is_not_written_beside_somebody_else() {
    let parent = TempDir::new().unwrap();
    let place = parent.path().join("audit");
    let first = open(Settings { directory: place.clone(), ..settings(&parent) });
    first.write(&asked(AT, "status")).unwrap();
    fs::rename(&place, parent.path().join("away")).unwrap();
    let second = open(Settings { directory: place.clone(), ..settings(&parent) });
    second.write(&asked(AT, "status")).unwrap();
    let refused = first.write(&asked(AT + 2_000_000, "show calls")).unwrap_err();
    assert!(refused.reason.contains("another process"), "{refused}");
    assert!(report(&second).is_whole());
    // Once the other is gone it is the first one's.
    drop(second);
    first.write(&asked(AT + 4_000_000, "show calls")).unwrap();
    assert!(matches!(
        Journal::open(Settings { directory: place, ..settings(&parent) }, None, AT),
        Err(OpenError::InUse(_))
    ));
}

#[test]
fn an_unfinished_line_is_set_aside_and_told() {
    let directory = TempDir::new().unwrap();
    let journal = open(settings(&directory));
    journal.write(&asked(AT, "status")).unwrap();
    let last = journal.write(&asked(AT, "show calls")).unwrap();
    let path = journal.health().file;
    drop(journal);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 10]).unwrap();
    let found = report_of(path.parent().unwrap(), &[], None);
    assert!(matches!(found.torn, Some(Torn { line: 4, .. })) && found.broken.is_none(), "{found:?}");
    let (journal, opened) = Journal::open(settings(&directory), None, AT).unwrap();
    let (aside, length) = opened.torn.unwrap();
    assert_eq!(opened.found.sequence, last.sequence - 1);
    let scrap = fs::read(aside).unwrap();
    assert_eq!(scrap.len() as u64, length);
    assert!(bytes.windows(scrap.len()).any(|window| window == scrap));
    journal.write(&asked(AT, "status")).unwrap();
    let report = report(&journal);
    assert!(report.is_whole(), "{report:?}");
    assert!(notes(journal.directory())[2].contains("unfinished line"));
}

#[test]
fn every_length_that_a_crash_can_leave_is_recovered() {
    let directory = TempDir::new().unwrap();
    let journal = open(Settings { file_size: 1_200, ..settings(&directory) });
    for _ in 0..4 {
        journal.write(&asked(AT, "status")).unwrap();
    }
    let newest = journal.health().file;
    let earlier = files(journal.directory()).unwrap();
    assert!(earlier.len() > 1);
    let whole = fs::read(&newest).unwrap();
    // The first line, and every third length of the others.
    for length in (0..=whole.len()).filter(|length| *length < 100 || length % 3 == 0) {
        let directory = TempDir::new().unwrap();
        let copy = directory.path().join("audit");
        fs::create_dir(&copy).unwrap();
        for file in &earlier {
            fs::copy(file, copy.join(file.file_name().unwrap())).unwrap();
        }
        fs::write(copy.join(newest.file_name().unwrap()), &whole[..length]).unwrap();
        let journal = open(Settings { sync: Sync::Never, ..settings(&directory) });
        journal.write(&asked(AT, "status")).unwrap();
        let report = report(&journal);
        assert!(report.is_whole(), "{length}: {report:?}");
    }
}

#[test]
fn an_end_that_was_cut_off_is_told_by_what_is_remembered_elsewhere() {
    let directory = TempDir::new().unwrap();
    let journal = open(settings(&directory));
    journal.write(&asked(AT, "status")).unwrap();
    let path = journal.health().file;
    let before = fs::read(&path).unwrap();
    for _ in 0..3 {
        journal.write(&asked(AT, "uuid_kill 1")).unwrap();
    }
    let anchor = *journal.newest().borrow();
    drop(journal);
    fs::write(&path, &before).unwrap();
    let cut = report_of(path.parent().unwrap(), &[], Some(anchor)).broken.unwrap();
    assert_eq!((cut.line, cut.what), (3, What::CutOff { lines: 3 }));
    let (journal, opened) = Journal::open(settings(&directory), Some(anchor), AT).unwrap();
    assert_eq!(opened.lost, 3);
    assert_eq!(journal.newest().borrow().sequence, anchor.sequence + 3, "head and two notes");
    let report = report(&journal);
    assert_eq!((report.broken.is_none(), report.gap_count, report.gaps[0].lost), (true, 1, 3));
}

#[test]
fn a_journal_that_was_deleted_as_a_whole_is_missed() {
    let directory = TempDir::new().unwrap();
    let journal = open(settings(&directory));
    let anchor = journal.write(&asked(AT, "status")).unwrap();
    fs::remove_dir_all(journal.directory()).unwrap();
    drop(journal);
    let (journal, opened) = Journal::open(settings(&directory), Some(anchor), AT).unwrap();
    assert_eq!(opened.lost, anchor.sequence);
    assert!(!report(&journal).is_whole());
}

#[test]
fn a_damaged_end_stops_nothing_and_stays_visible() {
    let directory = TempDir::new().unwrap();
    let journal = open(settings(&directory));
    let good = journal.write(&asked(AT, "status")).unwrap();
    journal.write(&asked(AT, "uuid_kill 1")).unwrap();
    let last = journal.write(&asked(AT, "uuid_kill 2")).unwrap();
    let path = journal.health().file;
    drop(journal);
    let text = fs::read_to_string(&path)
        .unwrap()
        .replace("uuid_kill 1", "uuid_kill 9")
        .replace("uuid_kill 2", "status");
    fs::write(&path, text).unwrap();
    let (journal, opened) = Journal::open(settings(&directory), None, AT).unwrap();
    assert_eq!(opened.found, good);
    assert!(opened.damaged.unwrap().ends_with("line 4: this line was changed"));
    assert!(journal.write(&asked(AT, "status")).unwrap().sequence > last.sequence);
    assert_eq!(report(&journal).broken.unwrap().line, 4);
}

#[test]
fn another_key_begins_another_file() {
    let directory = TempDir::new().unwrap();
    let key = |secret: &str| Key::new(secret.as_bytes());
    let (old, new) = (key("the first key of all"), key("the second key of all"));
    drop(open(settings(&directory)));
    drop(open(Settings { key: old.clone(), ..settings(&directory) }));
    drop(open(Settings { key: old.clone(), ..settings(&directory) }));
    let journal = open(Settings { key: new.clone(), ..settings(&directory) });
    assert_eq!(files(journal.directory()).unwrap().len(), 3);
    let both = [old.unwrap(), new.unwrap()];
    assert!(report_of(journal.directory(), &both, None).is_whole());
    let one = report_of(journal.directory(), &both[1..], None).broken.unwrap();
    assert_eq!(one.what, What::OtherKey);
}

#[test]
fn a_file_that_somebody_takes_away_is_replaced_and_missed() {
    let directory = TempDir::new().unwrap();
    let journal = open(settings(&directory));
    journal.write(&asked(AT, "status")).unwrap();
    fs::remove_file(journal.health().file).unwrap();
    journal.write(&asked(AT + 1_000_000, "show calls")).unwrap();
    let records = records(journal.directory());
    assert!(records[0].why.contains("taken away"), "{records:?}");
    assert_eq!(records[1].command, "show calls");
    assert_eq!(report(&journal).first, 4, "the first three lines are gone");
    // Somebody who writes into it is noticed as well.
    let path = journal.health().file;
    fs::write(&path, fs::read(&path).unwrap().repeat(2)).unwrap();
    journal.write(&asked(AT + 2_000_000, "show calls")).unwrap();
    assert_ne!(journal.health().file, path);
    assert_eq!(report(&journal).broken.unwrap().what, What::Inserted);
}

#[test]
fn a_directory_that_is_gone_is_an_error_and_then_mended() {
    let directory = TempDir::new().unwrap();
    let journal = open(settings(&directory));
    let aside = directory.path().join("aside");
    fs::rename(journal.directory(), &aside).unwrap();
    let trouble = journal.write(&asked(AT + 1_000_000, "status")).unwrap_err();
    assert!(trouble.to_string().starts_with("cannot write the audit "), "{trouble}");
    assert!(journal.tick(AT + 1_500_000).is_err());
    assert!(journal.health().failing.is_some());
    fs::rename(&aside, journal.directory()).unwrap();
    journal.tick(AT + 2_000_000).unwrap();
    assert_eq!(journal.health().failing, None);
    let notes = notes(journal.directory());
    assert!(
        notes.last().unwrap().starts_with("1 entries since 2026-11-21T13:21:00.000000Z could not be written"),
        "{notes:?}"
    );
    let report = report(&journal);
    assert!(report.is_whole(), "{report:?}");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "only a process of its own can mount a small disk")]
fn a_full_disk_is_told_at_once_and_recovers() {
    let directory = TempDir::new().unwrap();
    let inner = "mount -t tmpfs -o size=64k none \"$AUDIT_FULL_DISK\" && exec \"$0\" --exact --ignored --nocapture \
                 journal::tests::on_a_disk_of_64_kib";
    let status = Command::new("unshare")
        .args(["-rm", "sh", "-c", inner])
        .arg(std::env::current_exe().unwrap())
        .env("AUDIT_FULL_DISK", directory.path())
        .output()
        .unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&status.stdout), String::from_utf8_lossy(&status.stderr));
    assert!(status.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "run by the test above, on a small disk"]
fn on_a_disk_of_64_kib() {
    let Some(disk) = std::env::var_os("AUDIT_FULL_DISK") else { return };
    let disk = PathBuf::from(disk);
    let ballast = disk.join("ballast");
    fs::write(&ballast, vec![0; 40 << 10]).unwrap();
    let journal = open(Settings::new(disk.join("audit")));
    let mut good = 0;
    let trouble = loop {
        match journal.write(&asked(AT, "status")) {
            Ok(_) => good += 1,
            Err(trouble) => break trouble,
        }
        assert!(good < 10_000);
    };
    assert!(trouble.reason.contains("No space left"), "{trouble}");
    assert!(journal.write(&asked(AT, "status")).is_err());
    let full = report(&journal);
    assert!(full.is_whole(), "no scrap is left: {full:?}");
    fs::remove_file(ballast).unwrap();
    journal.write(&asked(AT + 1, "uuid_kill 1")).unwrap();
    assert!(report(&journal).is_whole());
    let records = records(journal.directory());
    let note = &records[records.len() - 2];
    assert!(note.text.starts_with("2 entries since"), "{note:?}");
    assert_eq!(records.last().unwrap().command, "uuid_kill 1");
    assert_eq!((journal.health().failing, journal.health().failures), (None, 2));
}

#[test]
fn many_threads_write_one_chain() {
    let directory = TempDir::new().unwrap();
    let journal = open(Settings { file_size: 20_000, ..settings(&directory) });
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..200).for_each(|_| assert!(journal.write(&asked(AT, "status")).is_ok())));
        }
    });
    let report = report(&journal);
    assert!(report.is_whole(), "{report:?}");
    assert_eq!(
        records(journal.directory()).iter().filter(|record| record.kind == Kind::Asked).count(),
        1_600
    );
}

#[test]
fn reading_along_misses_nothing_and_repeats_nothing() {
    let directory = TempDir::new().unwrap();
    let journal = open(Settings { file_size: 3_000, ..settings(&directory) });
    let last = std::sync::atomic::AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..1_000 {
                journal.write(&asked(AT, "status")).unwrap();
            }
            last.store(journal.newest().borrow().sequence, Relaxed);
        });
        let mut tail = Tail::new(journal.directory(), 0);
        let mut seen = 0;
        while last.load(Relaxed) == 0 || seen < last.load(Relaxed) {
            for record in tail.next(7).unwrap() {
                seen += 1;
                assert_eq!(record.sequence, seen);
            }
        }
        assert_eq!(tail.unreadable(), 0);
    });
    let mut tail = Tail::new(journal.directory(), 500);
    let after = tail.next(3).unwrap();
    assert_eq!(after.iter().map(|record| record.sequence).collect::<Vec<_>>(), [501, 502, 503]);
    assert_eq!(tail.next(1).unwrap()[0].sequence, 504);
    let newest = last.load(Relaxed);
    assert_eq!(Tail::new(journal.directory(), newest).next(9).unwrap(), []);
}

#[test]
fn with_each_line_forced_to_the_disk_it_is_the_same_journal() {
    let directory = TempDir::new().unwrap();
    let journal = open(Settings { sync: Sync::Each, ..settings(&directory) });
    journal.write(&asked(AT, "status")).unwrap();
    journal.tick(AT).unwrap();
    assert!(report(&journal).is_whole());
}
