//! (under construction)
pub mod assets;
pub mod page;
