//! (under construction)

pub mod centre;
