//! Lines by the kernel's GPIO character device: any Linux board. The kernel debounces and stamps each edge.

use std::time::Duration;

use gpiocdev::Request;
use gpiocdev::line::{self, EdgeDetection, EdgeKind, Offset, Value};

use super::wiring::{Bias, InputLine, Role, Wiring};
use super::{Driver, Edge, Inputs, Outputs, PanelError, chip};
use crate::kiosk::ports::Input;

/// Who holds the lines, for `gpioinfo`.
const CONSUMER: &str = "sos-kiosk";

/// The driver.
#[derive(Debug, Clone, Copy, Default)]
pub struct Gpiocdev;

impl Driver for Gpiocdev {
    fn name(&self) -> &'static str {
        "gpiocdev"
    }

    fn open_inputs(&self, wiring: &Wiring) -> Result<Box<dyn Inputs>, PanelError> {
        let chip = chip::find(wiring)?;
        let mut request = Request::builder();
        request.on_chip(chip.path()).with_consumer(CONSUMER);
        let mut lines = Vec::new();
        for input in &wiring.inputs {
            let offset = chip::offset(&chip, &input.line)?;
            request.with_line(offset).as_input().with_edge_detection(EdgeDetection::BothEdges);
            request.with_debounce_period(input.debounce).with_bias(bias(input.bias));
            if input.inverted {
                request.as_active_low();
            }
            lines.push((offset, input.clone()));
        }
        let request = request.request().map_err(|error| refused(&chip::describe(&chip), "inputs", &error))?;
        Ok(Box::new(CdevInputs { request, lines }))
    }

    fn open_outputs(&self, wiring: &Wiring) -> Result<Box<dyn Outputs>, PanelError> {
        if wiring.outputs.is_empty() {
            return Ok(Box::new(NoOutputs));
        }
        let chip = chip::find(wiring)?;
        let mut request = Request::builder();
        request.on_chip(chip.path()).with_consumer(CONSUMER);
        let mut lines = Vec::new();
        for output in &wiring.outputs {
            let offset = chip::offset(&chip, &output.line)?;
            request.with_line(offset).as_output(Value::Inactive);
            if output.inverted {
                request.as_active_low();
            }
            lines.push((offset, output.role));
        }
        let request = request.request().map_err(|error| refused(&chip::describe(&chip), "outputs", &error))?;
        Ok(Box::new(CdevOutputs { request, lines }))
    }
}

fn bias(bias: Bias) -> Option<line::Bias> {
    match bias {
        Bias::AsIs => None,
        Bias::Off => Some(line::Bias::Disabled),
        Bias::Up => Some(line::Bias::PullUp),
        Bias::Down => Some(line::Bias::PullDown),
    }
}

fn refused(chip: &str, what: &str, error: &gpiocdev::Error) -> PanelError {
    PanelError(format!("expected the panel's {what} on {chip}, found: {error}"))
}

struct CdevInputs {
    request: Request,
    lines: Vec<(Offset, InputLine)>,
}

fn lost(error: &gpiocdev::Error) -> PanelError {
    PanelError(format!("expected the panel's lines to stay, found: {error}"))
}

impl Inputs for CdevInputs {
    fn active(&mut self, input: Input) -> Result<bool, PanelError> {
        let Some((offset, _)) = self.lines.iter().find(|(_, line)| line.input == input) else { return Ok(false) };
        self.request.value(*offset).map(|value| value == Value::Active).map_err(|error| lost(&error))
    }

    fn next(&mut self, within: Duration) -> Result<Option<Edge>, PanelError> {
        // An error may be a signal that came to this thread: the levels, which are read then, tell whether the lines
        // are lost.
        if !self.request.wait_edge_event(within).unwrap_or(false) {
            return Ok(None);
        }
        let Ok(event) = self.request.read_edge_event() else { return Ok(None) };
        let Some((_, line)) = self.lines.iter().find(|(offset, _)| *offset == event.offset) else { return Ok(None) };
        // The kernel stamps an edge when it has stood for the whole debounce period: the hand was there before.
        let at = chip::instant(Duration::from_nanos(event.timestamp_ns), line.debounce);
        Ok(Some(Edge { input: line.input, active: event.kind == EdgeKind::Rising, at }))
    }
}

struct CdevOutputs {
    request: Request,
    lines: Vec<(Offset, Role)>,
}

impl Outputs for CdevOutputs {
    fn set(&mut self, role: Role, on: bool) -> Result<(), PanelError> {
        let Some((offset, _)) = self.lines.iter().find(|(_, known)| *known == role) else { return Ok(()) };
        let value = if on { Value::Active } else { Value::Inactive };
        self.request.set_value(*offset, value).map_err(|error| lost(&error))
    }
}

/// A panel with a button alone.
struct NoOutputs;

impl Outputs for NoOutputs {
    fn set(&mut self, _role: Role, _on: bool) -> Result<(), PanelError> {
        Ok(())
    }
}
