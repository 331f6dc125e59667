//! Lines by rppal: Raspberry Pi boards alone (it needs their device tree, `/dev/gpiomem`, on the Pi 5 `/dev/gpiomem0`,
//! and a GPIO chip).
//!
//! Levels go by registers, edges by the kernel, which debounces and stamps them here too. Lines are BCM numbers.

use std::time::Duration;

use rppal::gpio::{Error, Gpio, InputPin, Level, OutputPin, Trigger};

use super::wiring::{Bias, InputLine, Line, Role, Wiring};
use super::{Driver, Edge, Inputs, Outputs, PanelError, chip};
use crate::kiosk::ports::Input;

/// The driver.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rppal;

impl Driver for Rppal {
    fn name(&self) -> &'static str {
        "rppal"
    }

    fn open_inputs(&self, wiring: &Wiring) -> Result<Box<dyn Inputs>, PanelError> {
        let gpio = Gpio::new().map_err(|error| no_board(&error))?;
        let mut pins = Vec::new();
        for line in &wiring.inputs {
            let pin = gpio.get(number(&line.line)?).map_err(|error| refused(&line.line, &error))?;
            let mut pin = match line.bias {
                // rppal cannot leave the pull as it is.
                Bias::AsIs | Bias::Off => pin.into_input(),
                Bias::Up => pin.into_input_pullup(),
                Bias::Down => pin.into_input_pulldown(),
            };
            pin.set_interrupt(Trigger::Both, Some(line.debounce)).map_err(|error| refused(&line.line, &error))?;
            pins.push((line.clone(), pin));
        }
        Ok(Box::new(PiInputs { gpio, pins }))
    }

    fn open_outputs(&self, wiring: &Wiring) -> Result<Box<dyn Outputs>, PanelError> {
        let gpio = Gpio::new().map_err(|error| no_board(&error))?;
        let mut pins = Vec::new();
        for line in &wiring.outputs {
            let pin = gpio.get(number(&line.line)?).map_err(|error| refused(&line.line, &error))?;
            let mut pin = if line.inverted { pin.into_output_high() } else { pin.into_output_low() };
            // A line that was given back floats, and what floats may shine.
            pin.set_reset_on_drop(false);
            pins.push((line.role, line.inverted, pin));
        }
        Ok(Box::new(PiOutputs { pins }))
    }
}

fn number(line: &Line) -> Result<u8, PanelError> {
    match line {
        Line::Offset(number) => u8::try_from(*number).ok(),
        Line::Name(_) => None,
    }
    .ok_or_else(|| PanelError(format!("expected a BCM number for rppal, found {line}")))
}

fn no_board(error: &Error) -> PanelError {
    PanelError(format!("expected a Raspberry Pi for driver rppal, found: {error}"))
}

fn refused(line: &Line, error: &Error) -> PanelError {
    PanelError(format!("expected BCM line {line}, found: {error}"))
}

struct PiInputs {
    gpio: Gpio,
    pins: Vec<(InputLine, InputPin)>,
}

impl Inputs for PiInputs {
    fn active(&mut self, input: Input) -> Result<bool, PanelError> {
        let found = self.pins.iter().find(|(line, _)| line.input == input);
        Ok(found.is_some_and(|(line, pin)| (pin.read() == Level::High) != line.inverted))
    }

    fn next(&mut self, within: Duration) -> Result<Option<Edge>, PanelError> {
        let pins: Vec<&InputPin> = self.pins.iter().map(|(_, pin)| pin).collect();
        let event = match self.gpio.poll_interrupts(&pins, false, Some(within)) {
            Ok(event) => event,
            // A signal came to this thread.
            Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::Interrupted => return Ok(None),
            Err(error) => return Err(PanelError(format!("expected the panel's lines to stay, found: {error}"))),
        };
        let Some((pin, event)) = event else { return Ok(None) };
        let Some((line, _)) = self.pins.iter().find(|(_, known)| known.pin() == pin.pin()) else { return Ok(None) };
        // As with every kernel debounce, the stamp is that of the level that has stood long enough.
        let at = chip::instant(event.timestamp, line.debounce);
        Ok(Some(Edge { input: line.input, active: (event.trigger == Trigger::RisingEdge) != line.inverted, at }))
    }
}

struct PiOutputs {
    pins: Vec<(Role, bool, OutputPin)>,
}

impl Outputs for PiOutputs {
    fn set(&mut self, role: Role, on: bool) -> Result<(), PanelError> {
        if let Some((_, inverted, pin)) = self.pins.iter_mut().find(|(known, ..)| *known == role) {
            pin.write(Level::from(on != *inverted));
        }
        Ok(())
    }
}
