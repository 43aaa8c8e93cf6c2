//! A balancer of requests: it asks each replica whether it is ready, and sends to those that are, one after the
//! other.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::sandbox::service::Clients;

/// How often it asks.
const LOOK: Duration = Duration::from_millis(100);

/// Where requests go.
pub struct Balancer {
    replicas: Mutex<Vec<Replica>>,
    turn: Mutex<usize>,
}

struct Replica {
    clients: Clients,
    ready: bool,
}

impl Balancer {
    /// Begins to ask these, of which none counts as ready before it has said so.
    pub fn start(replicas: impl IntoIterator<Item = Clients>) -> Arc<Self> {
        let replica = |clients| Replica { clients, ready: false };
        let replicas: Vec<Replica> = replicas.into_iter().map(replica).collect();
        let count = replicas.len();
        let balancer = Arc::new(Self { replicas: Mutex::new(replicas), turn: Mutex::new(0) });
        for number in 0..count {
            // Each by itself: one that does not answer holds up nothing that is said of the others.
            tokio::spawn(Arc::clone(&balancer).look_at(number));
        }
        balancer
    }

    async fn look_at(self: Arc<Self>, number: usize) {
        let mut looks = tokio::time::interval(LOOK);
        loop {
            looks.tick().await;
            let clients = self.replicas.lock()[number].clients.clone();
            let ready = tokio::time::timeout(LOOK, clients.is_ready()).await.unwrap_or(false);
            let replica = &mut self.replicas.lock()[number];
            // It may have moved meanwhile.
            replica.ready = ready && replica.clients.http == clients.http;
        }
    }

    /// A replica answers elsewhere now.
    pub fn moved(&self, number: usize, clients: Clients) {
        self.replicas.lock()[number] = Replica { clients, ready: false };
    }

    /// Whether it sends requests to a replica.
    pub fn sends_to(&self, number: usize) -> bool {
        self.replicas.lock()[number].ready
    }

    /// Who is next, and how to reach it; none if none is ready.
    pub fn next(&self) -> Option<(usize, Clients)> {
        let (replicas, mut turn) = (self.replicas.lock(), self.turn.lock());
        let count = replicas.len();
        let next = (0..count).map(|step| (*turn + step) % count).find(|number| replicas[*number].ready)?;
        *turn = next + 1;
        Some((next, replicas[next].clients.clone()))
    }
}
