//! What the questions on the command line are understood as.

use super::client::{Client, in_path};
use super::*;
use clap::Parser;

#[derive(Parser, Debug)]
struct Cli {
    #[command(subcommand)]
    ask: Ask,
}

fn typed(line: &str) -> Result<Ask, clap::Error> {
    Cli::try_parse_from(["switchward"].into_iter().chain(line.split(' '))).map(|cli| cli.ask)
}

fn client(url: &str) -> Result<Client, Failure> {
    Client::new(&Daemon::default(), url)
}

#[test]
fn mistakes_are_found_before_anything_is_sent() {
    for line in [
        "ban nonsense",
        "ban 192.0.2.1 --ttl 0s",
        "ban 192.0.2.1 --ttl soon",
        "ban 192.0.2.1 --ttl 1h --permanent",
        "ban 192.0.2.1 --scope some",
        "why 192.0.2.0/24",
        "list everything",
    ] {
        assert!(typed(line).is_err(), "{line}");
    }
    for line in [
        "ban 192.0.2.0/24 --ttl 1h30m --scope sip",
        "ban [2001:db8::1]:5060 --permanent",
        "status --json",
        "list kernel",
    ] {
        assert!(typed(line).is_ok(), "{line}");
    }
}

#[test]
fn a_url_is_http_host_and_port() {
    for url in [
        "http://127.0.0.1:8088",
        "http://127.0.0.1:8088/",
        "http://pbx.example",
        "http://[::1]:8088",
        "unix:/run/a.sock",
    ] {
        assert!(client(url).is_ok(), "{url}");
    }
    for url in
        ["", "127.0.0.1:8088", "unix:relative", "https://", "http://", "http://a/b", "http://me@a", "ftp://a"]
    {
        assert_eq!(client(url).err().map(|failure| failure.exit_code()), Some(64), "{url}");
    }
}

#[test]
fn a_target_fits_in_a_path() {
    assert_eq!(in_path("[2001:db8::1]:5060"), "%5B2001:db8::1%5D:5060");
    assert_eq!(in_path("192.0.2.0/24"), "192.0.2.0%2F24");
}

#[test]
fn times_and_numbers_are_for_people() {
    let now = guard::Time::from_secs(1_795_234_698);
    assert_eq!(table::ago("2026-11-21T04:18:08Z", now), "10 s ago");
    assert_eq!(table::left("2026-11-21T04:19:18Z", false, now), "60 s");
    assert_eq!(table::left("0001-01-01T00:00:00Z", true, now), "for good");
    assert_eq!(table::ago("0001-01-01T00:00:00Z", now), "never");
    assert_eq!([0, 999, 1000, 1_234_567].map(table::grouped), ["0", "999", "1,000", "1,234,567"]);
}
