//! Picture and sound.

/// What kind of medium a packet is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Medium {
    /// H.264, constrained baseline, 90 kHz.
    Picture,
    /// Opus, 48 kHz.
    Sound,
}

impl Medium {
    /// RTP clock, ticks a second.
    #[must_use]
    pub const fn clock(self) -> u32 {
        match self {
            Medium::Picture => 90_000,
            Medium::Sound => 48_000,
        }
    }
}
