//! What a source or an account did lately, out of the shards' rings.

use super::Guard;
use super::seen::Seen;
use crate::moments;
use crate::source::Source;
use crate::timeline::{Moment, Record};

impl Guard {
    /// What a source did lately, the newest first, at most `most`.
    pub fn timeline_of_source(&self, source: Source, most: usize) -> Vec<Moment> {
        let mut found = Vec::new();
        self.look_through(self.shard(source), &mut found, |record| record.source() == source);
        newest(found, most)
    }

    /// What was done lately in the name of an account, by whomever, the newest first, at most `most`.
    pub fn timeline_of_account(&self, user: &[u8], domain: &[u8], most: usize) -> Vec<Moment> {
        let mut found = Vec::new();
        for shard in &self.shards {
            self.look_through(shard, &mut found, |record| record.is_of(user, domain));
        }
        newest(found, most)
    }

    /// What led to a verdict on an observation: the last few moments of its source, or of its port alone, the newest first.
    pub(super) fn just_now(&self, seen: &Seen<'_>, of_port: bool) -> Vec<Moment> {
        let is_of =
            |record: &Record| record.source() == seen.source && (!of_port || record.port() == seen.seen.port);
        self.shard(seen.source).lock().timeline.glance(moments::MOST, is_of)
    }

    /// Goes through a shard's ring, letting go of its lock between pieces.
    fn look_through(
        &self,
        shard: &parking_lot::Mutex<super::Shard>,
        found: &mut Vec<Record>,
        keep: impl Fn(&Record) -> bool,
    ) {
        let mut next = Some(0);
        while let Some(from) = next {
            next = shard.lock().timeline.piece(from, &keep, found);
        }
    }
}

fn newest(mut found: Vec<Record>, most: usize) -> Vec<Moment> {
    found.sort_by_key(|record| std::cmp::Reverse(record.at()));
    found.iter().take(most).map(Record::shown).collect()
}
