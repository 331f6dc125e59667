//! A row of a table of keys.

/// One key of a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Full name, dots between the sections.
    pub name: &'static str,
    /// What it does, units included.
    pub doc: &'static str,
    /// Default as TOML; none: required, or absent has a meaning that the doc tells.
    pub default: Option<&'static str>,
    /// An example as TOML.
    pub example: &'static str,
    /// Whether a change takes effect in the running daemon; else it is restarted, which takes about a second.
    pub live: bool,
}

impl Key {
    /// The key whose change takes effect without a restart.
    #[must_use]
    pub const fn live(self) -> Self {
        Self { live: true, ..self }
    }
}
