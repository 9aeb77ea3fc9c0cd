//! The captures of a real switch.

use simswitch::Capture;
use std::path::{Path, PathBuf};

pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/captures/freeswitch").join(name)
}

pub(crate) fn capture(name: &str) -> Capture {
    Capture::load(path(&format!("{name}.esl.zst"))).unwrap()
}
