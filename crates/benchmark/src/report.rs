//! Results for people and for programs.

mod json;
mod number;
mod picture;
mod text;

pub(crate) use json::json;
pub(crate) use picture::picture;
pub(crate) use text::{opening, text};
