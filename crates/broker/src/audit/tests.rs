//! Lines, chains and seals of the audit: what verifies, and what every change to them looks like.

use super::line::Parts;
use super::*;
use proptest::prelude::*;

const AT: u64 = 1_795_267_259_000_000;

fn asked<'a>(user: &'a str, command: &'a str) -> Entry<'a> {
    let asked = Asked {
        at: AT,
        user,
        proof: "users",
        source: "192.0.2.7",
        door: "esl",
        switch: "pbx1",
        ..Asked::default()
    };
    Entry::Asked(Asked { form: "api", command, verdict: Verdict::Allowed, rule: "allow show *", ..asked })
}

fn done(of: u64) -> Entry<'static> {
    Entry::Done(Done { at: AT + 90, of, result: "ok", bytes: 12, micros: 90 })
}

fn key() -> Key {
    Key::new(b"0123456789abcdef").unwrap()
}

/// The files of a journal, each a list of lines.
type Files = Vec<Vec<Vec<u8>>>;

fn journal(files: &[usize], key: Option<Key>) -> Files {
    let mut chain = Chain::new(Anchor::default(), key);
    let mut write = |entry: &Entry<'_>| {
        let mut line = Vec::new();
        let anchor = chain.line(entry, &mut line);
        chain.advance(anchor);
        line
    };
    let mut all = Vec::new();
    for count in files {
        let mut lines = vec![write(&Entry::Head(Head { at: AT, why: "started", lost: 0 }))];
        for number in 0..*count {
            lines.push(write(&asked("alice", &format!("show calls {number}"))));
        }
        all.push(lines);
    }
    all
}

fn walk(files: &[Vec<Vec<u8>>], keys: &[Key], anchor: Option<Anchor>) -> Report {
    walk_bytes(&files.iter().map(|lines| lines.concat()).collect::<Vec<_>>(), keys, anchor)
}

fn walk_bytes(files: &[Vec<u8>], keys: &[Key], anchor: Option<Anchor>) -> Report {
    let mut walk = Walk::new(keys, anchor);
    for (number, bytes) in files.iter().enumerate() {
        walk.file(&format!("file{number}"), bytes.as_slice()).unwrap();
    }
    walk.finish()
}

fn broken(report: &Report) -> (&str, u64, What) {
    let broken = report.broken.as_ref().expect("something is broken");
    (&broken.file, broken.line, broken.what)
}

#[test]
fn a_line_has_its_keys_in_a_fixed_order() {
    let mut chain = Chain::default();
    let mut out = Vec::new();
    let anchor = chain.line(&asked("al\"ice\n", "status"), &mut out);
    chain.advance(anchor);
    let anchor = chain.line(&done(1), &mut out);
    let lines: Vec<_> = std::str::from_utf8(&out).unwrap().lines().collect();
    let zeros = "0".repeat(64);
    let start = r#"{"seq":1,"kind":"asked","at":"2026-11-21T13:20:59.000000Z","user":"al\"ice\u000a","proof":"users","account":"","source":"192.0.2.7","door":"esl","switch":"pbx1","form":"api","command":"status","decision":"allowed","rule":"allow show *","prev":""#;
    assert_eq!(lines[0].split(&zeros).next(), Some(start));
    let hash = chain.last().hash;
    assert_eq!(
        lines[1],
        format!(
            r#"{{"seq":2,"kind":"done","at":"2026-11-21T13:20:59.000090Z","of":1,"result":"ok","bytes":12,"micros":90,"prev":"{hash}","hash":"{}"}}"#,
            anchor.hash
        )
    );
    // What anybody can compute with sha256sum.
    let before = lines[1].split(",\"hash\"").next().unwrap();
    assert_eq!(chain::sha256(before.as_bytes()), anchor.hash);
}

#[test]
fn a_line_is_read_back() {
    let mut out = Vec::new();
    Chain::new(Anchor::default(), Some(key())).line(&asked("alice", "uuid_kill 1 \u{202e}x"), &mut out);
    let record = Record::read(&out).unwrap();
    assert_eq!(
        (record.sequence, record.kind, record.at, record.verdict),
        (1, Kind::Asked, AT, Some(Verdict::Allowed))
    );
    assert_eq!((record.user.as_str(), record.command.as_str()), ("alice", "uuid_kill 1 \u{202e}x"));
    assert_eq!(record.verb(), "uuid_kill");
    assert_eq!(Record::read(b"{}"), None);
}

#[test]
fn the_longest_line_has_room() {
    let long = "\u{1}".repeat(LONGEST_COMMAND + 1_000);
    let Entry::Asked(mut entry) = asked(&long, &long) else { unreachable!() };
    for text in [
        &mut entry.proof,
        &mut entry.account,
        &mut entry.source,
        &mut entry.door,
        &mut entry.switch,
        &mut entry.form,
        &mut entry.rule,
    ] {
        *text = &long;
    }
    let mut out = Vec::new();
    Chain::new(Anchor { sequence: u64::MAX - 1, hash: Digest([255; 32]) }, Some(key()))
        .line(&Entry::Asked(entry), &mut out);
    assert!(out.len() <= LONGEST_LINE, "{}", out.len());
    assert_eq!(Record::read(&out).unwrap().left_out, 1_000);
}

#[test]
fn a_whole_journal_is_whole_with_and_without_its_key() {
    for key in [None, Some(key())] {
        let files = journal(&[3, 0, 2], key.clone());
        let report = walk(&files, &[], None);
        assert!(report.is_whole(), "{report:?}");
        assert_eq!((report.files, report.lines, report.first, report.last.sequence), (3, 8, 1, 8));
        if let Some(key) = key {
            assert!(walk(&files, &[key], Some(report.last)).is_whole());
        }
        // Older files may be gone.
        assert!(walk(&files[1..], &[], Some(report.last)).is_whole());
    }
}

#[test]
fn each_kind_of_change_is_told_where_it_is() {
    let files = journal(&[5, 5], None);
    let last = walk(&files, &[], None).last;
    let told = |change: &dyn Fn(&mut Files)| {
        let mut files = files.clone();
        change(&mut files);
        walk(&files, &[], Some(last))
    };
    let removed = told(&|files| drop(files[0].remove(2)));
    assert_eq!(broken(&removed), ("file0", 3, What::Removed { lines: 1 }));
    let swapped = told(&|files| files[0].swap(2, 4));
    assert_eq!(broken(&swapped), ("file0", 3, What::Reordered));
    let doubled = told(&|files| {
        let copy = files[0][1].clone();
        files[0].insert(4, copy);
    });
    assert_eq!(broken(&doubled), ("file0", 5, What::Inserted));
    let foreign = told(&|files| files[1].insert(3, b"{\"seq\":10}\n".to_vec()));
    assert_eq!(broken(&foreign), ("file1", 4, What::Inserted));
    let changed = told(&|files| {
        files[1][3] = String::from_utf8_lossy(&files[1][3]).replace("alice", "mallo").into_bytes();
    });
    assert_eq!(broken(&changed), ("file1", 4, What::Changed));
    let rehashed = told(&|files| {
        let prev = Parts::of(files[0][2].strip_suffix(b"\n").unwrap()).unwrap().prev;
        files[0][2].clear();
        Chain::new(Anchor { sequence: 2, hash: prev }, None)
            .line(&asked("mallo", "status"), &mut files[0][2]);
    });
    assert_eq!(broken(&rehashed), ("file0", 4, What::Replaced));
    let file_gone = told(&|files| drop(files[0].drain(1..)));
    assert_eq!(broken(&file_gone), ("file1", 1, What::Removed { lines: 5 }));
    let headless = told(&|files| drop(files[1].remove(0)));
    assert_eq!(broken(&headless), ("file1", 1, What::Removed { lines: 1 }));
    let cut_off = told(&|files| files[1].truncate(4));
    assert_eq!(broken(&cut_off), ("file1", 4, What::CutOff { lines: 2 }));
    let emptied = told(&|files| files[1].clear());
    assert_eq!(broken(&emptied), ("file0", 6, What::CutOff { lines: 6 }));
    let cut = told(&|files| files[0][5].truncate(40));
    assert_eq!(broken(&cut), ("file0", 6, What::Cut));
    let forged = told(&|files| *files = journal(&[5, 5, 1], None).split_off(1));
    assert!(forged.is_whole(), "the same lines: {forged:?}");
    let anew = told(&|files| {
        let mut chain = Chain::default();
        for line in files.iter_mut().flatten() {
            let is_head = Record::read(line).unwrap().kind == Kind::Head;
            let entry = if is_head {
                Entry::Head(Head { at: AT, why: "x", lost: 0 })
            } else {
                asked("mallo", "status")
            };
            line.clear();
            let anchor = chain.line(&entry, line);
            chain.advance(anchor);
        }
    });
    assert_eq!(broken(&anew), ("file1", 6, What::Rewritten));
}

#[test]
fn a_crash_is_told_apart_from_a_change() {
    let files = journal(&[3], None);
    let bytes = files[0].concat();
    let start = bytes.len() - files[0][3].len();
    for end in start + 1..bytes.len() {
        let report = walk_bytes(&[bytes[..end].to_vec()], &[], None);
        assert_eq!(report.broken, None);
        assert_eq!(report.torn, Some(Torn { file: "file0".into(), line: 4, bytes: end - start }));
        assert!(!report.is_whole());
    }
    let mut odd = bytes[..start].to_vec();
    odd.extend_from_slice(b"{\"seq\":9,\"kind");
    assert_eq!(broken(&walk_bytes(&[odd], &[], None)), ("file0", 4, What::Changed));
}

#[test]
fn who_writes_all_anew_without_the_key_is_found() {
    let whole = journal(&[2, 2], Some(key()));
    assert!(walk(&whole, &[key()], None).is_whole());
    let unsealed = journal(&[2, 2], None);
    assert_eq!(broken(&walk(&unsealed, &[key()], None)).2, What::NotSealed);
    let other = journal(&[2, 2], Key::new(b"another key that is long"));
    assert_eq!(broken(&walk(&other, &[key()], None)), ("file0", 1, What::OtherKey));
    // The name of the key is no secret, so it may be copied; the seal cannot.
    let mut forged = whole.clone();
    let parts = Parts::of(forged[1][1].strip_suffix(b"\n").unwrap()).unwrap();
    let (anchor, mac) = (Anchor { sequence: parts.sequence - 1, hash: parts.prev }, parts.mac.unwrap());
    let mut line = Vec::new();
    Chain::new(anchor, None).line(&asked("mallo", "status"), &mut line);
    let body = line[..line.len() - 2 - 64 - 9 - 1].to_vec();
    let mut sealed = body;
    line::write_digest("mac", &mac, &mut sealed);
    let hash = chain::sha256(&sealed);
    line::write_digest("hash", &hash, &mut sealed);
    sealed.extend_from_slice(b"}\n");
    forged[1][1] = sealed;
    assert_eq!(broken(&walk(&forged, &[key()], None)), ("file1", 2, What::WrongSeal));
}

#[test]
fn a_key_that_came_later_seals_from_then_on() {
    let mut files = journal(&[2], None);
    let mut chain = Chain::new(walk(&files, &[], None).last, Some(key()));
    let mut lines = Vec::new();
    for entry in [Entry::Head(Head { at: AT, why: "another key", lost: 0 }), asked("alice", "status")] {
        let mut line = Vec::new();
        let anchor = chain.line(&entry, &mut line);
        chain.advance(anchor);
        lines.push(line);
    }
    files.push(lines);
    let report = walk(&files, &[key()], None);
    assert!(report.is_whole());
    assert_eq!(report.unsealed, 3);
    let mut back = Vec::new();
    Chain::new(chain.last(), None).line(&Entry::Head(Head { at: AT, why: "x", lost: 0 }), &mut back);
    files.push(vec![back]);
    assert_eq!(broken(&walk(&files, &[key()], None)), ("file2", 1, What::NotSealed));
}

#[test]
fn lines_that_the_journal_knows_to_be_lost_are_a_gap() {
    let mut files = journal(&[2], None);
    let chain = Chain::new(walk(&files, &[], None).last, None);
    let mut line = Vec::new();
    let anchor = chain.line(&Entry::Head(Head { at: AT, why: "power cut", lost: 4 }), &mut line);
    files.push(vec![line]);
    let report = walk(&files, &[], Some(anchor));
    assert_eq!(report.broken, None);
    assert_eq!(report.gaps, [Gap { file: "file1".into(), line: 1, lost: 4, why: "power cut".into() }]);
    assert_eq!(report.last.sequence, 8);
    assert!(!report.is_whole());
}

#[test]
fn a_line_without_end_is_read_in_bounded_memory() {
    let mut bytes = journal(&[1], None)[0].concat();
    bytes.extend(std::iter::repeat_n(b'x', 3 * LONGEST_LINE));
    bytes.push(b'\n');
    let report = walk_bytes(&[bytes], &[], None);
    assert_eq!((broken(&report).1, broken(&report).2, report.lines), (3, What::Changed, 3));
}

fn entries() -> impl Strategy<Value = Vec<(String, String, u8)>> {
    proptest::collection::vec((any::<String>(), any::<String>(), any::<u8>()), 1..12)
}

fn random_journal(entries: &[(String, String, u8)], key: Option<Key>) -> Vec<Vec<u8>> {
    let mut chain = Chain::new(Anchor::default(), key);
    let mut files: Vec<Vec<u8>> = Vec::new();
    for (user, command, kind) in entries {
        let mut write = |entry: &Entry<'_>, file: &mut Vec<u8>| {
            let anchor = chain.line(entry, file);
            chain.advance(anchor);
        };
        if files.is_empty() || kind % 5 == 0 {
            files.push(Vec::new());
            write(&Entry::Head(Head { at: AT, why: user, lost: 0 }), files.last_mut().unwrap());
        }
        let entry = match kind % 3 {
            0 => done(u64::from(*kind)),
            1 => Entry::Note { at: AT, text: command },
            _ => asked(user, command),
        };
        write(&entry, files.last_mut().unwrap());
    }
    files
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_changed_byte_is_found(entries in entries(), keyed: bool, at: prop::sample::Index, flip in 1_u8..) {
        let mut files = random_journal(&entries, keyed.then(key));
        prop_assert!(walk_bytes(&files, &[], None).is_whole());
        let total = files.iter().map(Vec::len).sum();
        let mut at = at.index(total);
        for file in &mut files {
            if at < file.len() {
                file[at] ^= flip;
                break;
            }
            at -= file.len();
        }
        let report = walk_bytes(&files, &[], None);
        prop_assert!(!report.is_whole(), "{report:?}");
    }

    #[test]
    fn every_lost_or_added_byte_is_found(entries in entries(), at: prop::sample::Index, added: Option<u8>) {
        let mut files = random_journal(&entries, None);
        let last = walk_bytes(&files, &[], None).last;
        let file = at.index(files.len());
        let at = at.index(files[file].len());
        match added {
            Some(byte) => files[file].insert(at, byte),
            None => drop(files[file].remove(at)),
        }
        let report = walk_bytes(&files, &[], Some(last));
        prop_assert!(!report.is_whole(), "{report:?}");
    }

    #[test]
    fn every_lost_stretch_is_found_with_the_anchor(entries in entries(), from: prop::sample::Index, to: prop::sample::Index) {
        let mut files = random_journal(&entries, None);
        let last = walk_bytes(&files, &[], None).last;
        let file = from.index(files.len());
        let (from, to) = (from.index(files[file].len()), to.index(files[file].len()));
        let (from, to) = (from.min(to), from.max(to) + 1);
        // The oldest file may go as a whole: that is what keeping for a time does.
        prop_assume!(file > 0 || from > 0 || to < files[file].len() || files.len() == 1);
        files[file].drain(from..to);
        let report = walk_bytes(&files, &[], Some(last));
        prop_assert!(!report.is_whole(), "{report:?}");
    }

    #[test]
    fn no_bytes_make_the_walk_stumble(files in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..4)) {
        let report = walk_bytes(&files, &[key()], None);
        prop_assert!(report.lines == 0 || !report.is_whole());
    }
}
