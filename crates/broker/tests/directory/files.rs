//! The directory as files.

use crate::support::*;
use broker::directory::{Accept, Claim, Directory, FileSettings, Found, XmlFiles};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Looks at the files each time.
fn settings(folder: &Path) -> FileSettings {
    FileSettings { look_every: Duration::ZERO, ..FileSettings::new(folder.join("directory")) }
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn user(id: &str, password: &str) -> String {
    format!(
        "<include><user id=\"{id}\"><params><param name=\"esl-password\" value=\"{password}\"/></params></user></include>\n"
    )
}

/// As FreeSWITCH's own sample configuration.
fn sample() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write(
        path,
        "vars.xml",
        "<include>\n<X-PRE-PROCESS cmd=\"set\" data=\"domain=$${local_ip_v4}\"/>\n\
         <X-PRE-PROCESS cmd=\"exec-set\" data=\"evil=touch evil\"/>\n\
         <X-PRE-PROCESS cmd=\"set\" data=\"default_password=from vars\"/>\n</include>",
    );
    write(
        path,
        "directory/default.xml",
        "<include>\n <domain name=\"$${domain}\">\n  <params><param name=\"esl-allowed-api\" value=\"status\"/></params>\n\
         <groups>\n <group name=\"default\">\n  <params><param name=\"esl-allowed-log\" value=\"false\"/></params>\n\
         <users><X-PRE-PROCESS cmd=\"include\" data=\"default/*.xml\"/></users>\n </group>\n\
         <group name=\"sales\"><users><user id=\"1000\" type=\"pointer\"/></users></group>\n </groups>\n\
         <user id=\"outside\"><params><param name=\"esl-password\" value=\"o\"/></params></user>\n </domain>\n</include>\n",
    );
    write(path, "directory/default/1000.xml", &user("1000", "$${default_password}"));
    write(path, "directory/default/1001.xml", &user("1001", "x").replace("id=", "number-alias=\"5001\" id="));
    folder
}

fn sample_settings(folder: &Path) -> FileSettings {
    FileSettings {
        variables_from: Some(folder.join("vars.xml")),
        variables: vec![("local_ip_v4".into(), DOMAIN.into())],
        ..settings(folder)
    }
}

async fn check(files: &XmlFiles, user: &str, password: &str) -> Found {
    files.check(&claim(user, password)).await.unwrap()
}

fn is_right(found: Found) -> bool {
    matches!(found, Found::Right(_))
}

#[tokio::test]
async fn the_sample_configuration_is_read_with_its_includes_and_variables() {
    let folder = sample();
    let files = XmlFiles::new("files", sample_settings(folder.path()));
    let Found::Right(identity) = check(&files, "1000", "from vars").await else { panic!() };
    assert_eq!(&*identity.name, "1000@pbx.example");
    let bound = identity.bound.unwrap();
    assert_eq!((bound.api.clone(), bound.log), (Some(vec!["status".to_owned()]), Some(false)));
    assert_eq!(check(&files, "1000", "x").await, Found::Wrong);
    let Found::Right(identity) = check(&files, "5001", "x").await else { panic!() };
    assert_eq!(&*identity.name, "1001@pbx.example", "by the alias");
    let Found::Right(identity) = check(&files, "OUTSIDE", "o").await else { panic!() };
    assert_eq!(identity.bound.unwrap().log, None, "in no group");
    assert_eq!(check(&files, "nobody", "x").await, Found::Unknown);
    assert_eq!(
        files.check(&Claim::new("1000", Some("other.example"), "from vars")).await,
        Ok(Found::Unknown)
    );
    assert_eq!(files.check(&Claim::new("1000", None, "from vars")).await, Ok(Found::Unknown));
    assert!(!Path::new("evil").exists());
    assert_eq!(files.complaint(), None);
    let read = XmlFiles::read_now(&sample_settings(folder.path())).unwrap();
    assert_eq!((read.domains, read.users, read.files), (vec![DOMAIN.to_owned()], 3, 4));
}

#[tokio::test]
async fn one_file_may_be_named_with_what_it_includes() {
    let folder = sample();
    write(folder.path(), "directory/unread.xml", "<not well-formed");
    let path = folder.path().join("directory/default.xml");
    let files = XmlFiles::new("files", FileSettings { path, ..sample_settings(folder.path()) });
    assert!(is_right(check(&files, "1000", "from vars").await));
    write(folder.path(), "directory/default/1001.xml", &user("1001", "y"));
    assert!(is_right(check(&files, "1001", "y").await));
}

#[tokio::test]
async fn a_variable_that_is_not_known_is_told_and_makes_no_password() {
    let folder = sample();
    let files =
        XmlFiles::new("files", FileSettings { variables: Vec::new(), ..sample_settings(folder.path()) });
    assert_eq!(check(&files, "1000", "from vars").await, Found::Unknown);
    assert!(files.complaint().unwrap().contains("$${domain} is not known"), "{:?}", files.complaint());
    let files = XmlFiles::new(
        "files",
        FileSettings { variables: vec![("domain".into(), DOMAIN.into())], ..settings(folder.path()) },
    );
    assert_eq!(check(&files, "1000", "").await, Found::Unknown);
    assert_eq!(check(&files, "1000", "$${default_password}").await, Found::Unknown);
    assert!(is_right(check(&files, "1001", "x").await));
}

#[tokio::test]
async fn changes_count_with_the_next_claim() {
    let folder = sample();
    let files = XmlFiles::new("files", sample_settings(folder.path()));
    assert!(is_right(check(&files, "1001", "x").await));
    write(folder.path(), "directory/default/1001.xml", &user("1001", "y"));
    assert_eq!(check(&files, "1001", "x").await, Found::Wrong);
    assert!(is_right(check(&files, "1001", "y").await));
    write(folder.path(), "directory/default/1002.xml", &user("1002", "new"));
    assert!(is_right(check(&files, "1002", "new").await), "a new file of an include");
    fs::remove_file(folder.path().join("directory/default/1002.xml")).unwrap();
    assert_eq!(check(&files, "1002", "new").await, Found::Unknown);
    write(
        folder.path(),
        "directory/other.xml",
        &format!("<domain name='other.example'>{}</domain>", user("1", "z")),
    );
    assert!(
        is_right(files.check(&Claim::new("1", Some("other.example"), "z")).await.unwrap()),
        "a new file at the top"
    );
}

#[tokio::test]
async fn files_are_not_looked_at_more_often_than_asked_but_after_forgetting() {
    let folder = sample();
    let settings = FileSettings { look_every: Duration::from_secs(3_600), ..sample_settings(folder.path()) };
    let files = XmlFiles::new("files", settings);
    assert!(is_right(check(&files, "1001", "x").await));
    write(folder.path(), "directory/default/1001.xml", &user("1001", "y"));
    assert!(is_right(check(&files, "1001", "x").await));
    files.forget();
    assert!(is_right(check(&files, "1001", "y").await));
}

#[tokio::test]
async fn a_broken_file_keeps_the_last_good_state_and_says_so() {
    let folder = sample();
    let files = XmlFiles::new("files", sample_settings(folder.path()));
    assert!(is_right(check(&files, "1000", "from vars").await));
    write(folder.path(), "directory/default/1001.xml", "<include><user id=\"1001\" secret-attribute>");
    assert!(is_right(check(&files, "1001", "x").await), "as before");
    let complaint = files.complaint().unwrap();
    assert!(
        complaint.contains("1001.xml") && complaint.contains("line 1") && complaint.contains("still count"),
        "{complaint}"
    );
    assert!(!complaint.contains("secret"), "{complaint}");
    write(folder.path(), "directory/default/1001.xml", &user("1001", "mended"));
    assert!(is_right(check(&files, "1001", "mended").await));
    assert_eq!(files.complaint(), None);
}

#[tokio::test]
async fn without_a_good_state_there_is_trouble_until_it_is_mended() {
    let folder = tempfile::tempdir().unwrap();
    let files = XmlFiles::new("files", settings(folder.path()));
    assert!(files.check(&claim("1000", "x")).await.is_err());
    assert!(XmlFiles::read_now(&settings(folder.path())).is_err());
    write(
        folder.path(),
        "directory/a.xml",
        &format!("<domain name='{DOMAIN}'>{}</domain>", user("1000", "x")),
    );
    assert!(is_right(check(&files, "1000", "x").await));
}

#[tokio::test]
async fn nothing_outside_of_the_directory_is_read() {
    let folder = sample();
    let path = folder.path();
    write(path, "outside.xml", &user("evil", "e"));
    let outside = path.join("outside.xml");
    std::os::unix::fs::symlink(&outside, path.join("directory/default/link.xml")).unwrap();
    std::os::unix::fs::symlink(path, path.join("directory/up")).unwrap();
    for data in [
        "../outside.xml",
        "default/../../outside.xml",
        outside.to_str().unwrap(),
        "up/outside.xml",
        "up/*.xml",
        "/etc/passwd",
    ] {
        let text = format!("<domain name='{DOMAIN}'><X-PRE-PROCESS cmd='include' data='{data}'/></domain>");
        write(path, "directory/evil.xml", &text);
        let files = XmlFiles::new("files", sample_settings(path));
        assert_eq!(check(&files, "evil", "e").await, Found::Unknown, "{data}");
        assert!(is_right(check(&files, "1001", "x").await), "{data}");
        assert!(files.complaint().is_some(), "{data}");
    }
}

#[tokio::test]
async fn hostile_xml_is_refused_and_bounded() {
    let bomb =
        "<!DOCTYPE a [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;'>]><include><domain name='&b;'/></include>";
    let deep = "<include>".repeat(100_000) + &"</include>".repeat(100_000);
    let itself = "<X-PRE-PROCESS cmd='include' data='a.xml'/>";
    let twice = format!("{itself}{itself}");
    let huge = format!("<!--{}-->", "x".repeat(9 << 20));
    for (text, why) in [
        (bomb, "not well-formed"),
        (&*deep, "deep"),
        (itself, "deep"),
        (&*twice, "deep"),
        (&*huge, "bytes"),
        ("</include><include>", "not well-formed"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "directory/a.xml", text);
        let trouble = XmlFiles::read_now(&settings(folder.path())).unwrap_err().to_string();
        assert!(trouble.contains(why), "{why}: {trouble}");
    }
}

#[tokio::test]
async fn a_name_that_means_more_than_itself_cannot_log_in() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("<domain name='{DOMAIN}'>{}{}</domain>", user("a b", "x"), user("1000", "x"));
    write(folder.path(), "directory/a.xml", &text);
    let files = XmlFiles::new("files", settings(folder.path()));
    assert_eq!(check(&files, "a b", "x").await, Found::Unknown);
    assert!(is_right(check(&files, "1000", "x").await));
    assert!(files.complaint().unwrap().contains("cannot log in"));
}

#[tokio::test]
async fn a_password_may_be_hashed_and_a_domain_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let text = user("1000", "x")
        .replace("esl-password", "a1-hash")
        .replace("\"x\"", "\"dc04382f8fcd432b6aec22bda798252b\"");
    write(folder.path(), "directory/a.xml", &format!("<domain name='{DOMAIN}'>{text}</domain>"));
    let settings = FileSettings {
        accept: vec![Accept::A1Hash],
        default_domain: Some(DOMAIN.into()),
        ..settings(folder.path())
    };
    let files = XmlFiles::new("files", settings);
    assert!(is_right(files.check(&Claim::new("1000", None, "secret")).await.unwrap()));
    assert_eq!(files.check(&Claim::new("1000", None, "x")).await, Ok(Found::Wrong));
}
