//! What is wired to which line.

use std::fmt;
use std::time::Duration;

use crate::kiosk::ports::Input;
use crate::machine::words::Lamp;
use crate::wire::Output;

/// The panel's wiring.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wiring {
    /// The chip by label, name or path; none: the one that has the lines' names.
    pub chip: Option<String>,
    /// Inputs that are fitted.
    pub inputs: Vec<InputLine>,
    /// Outputs that are fitted.
    pub outputs: Vec<OutputLine>,
}

/// A line by its offset or by its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Line {
    /// Offset on the chip; for rppal the BCM number.
    Offset(u32),
    /// Name on the chip.
    Name(String),
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offset(offset) => write!(f, "{offset}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// An input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputLine {
    /// Which.
    pub input: Input,
    /// Where.
    pub line: Line,
    /// Active (pressed, case open) is the low level.
    pub inverted: bool,
    /// The pull on the line.
    pub bias: Bias,
    /// A level counts when it has stood for this long.
    pub debounce: Duration,
}

/// The pull on an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bias {
    /// As the board has set it.
    AsIs,
    /// None.
    Off,
    /// Up.
    Up,
    /// Down.
    Down,
}

/// An output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputLine {
    /// What it is.
    pub role: Role,
    /// Where.
    pub line: Line,
    /// On is the low level.
    pub inverted: bool,
}

/// What an output line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// A lamp of the machine's.
    Lamp(Lamp),
    /// An output that an officer may switch.
    Output(Output),
}

impl Role {
    /// As the configuration calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lamp(Lamp::Sent) => "lamp_sent",
            Self::Lamp(Lamp::Answered) => "lamp_answered",
            Self::Lamp(Lamp::Fault) => "lamp_fault",
            Self::Output(output) => output.name(),
        }
    }
}
