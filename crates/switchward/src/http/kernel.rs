//! What the kernel really holds: asked of the firewall's thread, never of the ledger.

use super::extract::Json;
use super::{Error, blocking};
use crate::app::App;
use axum::extract::State;
use netfilter::{Backend, Writer};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What the kernel drops.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Iptables {
    /// Where the rules are: the iptables chain, or our nftables table.
    pub chain: String,
    /// The ipset, or the family of our nftables table's sets.
    pub ipset: String,
    /// Every target that is dropped.
    pub blocked_ips: Vec<String>,
    /// How many.
    pub count: usize,
}

/// GET /security/iptables
pub(super) async fn iptables(State(app): State<Arc<App>>) -> Result<Json<Iptables>, Error> {
    let Some(writer) = app.mirror.firewall().cloned() else {
        let reason = app.unenforced.as_deref().unwrap_or("no firewall is open");
        return Err(Error::internal(format!("nothing is enforced in the kernel: {reason}")));
    };
    let (backend, blocked_ips) = blocking(move || held(&writer))
        .await?
        .map_err(|error| Error::internal(format!("the kernel does not tell what it holds: {error}")))?;
    let config = app.config.load();
    let (chain, ipset) = match backend {
        Backend::Nftables => (format!("inet {}", config.firewall.table), config.firewall.table.clone()),
        Backend::Ipset | Backend::DryRun => {
            (config.security.iptables_chain.clone(), config.security.ipset_name.clone())
        }
    };
    Ok(Json(Iptables { chain, ipset, count: blocked_ips.len(), blocked_ips }))
}

/// The mechanism, and what it holds in order. A dry run holds nothing, whatever it would have done.
fn held(writer: &Writer) -> Result<(Backend, Vec<String>), netfilter::Error> {
    let backend = writer.health()?.backend;
    if backend == Backend::DryRun {
        return Ok((backend, Vec::new()));
    }
    let mut elements = writer.snapshot()?;
    elements.sort_unstable_by_key(|element| element.target);
    Ok((backend, elements.iter().map(|element| element.target.to_string()).collect()))
}
