//! What each path answers.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use prometheus::TextEncoder;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{Admin, Cell, Readiness, Tone, html};
use crate::telemetry::LogFilter;

/// What an unknown path is answered.
const NOT_FOUND: &str = "not found; there is /, /info, /live, /log-filter, /metrics, /ready\n";

/// What the handlers share.
struct Shared {
    admin: Admin,
    draining: CancellationToken,
}

impl Shared {
    /// Whether the role can serve, which it cannot once it is to end.
    fn readiness(&self) -> Readiness {
        match self.draining.is_cancelled() {
            true => Readiness::not_ready("shutting down"),
            false => self.admin.readiness.borrow().clone(),
        }
    }
}

/// The most bytes of a request's body that are read: a filter and what surrounds it.
pub(super) const MAX_BODY_BYTES: usize = 8192;

/// Routes GET and HEAD requests, and PUT where something can be changed; other methods are
/// answered 405.
pub(super) fn router(admin: Admin, draining: CancellationToken) -> Router {
    Router::new()
        .route("/", get(status))
        .route("/info", get(info))
        .route("/live", get(async || "live\n"))
        .route("/log-filter", get(log_filter).put(set_log_filter))
        .route("/metrics", get(metrics))
        .route("/ready", get(ready))
        .fallback(async || (StatusCode::NOT_FOUND, NOT_FOUND))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(Arc::new(Shared { admin, draining }))
}

async fn info(State(shared): State<Arc<Shared>>) -> Json<serde_json::Value> {
    let Admin {
        build, settings, ..
    } = &shared.admin;
    Json(json!({
        "name": build.name,
        "version": build.version,
        "revision": build.revision,
        "settings": settings,
    }))
}

async fn log_filter(State(shared): State<Arc<Shared>>) -> String {
    format!("{}\n", shared.admin.telemetry.log.filter())
}

async fn set_log_filter(
    State(shared): State<Arc<Shared>>,
    text: String,
) -> Result<String, (StatusCode, String)> {
    let filter: LogFilter = text
        .trim()
        .parse()
        .map_err(|error| (StatusCode::BAD_REQUEST, format!("{error}\n")))?;
    let told = format!("{filter}\n");
    let set = shared.admin.telemetry.log.set(filter);
    set.map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")))?;
    Ok(told)
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let families = shared.admin.registry.gather();
    match TextEncoder::new().encode_to_string(&families) {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => {
            let text = format!("cannot encode the metrics: {error}\n");
            (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
        }
    }
}

async fn status(State(shared): State<Arc<Shared>>) -> Response {
    let admin = &shared.admin;
    let mut content = admin.status.content().await;
    if let not_ready @ Readiness::NotReady(_) = shared.readiness() {
        content.headline = Cell::new(not_ready.to_string(), Tone::Bad);
    }
    let problems = admin.telemetry.recent_problems.latest_first();
    let page = html::page(&admin.build, &content, &problems);
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (
            header::CONTENT_SECURITY_POLICY,
            html::CONTENT_SECURITY_POLICY,
        ),
    ];
    (headers, page.into_string()).into_response()
}

async fn ready(State(shared): State<Arc<Shared>>) -> (StatusCode, String) {
    let readiness = shared.readiness();
    let status = match readiness {
        Readiness::Ready => StatusCode::OK,
        Readiness::NotReady(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, format!("{readiness}\n"))
}
