//! Two network namespaces with a link between, which can be cut.

use std::fs::File;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Where the coordinator is.
const OWN: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// Where the peer is.
pub(crate) const PEER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
/// An Ethernet address that nobody has: what is sent to it is dropped without an answer.
const NOBODY: &str = "02:00:00:00:00:99";

/// The namespaces have no names and end with the last descriptor, thread or socket in them:
/// nothing needs to be cleaned up, however a test ends.
pub(crate) struct Network {
    own: File,
    peer: File,
}

impl Network {
    /// Makes the namespaces; `None`, and a loud word, where that is not permitted.
    pub(crate) fn new() -> Option<Self> {
        match Self::make() {
            Ok(network) => Some(network),
            Err(reason) => {
                // Past the capture of the test's output, which nobody reads when it passes.
                let _ = writeln!(
                    io::stderr(),
                    "\nSKIPPED: no network namespaces here ({reason}); run as root, with iproute2\n"
                );
                None
            }
        }
    }

    fn make() -> Result<Self, String> {
        let network = Self {
            own: namespace()?,
            peer: namespace()?,
        };
        // The peer's namespace as a path, since it has no name.
        let peer = format!(
            "/proc/{}/fd/{}",
            std::process::id(),
            network.peer.as_raw_fd()
        );
        network.here(|| {
            ip(&format!("link add q0 type veth peer name q1 netns {peer}"))?;
            ip(&format!("addr add {OWN}/24 dev q0"))?;
            ip("link set lo up")?;
            ip("link set q0 up")
        })?;
        network.there(|| {
            ip(&format!("addr add {PEER}/24 dev q1"))?;
            ip("link set q1 up")
        })?;
        Ok(network)
    }

    /// Runs `work` on a thread in the coordinator's namespace.
    pub(crate) fn here<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        within(&self.own, work).expect("entered before")
    }

    /// Runs `work` on a thread in the peer's namespace.
    pub(crate) fn there<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        within(&self.peer, work).expect("entered before")
    }

    /// From now on every packet between the two is lost, and nobody is told.
    pub(crate) fn cut(&self) {
        let lose = |to, device| {
            ip(&format!(
                "neigh replace {to} lladdr {NOBODY} dev {device} nud permanent"
            ))
        };
        self.here(|| lose(PEER, "q0")).unwrap();
        self.there(|| lose(OWN, "q1")).unwrap();
    }

    /// Packets arrive again.
    pub(crate) fn mend(&self) {
        self.here(|| ip(&format!("neigh del {PEER} dev q0")))
            .unwrap();
        self.there(|| ip(&format!("neigh del {OWN} dev q1")))
            .unwrap();
    }
}

/// A new namespace. It is given a name only as long as it takes to open it.
fn namespace() -> Result<File, String> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("quorate-test-{}-{count}", std::process::id());
    ip(&format!("netns add {name}"))?;
    let opened = File::open(format!("/run/netns/{name}")).map_err(|error| error.to_string());
    ip(&format!("netns delete {name}"))?;
    let opened = opened?;
    within(&opened, || ()).map_err(|error| format!("setns: {error}"))?;
    Ok(opened)
}

fn within<T: Send>(namespace: &File, work: impl FnOnce() -> T + Send) -> io::Result<T> {
    let work = || {
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
        Ok(work())
    };
    std::thread::scope(|scope| {
        let thread = scope.spawn(work);
        thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Runs iproute2's `ip` in the namespace of this thread.
fn ip(arguments: &str) -> Result<(), String> {
    let output = Command::new("ip").args(arguments.split(' ')).output();
    let output = output.map_err(|error| format!("ip: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "ip {arguments}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
    }
}

/// A socket's number.
pub(crate) type Inode = u64;

/// The sockets of this thread's namespace that are connected to or from this port.
pub(crate) fn established(port: u16) -> Vec<Inode> {
    const ESTABLISHED: &str = "01";
    let sockets = rows(port).filter(|row| row[3] == ESTABLISHED);
    sockets.map(|row| inode(&row)).collect()
}

/// Whether all that the sockets to or from this port sent was acknowledged: a connection with
/// nothing under way notices nothing by itself.
pub(crate) fn is_silent(port: u16) -> bool {
    rows(port).all(|row| row[4].starts_with("00000000:"))
}

/// All sockets of this thread's namespace that this process has towards this port, whatever
/// their state.
pub(crate) fn sockets(port: u16) -> Vec<Inode> {
    let inodes = rows(port).map(|row| inode(&row));
    inodes.filter(|&inode| is_open(inode)).collect()
}

/// Whether this process has a descriptor of the socket.
pub(crate) fn is_open(inode: Inode) -> bool {
    let name = format!("socket:[{inode}]");
    let descriptors = std::fs::read_dir("/proc/self/fd").expect("procfs is mounted");
    descriptors
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .any(|link| link.as_os_str() == name.as_str())
}

/// The lines of `/proc/net/tcp` with this port on either side, but for the listener's: number,
/// local, remote, state, queues, …, inode (proc(5)).
fn rows(port: u16) -> impl Iterator<Item = Vec<String>> {
    const LISTENING: &str = "0A";
    let table = std::fs::read_to_string("/proc/thread-self/net/tcp").expect("procfs is mounted");
    let lines: Vec<String> = table.lines().skip(1).map(str::to_owned).collect();
    let rows = lines.into_iter().map(|line| {
        let columns = line.split_whitespace().map(str::to_owned);
        columns.collect::<Vec<_>>()
    });
    let end = format!(":{port:04X}");
    rows.filter(move |row| {
        row[3] != LISTENING && (row[1].ends_with(&end) || row[2].ends_with(&end))
    })
}

fn inode(row: &[String]) -> Inode {
    row[9].parse().expect("a number")
}
