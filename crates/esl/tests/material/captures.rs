//! Reads the captures of a real FreeSWITCH.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

pub(crate) fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/captures/freeswitch")
}

/// The bytes of a capture.
pub(crate) fn capture(name: &str) -> Vec<u8> {
    let path = directory().join(format!("{name}.zst"));
    let file = File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut bytes = Vec::new();
    ruzstd::decoding::StreamingDecoder::new(file).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}
