//! Sizes and times both sides hold each other to.

use std::time::Duration;

/// Largest MQTT payload either side sends or reads, bytes. The broker's `max_packet_size` is a little above.
pub const MAX_MESSAGE: usize = 64 * 1024;
/// Largest fragment the centre takes, bytes: a second at 30 Mbit/s.
pub const MAX_FRAGMENT: usize = 4 * 1024 * 1024;
/// Largest index of a fragment: one of a second for eleven days.
pub const MAX_INDEX: u64 = 1_000_000;
/// Largest session description, bytes.
pub const MAX_SDP: usize = 16 * 1024;
/// Longest free text (a note, a fault's detail), bytes.
pub const MAX_TEXT: usize = 2_000;
/// A command older than its `expires_wall_us` is refused; this is the longest life a command may ask for.
pub const MAX_COMMAND_LIFE: Duration = Duration::from_secs(60);
/// How often a kiosk sends its heartbeat.
pub const HEARTBEAT_EVERY: Duration = Duration::from_secs(2);
/// A kiosk whose heartbeat is older than this is shown as dead (numbers to beat: 10 s).
pub const DEAD_AFTER: Duration = Duration::from_secs(7);
/// How many message ids a receiver remembers to de-duplicate.
pub const DEDUP_WINDOW: usize = 1024;
/// A kiosk is proved by a good full self-test for this long.
pub const PROVED_FOR: Duration = Duration::from_secs(24 * 60 * 60);
