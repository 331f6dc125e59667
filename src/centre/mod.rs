//! The officers' side: the desk, the gateway, the store, the web, and the tasks that tie them together.
//!
//! ```text
//!  kiosks --MQTT--> inbound --+                        +--> store (SQLite)
//!  kiosks --HTTPS-> delivery -+--> shell [ desk ] -----+--> pages (WebSocket)
//!  pages  --WS----> socket ---+    (pure machine)      +--> gateway (media)
//!  gateway -------------------+                        +--> kiosks (MQTT)
//! ```

pub mod archive;
pub mod assets;
pub mod clock;
pub mod counters;
pub mod desk;
pub mod gateway;
pub mod inbound;
pub mod page;
pub mod password;
pub mod run;
pub mod settings;
pub mod shell;
pub mod sign;
pub mod store;
pub mod web;
