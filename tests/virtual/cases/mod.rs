//! The cases, in order, and the rig they run on.

mod bounce;
mod call;
mod clock;
mod config;
mod devices;
mod package;
mod panel;
mod power;
mod service;
mod voices;

use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::Arguments;
use crate::board::{Board, HOST};
use crate::figures::Figures;
use crate::kiosk;
use crate::support::centre_side::CentreSide;
use crate::support::officer::{Browser, Officer};
use crate::support::world::Options;

pub const AIGERIM: &str = "aigerim";
pub const DAULET: &str = "daulet";

/// What every case gets.
pub struct Rig {
    pub arguments: Arguments,
    pub board: Board,
    pub side: CentreSide,
    pub figures: Figures,
    pub dir: PathBuf,
    officer: Option<Officer>,
}

impl Rig {
    /// The board is on, the kiosk's package is there, enrolled, and the kiosk works.
    pub async fn works(&mut self) -> Result<()> {
        if !self.board.is_on() {
            self.board.boot(&[]).await?;
        }
        if self.board.ssh_status("test -x /usr/bin/sos-kiosk").await?.0 != Some(0) {
            kiosk::install(&self.board, &self.arguments.kiosk[0]).await?;
        }
        if self.board.ssh_status("test -s /etc/sos-kiosk/kiosk.key").await?.0 != Some(0) {
            kiosk::enrol(&self.board, &self.side, "").await?;
        }
        self.board.ssh("systemctl is-active -q sos-kiosk || systemctl restart sos-kiosk").await?;
        kiosk::works(&self.board).await.map(drop)
    }

    /// A board with a fresh disk, switched off, and a centre that knows of nothing.
    async fn new(arguments: Arguments, dir: PathBuf, figures: Figures) -> Result<Self> {
        let options = Options { centre_address: HOST.to_owned(), pre_event_s: 5, ..Options::default() };
        let side = CentreSide::start(options, &dir.join("centre")).await?;
        let board = Board::new(arguments.making.clone(), &dir.join("board")).await?;
        Ok(Self { arguments, board, side, figures, dir, officer: None })
    }

    /// Ends everything in order; gives back what the next rig needs.
    async fn end(mut self) -> Result<(Arguments, PathBuf, Figures)> {
        if let Some(officer) = self.officer.take() {
            officer.close().await?;
        }
        if self.board.is_on() {
            self.board.cut_power().await?;
        }
        self.side.stop().await?;
        Ok((self.arguments, self.dir, self.figures))
    }

    /// Everything anew: what a case that failed left behind is no other case's affair.
    async fn afresh(self) -> Result<Self> {
        let (arguments, dir, figures) = self.end().await?;
        std::fs::remove_dir_all(&dir)?;
        Self::new(arguments, dir, figures).await
    }

    /// Since the board's last start the daemon has ended whenever it was told to: nobody had to kill it.
    async fn every_stop_was_heard(&mut self) -> Result<()> {
        if !self.board.is_on() {
            return Ok(());
        }
        let killed = "journalctl -b -u sos-kiosk -o short-iso --no-pager | grep 'timed out. Killing'";
        let (_, said, _) = self.board.ssh_status(killed).await?;
        ensure!(said.is_empty(), "the daemon did not end when it was told to:\n{said}");
        Ok(())
    }

    /// An officer on duty at a real browser.
    pub async fn officer(&mut self) -> Result<&Officer> {
        if self.officer.is_none() {
            // What the officer says is the recorded voice, again and again.
            let microphone = Some(self.arguments.voices.join("officer.wav").canonicalize()?);
            let browser = Browser { microphone, ..Browser::default() };
            let officer = Officer::open(&browser, &self.side.dir).await?;
            officer.on_duty(&self.side, AIGERIM).await?;
            self.officer = Some(officer);
        }
        self.officer.as_ref().context("just opened")
    }
}

/// Which cases run, and what came of them.
struct Tally {
    only: Vec<String>,
    passed: usize,
    failed: Vec<String>,
    left_out: usize,
}

impl Tally {
    fn wants(&mut self, name: &str) -> bool {
        let wanted = self.only.is_empty() || self.only.iter().any(|word| name.contains(word.as_str()));
        self.left_out += usize::from(!wanted);
        wanted
    }

    fn note(&mut self, name: &str, took: Duration, done: Result<()>) {
        let seconds = took.as_secs_f64();
        match done {
            Ok(()) => {
                self.passed += 1;
                eprintln!("ok      {name} ({seconds:.1} s)");
            }
            Err(error) => {
                self.failed.push(name.to_owned());
                eprintln!("FAILED  {name} ({seconds:.1} s)\n{error:#}\n");
            }
        }
    }
}

/// Runs them; how many failed.
pub async fn run(arguments: Arguments) -> Result<usize> {
    let temporary = tempfile::Builder::new().prefix("sos-virtual-").tempdir()?;
    let dir = temporary.path().to_owned();
    let (only, cuts) = (arguments.only.clone(), arguments.cuts);
    let rig = Rig::new(arguments, dir, Figures::default()).await?;
    let mut tally = Tally { only, passed: 0, failed: vec![], left_out: 0 };
    let rig = match cuts {
        Some(times) => cut_again_and_again(rig, &mut tally, times).await?,
        None => every_case(rig, &mut tally).await?,
    };
    let (_, _, figures) = rig.end().await?;
    writeln!(std::io::stdout(), "{}", figures.json())?;
    let (passed, failed, left_out) = (tally.passed, tally.failed.len(), tally.left_out);
    eprintln!("virtual: {passed} passed, {failed} failed, {left_out} skipped");
    Ok(failed)
}

/// Runs one case and notes what came of it; after a failure everything is made anew.
macro_rules! run_case {
    ($rig:ident, $tally:ident, $case:path) => {
        let started = Instant::now();
        let done = async {
            $case(&mut $rig).await?;
            $rig.every_stop_was_heard().await
        }
        .await;
        let failed = done.is_err();
        $tally.note(stringify!($case), started.elapsed(), done);
        if failed {
            eprintln!("{}\n", $rig.board.last_words().await);
            $rig = $rig.afresh().await?;
        }
    };
}

async fn cut_again_and_again(mut rig: Rig, tally: &mut Tally, times: usize) -> Result<Rig> {
    for _ in 0..times {
        run_case!(rig, tally, power::a_power_cut_at_any_instant_of_a_call);
    }
    Ok(rig)
}

async fn every_case(mut rig: Rig, tally: &mut Tally) -> Result<Rig> {
    macro_rules! cases {
        ($($case:path),+ $(,)?) => {$(
            if tally.wants(stringify!($case)) {
                run_case!(rig, tally, $case);
            }
        )+};
    }
    cases![
        service::the_board_boots_and_only_ssh_listens,
        package::the_package_starts_nothing_before_the_kiosk_is_enrolled,
        service::it_is_ready_within_a_second_without_a_network,
        service::the_daemon_is_confined,
        call::a_press_brings_an_officer_and_both_are_heard,
        voices::a_call_through_camera_and_sound_card_is_seen_and_heard,
        service::only_ssh_listens_on_a_kiosk_that_works,
        service::a_frozen_daemon_is_back_in_time,
        panel::a_gpio_edge_lights_the_lamp_in_time,
        bounce::a_bouncing_button_is_one_press_and_a_spike_is_none,
        bounce::a_chattering_button_is_one_alarm_and_a_fault,
        panel::second_button_case_and_a_button_held_at_the_start,
        panel::an_officer_switches_the_strobe,
        panel::a_gpio_edge_through_rppal_is_a_press,
        // Comes back under another number, and rppal knows the first one alone.
        panel::a_chip_that_goes_is_known_and_comes_back,
        power::a_recording_cut_by_a_power_cut_plays_up_to_the_cut,
        power::a_frozen_system_resets_the_board,
        devices::a_camera_that_is_pulled_out_is_known_and_comes_back,
        clock::a_clock_that_is_an_hour_off_is_said_and_calls_go_on,
        devices::a_sound_card_that_is_pulled_out_is_known_and_comes_back,
        config::a_change_whose_session_is_lost_is_undone,
        package::an_upgrade_keeps_everything_and_restarts_at_once,
        package::the_centres_package_runs_broker_and_centre,
        package::removed_and_purged_nothing_of_it_is_left,
    ];
    Ok(rig)
}
