//! A client of the real API server of which some calls are answered otherwise.

use std::sync::Arc;

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use parking_lot::Mutex;
use serde_json::json;
use tower::{BoxError, service_fn};

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is not made, and this is answered.
    Instead(u16),
    /// It is made, and this is answered all the same.
    After(u16),
    /// It is made, and nothing is answered.
    Silence,
}

/// Which calls meet a fault now, and how many did.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    next: Option<(Method, &'static str, Fault)>,
    met: usize,
}

impl Faults {
    /// A client that meets these faults on its way to where `client` leads.
    pub fn client(&self, client: Client) -> Client {
        let faults = self.clone();
        let service = service_fn(move |request: Request<Body>| {
            let (client, faults) = (client.clone(), faults.clone());
            async move {
                let fault = faults.of(&request);
                if let Some(Fault::Instead(code)) = fault {
                    return Ok(refusal(code));
                }
                let answer = client.send(request).await.map_err(BoxError::from)?;
                match fault {
                    Some(Fault::After(code)) => {
                        // What was asked for is done once the answer is there.
                        let _ = answer.into_body().collect().await;
                        Ok(refusal(code))
                    }
                    Some(Fault::Silence) => std::future::pending().await,
                    _ => Ok::<_, BoxError>(answer),
                }
            }
        });
        Client::new(service, "default")
    }

    /// Calls of this method whose address contains `part` meet `fault` from now on.
    pub fn set(&self, method: Method, part: &'static str, fault: Fault) {
        self.0.lock().next = Some((method, part, fault));
    }

    /// No call meets a fault from now on.
    pub fn clear(&self) {
        self.0.lock().next = None;
    }

    /// How many calls did.
    pub fn met(&self) -> usize {
        self.0.lock().met
    }

    fn of(&self, request: &Request<Body>) -> Option<Fault> {
        let mut state = self.0.lock();
        let (method, part, fault) = state.next.clone()?;
        let address = request.uri().to_string();
        if request.method() != method || !address.contains(part) {
            return None;
        }
        state.met += 1;
        Some(fault)
    }
}

fn refusal(code: u16) -> Response<Body> {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "message": format!("a test answers {code}"), "reason": "",
        "details": {"retryAfterSeconds": 1},
    });
    let mut response = Response::new(Body::from(status.to_string().into_bytes()));
    *response.status_mut() = StatusCode::from_u16(code).expect("a status code");
    response
}
