//! Which packets are on the network, as part of the trace.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;

use turmoil::{Protocol, Segment, SentRef, Sim};

use crate::trace::Trace;

/// The packets that were on their way after the last step, so that each is noted once.
#[derive(Default)]
pub(super) struct Packets {
    known: BTreeSet<Packet>,
}

/// A packet but for its content, which has the date of the machine in some of its headers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Packet {
    from: SocketAddr,
    to: SocketAddr,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Connect,
    Data(u64),
    End(u64),
    Reset,
}

impl Packets {
    /// Notes what was sent since the last step. No packet arrives before a step ended.
    pub(super) fn note(&mut self, simulation: &Sim<'_>, trace: &Trace) {
        let mut now = BTreeSet::new();
        simulation.links(|links| {
            for link in links {
                now.extend(link.filter_map(|sent| Packet::of(&sent)));
            }
        });
        for packet in now.difference(&self.known) {
            trace.event_at(simulation.elapsed(), "packet", format_args!("{packet}"));
        }
        self.known = now;
    }
}

impl Packet {
    fn of(sent: &SentRef<'_>) -> Option<Self> {
        let (from, to) = sent.pair();
        let what = match sent.protocol() {
            Protocol::Tcp(Segment::Syn(_)) => What::Connect,
            Protocol::Tcp(Segment::Data(number, _)) => What::Data(*number),
            Protocol::Tcp(Segment::Fin(number)) => What::End(*number),
            Protocol::Tcp(Segment::Rst) => What::Reset,
            Protocol::Udp(_) => return None,
        };
        Some(Self { from, to, what })
    }
}

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, what } = self;
        write!(f, "{from} > {to}: {what:?}")
    }
}
