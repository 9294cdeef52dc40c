//! Which path gives what.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::body::Answer;
use super::{Health, groups};
use crate::metrics::{Format, IdleShare, Out, Process, SeriesLimits, Text, collect};

/// Answers that are made at the same time; others wait.
const SCRAPES_MAX: usize = 2;
/// How long one waits for its turn.
const TURN_MAX: Duration = Duration::from_secs(10);
/// How long making an answer, and its being taken, may last.
const SCRAPE_MAX: Duration = Duration::from_secs(60);
/// Chunks that wait to be taken.
const CHUNKS_MAX: usize = 2;

/// What stands before the name of a group.
const GROUPS: &str = "/groups/";

const JSON: &str = "application/json";
const PLAIN: &str = "text/plain; charset=utf-8";
const INDEX: &str = "Ottla\n\n/metrics       numbers, for Prometheus\n/health        whether this node lives and serves, \
                     and what is wrong\n/health/live   200 as long as it may go on\n/health/ready  200 while it serves\n\
                     /groups/<id>   what a group waits for, if this node coordinates it\n";

/// What answers are made of.
pub(super) struct Routes {
    health: Arc<Health>,
    process: Process,
    pub(super) idle: IdleShare,
    limits: SeriesLimits,
    scrapes: Arc<Semaphore>,
}

impl Routes {
    pub(super) fn new(health: Arc<Health>, limits: SeriesLimits) -> Arc<Self> {
        Arc::new(Self {
            health,
            process: Process::started(),
            idle: IdleShare::default(),
            limits,
            scrapes: Arc::new(Semaphore::new(SCRAPES_MAX)),
        })
    }

    /// Answers a request. A body that comes with it is not read.
    pub(super) async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Answer> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "only GET and HEAD\n");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match request.uri().path() {
            "/metrics" => {
                let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok());
                let format = Format::accepted(accept.unwrap_or_default());
                let is_head = request.method() == Method::HEAD;
                self.metrics(format, is_head).await
            }
            "/health" | "/health/ready" => {
                let report = self.health.report();
                plain(status(report.is_ready), JSON, report.to_json())
            }
            "/health/live" => {
                let report = self.health.report();
                plain(status(report.is_live), JSON, report.to_json())
            }
            path if path.starts_with(GROUPS) => self.group(path).await,
            "/" => plain(StatusCode::OK, PLAIN, INDEX),
            _ => plain(StatusCode::NOT_FOUND, PLAIN, "not here; try /metrics or /health\n"),
        }
    }

    /// A group by its percent-encoded name.
    async fn group(&self, path: &str) -> Response<Answer> {
        let name = path.strip_prefix(GROUPS).and_then(groups::decoded);
        let (Some(name), Some(sources)) = (name, self.health.sources()) else {
            return plain(StatusCode::NOT_FOUND, PLAIN, "no such group, or the node is not ready\n");
        };
        match groups::explain(&sources.broker, &name).await {
            Ok(group) => plain(StatusCode::OK, JSON, group.to_string()),
            Err(error) => {
                let error = serde_json::json!({ "error": error.name() });
                plain(StatusCode::NOT_FOUND, JSON, error.to_string())
            }
        }
    }

    async fn metrics(self: Arc<Self>, format: Format, is_head: bool) -> Response<Answer> {
        if is_head {
            return plain(StatusCode::OK, format.content_type(), "");
        }
        let turn = tokio::time::timeout(TURN_MAX, self.scrapes.clone().acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return plain(
                StatusCode::SERVICE_UNAVAILABLE,
                PLAIN,
                "too many ask for metrics at the same time\n",
            );
        };
        let (sender, chunks) = mpsc::channel(CHUNKS_MAX);
        let (finish, finished) = oneshot::channel();
        tokio::spawn(async move {
            let _turn = turn;
            let mut out = Out::new(Text::new(format, self.limits), sender);
            let collecting = collect(&self.process, &self.idle, self.health.sources(), &mut out);
            match tokio::time::timeout(SCRAPE_MAX, collecting).await {
                Ok(Ok(())) => {
                    let _ = finish.send(());
                }
                // Whoever asked is gone, and so is the answer.
                Ok(Err(_)) => {}
                Err(_) => tracing::warn!("metrics were not collected, or not taken, within a minute"),
            }
        });
        let mut response = plain(StatusCode::OK, format.content_type(), "");
        *response.body_mut() = Answer::Chunks { chunks, finished };
        response
    }
}

fn status(is_fine: bool) -> StatusCode {
    if is_fine { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

fn plain(status: StatusCode, content_type: &'static str, text: impl Into<Answer>) -> Response<Answer> {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
