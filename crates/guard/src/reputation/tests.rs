//! What is known of sources and accounts, over weeks of virtual time.

use super::*;
use std::net::Ipv4Addr;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

fn reputation(capacity: usize) -> Reputation {
    Reputation::new(capacity, [7, 8], &RandomState::with_seeds(1, 2, 3, 4))
}

fn at(days: u32) -> Time {
    Time::from_secs(20_000 * 86_400 + 3600) + DAY * days
}

fn source(n: u32) -> Source {
    Source::V4(Ipv4Addr::from(0xc612_0000 + n))
}

fn success<'a>(n: u32, user: &'a [u8]) -> Success<'a> {
    Success {
        source: source(n),
        user,
        domain: b"pbx.example",
        agent: b"Phone 1.0",
        country: &|| Some(*b"DE"),
    }
}

fn tier(reputation: &Reputation, n: u32, now: Time) -> Tier {
    reputation.of_source(source(n), now).now(0, false).tier
}

#[test]
fn five_good_days_of_fourteen_earn_trust_and_it_fades() {
    let reputation = reputation(100);
    for day in 0..5 {
        assert_eq!(tier(&reputation, 1, at(day)), Tier::Stranger);
        for hour in 0..20 {
            let now = at(day) + Duration::from_secs(3600 * hour);
            reputation.succeeded(&success(1, b"1000"), || None, now);
            reputation.answered(source(1), b"1000", b"pbx.example", now);
        }
    }
    assert_eq!(tier(&reputation, 1, at(4)), Tier::Trusted);
    assert!(reputation.is_trusted(source(1), at(13)));
    assert!(!reputation.is_trusted(source(1), at(14)), "four of fourteen");
    let repute = reputation.of_source(source(1), at(4)).now(3, true);
    assert_eq!(
        repute.to_string(),
        "trusted: 3 phones registered, good on 5 of 14 days, 100 answered calls",
        "a week has not ended"
    );
    assert_eq!(
        reputation.of_source(source(1), at(20)).now(0, true).to_string(),
        "known: on the allow-list, 12 answered calls"
    );
    assert_eq!(reputation.of_source(source(2), at(4)).now(0, false).to_string(), "stranger");
    let account = reputation.of_account(b"1000", b"PBX.example", at(4)).unwrap();
    let AccountRepute { good_days, kept_days, answered, agents, countries, networks } = account;
    assert_eq!((good_days, kept_days, answered, agents, networks), (5, 5, 100, 1, 1));
    assert_eq!(countries, [*b"DE"]);
    assert_eq!(reputation.of_account(b"1000", b"other.example", at(4)), None);
    // At last everything is forgotten.
    reputation.take_changed(|_| {}, |_| {});
    for _ in 0..700 {
        reputation.sweep(at(40));
    }
    assert_eq!((reputation.state().sources, reputation.state().accounts), (0, 0));
}

#[test]
fn a_proven_attack_takes_the_trust_for_two_weeks_unless_it_was_none() {
    let reputation = reputation(100);
    for day in 0..30 {
        reputation.succeeded(&success(1, b"1000"), || None, at(day));
        if day == 10 {
            reputation.attacked(source(1), at(day));
        }
        let expected = if (4..10).contains(&day) || day > 23 { Tier::Trusted } else { Tier::Stranger };
        assert_eq!(tier(&reputation, 1, at(day)), expected, "{day}");
    }
    reputation.attacked(source(1), at(30));
    assert_eq!(
        reputation.of_source(source(1), at(30)).now(1, false).to_string(),
        "known: 1 phone registered, good on 13 of 14 days, a proven attack on 1 of them"
    );
    reputation.forgiven(source(1), at(30));
    assert!(reputation.is_trusted(source(1), at(30)));
}

#[test]
fn an_attack_before_the_first_success_is_not_forgotten() {
    let reputation = reputation(100);
    for day in 0..5 {
        reputation.succeeded(&success(1, b"1000"), || Some(20_000 - 3), at(day));
        reputation.succeeded(&success(2, b"1000"), || Some(20_000 - 30), at(day));
    }
    assert_eq!((tier(&reputation, 1, at(4)), tier(&reputation, 2, at(4))), (Tier::Stranger, Tier::Trusted));
}

#[test]
fn who_only_calls_earns_nothing() {
    let reputation = reputation(100);
    for day in 0..20 {
        reputation.answered(source(1), b"1000", b"pbx.example", at(day));
    }
    assert_eq!(reputation.of_source(source(1), at(19)), Repute::default());
    // Nor does it for the account that it names, from a network that the account never was in.
    reputation.succeeded(&success(1, b"2000"), || None, at(19));
    reputation.succeeded(&success(300, b"1000"), || None, at(19));
    reputation.answered(source(1), b"1000", b"pbx.example", at(19));
    assert_eq!(reputation.of_account(b"1000", b"pbx.example", at(19)).unwrap().answered, 0);
    assert_eq!(reputation.of_source(source(1), at(19)).answered, 1);
}

#[test]
fn one_stolen_account_brings_in_a_few_sources_a_day_and_throws_out_nobody() {
    let reputation = reputation(1000);
    for day in 0..3 {
        for n in 0..500 {
            reputation.succeeded(&success(n, &n.to_be_bytes()), || None, at(day));
        }
    }
    for day in 3..6 {
        for n in 1000..50_000 {
            reputation.succeeded(&success(n, b"stolen"), || None, at(day));
        }
        let stolen = (1000..50_000).filter(|n| reputation.of_source(source(*n), at(day)).good_days > 0);
        assert!(stolen.count() <= 8 * (day as usize - 2), "{day}");
        assert!((0..500).all(|n| reputation.of_source(source(n), at(day)).good_days == 3));
    }
}

#[test]
fn a_full_table_keeps_who_has_been_here_for_days() {
    let reputation = reputation(1000);
    for day in 0..4 {
        for n in 0..400 {
            reputation.succeeded(&success(n, &n.to_be_bytes()), || None, at(day));
        }
    }
    let before = (0..400).filter(|n| reputation.of_source(source(*n), at(3)).good_days == 4).count();
    for n in 1000..100_000 {
        reputation.succeeded(&success(n, &n.to_be_bytes()), || None, at(4));
    }
    let after = (0..400).filter(|n| reputation.of_source(source(*n), at(4)).good_days == 4).count();
    assert_eq!((before, after), (400, 400));
    let state = reputation.state();
    assert!(state.sources <= 1024 && state.accounts <= 1024, "{state:?}");
    assert!(state.turned_away > 100_000 && state.bytes < 400_000, "{state:?}");
}

#[test]
fn a_country_is_new_only_for_an_account_with_a_past() {
    let reputation = reputation(100);
    let is_new = |country: &[u8; 2]| {
        let known = Some(*country).filter(|country| *country != [0; 2]);
        reputation.is_new_country(b"1000", b"pbx.example", || known)
    };
    assert!(!is_new(b"FR"), "nothing is known of it");
    reputation.succeeded(&Success { country: &|| None, ..success(1, b"1000") }, || None, at(0));
    assert!(!is_new(b"FR"), "nobody knows where it was");
    for (n, country) in [b"DE", b"AT", b"CH", b"NL", b"DE", b"PL"].into_iter().enumerate() {
        let country = || Some(*country);
        let seen = Success { country: &country, ..success((n as u32 + 1) * 256, b"1000") };
        reputation.succeeded(&seen, || None, at(0));
    }
    assert!(is_new(b"FR") && !is_new(b"PL") && !is_new(&[0; 2]));
    let account = reputation.of_account(b"1000", b"pbx.example", at(0)).unwrap();
    assert_eq!(account.countries, [*b"PL", *b"NL", *b"CH", *b"AT"], "the newest four");
    assert_eq!((account.networks, account.agents), (4, 1));
}

#[test]
fn what_is_written_down_comes_back_under_another_process_s_hashes() {
    let reputation = reputation(1000);
    for day in 0..7 {
        for n in 0..50 {
            reputation.succeeded(&success(n, b"1000"), || None, at(day));
            reputation.answered(source(n), b"1000", b"pbx.example", at(day));
        }
    }
    let v6 = Success { source: Source::of("2001:db8::1".parse().unwrap()), ..success(0, b"1001") };
    reputation.succeeded(&v6, || None, at(6));
    let (mut sources, mut accounts) = (Vec::new(), Vec::new());
    reputation.take_changed(|row| sources.push(row), |row| accounts.push(row));
    assert_eq!(accounts.len(), 2);
    reputation.take_changed(|_| panic!("told twice"), |_| panic!("told twice"));
    reputation.succeeded(&success(0, b"1000"), || None, at(6));
    reputation.take_changed(|_| panic!("nothing new"), |_| panic!("nothing new"));
    let text = serde_json::to_string(&(&sources, &accounts)).unwrap();
    let (sources, accounts): (Vec<KeptSource>, Vec<KeptAccount>) = serde_json::from_str(&text).unwrap();

    let again = Reputation::new(1000, [99, 98], &RandomState::with_seeds(9, 9, 9, 9));
    again.restore([7, 8], &sources, &accounts, at(7));
    for n in 0..50 {
        let [before, after] = [&reputation, &again].map(|kept| kept.of_source(source(n), at(7)));
        assert_eq!(before, after, "{n}");
    }
    assert_eq!(again.of_source(v6.source, at(7)).good_days, 1);
    let [before, after] = [&reputation, &again].map(|kept| kept.of_account(b"1000", b"pbx.example", at(7)));
    assert!(before == after && before.is_some());
    again.take_changed(|_| panic!("it is on the disk"), |_| panic!("it is on the disk"));
    again.unwritten(&sources[..2], &accounts[..1]);
    let mut told = (0, 0);
    again.take_changed(|_| told.0 += 1, |_| told.1 += 1);
    assert_eq!(told, (2, 1));
    // What has faded meanwhile is left where it is.
    let late = self::reputation(1000);
    late.restore([7, 8], &sources, &accounts, at(60));
    assert_eq!((late.state().sources, late.state().accounts), (0, 0));
}

proptest::proptest! {
    #[test]
    fn whatever_happens_trust_needs_five_days_and_the_table_its_bounds(
        steps in proptest::collection::vec((0u32..400, 0u32..6, 0u32..30, proptest::bool::ANY), 1..400),
    ) {
        let reputation = reputation(64);
        let mut days = std::collections::HashMap::<u32, std::collections::BTreeSet<u32>>::new();
        let mut today = 0;
        for (n, later, user, is_attack) in steps {
            today += later / 3;
            if is_attack && later == 0 {
                reputation.attacked(source(n % 20), at(today));
            } else {
                reputation.succeeded(&success(n % 20, &user.to_be_bytes()), || None, at(today));
                days.entry(n % 20).or_default().insert(today);
            }
            reputation.answered(source(n), b"x", b"y", at(today));
            reputation.sweep(at(today));
            for n in 0..20 {
                let good = days.get(&n).map_or(0, |days| days.range((today + 1).saturating_sub(14)..).count());
                proptest::prop_assert!(reputation.of_source(source(n), at(today)).good_days as usize <= good);
                proptest::prop_assert!(good >= 5 || !reputation.is_trusted(source(n), at(today)));
            }
            proptest::prop_assert!(reputation.state().sources <= 64 * 16);
        }
    }
}
