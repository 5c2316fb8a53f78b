//! Calls to the Kubernetes API, each with a limit and an error that says what to do.

use std::future::Future;
use std::time::Duration;

use kube::config::{InferConfigError, KubeConfigOptions};
use kube::{Client, Config};
use tokio::time::timeout;

use super::KubernetesMetrics;

/// How long one call may take.
const CALL_LIMIT: Duration = Duration::from_secs(10);

/// After so long without a byte a connection counts as dead. Longer than a watch
/// may be silent. kube has no such limit by itself, so that a connection to an API server that vanished
/// would be waited on for a quarter of an hour.
const SILENCE_LIMIT: Duration = Duration::from_secs(40);

/// Why there is no way to the Kubernetes API.
#[derive(Debug, thiserror::Error)]
pub enum NoAccess {
    /// Neither a service account nor a kubeconfig says where it is.
    #[error(
        "no way to the Kubernetes API: in a pod, let it mount the service account's token; \
         elsewhere set KUBECONFIG"
    )]
    NotConfigured(#[source] InferConfigError),
    /// What says where it is cannot be used.
    #[error("the way to the Kubernetes API cannot be used")]
    Unusable(#[source] kube::Error),
}

/// The API, as one namespace of it is used.
#[derive(Clone)]
pub struct ApiAccess {
    client: Client,
    namespace: String,
    metrics: KubernetesMetrics,
}

impl ApiAccess {
    /// The access that the pod's service account or the kubeconfig grants; `namespace` is theirs
    /// unless given. Nothing is sent yet, so that a coordinator starts while the API is down.
    ///
    /// # Errors
    /// [`NoAccess`].
    pub async fn infer(
        namespace: Option<String>,
        metrics: KubernetesMetrics,
    ) -> Result<Self, NoAccess> {
        let inferred = match std::env::var_os("KUBECONFIG") {
            Some(_) => Config::from_kubeconfig(&KubeConfigOptions::default())
                .await
                .map_err(|error| NoAccess::Unusable(kube::Error::Service(error.into())))?,
            None => Config::infer().await.map_err(NoAccess::NotConfigured)?,
        };
        Self::new(inferred, namespace, metrics).map_err(NoAccess::Unusable)
    }

    /// The access that a `config` of kube's grants, with our limits.
    ///
    /// # Errors
    /// When its certificates or credentials cannot be used.
    pub fn new(
        mut config: Config,
        namespace: Option<String>,
        metrics: KubernetesMetrics,
    ) -> kube::Result<Self> {
        // A retried PUT meets its own success as a conflict, and a retried POST itself as an
        // existing object: whoever calls decides what to do after an ambiguous answer.
        config.default_retry = false;
        config.read_timeout = Some(SILENCE_LIMIT);
        config.reset_reader_on_write = true;
        config.connect_timeout = Some(CALL_LIMIT / 2);
        let namespace = namespace.unwrap_or_else(|| config.default_namespace.clone());
        Ok(Self::over(Client::try_from(config)?, namespace, metrics))
    }

    /// The access through a client that is made already; it must not retry by itself.
    pub fn over(client: Client, namespace: String, metrics: KubernetesMetrics) -> Self {
        Self {
            client,
            namespace,
            metrics,
        }
    }

    /// The client below, for [`kube::Api`].
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The namespace used.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    pub(super) fn metrics(&self) -> &KubernetesMetrics {
        &self.metrics
    }

    /// Makes a call. `resource` is named as in a Role: `statefulsets.apps`.
    pub(super) async fn call<T>(
        &self,
        verb: &'static str,
        resource: &'static str,
        call: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, ApiProblem> {
        let error = match timeout(CALL_LIMIT, call).await {
            Ok(Ok(answer)) => {
                self.metrics.answered(verb, resource, "ok");
                return Ok(answer);
            }
            Ok(Err(error)) => Some(error),
            Err(_) => None,
        };
        let problem = ApiProblem::new(verb, resource, &self.namespace, error);
        self.metrics
            .answered(verb, resource, problem.answer.label());
        Err(problem)
    }
}

/// How the API answered a call that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// 403: a right is missing.
    Forbidden,
    /// 404.
    NotFound,
    /// 409: somebody else came first.
    Conflict,
    /// 410: the version asked for is no longer kept.
    Gone,
    /// 429: too many calls.
    Throttled,
    /// Another refusal; nothing was done.
    Refused,
    /// None, or a failure of the server: what was asked for may have been done.
    Ambiguous,
}

impl Answer {
    fn label(self) -> &'static str {
        match self {
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Gone => "gone",
            Self::Throttled => "throttled",
            Self::Refused => "refused",
            Self::Ambiguous => "ambiguous",
        }
    }

    fn of(code: u16) -> Self {
        match code {
            403 => Self::Forbidden,
            404 => Self::NotFound,
            409 => Self::Conflict,
            410 => Self::Gone,
            429 => Self::Throttled,
            400..500 => Self::Refused,
            _ => Self::Ambiguous,
        }
    }
}

/// Why a call to the API failed, in a sentence.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{sentence}")]
pub struct ApiProblem {
    /// How it was answered.
    pub answer: Answer,
    /// How long the server wants to be left alone.
    pub retry_after: Option<Duration>,
    sentence: String,
}

impl ApiProblem {
    /// `error` is `None` when nothing was answered within the limit.
    pub(super) fn new(
        verb: &str,
        resource: &str,
        namespace: &str,
        error: Option<kube::Error>,
    ) -> Self {
        let (answer, retry_after, cause) = match &error {
            None => (
                Answer::Ambiguous,
                None,
                format!("no answer in {} s", CALL_LIMIT.as_secs()),
            ),
            Some(kube::Error::Api(status)) => {
                let seconds = status
                    .details
                    .as_ref()
                    .map_or(0, |it| it.retry_after_seconds);
                let pause = (seconds > 0).then(|| Duration::from_secs(seconds.into()));
                (Answer::of(status.code), pause, status.message.clone())
            }
            Some(error) => (Answer::Ambiguous, None, causes(error)),
        };
        let sentence = match answer {
            Answer::Forbidden => format!(
                "the service account has no right to {verb} {resource} in namespace {namespace}: \
                 add it to its Role ({cause})"
            ),
            _ => format!("cannot {verb} {resource} in namespace {namespace}: {cause}"),
        };
        Self {
            answer,
            retry_after,
            sentence,
        }
    }
}

/// An error with its sources, of which the last often is the one that tells.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::Api;
    use kube::api::PostParams;
    use kube::core::Status;
    use kube::core::response::StatusDetails;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    fn problem(code: u16, retry_after_seconds: u32) -> ApiProblem {
        let mut status = Status::failure("too bad", "Some");
        status.code = code;
        status.details = Some(StatusDetails {
            retry_after_seconds,
            name: String::new(),
            group: String::new(),
            kind: String::new(),
            uid: String::new(),
            causes: Vec::new(),
        });
        let error = kube::Error::Api(status.boxed());
        ApiProblem::new("update", "configmaps", "shop", Some(error))
    }

    #[test]
    fn answers_are_told_apart() {
        for (code, answer) in [
            (400, Answer::Refused),
            (401, Answer::Refused),
            (403, Answer::Forbidden),
            (404, Answer::NotFound),
            (409, Answer::Conflict),
            (410, Answer::Gone),
            (422, Answer::Refused),
            (429, Answer::Throttled),
            (500, Answer::Ambiguous),
            (503, Answer::Ambiguous),
            (504, Answer::Ambiguous),
        ] {
            assert_eq!(problem(code, 0).answer, answer, "{code}");
        }
        let silent = ApiProblem::new("update", "configmaps", "shop", None);
        assert_eq!(silent.answer, Answer::Ambiguous);
    }

    #[test]
    fn a_missing_right_names_verb_and_resource() {
        assert_eq!(
            problem(403, 0).to_string(),
            "the service account has no right to update configmaps in namespace shop: \
             add it to its Role (too bad)"
        );
    }

    /// An API server that answers every request so, and counts them.
    async fn answering(status: &'static str) -> (kube::Config, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let count = Arc::new(AtomicUsize::new(0));
        let counted = count.clone();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.windows(4).any(|part| part == b"\r\n\r\n") {
                    assert!(stream.read_buf(&mut request).await.unwrap() > 0);
                }
                counted.fetch_add(1, Ordering::Relaxed);
                let code = &status[..3];
                let body = format!(r#"{{"kind":"Status","status":"Failure","code":{code}}}"#);
                let answer = format!(
                    "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n\
                     content-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let url = format!("http://{address}").parse().unwrap();
        (kube::Config::new(url), count)
    }

    /// The client below would: a second one could meet the success of the first.
    #[tokio::test]
    async fn a_write_with_an_ambiguous_answer_is_not_made_again() {
        for (status, answer) in [
            ("503 Service Unavailable", Answer::Ambiguous),
            ("504 Gateway Timeout", Answer::Ambiguous),
            ("429 Too Many Requests", Answer::Throttled),
        ] {
            let (config, count) = answering(status).await;
            let metrics = KubernetesMetrics::new(&prometheus::Registry::new()).unwrap();
            let access = ApiAccess::new(config, Some("shop".into()), metrics).unwrap();
            let api = Api::<ConfigMap>::namespaced(access.client(), access.namespace());
            let (object, post) = (ConfigMap::default(), PostParams::default());
            let create = access.call("create", "configmaps", api.create(&post, &object));
            assert_eq!(create.await.unwrap_err().answer, answer, "{status}");
            assert_eq!(count.load(Ordering::Relaxed), 1, "{status}");
        }
    }

    #[test]
    fn a_throttling_server_says_for_how_long() {
        assert_eq!(problem(429, 7).retry_after, Some(Duration::from_secs(7)));
        assert_eq!(problem(429, 0).retry_after, None);
    }
}
