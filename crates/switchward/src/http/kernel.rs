//! What the kernel really holds: asked of the kernel, never of the ledger.

use super::{Error, blocking};
use crate::app::App;
use crate::config::Config;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use netfilter::{Backend, Writer};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// What the kernel drops.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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

/// What the kernel holds, asked of the kernel itself.
#[utoipa::path(
    get,
    path = "/security/iptables",
    tag = "state",
    responses(
        (status = 200, description = "What it drops", body = Iptables),
        (status = 500, description = "Nothing is enforced, or the kernel does not tell")
    )
)]
pub(super) async fn iptables(State(app): State<Arc<App>>) -> Result<impl IntoResponse, Error> {
    let Some(writer) = app.mirror.firewall().cloned() else {
        let reason = app.unenforced.as_deref().unwrap_or("no firewall is open");
        return Err(Error::internal(format!("nothing is enforced in the kernel: {reason}")));
    };
    // A long list takes a while to write down, too.
    let text = blocking(move || {
        let held = held(&writer, &app.config.load());
        held.map(|held| serde_json::to_vec(&held).unwrap_or_default())
    });
    match text.await? {
        Ok(text) => Ok(([(CONTENT_TYPE, "application/json")], text)),
        Err(error) => Err(Error::internal(format!("the kernel does not tell what it holds: {error}"))),
    }
}

/// What the kernel holds, in order. A dry run holds nothing, whatever it would have done.
fn held(writer: &Writer, config: &Config) -> Result<Iptables, netfilter::Error> {
    let backend = writer.health()?.backend;
    let mut elements = match backend {
        Backend::DryRun => Vec::new(),
        Backend::Nftables | Backend::Ipset => writer.snapshot()?,
    };
    elements.sort_unstable_by_key(|element| element.target);
    let (chain, ipset) = match backend {
        Backend::Nftables => (format!("inet {}", config.firewall.table), config.firewall.table.clone()),
        Backend::Ipset | Backend::DryRun => {
            (config.security.iptables_chain.clone(), config.security.ipset_name.clone())
        }
    };
    let blocked_ips: Vec<String> = elements.iter().map(|element| element.target.to_string()).collect();
    Ok(Iptables { chain, ipset, count: blocked_ips.len(), blocked_ips })
}
