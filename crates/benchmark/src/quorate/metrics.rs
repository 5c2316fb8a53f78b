//! Metrics of a server, read over HTTP.

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The longest answer that is read, in bytes.
const MAX_BYTES: u64 = 16 << 20;

/// What one server says of itself, as Prometheus' text format.
pub(crate) struct Metrics(String);

impl Metrics {
    /// Asks the server at this address.
    pub(super) async fn of(address: &str) -> anyhow::Result<Self> {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET /metrics HTTP/1.0\r\nHost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.take(MAX_BYTES).read_to_string(&mut answer).await?;
        let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
        let ok = head.split_ascii_whitespace().nth(1) == Some("200");
        ensure!(ok, "{address}/metrics: {head}");
        Ok(Self(body.to_owned()))
    }

    /// The value of a series, named with its labels; zero for one that is not there yet.
    pub(crate) fn value(&self, series: &str) -> f64 {
        let values = self.0.lines().filter_map(|line| line.strip_prefix(series));
        let mut values = values.filter_map(|rest| rest.strip_prefix(' ')?.trim().parse().ok());
        values.next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_found_by_its_whole_name() {
        let metrics = Metrics(
            "# HELP reads_total Reads.\nreads_total{result=\"hit\"} 12\nreads_total 3\n".into(),
        );
        assert_eq!(metrics.value("reads_total{result=\"hit\"}"), 12.0);
        assert_eq!(metrics.value("reads_total"), 3.0);
        assert_eq!(metrics.value("reads"), 0.0);
    }
}
