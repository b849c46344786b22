//! Delivers ended spans to the collector, many at a time.

use super::{
    Meters,
    otlp::{self, Ended, Resource},
};
use crate::outside::{Client, Content, Guard, Network, OutsideError, Request, Url};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{mpsc, watch};

/// Spans of one delivery at the most.
const BATCH: usize = 512;
/// The longest that an ended span waits for company.
const EVERY: Duration = Duration::from_secs(2);
/// The longest that the collector may take for one delivery.
const PATIENCE: Duration = Duration::from_secs(5);
const ANSWER_MAX_BYTES: usize = 64 * 1024;
/// A collector that is away is told about this often, and not for each delivery.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

/// Delivers ended spans. Runs beside the requests until it is told to stop.
pub struct Deliverer {
    endpoint: Url,
    resource: Resource,
    spans: mpsc::Receiver<Ended>,
    meters: Arc<Meters>,
    client: Client,
    complained: Option<Instant>,
}

impl Deliverer {
    pub(super) fn new(
        endpoint: Url,
        resource: Resource,
        spans: mpsc::Receiver<Ended>,
        meters: Arc<Meters>,
    ) -> Self {
        // The operator names the collector, and it usually is this machine: no address is closed to it.
        let anywhere = ["0.0.0.0/0", "::/0"].iter().filter_map(|network| Network::parse(network).ok());
        let client = Client::new(Guard::allowing(anywhere.collect()));
        Self { endpoint, resource, spans, meters, client, complained: None }
    }

    pub(crate) fn meters(&self) -> &Arc<Meters> {
        &self.meters
    }

    /// Delivers until `stop` says true (or its sender is gone), then what is left.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                taken = self.spans.recv_many(&mut batch, BATCH) => if taken == 0 { break },
            }
            // Company comes: a trickle is delivered now and then, and not span by span.
            let company =
                async { while batch.len() < BATCH && self.spans.recv_many(&mut batch, BATCH).await > 0 {} };
            tokio::select! {
                _ = tokio::time::timeout(EVERY, company) => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
            self.deliver(&mut batch).await;
        }
        self.spans.close();
        while self.spans.recv_many(&mut batch, BATCH).await > 0 {
            if !self.deliver(&mut batch).await {
                break;
            }
        }
    }

    /// Delivers all of a batch, and empties it. Whether the collector took it.
    async fn deliver(&mut self, batch: &mut Vec<Ended>) -> bool {
        let (count, body) = (batch.len() as u64, otlp::delivery(&self.resource, batch));
        batch.clear();
        let request = Request {
            url: self.endpoint.clone(),
            content: Some(Content { media_type: "application/json", bytes: body }),
            accept: "application/json",
            answer_max_bytes: ANSWER_MAX_BYTES,
            deadline: PATIENCE,
        };
        match self.client.ask(request).await {
            Ok(_) => {
                self.meters.delivered.add(count);
                true
            }
            Err(error) => {
                self.meters.dropped.add(count);
                self.complain(&error);
                false
            }
        }
    }

    fn complain(&mut self, error: &OutsideError) {
        if self.complained.is_none_or(|at| at.elapsed() > COMPLAIN_EVERY) {
            tracing::warn!(name: "trace.not_delivered", %error, "the collector does not take spans; they are dropped");
            self.complained = Some(Instant::now());
        }
    }
}
