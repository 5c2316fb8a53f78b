//! What each path answers.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use prometheus::TextEncoder;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{Admin, Readiness};

/// What an unknown path is answered.
const NOT_FOUND: &str = "not found; there is /info, /live, /metrics, /ready\n";

/// What the handlers share.
struct Shared {
    admin: Admin,
    draining: CancellationToken,
}

/// Routes GET and HEAD requests; other methods are answered 405.
pub(super) fn router(admin: Admin, draining: CancellationToken) -> Router {
    Router::new()
        .route("/info", get(info))
        .route("/live", get(async || "live\n"))
        .route("/metrics", get(metrics))
        .route("/ready", get(ready))
        .fallback(async || (StatusCode::NOT_FOUND, NOT_FOUND))
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

async fn ready(State(shared): State<Arc<Shared>>) -> (StatusCode, String) {
    let readiness = if shared.draining.is_cancelled() {
        Readiness::not_ready("shutting down")
    } else {
        shared.admin.readiness.borrow().clone()
    };
    let status = match readiness {
        Readiness::Ready => StatusCode::OK,
        Readiness::NotReady(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, format!("{readiness}\n"))
}
