//! Several directories in order: what is kept in mind, and how much is checked at once.

use crate::support::*;
use broker::directory::{Accept, FileSettings, Outcome, Settings, SwitchSettings, XmlFiles};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

const WRONG: Outcome = Outcome::Wrong { known: true };
const UNKNOWN: Outcome = Outcome::Wrong { known: false };

fn files(folder: &Path, users: &str) -> Arc<XmlFiles> {
    let text =
        format!("<domain name='{DOMAIN}'><groups><group><users>{users}</users></group></groups></domain>");
    std::fs::write(folder.join("users.xml"), text).unwrap();
    Arc::new(XmlFiles::new("files", FileSettings { look_every: Duration::ZERO, ..FileSettings::new(folder) }))
}

fn user(id: &str, password: &str) -> String {
    format!("<user id='{id}'><params><param name='esl-password' value='{password}'/></params></user>")
}

#[tokio::test]
async fn the_first_that_knows_the_user_decides() {
    let (switch, folder) = (switch().await, tempfile::tempdir().unwrap());
    let files = files(
        folder.path(),
        &(user("1000", "of the file") + &user("1004", "of the file") + &user("bob", "of the file")),
    );
    let chain = chain(vec![of_switch(&switch, SwitchSettings::default()).await, files], plain());
    let check = async |user: &str, password: &str| chain.check(&claim(user, password), from(1)).await;
    assert_eq!(identity(check("1000", "esl-1000").await).proof.word(), "switch");
    assert_eq!(check("1000", "of the file").await, WRONG, "the switch knows another password");
    assert_eq!(
        identity(check("1004", "of the file").await).proof.word(),
        "files",
        "the switch has no password for 1004"
    );
    assert_eq!(identity(check("bob", "of the file").await).proof.word(), "files");
    assert_eq!(check("bob", "x").await, WRONG);
    assert_eq!(check("carol", "x").await, UNKNOWN);
    switch.stop().await;
    let outcome = check("bob", "of the file").await;
    assert!(matches!(outcome, Outcome::Trouble(_)), "{outcome:?}: what the switch would say is not known");
    let figures = chain.figures();
    assert_eq!(
        (figures.asked, figures.right, figures.wrong, figures.wrong_known, figures.trouble),
        (7, 3, 3, 2, 1)
    );
    assert_eq!(chain.parts()[1].asked, 4);
}

#[tokio::test]
async fn without_a_directory_nobody_gets_in() {
    let chain = chain(Vec::new(), plain());
    assert_eq!(chain.check(&claim("1000", "esl-1000"), None).await, UNKNOWN);
}

#[tokio::test]
async fn a_right_answer_counts_for_a_while_until_it_is_forgotten() {
    let switch = switch().await;
    let settings = Settings { refusal_takes: Duration::ZERO, ..Settings::default() };
    let chain = chain(vec![of_switch(&switch, SwitchSettings::default()).await], settings);
    for _ in 0..20 {
        identity(chain.check(&claim("1000", "esl-1000"), from(1)).await);
        assert_eq!(chain.check(&claim("1000", "wrong"), from(1)).await, WRONG);
    }
    assert_eq!(asked(&switch).len(), 2);
    assert_eq!((chain.figures().remembered_right, chain.figures().remembered_refused), (19, 19));
    // What is remembered needs no switch.
    switch.set_api("find_user_xml", "-ERR can't find user\n");
    identity(chain.check(&claim("1000", "esl-1000"), from(2)).await);
    chain.forget();
    assert_eq!(chain.check(&claim("1000", "esl-1000"), from(2)).await, UNKNOWN);
    assert_eq!((chain.figures().kept_right, chain.figures().kept_refused), (0, 1));
}

#[tokio::test]
async fn an_answer_from_before_forgetting_is_not_kept() {
    let switch = switch().await;
    let settings = Settings { refusal_takes: Duration::ZERO, ..Settings::default() };
    let chain = chain(vec![of_switch(&switch, SwitchSettings::default()).await], settings);
    switch.set_api_delay(Duration::from_millis(300));
    let asking = tokio::spawn({
        let chain = Arc::clone(&chain);
        async move { chain.check(&claim("1000", "esl-1000"), from(1)).await }
    });
    until("the switch is asked", || asked(&switch).len() == 1).await;
    chain.forget();
    identity(asking.await.unwrap());
    assert_eq!(chain.figures().kept_right, 0);
}

#[tokio::test]
async fn equal_claims_share_one_check_and_one_that_gives_up_spoils_it_for_nobody() {
    let switch = switch().await;
    let settings = Settings { share: 1, ..plain() };
    let chain = chain(vec![of_switch(&switch, SwitchSettings::default()).await], settings);
    switch.set_api_delay(Duration::from_millis(300));
    let mut asking = JoinSet::new();
    for _ in 0..64 {
        let chain = Arc::clone(&chain);
        asking.spawn(async move { chain.check(&claim("1000", "esl-1000"), from(1)).await });
    }
    for outcome in asking.join_all().await {
        identity(outcome);
    }
    assert_eq!(asked(&switch).len(), 1);
    assert_eq!(chain.figures().shared, 63);

    let first = tokio::spawn({
        let chain = Arc::clone(&chain);
        async move { chain.check(&claim("1001", "esl-1001"), from(1)).await }
    });
    until("the switch is asked", || asked(&switch).len() == 2).await;
    let second = tokio::spawn({
        let chain = Arc::clone(&chain);
        async move { chain.check(&claim("1001", "esl-1001"), from(1)).await }
    });
    until("both wait", || chain.figures().shared == 64).await;
    first.abort();
    identity(second.await.unwrap());
}

#[tokio::test]
async fn one_source_has_its_share_and_no_more() {
    let switch = switch().await;
    let settings = Settings { share: 2, ..plain() };
    let chain = chain(vec![of_switch(&switch, SwitchSettings::default()).await], settings);
    switch.set_api_delay(Duration::from_millis(300));
    let mut guesses = JoinSet::new();
    for n in 0..20 {
        let chain = Arc::clone(&chain);
        guesses.spawn(async move { chain.check(&claim("1000", &format!("guess {n}")), from(1)).await });
    }
    until("the guesses are under way", || asked(&switch).len() == 2).await;
    identity(chain.check(&claim("1001", "esl-1001"), from(2)).await);
    let all = guesses.join_all().await;
    assert_eq!(all.iter().filter(|outcome| **outcome == WRONG).count(), 2);
    assert_eq!(all.iter().filter(|outcome| **outcome == Outcome::Busy).count(), 18);
    assert_eq!(chain.figures().busy, 18);
    // The share came back.
    assert_eq!(chain.check(&claim("1000", "guess again"), from(1)).await, WRONG);
}

#[tokio::test]
async fn any_number_of_strangers_keeps_nobody_out_who_is_familiar() {
    let switch = switch().await;
    let settings = Settings { at_once: 1, waiting: 1, ..plain() };
    let chain = chain(vec![of_switch(&switch, SwitchSettings::default()).await], settings);
    identity(chain.check(&claim("1000", "esl-1000"), from(200)).await);
    switch.set_api_delay(Duration::from_millis(400));
    let mut guesses = JoinSet::new();
    for n in 1..100 {
        let chain = Arc::clone(&chain);
        guesses.spawn(async move { chain.check(&claim("1001", &format!("guess {n}")), from(n)).await });
    }
    until("the strangers' lane is full", || chain.figures().busy == 97).await;
    assert_eq!(chain.check(&claim("1001", "esl-1001"), from(201)).await, Outcome::Busy, "a stranger waits");
    identity(chain.check(&claim("1001", "esl-1001"), from(200)).await);
    identity(chain.check(&claim("1002", "esl-1002"), None).await);
    guesses.join_all().await;
}

#[tokio::test]
async fn a_refusal_takes_its_time_whoever_is_known_and_a_right_password_does_not() {
    let (folder, takes) = (tempfile::tempdir().unwrap(), Duration::from_millis(200));
    let settings = Settings { refusal_takes: takes, ..Settings::default() };
    let chain = chain(vec![files(folder.path(), &user("bob", "of the file"))], settings);
    for (user, password) in
        [("bob", "x"), ("carol", "x"), ("bob", ""), ("bob", "x"), (&*"x".repeat(999), "x")]
    {
        let began = Instant::now();
        assert!(matches!(chain.check(&claim(user, password), from(1)).await, Outcome::Wrong { .. }));
        assert!(began.elapsed() >= takes, "{user} {:?}", began.elapsed());
    }
    identity(chain.check(&claim("bob", "of the file"), from(1)).await);
}

#[tokio::test]
async fn a_directory_that_does_not_answer_in_time_is_in_trouble() {
    let switch = switch().await;
    let settings = Settings { limit: Duration::from_millis(50), ..plain() };
    let chain = chain(vec![of_switch(&switch, SwitchSettings::default()).await], settings);
    switch.set_api_delay(Duration::from_secs(5));
    let outcome = chain.check(&claim("1000", "esl-1000"), from(1)).await;
    assert_eq!(outcome, Outcome::Trouble("switch: no answer within 50ms".into()));
}

#[tokio::test]
async fn passwords_are_accepted_as_each_directory_says() {
    let (switch, folder) = (switch().await, tempfile::tempdir().unwrap());
    let sip = SwitchSettings { accept: vec![Accept::Password], ..SwitchSettings::default() };
    let chain = chain(vec![files(folder.path(), &user("bob", "b")), of_switch(&switch, sip).await], plain());
    identity(chain.check(&claim("bob", "b"), from(1)).await);
    identity(chain.check(&claim("1004", "lab-only-4711"), from(1)).await);
    assert_eq!(chain.check(&claim("1000", "esl-1000"), from(1)).await, WRONG);
}
