//! What callers may ask of `show` who see only some rows, and how those are written; the texts are those of a real switch.

use super::*;

/// What a FreeSWITCH 1.11.2 told with one phone registered.
const ONE: &str = r#"{"row_count":1,"rows":[{"reg_user":"1000","realm":"pbx.example","token":"751cb575cfc5a064@127.0.10.1","url":"sofia/internal/sip:1000@127.0.10.1:5060","expires":"1795237763","network_ip":"127.0.10.1","network_port":"5060","network_proto":"udp","hostname":"vm","metadata":""}]}"#;

#[track_caller]
fn show(arguments: &str) -> Show {
    match Show::of(arguments) {
        Ok(Asked::Rows(show)) => show,
        other => panic!("{arguments}: {other:?}"),
    }
}

#[test]
fn what_is_kept_is_written_as_the_switch_writes_it() {
    let rows = Rows::read(ONE.as_bytes()).unwrap();
    assert_eq!((rows[0].value("reg_user"), rows[0].value("nothing")), ("1000", ""));
    assert_eq!(show("registrations as json").write(&rows), ONE);
    assert_eq!(
        show("registrations").write(&rows),
        "reg_user,realm,token,url,expires,network_ip,network_port,network_proto,hostname,metadata\n\
         1000,pbx.example,751cb575cfc5a064@127.0.10.1,sofia/internal/sip:1000@127.0.10.1:5060,1795237763,\
         127.0.10.1,5060,udp,vm,\n\n1 total.\n"
    );
    assert_eq!(show("registrations count").write(&rows), "\n1 total.\n");
    let none = Rows::read(b"{\"row_count\": 0}\n").unwrap();
    assert_eq!(show("calls").write(&none), "\n0 total.\n");
    assert_eq!(show("calls as json").write(&none), "{\"row_count\": 0}\n");
}

#[test]
fn the_switch_is_asked_for_json_whatever_the_form() {
    for (asked, sent) in [
        ("channels", "show channels as json"),
        ("CHANNELS COUNT", "show channels as json"),
        ("channels like 1000", "show channels like 1000 as json"),
        ("channels like 1000 as json", "show channels like 1000 as json"),
        ("detailed_calls as delim |", "show detailed_calls as json"),
        ("bridged_calls as csv", "show bridged_calls as json"),
    ] {
        assert_eq!(show(asked).command(), sent, "{asked}");
    }
    assert_eq!(show("calls as delim |").form, Form::Table("|".into()));
}

#[test]
fn what_is_nobodys_is_told_and_what_is_unclear_is_not() {
    for asked in ["", "modules", "codec", "api status", "interface_types", "nat_map", "application as xml"] {
        assert_eq!(Show::of(asked), Ok(Asked::Nobodys), "{asked}");
    }
    for asked in [
        "'channels'",
        "ch\\annels",
        "channels like 'x y'",
        "tasks",
        "channels please",
        "channels like as json",
    ] {
        assert_eq!(Show::of(asked), Err(NotSo::Unclear), "{asked}");
    }
    for asked in ["channels as xml", "calls as nothing", "registrations as xml"] {
        assert_eq!(Show::of(asked), Err(NotSo::Form), "{asked}");
    }
}

#[test]
fn a_name_of_any_bytes_neither_hides_rows_nor_makes_any() {
    let answer = b"{\"row_count\":1,\"rows\":[{\"uuid\":\"a\",\"cid_name\":\"x\xff\\nb,y\\\"z\"}]}";
    let rows = Rows::read(answer).unwrap();
    assert_eq!(show("channels").write(&rows), "uuid,cid_name\na,x\u{fffd} b,y\"z\n\n1 total.\n");
    let json = show("channels as json").write(&rows);
    assert_eq!(Rows::read(json.as_bytes()), Some(rows));
    for broken in ["", "{\"rows\":[1]}", "{\"rows\":[{\"uuid\":\"a\""] {
        assert_eq!(Rows::read(broken.as_bytes()), None, "{broken}");
    }
}
