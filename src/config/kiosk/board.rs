//! What is too little, too cold, too hot, too late for the board: `[board]`.

use super::super::load::Reader;

/// The board's limits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoardConfig {
    /// Days before the certificate's end.
    pub renew_days: u32,
    /// MB.
    pub disk_low_mb: u32,
    /// Degrees Celsius.
    pub cold_c: f64,
    /// Degrees Celsius.
    pub hot_c: f64,
}

pub(super) fn read(r: &mut Reader) -> Option<BoardConfig> {
    let (cold_c, hot_c) =
        (r.optional_float("board.cold_c", -60.0..=40.0), r.optional_float("board.hot_c", 20.0..=150.0));
    if let Some((cold, hot)) = cold_c.zip(hot_c)
        && hot - cold < 20.0
    {
        r.fail("board.hot_c", format!("expected at least 20 degrees above board.cold_c, found {hot} and {cold}"));
    }
    Some(BoardConfig {
        renew_days: r.integer("board.certificate_days", 0..=365),
        disk_low_mb: r.integer("board.disk_low_mb", 10..=100_000),
        cold_c: cold_c?,
        hot_c: hot_c?,
    })
}
