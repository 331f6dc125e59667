//! (under construction)
pub mod gateway;
pub mod page;
