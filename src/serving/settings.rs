//! The settings of the servers.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::admission::AdmissionSettings;

/// How the service is reached and how it stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// Where gRPC listens.
    pub grpc_addr: SocketAddr,
    /// Where other processes and their clients reach gRPC, `host:port`; empty for `grpc_addr`.
    pub advertised_addr: String,
    /// Where metrics, health and RPCs are served over HTTP/1.1.
    pub http_addr: SocketAddr,
    /// The web sites whose pages may call RPCs, as browsers name them.
    pub cors_origins: Vec<String>,
    /// How old the candidate pools of a live answer may be.
    pub pool_refresh: Duration,
    /// A request that takes so long is told.
    pub slow_request: Duration,
    /// How long requests are still served after it was said that no more should come.
    pub shutdown_delay: Duration,
    /// How long a stop may take after that: draining, a last snapshot, leaving the group.
    pub shutdown_grace: Duration,
    /// How much is taken on at once.
    pub admission: AdmissionSettings,
}

/// Loopback, so that nothing is open to a network before someone says so.
fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            grpc_addr: loopback(7400),
            advertised_addr: String::new(),
            http_addr: loopback(7401),
            cors_origins: Vec::new(),
            pool_refresh: Duration::from_secs(1),
            slow_request: Duration::from_millis(100),
            // Kubernetes kills after 30 s, and takes a moment to tell everybody of the end of a pod.
            shutdown_delay: Duration::from_secs(3),
            shutdown_grace: Duration::from_secs(25),
            admission: AdmissionSettings::default(),
        }
    }
}
