//! The gRPC side of [`Register`](quorate_register::Register).

mod opened;
mod remote;
mod server;
mod service;
mod traced;
mod wire;

pub use remote::RemoteRegister;
pub use server::RegisterServer;
pub use service::{RefusalObserver, RegisterService, StatusSource};
