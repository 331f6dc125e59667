//! A button as buttons are: its contact bounces when it closes and when it opens, and a loose wire chatters.

use anyhow::{Context, Result, ensure};

use super::panel::{BUTTON, GPIOCDEV, LAMP_SENT, closed, fault, fitted, goes, incident, line, pull};
use super::{DAULET, Rig};
use crate::kiosk;

/// The debounce period that is shipped (`panel.button.debounce_ms`), milliseconds; the kernel's timer may be as early as
/// it likes within its beat of one.
const DEBOUNCE_MS: f64 = 5.0;
const BEAT_MS: f64 = 1.0;
/// Bounces that are tried.
const ROUNDS: usize = 5;
/// Tries for them: one in which this machine held the simulated hand up for longer than a contact bounces is no bounce.
const TRIES: usize = 25;

/// A bouncing contact that ends at `last`: some 8 ms of ever other stretches, as a microswitch has them.
fn bounce(round: usize, last: &str) -> String {
    let other = if last == "down" { "up" } else { "down" };
    let (mut steps, mut left, mut n) = (Vec::new(), 8.0, round);
    while left > 0.0 {
        // Between 0.1 and 0.9 ms, another row of them each round.
        n += 1;
        let stretch = 0.1 + (n * 37 % 9) as f64 / 10.0;
        steps.push(format!("{}:{stretch}", if steps.len() % 2 == 0 { last } else { other }));
        left -= stretch;
    }
    if steps.len() % 2 == 1 {
        steps.push(format!("{other}:0.1"));
    }
    format!("{} {last}:0", steps.join(" "))
}

/// What the hand printed: the longest stretches up and down, milliseconds.
fn longest(said: &str) -> Result<(f64, f64)> {
    let words: Vec<&str> = said.split_whitespace().collect();
    let [_, up, _, down] = words[..] else { anyhow::bail!("the hand said {said:?}") };
    Ok((up.parse()?, down.parse()?))
}

/// Where the hand is on the board, and what it moves.
fn moves() -> String {
    format!("/run/hand {}/pull", line(BUTTON))
}

async fn hand(rig: &Rig, steps: &str) -> Result<(f64, f64)> {
    let said = rig.board.ssh(&format!("{} {steps}", moves())).await?;
    longest(&said).with_context(|| said.clone())
}

async fn with_a_hand(rig: &mut Rig) -> Result<()> {
    fitted(rig, GPIOCDEV).await?;
    rig.board.write(include_bytes!("../hand"), "/run/hand", "755").await?;
    rig.officer().await.map(drop)
}

/// How often this incident's button was pressed, as the centre counts.
async fn presses(rig: &Rig, incident: &str) -> Result<u64> {
    let one = rig.side.api(DAULET).await?.incident(incident).await?;
    one["presses"].as_u64().with_context(|| format!("no presses in {one}"))
}

async fn incidents(rig: &Rig) -> Result<usize> {
    let all = rig.side.api(DAULET).await?.get("/api/incidents?limit=200").await?;
    all.as_array().map(Vec::len).with_context(|| format!("no list of incidents: {all}"))
}

/// A press without a bounce, closed: whatever edges came before it have been told by then.
async fn clean_press(rig: &mut Rig) -> Result<()> {
    pull(rig, BUTTON, false).await?;
    let id = incident(rig).await?;
    pull(rig, BUTTON, true).await?;
    closed(rig).await?;
    ensure!(presses(rig, &id).await? == 1, "one press of a clean contact");
    Ok(())
}

pub async fn a_bouncing_button_is_one_press_and_a_spike_is_none(rig: &mut Rig) -> Result<()> {
    with_a_hand(rig).await?;
    let before = incidents(rig).await?;
    let (mut opened, mut bounced) = (0, 0);
    for round in 0..TRIES {
        let (up, _) = hand(rig, &bounce(round, "down")).await?;
        goes(rig, LAMP_SENT, true).await?;
        let (_, down) = hand(rig, &bounce(round, "up")).await?;
        let id = incident(rig).await?;
        closed(rig).await?;
        opened += 1;
        if up.max(down) < DEBOUNCE_MS - BEAT_MS {
            bounced += 1;
            let presses = presses(rig, &id).await?;
            ensure!(presses == 1, "round {round}, longest up {up} ms, down {down} ms: {presses} presses");
        }
        if bounced == ROUNDS {
            break;
        }
    }
    ensure!(bounced == ROUNDS, "this machine is too busy for {ROUNDS} bounces in {TRIES} tries: {bounced}");
    clean_press(rig).await?;
    opened += 1;
    let now = incidents(rig).await?;
    ensure!(now == before + opened, "{opened} presses opened {} incidents", now - before);
    spikes(rig).await
}

/// Contact for less than the debounce period, again and again.
async fn spikes(rig: &mut Rig) -> Result<()> {
    let steps = format!("{} up:0", "down:1.5 up:9 ".repeat(40));
    for _ in 0..TRIES {
        let before = incidents(rig).await?;
        let (_, down) = hand(rig, &steps).await?;
        let opened = kiosk::status(&rig.board).await?["incident"]["id"].is_string();
        if down >= DEBOUNCE_MS - BEAT_MS {
            // Long enough for a press: no spike.
            if opened {
                closed(rig).await?;
            }
            continue;
        }
        ensure!(!opened, "no spike was longer than {down} ms, and there is an incident");
        clean_press(rig).await?;
        let now = incidents(rig).await?;
        ensure!(now == before + 1, "the clean press alone, found {} incidents", now - before);
        return Ok(());
    }
    anyhow::bail!("this machine is too busy for spikes of 1.5 ms in {TRIES} tries")
}

pub async fn a_chattering_button_is_one_alarm_and_a_fault(rig: &mut Rig) -> Result<()> {
    with_a_hand(rig).await?;
    let before = incidents(rig).await?;
    // Contact for 10 ms and none for 10: longer than any debouncing, without end.
    let chatter = format!("{} {} up:0 > /dev/null", moves(), "down:10 up:10 ".repeat(100));
    rig.board.ssh(&format!("systemd-run -q --collect --unit=loose-wire sh -c 'while :; do {chatter}; done'")).await?;
    let status = fault(rig, "button_stuck", true).await?;
    ensure!(status["faults"].to_string().contains("the line chatters"), "{}", status["faults"]);
    closed(rig).await?;
    // Closed, and the line still chatters: nobody is called once more.
    let status = kiosk::status(&rig.board).await?;
    ensure!(status["incident"].is_null(), "{status}");
    rig.board.ssh("systemctl stop loose-wire").await?;
    pull(rig, BUTTON, true).await?;
    fault(rig, "button_stuck", false).await?;
    clean_press(rig).await?;
    let now = incidents(rig).await?;
    ensure!(now == before + 2, "the first contact and the clean press, found {} incidents", now - before);
    Ok(())
}
