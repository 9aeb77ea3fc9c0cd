//! The configuration over real files: reading, password files, refusals by the operating system, the first file.

#![allow(clippy::unwrap_used, reason = "the helpers of a test fail like the test")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

use switchward::config::{Config, EXAMPLE_TOML, Format, LoadError, Loaded, MAX_BYTES, load, write_default};
use tempfile::TempDir;

fn no_environment(_: &str) -> Option<String> {
    None
}

struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        path
    }
}

fn loaded(path: &Path) -> Loaded {
    load(path, no_environment).unwrap()
}

fn refusal(path: &Path) -> String {
    load(path, no_environment).unwrap_err().to_string()
}

#[test]
fn json_and_toml_of_the_same_keys_are_the_same_configuration() {
    let files = Files::new();
    let json = files.write("a.json", r#"{"security": {"dry_run": true, "esl_port": "8022"}}"#);
    let toml = files.write("a.toml", "[security]\ndry_run = true\nesl_port = 8022");
    let (json, toml) = (loaded(&json), loaded(&toml));
    assert_eq!((json.format, toml.format), (Format::Json, Format::Toml));
    assert_eq!(json.config, toml.config);
    assert_ne!(json.config, Config::default());
    assert_eq!(json.path.as_deref(), Some(files.path("a.json").as_path()));
}

#[test]
fn the_environment_wins_over_the_file() {
    let files = Files::new();
    let path = files.write("a.toml", "[server]\nport = 1");
    let environment = |name: &str| (name == "SERVER_PORT").then(|| "2".to_owned());
    assert_eq!(load(&path, environment).unwrap().config.server.port, 2);
}

#[test]
fn a_missing_file_is_told_apart() {
    let files = Files::new();
    let path = files.path("none.toml");
    assert!(matches!(load(&path, no_environment), Err(LoadError::Missing(missing)) if missing == path));
}

#[test]
fn a_directory_is_no_configuration() {
    let files = Files::new();
    let message = refusal(files.0.path());
    assert!(
        message.ends_with("cannot be read: Is a directory (os error 21); name the file in it"),
        "{message}"
    );
}

#[test]
fn a_huge_file_is_refused_before_it_is_read_whole() {
    let files = Files::new();
    let path = files.path("huge.toml");
    fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    assert!(
        refusal(&path)
            .ends_with("huge.toml: larger than 1 MiB, so it is no configuration; name another file")
    );
    assert!(refusal(Path::new("/dev/zero")).contains("larger than 1 MiB"));
    let largest = files.write("largest.toml", format!("#{}", "x".repeat(MAX_BYTES - 1)));
    assert_eq!(loaded(&largest).config, Config::default());
}

#[test]
fn bytes_that_are_no_text_are_refused_with_their_line() {
    let files = Files::new();
    let path = files.write("latin.toml", b"[server]\n# ok\n# caf\xe9\n");
    assert!(refusal(&path).ends_with("latin.toml:3: not UTF-8 text; save it as UTF-8"));
}

#[test]
fn a_file_that_may_not_be_read_is_refused_with_the_mend() {
    let files = Files::new();
    let path = files.write("secret.toml", "");
    fs::set_permissions(&path, Permissions::from_mode(0o000)).unwrap();
    let message = match fs::metadata("/proc/self").unwrap().uid() {
        0 => as_nobody(&files, &path),
        _ => refusal(&path),
    };
    let end = "secret.toml: cannot be read: Permission denied (os error 13); give the daemon's user the right to read it";
    assert!(message.ends_with(end), "{message}");
}

/// Root reads everything, so the refusal is asked for in a process of another user: this program again.
#[expect(clippy::disallowed_methods, reason = "another user needs another process")]
fn as_nobody(files: &Files, path: &Path) -> String {
    fs::set_permissions(files.0.path(), Permissions::from_mode(0o755)).unwrap();
    let program = files.path("this-test");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    let output = std::process::Command::new(&program)
        .args(["--ignored", "--exact", "--nocapture", "the_refusal_as_another_user"])
        .env("REFUSED_FILE", path)
        .current_dir("/")
        .uid(65534)
        .gid(65534)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find_map(|line| line.split_once("refused: "));
    line.unwrap_or_else(|| panic!("no refusal in {text:?}")).1.to_owned()
}

#[test]
#[ignore = "the part of a_file_that_may_not_be_read_is_refused_with_the_mend that runs as another user"]
fn the_refusal_as_another_user() {
    let path = std::env::var_os("REFUSED_FILE").expect("only a_file_that_may_not_be_read starts this");
    println!("refused: {}", refusal(Path::new(&path)));
}

#[test]
fn a_password_is_the_first_line_of_its_file_beside_the_configuration() {
    let files = Files::new();
    files.write("esl.password", "  of the file \r\nsecond line\n");
    let path = files.write("a.toml", "security.esl_password_file = 'esl.password'");
    let config = loaded(&path).config;
    assert_eq!(config.switches[0].password.expose(), "  of the file ");
    assert_eq!(config.security.esl_password.expose(), "  of the file ");
}

#[test]
fn a_password_file_named_by_a_variable_wins_over_the_files_password() {
    let files = Files::new();
    let password = files.write("esl.password", "secret");
    let path = files.write("a.json", r#"{"security": {"esl_password": "other"}}"#);
    let environment =
        |name: &str| (name == "SECURITY_ESL_PASSWORD_FILE").then(|| password.display().to_string());
    assert_eq!(load(&path, environment).unwrap().config.switches[0].password.expose(), "secret");
}

#[test]
fn each_switch_has_its_own_password_file_and_every_bad_one_is_told() {
    let files = Files::new();
    files.write("one", "first");
    files.write("empty", "\nsecond line");
    files.write("binary", b"a\0b");
    files.write("huge", "x".repeat(5000));
    let entry = |name: &str| {
        format!("[[switch]]\nname = '{name}'\nport = {}\npassword_file = '{name}'\n", name.len())
    };
    let good = files.write("good.toml", entry("one"));
    assert_eq!(loaded(&good).config.switches[0].password.expose(), "first");

    let entries = ["one", "empty", "binary", "huge", "missing"].map(entry).concat();
    let bad = files.write("bad.toml", format!("sever = 1\n{entries}"));
    let Err(LoadError::Problems(problems)) = load(&bad, no_environment) else { panic!("refused") };
    let lines: Vec<String> =
        problems.0.iter().map(|problem| format!("{} {}", problem.key, problem.found)).collect();
    assert_eq!(
        lines,
        [
            "sever an unknown key",
            "switch[empty].password_file an empty first line",
            "switch[binary].password_file control characters, or no UTF-8 text",
            "switch[huge].password_file more than 4096 bytes",
            "switch[missing].password_file no such file",
        ]
    );
    assert!(problems.to_string().ends_with(
        "missing: switch[missing].password_file: found no such file, expected a file whose first line is the \
         password; create it, or correct the path"
    ));
}

#[test]
fn a_password_file_for_everybody_to_read_is_a_warning() {
    let files = Files::new();
    let password = files.write("esl.password", "secret");
    fs::set_permissions(&password, Permissions::from_mode(0o644)).unwrap();
    let path = files.write("a.toml", "security.esl_password_file = 'esl.password'");
    let warnings: Vec<String> = loaded(&path).warnings.iter().map(ToString::to_string).collect();
    let [warning] = warnings.as_slice() else { panic!("{warnings:?}") };
    assert!(warning.ends_with("found a file that every user may read, expected mode 0600; chmod 600 it"));
}

#[test]
fn the_first_file_holds_the_defaults_and_is_for_its_owner_alone() {
    let files = Files::new();
    for name in ["switchward.toml", "config.json", "switchward.conf"] {
        let path = files.path(name);
        write_default(&path).unwrap();
        let first = loaded(&path);
        assert_eq!((first.config, first.warnings), (Config::default(), vec![]), "{name}");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600, "{name}");
    }
    assert_eq!(fs::read_to_string(files.path("switchward.toml")).unwrap(), EXAMPLE_TOML);
    let json = fs::read_to_string(files.path("config.json")).unwrap();
    assert!(json.starts_with('{') && json.contains("\"port\": \"8088\""));
    let names: Vec<_> =
        fs::read_dir(files.0.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "no draft is left: {names:?}");
}

#[test]
fn the_first_file_replaces_nothing() {
    let files = Files::new();
    let mine = files.write("mine.toml", "# mine");
    let dangling = files.path("dangling.toml");
    symlink(files.path("elsewhere.toml"), &dangling).unwrap();
    for path in [&mine, &dangling] {
        assert_eq!(write_default(path).unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
    }
    assert_eq!(fs::read_to_string(&mine).unwrap(), "# mine");
    assert!(!files.path("elsewhere.toml").exists());
    assert_eq!(fs::read_dir(files.0.path()).unwrap().count(), 2, "no draft is left");
}

#[test]
fn of_many_first_runs_at_once_one_writes_and_none_sees_half_a_file() {
    let files = Files::new();
    let path = files.path("switchward.toml");
    let outcomes: Vec<bool> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let wrote = write_default(&path).is_ok();
                    if let Ok(text) = fs::read_to_string(&path) {
                        assert_eq!(text, EXAMPLE_TOML);
                    }
                    wrote
                })
            })
            .collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    assert_eq!(outcomes.iter().filter(|wrote| **wrote).count(), 1, "{outcomes:?}");
}
