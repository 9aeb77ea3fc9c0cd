//! The rows as text and as JSON: [`text`] and [`json`].

use super::{judge::Judge, score::Row, score::Score};
use std::{fmt::Write as _, time::Duration};

/// A table for people: for each scenario a line by each judge, then the totals, then what went wrong by ours.
pub fn text(rows: &[Row]) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "{:<25} {:<5} {:>11} {:>7} {:>11} {:>6} {:>6} {:>9} {:>9} {:>16}",
        "scenario",
        "judge",
        "true bans",
        "alert",
        "false bans",
        "lost",
        "brief",
        "found in",
        "at most",
        "let through"
    );
    for row in rows {
        line_by_line(&row.name, &row.scores, &mut out);
    }
    line_by_line("total", &totals(rows), &mut out);
    for row in rows {
        let [ours, _] = &row.scores;
        for missed in &ours.missed {
            let _ = writeln!(out, "not found in {}: {missed}", row.name);
        }
        for wrong in &ours.wrongs {
            let _ = writeln!(out, "locked out in {}: {wrong}", row.name);
        }
    }
    out
}

/// The same for programs: `{"scenarios": [...], "total": {...}, "right": bool}`.
pub fn json(rows: &[Row]) -> serde_json::Value {
    let by_judge = |[ours, plain]: &[Score; 2]| serde_json::json!({ "ours": ours, "plain": plain });
    let scenarios = rows.iter().map(|row| {
        let mut value = by_judge(&row.scores);
        value["name"] = row.name.as_str().into();
        value["what"] = row.what.as_str().into();
        value
    });
    serde_json::json!({
        "scenarios": scenarios.collect::<Vec<_>>(),
        "total": by_judge(&totals(rows)),
        "right": rows.iter().all(|row| row.scores[0].is_right()),
    })
}

fn totals(rows: &[Row]) -> [Score; 2] {
    [0, 1].map(|judge| rows.iter().map(|row| row.scores[judge].clone()).fold(Score::default(), Score::plus))
}

fn line_by_line(name: &str, scores: &[Score; 2], out: &mut String) {
    for (judge, score) in Judge::ALL.iter().zip(scores) {
        let name = if *judge == Judge::Ours { name } else { "" };
        let of = |part: u64, whole: u64| if whole == 0 { "-".into() } else { format!("{part}/{whole}") };
        let [median, longest] = score
            .detection_times()
            .map_or(["-".into(), "-".into()], |(median, longest)| [short(median), short(longest)]);
        let through = match score.attackers {
            0 => "-".into(),
            attackers => {
                format!("{:.1} of {:.1}", per(score.let_through, attackers), per(score.attempts, attackers))
            }
        };
        let _ = writeln!(
            out,
            "{name:<25} {:<5} {:>11} {:>7} {:>11} {:>6} {:>6} {median:>9} {longest:>9} {through:>16}",
            judge.word(),
            of(score.banned, score.attackers),
            score.alerted,
            of(score.locked_out, score.healthy),
            score.lost,
            score.brief,
        );
    }
}

fn per(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

/// `0.4 s`, `12 s`, `9 min`, `3.5 h`, `2.0 d`.
fn short(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        ..10.0 => format!("{seconds:.1} s"),
        ..120.0 => format!("{seconds:.0} s"),
        ..7200.0 => format!("{:.0} min", seconds / 60.0),
        ..172_800.0 => format!("{:.1} h", seconds / 3600.0),
        _ => format!("{:.1} d", seconds / 86_400.0),
    }
}
