//! Buttons, tamper contact, lamps and outputs: `[panel]`.
//!
//! A line that is not set is not fitted. Everything else has a default that suits the usual wiring: a contact to
//! ground with a pull-up, a lamp that shines at the high level.

use std::fmt;
use std::time::Duration;

use super::super::Scalar;
use super::super::load::{Layers, Reader};
use super::KEYS;
use crate::wire::Output;

/// Most lines a chip can have.
const LINES: u32 = 1023;
/// rppal knows the BCM numbers.
const BCM: u32 = 53;

/// The panel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PanelConfig {
    /// Which driver.
    pub driver: PanelDriver,
    /// The chip by label, name or path; none: the one with the lines' names.
    pub chip: Option<String>,
    /// The SOS button.
    pub button: Option<InputConfig>,
    /// The second button.
    pub second_button: Option<InputConfig>,
    /// The contact that opens with the case.
    pub tamper: Option<InputConfig>,
    /// The lamp "alarm sent".
    pub lamp_sent: Option<OutputConfig>,
    /// The lamp "answered".
    pub lamp_answered: Option<OutputConfig>,
    /// The lamp "fault".
    pub lamp_fault: Option<OutputConfig>,
    /// What an officer may switch.
    pub outputs: Vec<(Output, OutputConfig)>,
    /// The strobe shines by itself while an incident is open.
    pub strobe_in_alarm: bool,
}

/// What reads and sets the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PanelDriver {
    /// Simulated.
    Sim,
    /// The kernel's GPIO character device.
    Gpiocdev,
    /// rppal, on Raspberry Pi boards.
    Rppal,
}

/// A line by offset or name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineConfig {
    /// Offset on the chip, or BCM number.
    Offset(u32),
    /// Name.
    Name(String),
}

impl fmt::Display for LineConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offset(offset) => write!(f, "{offset}"),
            Self::Name(name) => write!(f, "{name:?}"),
        }
    }
}

/// An input that is fitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputConfig {
    /// Where.
    pub line: LineConfig,
    /// A closed contact makes the line low.
    pub active_low: bool,
    /// The contact is closed at rest.
    pub normally_closed: bool,
    /// The pull.
    pub bias: BiasConfig,
    /// A level counts when it has stood for this long.
    pub debounce: Duration,
}

/// The pull on an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BiasConfig {
    /// As the board has set it.
    AsIs,
    /// None.
    Off,
    /// Up.
    Up,
    /// Down.
    Down,
}

/// An output that is fitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputConfig {
    /// Where.
    pub line: LineConfig,
    /// On is the low level.
    pub active_low: bool,
}

impl PanelConfig {
    /// What can be understood of the panel in a configuration that may be broken anywhere, this section included:
    /// for what must be done when the daemon is dead.
    #[must_use]
    pub fn salvage(layers: &Layers) -> Self {
        let mut reader = Reader::open(KEYS, layers);
        let driver = driver(&mut reader).unwrap_or(PanelDriver::Gpiocdev);
        lines(&mut reader, driver).0
    }
}

pub(super) fn read(r: &mut Reader) -> Option<PanelConfig> {
    let driver = driver(r)?;
    let (panel, used) = lines(r, driver);
    for (index, (key, line)) in used.iter().enumerate() {
        if let Some((other, _)) = used[..index].iter().find(|(_, before)| before == line) {
            r.fail(key, format!("expected a line of its own, found {line}, which {other} uses"));
        }
        if driver == PanelDriver::Rppal && !matches!(line, LineConfig::Offset(0..=BCM)) {
            r.fail(key, format!("expected a BCM number from 0 to {BCM} for driver \"rppal\", found {line}"));
        }
        if driver == PanelDriver::Gpiocdev && panel.chip.is_none() && matches!(line, LineConfig::Offset(_)) {
            r.fail(key, format!("expected panel.chip beside a line by number, found {line} and no chip"));
        }
    }
    if driver != PanelDriver::Sim && !r.is_set("panel.button.line") {
        r.fail("panel.driver", "a real panel needs panel.button.line, found none");
    }
    if panel.strobe_in_alarm && !r.is_set("panel.strobe.line") {
        r.fail("panel.strobe.in_alarm", "needs panel.strobe.line, found none");
    }
    Some(panel)
}

fn driver(r: &mut Reader) -> Option<PanelDriver> {
    let words = [("sim", PanelDriver::Sim), ("gpiocdev", PanelDriver::Gpiocdev), ("rppal", PanelDriver::Rppal)];
    r.choice("panel.driver", &words)
}

type Used = Vec<(String, LineConfig)>;

/// Every line that is set and right, and the key that set each.
fn lines(r: &mut Reader, driver: PanelDriver) -> (PanelConfig, Used) {
    let mut used = Vec::new();
    let mut input = |r: &mut Reader, name: &str| input(r, name, &mut used);
    let (button, second_button, tamper) = (input(r, "button"), input(r, "second_button"), input(r, "tamper"));
    let mut output = |r: &mut Reader, name: &str| output(r, name, &mut used);
    let lamps = (output(r, "lamp_sent"), output(r, "lamp_answered"), output(r, "lamp_fault"));
    let outputs =
        Output::ALL.into_iter().filter_map(|kind| output(r, kind.name()).map(|output| (kind, output))).collect();
    let panel = PanelConfig {
        driver,
        chip: r.optional_text("panel.chip"),
        button,
        second_button,
        tamper,
        lamp_sent: lamps.0,
        lamp_answered: lamps.1,
        lamp_fault: lamps.2,
        outputs,
        strobe_in_alarm: r.flag("panel.strobe.in_alarm"),
    };
    (panel, used)
}

fn line(r: &mut Reader, name: &str, used: &mut Used) -> Option<LineConfig> {
    let key = format!("panel.{name}.line");
    let line = match r.optional_scalar(&key, 0..=LINES, "a line's number or name")? {
        Scalar::Number(offset) => LineConfig::Offset(offset),
        Scalar::Text(name) => LineConfig::Name(name),
    };
    used.push((key, line.clone()));
    Some(line)
}

fn active_low(r: &mut Reader, name: &str) -> Option<bool> {
    r.choice(&format!("panel.{name}.active"), &[("low", true), ("high", false)])
}

fn input(r: &mut Reader, name: &str, used: &mut Used) -> Option<InputConfig> {
    let line = line(r, name, used);
    let active_low = active_low(r, name);
    let normally_closed = r.choice(&format!("panel.{name}.contact"), &[("open", false), ("closed", true)]);
    let biases =
        [("up", BiasConfig::Up), ("down", BiasConfig::Down), ("off", BiasConfig::Off), ("as-is", BiasConfig::AsIs)];
    let bias = r.choice(&format!("panel.{name}.bias"), &biases);
    let debounce = Duration::from_millis(r.integer(&format!("panel.{name}.debounce_ms"), 1..=1000).into());
    Some(InputConfig { line: line?, active_low: active_low?, normally_closed: normally_closed?, bias: bias?, debounce })
}

fn output(r: &mut Reader, name: &str, used: &mut Used) -> Option<OutputConfig> {
    let line = line(r, name, used);
    let active_low = active_low(r, name);
    Some(OutputConfig { line: line?, active_low: active_low? })
}
