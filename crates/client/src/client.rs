//! The client.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use quorate_proto::v1::StatusResponse;
use quorate_register::{Entry, Key, OperationError, Register, Version};

use crate::call::{Kind, Shared};
use crate::choice::Standings;
use crate::connection::Endpoint;
use crate::{ClientOptions, InvalidEndpoints, MAX_ENDPOINTS};

/// A [`Register`] behind several endpoints; see the [crate] for what it does. Clones share
/// connections and what is known of the endpoints.
///
/// Its calls must be made within a tokio runtime that has I/O and time.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

impl Client {
    /// A client of these endpoints, `host:port` each, also with `http://` before it. Nothing
    /// is connected yet.
    ///
    /// # Errors
    /// When an endpoint is no address, or there is none, or too many.
    pub fn new<E: AsRef<str>>(
        endpoints: impl IntoIterator<Item = E>,
    ) -> Result<Self, InvalidEndpoints> {
        Self::with_options(endpoints, ClientOptions::default())
    }

    /// [`Self::new`] with options.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_options<E: AsRef<str>>(
        endpoints: impl IntoIterator<Item = E>,
        options: ClientOptions,
    ) -> Result<Self, InvalidEndpoints> {
        let endpoints = endpoints
            .into_iter()
            .map(|address| Endpoint::new(address.as_ref(), options.channel, options.exchange))
            .collect::<Result<Vec<_>, _>>()?;
        let count = endpoints.len();
        if count == 0 {
            return Err(InvalidEndpoints::None);
        }
        if count > MAX_ENDPOINTS {
            return Err(InvalidEndpoints::TooMany(count));
        }
        let first = options.first_endpoint.unwrap_or_else(|| {
            let random = options.entropy.bits() % count as u128;
            usize::try_from(random).expect("less than the number of endpoints")
        });
        Ok(Self {
            shared: Arc::new(Shared {
                endpoints,
                standings: Mutex::new(Standings::new(count, first % count)),
                options,
            }),
        })
    }

    /// The addresses of the endpoints, `host:port`, in their order.
    pub fn endpoints(&self) -> impl Iterator<Item = &str> {
        self.shared.endpoints.iter().map(Endpoint::address)
    }

    /// What one of the coordinators knows of its store. `timeout` as for the other calls.
    ///
    /// # Errors
    /// As of a Get.
    pub async fn status(
        &self,
        timeout: Option<Duration>,
    ) -> Result<StatusResponse, OperationError> {
        let status = async |register: quorate_proto::RemoteRegister, limit| {
            register.status(Some(limit)).await
        };
        self.shared.call(Kind::Read, timeout, status).await
    }
}

#[async_trait]
impl Register for Client {
    async fn get(&self, key: &Key, timeout: Option<Duration>) -> Result<Entry, OperationError> {
        self.shared
            .call(Kind::Read, timeout, |register, limit| async move {
                register.get(key, Some(limit)).await
            })
            .await
    }

    async fn set(
        &self,
        key: &Key,
        value: Bytes,
        timeout: Option<Duration>,
    ) -> Result<Version, OperationError> {
        self.shared
            .call(Kind::Write, timeout, |register, limit| {
                let value = value.clone();
                async move { register.set(key, value, Some(limit)).await }
            })
            .await
    }

    async fn delete(
        &self,
        key: &Key,
        timeout: Option<Duration>,
    ) -> Result<Version, OperationError> {
        self.shared
            .call(Kind::Write, timeout, |register, limit| async move {
                register.delete(key, Some(limit)).await
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use quorate_register::Entropy;

    use super::*;

    #[derive(Debug)]
    struct Fixed(u128);

    impl Entropy for Fixed {
        fn bits(&self) -> u128 {
            self.0
        }
    }

    #[test]
    fn what_is_no_endpoint_is_named() {
        let error = |endpoints: &[&str]| Client::new(endpoints).unwrap_err().to_string();
        assert_eq!(error(&[]), "no endpoint is given");
        let problem = error(&["127.0.0.1:7400", "nowhere"]);
        assert!(problem.starts_with("not an endpoint: "), "{problem}");
        assert!(problem.contains("\"nowhere\""), "{problem}");
        let many = vec!["127.0.0.1:7400"; MAX_ENDPOINTS + 1];
        assert_eq!(
            error(&many),
            "65 endpoints are given; a client has up to 64"
        );
    }

    #[test]
    fn addresses_have_no_scheme() {
        let client = Client::new(["http://localhost:1/", "[::1]:2"]).unwrap();
        assert_eq!(
            client.endpoints().collect::<Vec<_>>(),
            ["localhost:1", "[::1]:2"]
        );
    }

    #[test]
    fn begins_where_chance_or_the_user_says() {
        let first = |bits, first_endpoint| {
            let options = ClientOptions {
                entropy: Arc::new(Fixed(bits)),
                first_endpoint,
                ..ClientOptions::default()
            };
            let client = Client::with_options(["a:1", "b:1", "c:1"], options).unwrap();
            let standings = client.shared.standings.lock();
            standings.choose(tokio::time::Instant::now(), &[])
        };
        use crate::choice::Choice::Use;
        assert_eq!(
            [0, 1, 2, 3].map(|bits| first(bits, None)),
            [0, 1, 2, 0].map(Use)
        );
        assert_eq!(first(0, Some(2)), Use(2));
        assert_eq!(first(0, Some(7)), Use(1), "it wraps around");
    }
}
