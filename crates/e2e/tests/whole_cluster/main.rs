//! Faults of the whole cluster, through the program that `QUORATE_CLUSTER` names. They take the cluster away
//! from all others, so they are run one by one.

mod access;
mod partition;
mod paused;
mod rolled_back;
mod stores;
