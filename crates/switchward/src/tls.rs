//! The one provider of cryptography for TLS, whoever speaks it: the listener, reports, notifications.

/// Makes ring the provider of this process; may be called as often as one likes, and by everybody who is about to use TLS.
pub fn provider() {
    // An error says only that one is there already.
    _ = rustls::crypto::ring::default_provider().install_default();
}
