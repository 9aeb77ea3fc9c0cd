//! The alarm that kernel and ledger differ, on the stream and in the answer.

use crate::support::{Daemon, Kernel, within};
use std::time::Duration;
use switchward::alarms::watch::Watch;

#[tokio::test]
async fn a_ban_that_the_kernel_lacks_raises_an_alarm_until_it_is_gone() {
    let daemon =
        Daemon::with(Kernel::Real, |config| config.alarms.clear_after = Duration::from_secs(1)).await;
    let mut watch = Watch::new(&daemon.app);
    let mut news = daemon.app.mirror.news().follow();
    daemon.restore_ban("198.51.100.7");
    let mut look_until = async |wanted: usize| {
        let looking = async {
            loop {
                watch.look(&daemon.app);
                let active = daemon.get("/security/alarms").await.ok()["active"].clone();
                let differs = |alarm: &&serde_json::Value| alarm["name"] == "kernel-differs";
                if active.as_array().unwrap().iter().filter(differs).count() == wanted {
                    return active;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        within(looking).await
    };
    let active = look_until(1).await;
    assert!(active.to_string().contains("the ledger has 1 bans and the kernel holds 0"), "{active}");
    daemon.delete("/security/blacklist/198.51.100.7").await.ok();
    look_until(0).await;
    let mut told = Vec::new();
    while let Some(item) = news.ready().unwrap() {
        if let switchward::news::Event::Alarm(alarm) = &item.event
            && alarm.name == "kernel-differs"
        {
            told.push(alarm.raised);
        }
    }
    assert_eq!(told, [true, false]);
}
