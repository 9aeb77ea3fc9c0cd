//! A call of an account that is known by its address alone: over UDP anybody can have sent it.

use super::*;

#[test]
fn a_call_that_may_be_forged_is_told_and_ended_and_nobody_pays_for_it() {
    for (evidence, blamed) in [(Evidence::Forgeable, false), (Evidence::Likely, true)] {
        let everything = Actions { alert: true, hang_up: true, block: true, ban: true };
        let guard = guard(|policy| policy.actions[FraudRule::Premium as usize] = everything);
        let what = What::CallStarted {
            call: b"a",
            destination: b"00882161234567",
            authenticated: true,
            admitted: true,
        };
        let seen = Observation {
            ip: Some("203.0.113.7".parse().unwrap()),
            port: 5060,
            evidence,
            user: b"customer",
            account_domain: b"pbx.example",
            ..Observation::of(0, what)
        };
        let verdicts = guard.observe(&seen, at(0.0));
        let has = |is_it: fn(&Verdict) -> bool| verdicts.iter().any(is_it);
        assert_eq!(hang_ups(&verdicts), ["a"], "{evidence}");
        assert_eq!(told(&verdicts), [FraudRule::Premium], "{evidence}");
        assert_eq!(has(|verdict| matches!(verdict, Verdict::Ban(_))), blamed, "{evidence}: {verdicts:?}");
        assert_eq!(has(|verdict| matches!(verdict, Verdict::BlockAccount { .. })), blamed, "{evidence}");
    }
}
