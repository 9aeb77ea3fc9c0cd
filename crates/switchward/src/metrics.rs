//! The metrics: every figure that the daemon has, as a list of families.
//!
//! [`gather`] reads counters that others keep: nothing here walks a table or waits for a thread, so a scrape costs the same with a
//! million bans. No label holds what a peer chose. `exposition` writes the text; the parts are by subject.

use crate::app::App;

mod broker;
pub mod exposition;
mod followers;
mod interface;
mod judgement;
mod others;
mod process;
mod switches;

pub use exposition::{Family, Format, write};

/// All metrics as they are now. Reads small files of `/proc`: not for the threads of a runtime.
pub fn gather(app: &App) -> Vec<Family> {
    let mut families = switches::families(app);
    families.extend(judgement::families(app));
    families.extend(followers::families(app));
    families.extend(interface::families(app));
    families.extend(broker::families(app));
    families.extend(others::families(app));
    families.extend(process::families(app));
    families
}
