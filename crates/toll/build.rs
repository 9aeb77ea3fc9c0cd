//! Writes the numbering plans of all countries as a table of constants, out of the metadata of the crate `phonenumber`.
//!
//! Only what a destination's class hangs on is taken: the country code, how a country's numbers begin, and the patterns of its
//! numbers by what they cost. The program then needs neither that crate nor the 60 ms that it takes to load its metadata.

use phonenumber::metadata::{DATABASE, Descriptor};
use std::fmt::Write as _;
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut plans: Vec<_> = DATABASE.iter().collect();
    // Calling codes of no country share one name in the metadata; they are found by their code.
    plans.retain(|plan| plan.id() != "001");
    for code in 800..=999u16 {
        plans.extend(DATABASE.by_code(&code).into_iter().flatten().filter(|plan| plan.id() == "001"));
    }
    plans.sort_by_key(|plan| (plan.country_code(), !plan.is_main_country_for_code(), plan.id().to_owned()));
    let mut text = format!("static PLANS: [Plan; {}] = [\n", plans.len());
    for plan in plans {
        let id = if plan.id() == "001" { "XX" } else { plan.id() };
        let kinds = plan.descriptors();
        let all = [
            kinds.fixed_line(),
            kinds.mobile(),
            kinds.toll_free(),
            kinds.premium_rate(),
            kinds.shared_cost(),
            kinds.personal_number(),
            kinds.voip(),
            kinds.pager(),
            kinds.uan(),
            kinds.voicemail(),
        ];
        writeln!(
            text,
            "Plan::new(*b{id:?}, {}, {:?}, {:?}, {:?}, [{:?}, {:?}, {:?}, {:?}]),",
            plan.country_code(),
            plan.national_prefix().unwrap_or(""),
            plan.international_prefix().map(|re| bare(re.as_str())).unwrap_or_default(),
            plan.leading_digits().map(|re| bare(re.as_str())).unwrap_or_default(),
            pattern(&all),
            pattern(&[kinds.premium_rate()]),
            pattern(&[kinds.shared_cost()]),
            pattern(&[kinds.toll_free()]),
        )?;
    }
    text.push_str("];\n");
    let out = std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?;
    std::fs::write(Path::new(&out).join("plans.rs"), text)?;
    println!("cargo:rerun-if-changed=build.rs");
    Ok(())
}

/// One pattern for whatever any of them matches.
fn pattern(kinds: &[Option<&Descriptor>]) -> String {
    let mut patterns: Vec<String> =
        kinds.iter().flatten().map(|kind| bare(kind.national_number().as_str())).collect();
    patterns.sort();
    patterns.dedup();
    patterns.join("|")
}

/// The metadata breaks its patterns over lines.
fn bare(pattern: &str) -> String {
    pattern.chars().filter(|letter| !letter.is_whitespace()).collect()
}
