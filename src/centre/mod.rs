//! (under construction)
pub mod page;
