//! What ships with FreeSWITCH is known, and what runs others is followed.

use super::*;

#[test]
fn the_catalogue_can_be_read() {
    let read =
        Catalogue::read(data::COMMANDS, data::APPLICATIONS, data::VARIABLES, data::SECRETS, data::EVENTS)
            .unwrap();
    assert!(read.commands().len() > 300);
    assert!(read.applications().len() > 200);
    assert_eq!(catalogue().commands().len(), read.commands().len());
}

#[test]
fn classes_follow_the_subcommand() {
    let classes = |text: &str| {
        let line = Line::new(text).unwrap();
        let classes = catalogue().command(line.verb()).unwrap().classes(line.arguments());
        classes.iter().map(crate::Class::word).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(classes("sofia status profile internal"), "read");
    assert!(
        classes("sofia profile internal restart").contains("config"),
        "{}",
        classes("sofia profile internal restart")
    );
    assert_eq!(classes("conference 3000 list"), "read");
    assert!(classes("conference 3000 kick all").contains("call-control"));
    assert!(classes("conference list kick").contains("call-control"));
    assert!(classes("fsctl shutdown").contains("system"));
    assert!(classes("fsctl whatever").contains("system"));
}

#[test]
fn secrets_are_known_by_name() {
    for name in
        ["sip_auth_password", "variable_sip_auth_password", "vm-password", "a1-hash", "DEFAULT_PASSWORD"]
    {
        assert!(catalogue().is_secret(name), "{name}");
    }
    for name in ["caller_id_number", "variable_sip_call_id", "hostname"] {
        assert!(!catalogue().is_secret(name), "{name}");
    }
}

#[test]
fn everything_that_a_command_would_do_is_told() {
    let deeds = |text: &str| {
        let deeds = unfold(Line::new(text).unwrap(), catalogue());
        deeds.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ")
    };
    assert_eq!(deeds("bgapi bgapi status"), "bgapi bgapi status | bgapi status | status");
    assert_eq!(
        deeds("originate {a=b}user/1@x,[c=d]user/2@x &playback(x.wav)"),
        "$a= | originate user/1@x | $c= | originate user/2@x | &playback x.wav"
            .replace("&playback x.wav", "&playback(x.wav)")
    );
    let json = |text: &str| deeds(&format!("json {text}")).replacen(&format!("json {text} | "), "", 1);
    assert_eq!(
        json(r#"{"command":"fsapi","data":{"cmd":"bgapi","arg":"show calls"}}"#),
        "bgapi show calls | show calls"
    );
    assert_eq!(json(r#"{"COMMAND":"execute","data":{"uuid":"u","app":"Park"}}"#), "sendmsg u | &park()");
    assert_eq!(
        json(r#"{"command":"fsapi","data":{"cmd":"eval","arg":"\u0024{system(id)}"}}"#),
        "eval ${system(id)} | system id"
    );
    assert_eq!(deeds("eval ${hostname} ${status()}"), "eval ${hostname} ${status()} | ${hostname} | status");
}
