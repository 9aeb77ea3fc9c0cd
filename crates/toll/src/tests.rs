//! Dialled numbers of several countries, the operator's table, and whatever else a caller may dial.

use super::*;
use proptest::prelude::*;

fn plan(home: &str, trunk: &[&str]) -> Plan {
    let trunk = trunk.iter().map(ToString::to_string).collect();
    let home = Country::new(home);
    Plan::new(Dialling { home, trunk, ..Dialling::default() }, Table::default()).unwrap()
}

#[track_caller]
fn assert_leads(plan: &Plan, dialled: &str, wanted: Option<(&str, &str, Class)>) {
    let found = plan.classify(dialled.as_bytes());
    let found = found.as_ref().map(|to| (to.number.as_str(), to.country.to_string(), to.class));
    let wanted = wanted.map(|(number, country, class)| (number, country.to_owned(), class));
    assert_eq!(found, wanted, "{dialled}");
}

#[test]
fn numbers_lead_where_the_country_dials_them_to() {
    use Class::{Free, International, National, Premium, Satellite, SharedCost};
    let de = plan("DE", &[]);
    for (dialled, wanted) in [
        // Extensions, services, emergency calls, nonsense.
        ("1003", None),
        ("*97", None),
        ("110", None),
        ("112", None),
        ("9196", None),
        ("", None),
        ("echo", None),
        ("conference-0049301234567", None),
        ("123456", None),
        // At home.
        ("03012345678", Some(("493012345678", "DE", National))),
        ("004930 123-456 78", Some(("493012345678", "DE", National))),
        ("+49 (30) 12345678", Some(("493012345678", "DE", National))),
        ("015112345678", Some(("4915112345678", "DE", National))),
        ("08001234567", Some(("498001234567", "DE", Free))),
        ("09001234567", Some(("499001234567", "DE", Premium))),
        ("01801234567", Some(("491801234567", "DE", SharedCost))),
        // Abroad.
        ("00441632960123", Some(("441632960123", "GB", International))),
        ("+441632960777", Some(("441632960777", "GB", International))),
        ("011441632960555", Some(("441632960555", "GB", International))),
        ("442079460555", Some(("442079460555", "GB", International))),
        ("0021612345678", Some(("21612345678", "TN", International))),
        ("0037167000001", Some(("37167000001", "LV", International))),
        ("0025290112345", Some(("25290112345", "SO", International))),
        ("00449098790001", Some(("449098790001", "GB", Premium))),
        ("+18005550123", Some(("18005550123", "US", International))),
        ("+447400123456;ext=5", Some(("447400123456", "GB", International))),
        // Networks of no country.
        ("00882161234567", Some(("882161234567", "XX", Satellite))),
        ("00881612345678", Some(("881612345678", "XX", Satellite))),
        ("00870773123456", Some(("870773123456", "XX", Satellite))),
        ("+883510012345678", Some(("883510012345678", "XX", Satellite))),
        ("00979123456789", Some(("979123456789", "XX", Premium))),
        ("0097912345678", Some(("97912345678", "XX", Premium))),
        ("0080812345678", Some(("80812345678", "XX", SharedCost))),
        ("+80012345678", Some(("80012345678", "XX", Free))),
    ] {
        assert_leads(&de, dialled, wanted);
    }
}

#[test]
fn north_america_is_many_countries() {
    use Class::{International, National, Premium};
    let us = plan("US", &["9"]);
    for (dialled, wanted) in [
        ("12125550123", Some(("12125550123", "US", National))),
        ("2125550123", Some(("12125550123", "US", National))),
        ("912125550123", Some(("12125550123", "US", National))),
        ("92125550123", Some(("12125550123", "US", National))),
        ("+14165550123", Some(("14165550123", "CA", International))),
        ("18095551234", Some(("18095551234", "DO", International))),
        ("8095551234", Some(("18095551234", "DO", International))),
        ("918765551234", Some(("18765551234", "JM", International))),
        ("9011441632960123", Some(("441632960123", "GB", International))),
        ("01188216123456", Some(("88216123456", "XX", Class::Satellite))),
        ("19002345678", Some(("19002345678", "US", Premium))),
        ("911", None),
        ("9911", None),
        ("5551212", None),
        ("91003", None),
    ] {
        assert_leads(&us, dialled, wanted);
    }
}

#[test]
fn what_can_be_read_in_two_ways_is_read_as_the_dearer_when_that_exists() {
    use Class::{International, National};
    // Leeds has the area code 0113; "011" and 34 would be Spain, but no such number is there.
    assert_leads(&plan("GB", &[]), "01134960000", Some(("441134960000", "GB", National)));
    assert_leads(&plan("GB", &[]), "011 34 912 345 678", Some(("34912345678", "ES", International)));
    // Paris; with "011" before Nigeria's code there are too few digits.
    assert_leads(&plan("FR", &[]), "0112345678", Some(("33112345678", "FR", National)));
    // Line 0 and abroad; line 0 and the town of Wilhelmshaven.
    let office = plan("DE", &["0"]);
    assert_leads(&office, "000442079460123", Some(("442079460123", "GB", International)));
    assert_leads(&office, "00442079460123", Some(("442079460123", "GB", International)));
    assert_leads(&office, "004421123456", Some(("494421123456", "DE", National)));
    assert_leads(&office, "0015112345678", Some(("4915112345678", "DE", National)));
    // Countries without a prefix for national numbers, and with another one for abroad.
    assert_leads(&plan("DK", &[]), "32123456", Some(("4532123456", "DK", National)));
    assert_leads(&plan("AU", &[]), "0011441632960123", Some(("441632960123", "GB", International)));
    assert_leads(&plan("JP", &[]), "010441632960123", Some(("441632960123", "GB", International)));
}

#[test]
fn without_a_home_country_every_country_is_abroad() {
    let plan = Plan::default();
    assert_leads(&plan, "004930 12345678", Some(("493012345678", "DE", Class::International)));
    assert_leads(&plan, "011441632960555", Some(("441632960555", "GB", Class::International)));
    assert_leads(&plan, "03012345678", None);
    assert_leads(&plan, "77777777", None);
}

#[test]
fn too_many_digits_hide_nothing() {
    let de = plan("DE", &[]);
    let long = format!("0025290112345{}", "7".repeat(300));
    let to = de.classify(long.as_bytes()).unwrap();
    assert_eq!((to.country, to.is_valid, to.number.as_str().len()), (Country(*b"SO"), false, Digits::MOST));
    let to = de.classify(b"00442079460123\xff\xfe;drop table").unwrap();
    assert_eq!((to.country, to.is_valid), (Country(*b"GB"), true));
}

#[test]
fn a_table_has_the_last_word() {
    let text = "prefix,name,class,cost per minute\n\
                # our own numbers\n\
                4930555,Own numbers,internal,\n\
                +252,Somalia,premium,1.95\n\
                25290,\"Somalia, mobile\",,2.5\n\
                1876,Jamaica,,\n\
                44,,international,0.012\n\
                @satellite,,,9\n";
    let table = Table::parse(text).unwrap();
    assert_eq!(table.len(), 5);
    let plan = Plan::new(Dialling { home: Country::new("de"), ..Dialling::default() }, table).unwrap();
    let to = |dialled: &str| plan.classify(dialled.as_bytes());
    assert_eq!(to("0305551234"), None);
    let somalia = to("0025261234567").unwrap();
    assert_eq!(
        (somalia.class, somalia.cost.to_string(), somalia.prefix.as_str()),
        (Class::Premium, "1.95".into(), "252")
    );
    let mobile = to("0025290112345").unwrap();
    assert_eq!((mobile.class, mobile.cost.to_string()), (Class::International, "2.50".into()));
    assert_eq!(mobile.words(), "SO Somalia, mobile, international, not a number that is given out");
    assert_eq!(to("0018765551234").unwrap().cost, Class::International.usual_cost());
    assert_eq!(to("00441632960123").unwrap().cost.to_string(), "0.012");
    assert_eq!(to("00882161234567").unwrap().cost.to_string(), "9.00");
    let without = to("0033112345678").unwrap();
    assert_eq!((without.prefix.as_str(), without.name), ("33", None));
    assert_eq!(to("0018095551234").unwrap().prefix.as_str(), "1809");
}

#[test]
fn a_table_that_is_wrong_says_where_and_what() {
    for (text, line, part) in [
        ("prefix,name,class,cost\n44,,,0.1\nabc,,,\n", 3, "no prefix"),
        ("44,,luxury,\n", 1, "no class"),
        ("44,,,1,2\n", 1, "5 columns"),
        ("44,,,free\n", 1, "no amount"),
        ("\n\n44,,,\n44,,,\n", 4, "twice"),
        ("0044,,,\n", 1, "no prefix"),
        ("@gold,,,1\n", 1, "no class"),
        ("@premium,,,\n", 1, "needs a cost"),
        (",x,,\n", 1, "no prefix"),
    ] {
        let error = Table::parse(text).unwrap_err();
        assert!(error.line == line && error.reason.contains(part), "{text:?}: {error}");
    }
}

#[test]
fn wrong_prefixes_and_countries_are_refused() {
    let with = |trunk: &str| {
        Plan::new(Dialling { trunk: vec![trunk.into()], ..Dialling::default() }, Table::default())
    };
    assert!(with("*67").is_ok());
    assert!(with("").is_err() && with("x").is_err() && with("123456789").is_err());
    let home = Country::new("QQ");
    assert!(Plan::new(Dialling { home, ..Dialling::default() }, Table::default()).is_err());
}

/// Every country's example numbers lead there, or to one with the same code that gives out the same number as such.
#[test]
fn examples_of_all_countries_lead_home() {
    use phonenumber::Type;
    let plan = Plan::default();
    let (mut wrong, mut looked_at) = (Vec::new(), 0);
    for country in phonenumber::metadata::DATABASE.iter().filter(|country| country.id() != "001") {
        for kind in [Type::FixedLine, Type::Mobile, Type::PremiumRate, Type::SharedCost] {
            let example = country.descriptors().get(kind).and_then(|kind| kind.example());
            let Some(example) = example else { continue };
            looked_at += 1;
            let dialled = format!("+{}{example}", country.country_code());
            let to = plan.classify(dialled.as_bytes()).unwrap();
            let found = phonenumber::metadata::DATABASE.by_id(&to.country.to_string()).unwrap();
            let is_of_found = found.country_code() == country.country_code()
                && found.descriptors().get(kind).is_some_and(|kind| kind.is_match(example));
            let is_premium = (to.class == Class::Premium) == (kind == Type::PremiumRate);
            if !is_of_found || !is_premium || !to.is_valid {
                wrong.push(format!("{dialled} of {} leads to {}", country.id(), to.words()));
            }
        }
    }
    assert!(looked_at > 600, "{looked_at}");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

proptest! {
    #[test]
    fn whatever_is_dialled_nothing_breaks(dialled in prop::collection::vec(any::<u8>(), 0..400), home in 0usize..6) {
        let plan = plan(["DE", "US", "GB", "IT", "BR", "KZ"][home], &["9", "0", "*67"]);
        if let Some(to) = plan.classify(&dialled) {
            prop_assert!(to.number.as_str().len() >= 7 && to.number.as_str().starts_with(to.prefix.as_str()));
        }
    }

    #[test]
    fn a_number_in_full_leads_to_the_same_place_by_every_prefix(digits in "[1-9][0-9]{7,14}") {
        let plan = plan("DE", &[]);
        let plus = plan.classify(format!("+{digits}").as_bytes());
        prop_assert_eq!(&plus, &plan.classify(format!("00{digits}").as_bytes()));
    }

    #[test]
    fn a_table_of_anything_is_read_or_refused(text in "[0-9a-z,\"@+.#\n -]{0,200}") {
        _ = Table::parse(&text);
    }
}
