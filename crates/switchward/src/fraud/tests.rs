//! The table of prices as a file that people edit.

use super::*;
use guard::{Limits, Policy};

fn config(path: &Path) -> Config {
    let mut config = Config::default();
    config.fraud.home_country = "DE".into();
    config.fraud.table_file = Some(path.into());
    config
}

#[test]
fn a_table_is_read_anew_when_it_changes_and_a_broken_one_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("prices.csv");
    let guard = Guard::new(Policy::default(), Limits::default(), [1, 2, 3, 4], Box::new(|_| ()));
    let prices = Prices::default();
    prices.look(&guard, &config(&path));
    let trouble = prices.shelf().trouble.unwrap();
    assert!(trouble.contains("prices.csv") && trouble.contains("done without"), "{trouble}");
    std::fs::write(&path, "prefix,name,class,cost\n44,Britain,,0.5\n").unwrap();
    prices.look(&guard, &config(&path));
    assert_eq!((prices.shelf().table.len(), prices.shelf().trouble), (1, None));
    std::fs::write(&path, "44,Britain,,0.5\n252,Somalia,luxury,1\n").unwrap();
    prices.look(&guard, &config(&path));
    let shelf = prices.shelf();
    let trouble = shelf.trouble.unwrap();
    assert!(trouble.contains("prices.csv: line 2:") && trouble.contains("stays in use"), "{trouble}");
    assert_eq!(shelf.table.len(), 1);
    std::fs::write(&path, "44,Britain,,0.5\n252,Somalia,premium,1\n").unwrap();
    prices.look(&guard, &config(&path));
    assert_eq!((prices.shelf().table.len(), prices.shelf().trouble), (2, None));
    // Named no more.
    prices.look(&guard, &Config::default());
    assert_eq!((prices.shelf().table.len(), prices.shelf().path), (0, None));
}

#[test]
fn the_configuration_says_what_the_rules_do() {
    let mut config = Config::default();
    assert_eq!(policy(&config.fraud), FraudPolicy::default(), "the defaults are those of the rules");
    config.fraud.on_cost = ["alert", "hang-up", "block"].map(String::from).to_vec();
    config.fraud.on_sequential = Vec::new();
    config.fraud.account_cost_day = 25;
    let policy = policy(&config.fraud);
    assert_eq!(policy.actions(FraudRule::Cost).words(), "alert, hang-up, block");
    assert_eq!(policy.actions(FraudRule::Sequential), Actions::NONE);
    assert_eq!(policy.account_cost_day.to_string(), "25.00");
}
