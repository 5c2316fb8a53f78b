//! Coordinators: the machine that runs one, and how clients reach it.

mod boot_object;
mod config_object;
mod finding;
mod front;
mod host;
mod request;
mod wanted;

pub(crate) use boot_object::BootObject;
pub(crate) use config_object::ConfigObject;
pub(crate) use front::Front;
pub(crate) use host::{CoordinatorHost, Surroundings};
pub(crate) use wanted::Wanted;
