//! The officers' side: the desk, the gateway, the store, the web, and the tasks that tie them together.

pub mod desk;
pub mod gateway;
pub mod page;
