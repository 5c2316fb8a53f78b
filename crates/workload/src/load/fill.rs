//! Values for gets to find.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures::future::try_join_all;
use quorate_register::{Key, OperationError, Register};

/// How many sets are in flight.
const IN_FLIGHT: usize = 64;

/// Sets every key to `value`, through the registers in turn.
///
/// # Errors
/// The first error of a set; some keys may have been set by then.
pub async fn fill(
    registers: &[Arc<dyn Register>],
    keys: &[Key],
    value: &Bytes,
) -> Result<(), OperationError> {
    let next = AtomicUsize::new(0);
    let write = async |register: &dyn Register| {
        while let Some(key) = keys.get(next.fetch_add(1, Ordering::Relaxed)) {
            register.set(key, value.clone(), None).await?;
        }
        Ok(())
    };
    let writers = (0..IN_FLIGHT).zip(registers.iter().cycle());
    try_join_all(writers.map(|(_, register)| write(register.as_ref())))
        .await
        .map(drop)
}
