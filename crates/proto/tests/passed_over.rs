//! What a server says in HTTP/2 that it did not look at had no effect (RFC 9113, 6.8 and 8.7).
//!
//! A server that ends a connection names the last stream that it looked at; calls that were on
//! their way meanwhile are behind that, and may be made again.

mod common;

use common::{AMPLE, MemoryRegister, Server, key};
use quorate_proto::RemoteRegister;
use quorate_proto::transport::{ChannelOptions, channel};
use quorate_register::{Applied, OperationError, Reason, Register};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

const PREFACE_BYTES: usize = 24;

/// Types of frames.
const DATA: u8 = 0x0;
const RST_STREAM: u8 = 0x3;
const SETTINGS: u8 = 0x4;
const GOAWAY: u8 = 0x7;

/// Error codes.
const NO_ERROR: u32 = 0x0;
const INTERNAL_ERROR: u32 = 0x2;
const REFUSED_STREAM: u32 = 0x7;
const ENHANCE_YOUR_CALM: u32 = 0xb;

/// Of the first call of a connection.
const FIRST_STREAM: u32 = 1;

/// The frame with which a server ends a call, after all of its message came.
#[derive(Clone)]
struct End {
    kind: u8,
    stream: u32,
    payload: Vec<u8>,
}

fn goaway(last_stream: u32, code: u32) -> End {
    End {
        kind: GOAWAY,
        stream: 0,
        payload: [last_stream.to_be_bytes(), code.to_be_bytes()].concat(),
    }
}

fn reset(code: u32) -> End {
    End {
        kind: RST_STREAM,
        stream: FIRST_STREAM,
        payload: code.to_be_bytes().to_vec(),
    }
}

fn frame(kind: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [length[1], length[2], length[3], kind, 0];
    [&head, &stream.to_be_bytes()[..], payload].concat()
}

/// Reads up to and with the first message of a call, and ends the call.
async fn serve(mut stream: TcpStream, end: End) {
    stream.write_all(&frame(SETTINGS, 0, &[])).await.unwrap();
    stream.read_exact(&mut [0; PREFACE_BYTES]).await.unwrap();
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload).await.unwrap();
        if head[3] == DATA && !payload.is_empty() {
            break;
        }
    }
    let end = frame(end.kind, end.stream, &end.payload);
    stream.write_all(&end).await.unwrap();
    stream.shutdown().await.unwrap();
    // Until the client has heard it and is gone: unread bytes would take the words back.
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

/// Where the first connections are ended so, and all later ones lead to the server.
async fn ending(ends: Vec<End>, server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for end in ends {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(stream, end));
        }
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut to_server = TcpStream::connect(server).await.unwrap();
            tokio::spawn(async move { copy_bidirectional(&mut stream, &mut to_server).await });
        }
    });
    address
}

/// The result of a Set, by itself or on an exchange, whose streams are ended so at first; and how
/// many Sets came to the register.
async fn set(exchange: bool, ends: Vec<End>) -> (Result<(), OperationError>, usize) {
    let register = Arc::new(MemoryRegister::default());
    let server = Server::register(register.clone()).await;
    let address = ending(ends, server.address).await.to_string();
    let channel = channel(&address, &ChannelOptions::default()).unwrap();
    let remote = match exchange {
        true => RemoteRegister::exchanging(channel),
        false => RemoteRegister::new(channel),
    };
    let result = remote.set(&key("k"), "a".into(), AMPLE).await;
    (result.map(drop), register.calls.count())
}

fn passing_over() -> [End; 3] {
    [
        goaway(0, NO_ERROR),
        goaway(0, ENHANCE_YOUR_CALM),
        reset(REFUSED_STREAM),
    ]
}

#[tokio::test]
async fn a_call_that_was_passed_over_is_made_again() {
    for exchange in [false, true] {
        for end in passing_over() {
            assert_eq!(set(exchange, vec![end]).await, (Ok(()), 1), "{exchange}");
        }
    }
}

#[tokio::test]
async fn a_call_that_is_always_passed_over_has_no_effect() {
    for exchange in [false, true] {
        for end in passing_over() {
            let (result, calls) = set(exchange, vec![end; 10]).await;
            let error = result.unwrap_err();
            assert_eq!(
                (error.applied, calls),
                (Applied::No, 0),
                "{exchange}: {error}"
            );
            assert!(error.is_retryable(), "{exchange}: {error}");
        }
    }
}

#[tokio::test]
async fn a_call_that_may_have_been_looked_at_is_not_made_again() {
    for exchange in [false, true] {
        for end in [
            goaway(FIRST_STREAM, NO_ERROR),
            goaway(FIRST_STREAM, ENHANCE_YOUR_CALM),
            goaway(FIRST_STREAM, INTERNAL_ERROR),
            reset(INTERNAL_ERROR),
        ] {
            let (result, calls) = set(exchange, vec![end]).await;
            let error = result.unwrap_err();
            assert_eq!(
                (error.applied, calls),
                (Applied::Maybe, 0),
                "{exchange}: {error}"
            );
            assert_eq!(error.reason, Reason::Unreachable, "{exchange}: {error}");
        }
    }
}
