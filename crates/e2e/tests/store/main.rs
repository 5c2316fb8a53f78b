//! A store in the cluster, installed with the chart, while its clients go on. What they see is
//! recorded, and checked for linearizability.

mod counters;
mod faults;
mod helm;
mod metrics;
mod neighbours;
mod scale;
mod upgrades;
