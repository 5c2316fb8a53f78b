//! The exchange: its calling end over a stream driven by hand, its serving end likewise, and
//! both over gRPC.

mod calling;
#[path = "../common/mod.rs"]
mod common;
mod over_grpc;
mod register;
mod serving;
mod stream;
