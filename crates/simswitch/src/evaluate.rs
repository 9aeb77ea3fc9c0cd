//! The labelled evaluation: who gets banned, who should have been, and how late, by our rules and by a plain judge.
//!
//! Everything happens in virtual time: a [`Scene`] is acted out by a [`Show`](crate::Show) once for each [`Judge`], whose
//! bans drop packets before the simulated switch sees them, so that what an attacker still gets through is honest. The
//! captures are judged by the labels beside them. Start with [`run`].

use crate::capture::CaptureError;
use std::path::PathBuf;

mod book;
mod captures;
mod judge;
mod scenes;
mod score;
mod table;
mod trial;

pub use judge::Judge;
pub use scenes::Scene;
pub use score::{Row, Score};
pub use table::{json, text};

/// What is evaluated.
#[derive(Debug, Clone)]
pub struct Options {
    /// The first seed.
    pub seed: u64,
    /// How many seeds, one after the other; the scores are summed up.
    pub seeds: u64,
    /// Only the scenario of this name.
    pub scenario: Option<String>,
    /// Where the captures and their labels are; `None` leaves them out.
    pub captures: Option<PathBuf>,
}

/// Why there is no evaluation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluateError {
    /// There is no scenario of this name.
    #[error("no scenario {name:?}; there are: {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The labels of the captures cannot be read.
    #[error("{path}, line {line}: {problem}")]
    Labels {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1; 0 for the file.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// A capture cannot be read.
    #[error("{path}")]
    Capture {
        /// The file.
        path: PathBuf,
        /// Why.
        source: CaptureError,
    },
}

/// Plays every scenario with every seed before both judges, and every capture once.
///
/// # Errors
/// When there is no scenario of the name, or the captures cannot be read.
pub fn run(options: &Options) -> Result<Vec<Row>, EvaluateError> {
    let labelled = options.captures.as_deref().map(captures::labels).transpose()?.unwrap_or_default();
    let is_wanted = |name: &str| options.scenario.as_deref().is_none_or(|wanted| wanted == name);
    let mut rows = Vec::new();
    for scene in scenes::all().iter().filter(|scene| is_wanted(scene.name)) {
        rows.push(Row {
            name: scene.name.into(),
            what: scene.what.into(),
            scores: Judge::ALL.map(|judge| {
                let seeds = options.seed..options.seed.saturating_add(options.seeds);
                seeds.map(|seed| trial::play(scene, seed, judge)).fold(Score::default(), Score::plus)
            }),
        });
    }
    for recording in labelled.iter().filter(|recording| is_wanted(&recording.name())) {
        let mut scores = Vec::new();
        for judge in Judge::ALL {
            scores.push(recording.play(judge)?);
        }
        let what = "as recorded from a real switch".into();
        let [ours, plain] = <[Score; 2]>::try_from(scores).unwrap_or_default();
        rows.push(Row { name: recording.name(), what, scores: [ours, plain] });
    }
    match &options.scenario {
        Some(name) if rows.is_empty() => {
            let mut known: Vec<String> = scenes::all().iter().map(|scene| scene.name.into()).collect();
            known.extend(labelled.iter().map(captures::Recording::name));
            Err(EvaluateError::Unknown { name: name.clone(), known: known.join(", ") })
        }
        _ => Ok(rows),
    }
}
