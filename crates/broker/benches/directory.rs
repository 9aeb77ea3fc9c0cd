//! What a check of a password costs: remembered, with files, at the simulated switch. The refusals are measured without the time that they
//! are made to take.

#![allow(clippy::unwrap_used, reason = "a benchmark")]

use broker::Upstream;
use broker::directory::{
    Claim, Directories, Directory, FileSettings, FreeSwitch, Outcome, Settings, SwitchSettings, XmlFiles,
};
use divan::Bencher;
use esl::client::Config;
use simswitch::SimSwitch;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

fn main() {
    divan::main();
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn settings(right_kept: Duration) -> Settings {
    Settings {
        right_kept,
        refused_kept: Duration::ZERO,
        refusal_takes: Duration::ZERO,
        ..Settings::default()
    }
}

fn bench(
    bencher: Bencher,
    runtime: &Runtime,
    directory: Arc<dyn Directory>,
    kept: Duration,
    claim: &Claim,
    is_right: bool,
) {
    let chain = Directories::new(vec![directory], settings(kept)).unwrap();
    bencher.bench_local(|| {
        let outcome = runtime.block_on(chain.check(claim, None));
        assert_eq!(matches!(outcome, Outcome::Right(_)), is_right, "{outcome:?}");
    });
}

fn files() -> (tempfile::TempDir, Arc<XmlFiles>) {
    let folder = tempfile::tempdir().unwrap();
    let user =
        |n| format!("<user id='{n}'><params><param name='esl-password' value='esl-{n}'/></params></user>");
    let users: String = (1000..11_000).map(user).collect();
    std::fs::write(folder.path().join("a.xml"), format!("<domain name='pbx.example'>{users}</domain>"))
        .unwrap();
    let files = Arc::new(XmlFiles::new("files", FileSettings::new(folder.path())));
    (folder, files)
}

#[divan::bench]
fn remembered(bencher: Bencher) {
    let (_folder, files) = files();
    let claim = Claim::new("1000", Some("pbx.example"), "esl-1000");
    bench(bencher, &runtime(), files, Duration::from_secs(3_600), &claim, true);
}

#[divan::bench]
fn ten_thousand_users_in_files(bencher: Bencher) {
    let (_folder, files) = files();
    let claim = Claim::new("1000", Some("pbx.example"), "esl-1000");
    bench(bencher, &runtime(), files, Duration::ZERO, &claim, true);
}

#[divan::bench]
fn read_ten_thousand_users(bencher: Bencher) {
    let (folder, _files) = files();
    bencher.bench_local(|| XmlFiles::read_now(&FileSettings::new(folder.path())).unwrap().users);
}

#[divan::bench(args = [true, false])]
fn at_the_simulated_switch(bencher: Bencher, is_right: bool) {
    let runtime = runtime();
    let (_switch, upstream) = runtime.block_on(async {
        let switch = SimSwitch::bind(simswitch::Config::default()).await.unwrap();
        let config = Config::new("127.0.0.1", switch.addr().port(), "ClueCon");
        let upstream = Upstream::start(config, broker::upstream::Settings::default());
        while !upstream.state().commands.is_up() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        (switch, upstream)
    });
    let directory = Arc::new(FreeSwitch::new("switch", SwitchSettings::default(), upstream));
    let claim = Claim::new("1000", Some("pbx.example"), if is_right { "esl-1000" } else { "wrong" });
    bench(bencher, &runtime, directory, Duration::ZERO, &claim, is_right);
}
