//! Between [`OperationError`](quorate_register::OperationError) and [`tonic::Status`]: the one place that chooses codes.
//!
//! The table is in `register.proto`. Its rule: an error that surely has no effect gets the
//! code that fits its reason, and proxies may retry some of these; one whose effect is
//! unknown gets DEADLINE_EXCEEDED when time ran out and UNKNOWN otherwise, which they do
//! not.

mod from_status;
#[cfg(test)]
mod tests;
mod to_status;

pub use from_status::{Call, Sent, from_status};
pub(crate) use from_status::{came_too_late, describe, is_passed_over, is_timeout};
pub use to_status::{code, to_status};

/// `google.rpc.ErrorInfo.domain` of every error of Quorate.
pub const DOMAIN: &str = "quorate";

/// The metadata of `ErrorInfo` that says whether the call may have an effect.
const APPLIED: &str = "applied";
/// Its value for [`Applied::No`](quorate_register::Applied::No).
const NO: &str = "NO";
/// Its value for [`Applied::Maybe`](quorate_register::Applied::Maybe).
const MAYBE: &str = "MAYBE";
