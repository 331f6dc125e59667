//! `sos-ctl panel`: the lines as they are, and how fast the lamp answers.

use std::fmt::Write;

use crate::control::PanelView;

/// A line for each line of the panel.
#[must_use]
pub fn render(panel: &PanelView) -> String {
    let mut text = match &panel.lost {
        None => format!("driver {}", panel.driver),
        Some(why) => format!("driver {}: LOST: {why}", panel.driver),
    };
    for line in &panel.lines {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n  {:<14} {:<14} {}", line.name, line.line, line.state);
    }
    if panel.lines.is_empty() {
        text.push_str("\n  no lines are fitted");
    }
    if let Some(lamp) = &panel.press_to_lamp_ms {
        let (count, median, p95) = (lamp.count, lamp.median, lamp.p95);
        let _ = write!(text, "\n  press to lamp  {median:.1} ms median, {p95:.1} ms p95 of {count} presses");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{LatencyView, LineView};

    #[test]
    fn a_panel_reads_as_a_table() {
        let line = |name: &str, line: &str, state: &str| LineView {
            name: name.to_owned(),
            line: line.to_owned(),
            state: state.to_owned(),
        };
        let panel = PanelView {
            driver: "gpiocdev".to_owned(),
            lost: None,
            lines: vec![line("button", "17", "released"), line("lamp_sent", "LAMP_YELLOW", "blinking")],
            press_to_lamp_ms: Some(LatencyView { count: 3, newest: vec![10.0], median: 10.25, p95: 14.0 }),
        };
        let wanted = "driver gpiocdev\n  button         17             released\n  lamp_sent      LAMP_YELLOW    \
                      blinking\n  press to lamp  10.2 ms median, 14.0 ms p95 of 3 presses";
        assert_eq!(render(&panel), wanted);
        let lost = PanelView { lost: Some("no chip".to_owned()), ..PanelView::default() };
        assert_eq!(render(&lost), "driver : LOST: no chip\n  no lines are fitted");
    }
}
