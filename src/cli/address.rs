//! Where a server is, in every form in which people write it.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// The port of gRPC, unless the server is told otherwise.
const DEFAULT_PORT: u16 = 7400;
/// The host of `:PORT`, where servers listen unless they are told otherwise.
const DEFAULT_HOST: &str = "127.0.0.1";

/// A server's host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServerAddress {
    /// A name or an address, without brackets.
    pub host: String,
    /// The port of gRPC.
    pub port: u16,
}

/// Why a text names no server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoServer {
    #[error(
        "headwater speaks no TLS: write http://, or HOST:PORT, of a server on this network or of a proxy that \
         speaks TLS for you"
    )]
    Tls,
    #[error("`{0}://` is no way to a server, expected HOST:PORT or http://HOST:PORT")]
    Scheme(String),
    #[error("`{0}` is more than a host and a port, expected HOST:PORT")]
    More(String),
    #[error("`{0}` is no port, expected 1 to 65535")]
    Port(String),
    #[error("there is no host, expected HOST:PORT, HOST or :PORT")]
    Empty,
}

impl Default for ServerAddress {
    fn default() -> Self {
        Self { host: DEFAULT_HOST.to_owned(), port: DEFAULT_PORT }
    }
}

impl FromStr for ServerAddress {
    type Err = NoServer;

    fn from_str(text: &str) -> Result<Self, NoServer> {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        match scheme.to_ascii_lowercase().as_str() {
            "http" => {}
            "https" => return Err(NoServer::Tls),
            _ => return Err(NoServer::Scheme(scheme.to_owned())),
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if let Some(more) = rest.find(|letter: char| "/?#@".contains(letter) || letter.is_whitespace()) {
            return Err(NoServer::More(rest[more..].to_owned()));
        }
        let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, port)) => {
                (host, Some(port.strip_prefix(':').ok_or_else(|| NoServer::Port(port.to_owned()))?))
            }
            None if rest.parse::<Ipv6Addr>().is_ok() => (rest, None),
            None => rest.rsplit_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
        };
        let port = match port {
            None => DEFAULT_PORT,
            Some(text) => {
                let port = text.parse::<u16>().ok().filter(|port| *port > 0);
                port.ok_or_else(|| NoServer::Port(text.to_owned()))?
            }
        };
        match host {
            "" if rest.is_empty() => Err(NoServer::Empty),
            "" => Ok(Self { port, ..Self::default() }),
            host => Ok(Self { host: host.to_owned(), port }),
        }
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_found_in_every_form_in_which_people_write_it() {
        for (text, meant) in [
            ("reco-1:7500", "reco-1:7500"),
            ("http://reco-1:7500", "reco-1:7500"),
            ("HTTP://reco-1:7500/", "reco-1:7500"),
            ("http://reco-1", "reco-1:7400"),
            ("reco-1", "reco-1:7400"),
            (":7500", "127.0.0.1:7500"),
            (" 10.0.0.1:80 ", "10.0.0.1:80"),
            ("[::1]:7500", "[::1]:7500"),
            ("http://[::1]", "[::1]:7400"),
            ("::1", "[::1]:7400"),
        ] {
            let address: Result<ServerAddress, _> = text.parse();
            assert_eq!(address.map(|address| address.to_string()), Ok(meant.to_owned()), "{text}");
        }
        assert_eq!(ServerAddress::default().to_string(), "127.0.0.1:7400");
    }

    #[test]
    fn what_names_no_server_says_what_to_write() {
        for (text, told) in [
            ("https://reco-1", "headwater speaks no TLS: write http://"),
            ("grpc://reco-1", "`grpc://` is no way to a server, expected HOST:PORT"),
            ("reco-1:7400/metrics", "`/metrics` is more than a host and a port"),
            ("me@reco-1", "`@reco-1` is more than"),
            ("reco 1", "` 1` is more than"),
            ("reco-1:", "`` is no port"),
            ("reco-1:0", "`0` is no port, expected 1 to 65535"),
            ("reco-1:grpc", "`grpc` is no port"),
            ("[::1]7400", "`7400` is no port"),
            ("", "there is no host"),
            ("http://", "there is no host"),
        ] {
            let error = text.parse::<ServerAddress>().expect_err(text).to_string();
            assert!(error.starts_with(told), "{text}: {error}");
        }
    }
}
