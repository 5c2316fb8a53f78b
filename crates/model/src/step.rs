//! What happens, one thing at a time.

use crate::configs::{ConfigIndex, Configs, Origin};
use crate::pair::Pair;
use crate::scenario::{Kind, Scenario};
use crate::state::Late;

/// One step of one participant, or of fate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A client begins an operation.
    Begin(usize),
    /// A replica carries out a request of phase one, and its answer arrives.
    Read(usize, usize),
    /// A replica carries out a request of phase two; whether its answer arrives.
    Write(usize, usize, bool),
    /// A planted bug: the fence lets a request pass that will be carried out later.
    Pass(usize, usize),
    /// An operation learns of a newer active config, and runs its phase again.
    Follow(usize, ConfigIndex),
    /// A planted bug: a Set goes back to phase one.
    Repick(usize),
    /// A write that nobody waits for is carried out.
    Late(Late, usize),
    /// A planted bug: it is sent again under another config.
    Resend(Late, ConfigIndex, usize),
    /// A replica syncs what it stored.
    Sync(usize),
    /// A replica makes a config durable and serves under it.
    Adopt(usize, ConfigIndex),
    /// A replica loses what it did not sync.
    Crash(usize),
    /// A disk is wiped, or replaced by an old copy of itself.
    Lose(usize),
    /// A replica in no group is told to go.
    Retire(usize),
    /// A driver reads the object.
    ReadObject(usize),
    /// A driver scans a member of the current group.
    Scan(usize, usize),
    /// A driver has a member of the next group store what it scanned.
    Transfer(usize, usize, Pair),
    /// A driver swaps a config into the object.
    Swap(usize, ConfigIndex),
    /// A driver puts an active config back into the object, which had gone back.
    PutBack(usize, ConfigIndex),
    /// Somebody puts an old content back.
    RollBack(ConfigIndex),
}

impl Step {
    /// The step in words.
    pub fn describe(self, scenario: &Scenario, configs: &Configs) -> String {
        let who = |index: usize| match scenario.operations[index] {
            Kind::Set => format!("Set {} (v{})", index + 1, index + 1),
            Kind::Get => format!("Get {}", index + 1),
        };
        let config = |index| configs.label(index);
        match self {
            Self::Begin(o) => format!("{} begins", who(o)),
            Self::Read(o, r) => format!("{} is answered by r{} in phase one", who(o), r + 1),
            Self::Write(o, r, true) => format!("{}: r{} stores and acknowledges", who(o), r + 1),
            Self::Write(o, r, false) => {
                format!(
                    "{}: r{} stores, and the answer is late or lost",
                    who(o),
                    r + 1
                )
            }
            Self::Pass(o, r) => format!("{} passes the fence of r{}", who(o), r + 1),
            Self::Follow(o, c) => format!("{} goes on under {}", who(o), config(c)),
            Self::Repick(o) => format!("{} chooses its timestamp again", who(o)),
            Self::Late(late, r) => format!(
                "r{} carries out a late write of {} under {}",
                r + 1,
                late.pair,
                config(late.config)
            ),
            Self::Resend(late, c, r) => format!(
                "r{} carries out a late write of {} that followed to {}",
                r + 1,
                late.pair,
                config(c)
            ),
            Self::Sync(r) => format!("r{} syncs", r + 1),
            Self::Adopt(r, c) => format!("r{} adopts {}", r + 1, config(c)),
            Self::Crash(r) => format!("r{} crashes and starts again", r + 1),
            Self::Lose(r) => format!("the disk of r{} is lost", r + 1),
            Self::Retire(r) => format!("r{} is told to go, and is wiped", r + 1),
            Self::ReadObject(d) => format!("driver {} reads the object", d + 1),
            Self::Scan(d, r) => format!("driver {} scans r{}", d + 1, r + 1),
            Self::Transfer(d, r, pair) => {
                format!("driver {} has r{} store {pair}", d + 1, r + 1)
            }
            Self::Swap(d, c) => {
                let what = match configs.get(c).origin {
                    Origin::First => "bootstraps",
                    Origin::Joint(_) => "begins a change with",
                    Origin::Finish => "finishes the change with",
                    Origin::Abort => "gives the change up with",
                };
                format!("driver {} {what} {}", d + 1, config(c))
            }
            Self::PutBack(d, c) => format!("driver {} puts {} back", d + 1, config(c)),
            Self::RollBack(c) => format!("the object is rolled back to {}", config(c)),
        }
    }
}
