//! The panel of the parts list: the configuration's `[panel]` as wiring and driver.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use sos::adapter::panel::{
    Bias, Driver, Gpiocdev, InputLine, Line, OutputLine, PanelAdapter, Role, Rppal, Sim, Wiring, make_safe,
};
use sos::config::Layers;
use sos::config::kiosk::{BiasConfig, InputConfig, LineConfig, OutputConfig, PanelConfig, PanelDriver};
use sos::kiosk::Inbox;
use sos::kiosk::ports::{Hand, Input, Panel};
use sos::machine::Settings;
use sos::machine::words::Lamp;

/// Opening lines takes milliseconds.
const ARMED_WITHIN: Duration = Duration::from_millis(300);

/// The panel, and what moves it if it is simulated.
pub type Made = (Box<dyn Panel>, Option<Arc<dyn Hand>>);

/// Makes it. Lines that cannot be had are a fault and tried again, never an error here.
pub fn make(config: &PanelConfig, inbox: &Inbox) -> std::io::Result<Made> {
    let sim = Sim::default();
    let hand: Option<Arc<dyn Hand>> = (config.driver == PanelDriver::Sim).then(|| sim.board() as Arc<dyn Hand>);
    let driver: Arc<dyn Driver> = match config.driver {
        PanelDriver::Sim => Arc::new(sim),
        PanelDriver::Gpiocdev => Arc::new(Gpiocdev),
        PanelDriver::Rppal => Arc::new(Rppal),
    };
    let panel = PanelAdapter::start(wiring(config), driver, inbox.clone())?;
    // READY means that the button is armed; a panel that hangs must not keep the daemon from the rest.
    panel.armed(ARMED_WITHIN);
    Ok((Box::new(panel), hand))
}

/// What the machine goes by.
pub fn settings(config: &PanelConfig, settings: Settings) -> Settings {
    Settings {
        second_button: config.second_button.is_some(),
        outputs: config.outputs.iter().map(|(output, _)| *output).collect(),
        strobe_in_alarm: config.strobe_in_alarm,
        ..settings
    }
}

/// `--panel-safe`: every output off, after a daemon that died. Goes as far as the configuration can be understood.
pub fn safe(layers: &Layers) -> ExitCode {
    let config = PanelConfig::salvage(layers);
    let driver: &dyn Driver = match config.driver {
        PanelDriver::Sim => return ExitCode::SUCCESS,
        PanelDriver::Gpiocdev => &Gpiocdev,
        PanelDriver::Rppal => &Rppal,
    };
    let failed = make_safe(&wiring(&config), driver);
    for (output, why) in &failed {
        eprintln!("error: {} (line {}) is not safe: {why}", output.role.name(), output.line);
    }
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn wiring(config: &PanelConfig) -> Wiring {
    let inputs = [
        (Input::Button, &config.button),
        (Input::SecondButton, &config.second_button),
        (Input::Tamper, &config.tamper),
    ];
    let lamps =
        [(Lamp::Sent, &config.lamp_sent), (Lamp::Answered, &config.lamp_answered), (Lamp::Fault, &config.lamp_fault)];
    let lamps = lamps.into_iter().filter_map(|(lamp, line)| Some((Role::Lamp(lamp), line.as_ref()?)));
    let switched = config.outputs.iter().map(|(output, line)| (Role::Output(*output), line));
    Wiring {
        chip: config.chip.clone(),
        inputs: inputs.into_iter().filter_map(|(input, line)| Some(input_line(input, line.as_ref()?))).collect(),
        outputs: lamps.chain(switched).map(|(role, line)| output_line(role, line)).collect(),
    }
}

fn input_line(input: Input, config: &InputConfig) -> InputLine {
    let bias = match config.bias {
        BiasConfig::AsIs => Bias::AsIs,
        BiasConfig::Off => Bias::Off,
        BiasConfig::Up => Bias::Up,
        BiasConfig::Down => Bias::Down,
    };
    // A contact that closes to ground is active low; one that opens, then, is active high.
    let inverted = config.active_low != config.normally_closed;
    InputLine { input, line: line(&config.line), inverted, bias, debounce: config.debounce }
}

fn output_line(role: Role, config: &OutputConfig) -> OutputLine {
    OutputLine { role, line: line(&config.line), inverted: config.active_low }
}

fn line(config: &LineConfig) -> Line {
    match config {
        LineConfig::Offset(offset) => Line::Offset(*offset),
        LineConfig::Name(name) => Line::Name(name.clone()),
    }
}
