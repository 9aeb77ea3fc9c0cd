//! What a background job is known by: [`JobId`].

use std::{fmt, str::FromStr, sync::Arc};

/// The id of a job: a UUID, in lower case.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct JobId(Arc<str>);

/// A text that is no job's id.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a job's id is a UUID such as 01234567-89ab-4cde-8f01-23456789abcd")]
pub struct NoJobId;

impl JobId {
    /// One that nobody can guess: whoever knows the id of a job can send a false end of it.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn random() -> Result<JobId, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        let random = u128::from_be_bytes(bytes) & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
        let hex = format!("{random:032x}");
        let id = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-");
        Ok(JobId(id.into()))
    }

    /// As it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for JobId {
    type Err = NoJobId;

    fn from_str(text: &str) -> Result<JobId, NoJobId> {
        let dash = |at: usize| matches!(at, 8 | 13 | 18 | 23);
        let fits = text.len() == 36
            && text
                .bytes()
                .enumerate()
                .all(|(at, byte)| if dash(at) { byte == b'-' } else { byte.is_ascii_hexdigit() });
        if fits { Ok(JobId(text.to_ascii_lowercase().into())) } else { Err(NoJobId) }
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_id_is_a_version_4_uuid_and_another_each_time() {
        let one = JobId::random().unwrap();
        assert_eq!(one.as_str().parse(), Ok(one.clone()));
        assert_eq!(&one.as_str()[14..15], "4");
        assert!("89ab".contains(&one.as_str()[19..20]), "{one}");
        assert_ne!(one, JobId::random().unwrap());
    }

    #[test]
    fn what_is_no_uuid_is_no_id() {
        assert!("0123ABCD-89ab-4cde-8f01-23456789abcd".parse::<JobId>().is_ok());
        for text in [
            "",
            "0123abcd-89ab-4cde-8f01-23456789abc",
            "0123abcd-89ab-4cde-8f01-23456789abcde",
            "0123abcd-89ab-4cde-8f01-23456789abcg",
            "0123abcd089ab-4cde-8f01-23456789abcd",
            "0123abcd-89ab-4cde-8f01-23456789\nbcd",
        ] {
            assert_eq!(text.parse::<JobId>(), Err(NoJobId), "{text:?}");
        }
    }
}
