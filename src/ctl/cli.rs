//! The command line of `sos-ctl` as data: parsed by `bin`, and printed as man pages and completions for the packages.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::control::TestPart;

/// The exit codes, for `--help` and the man page.
pub const EXIT_CODES: &str = "Exit codes:
  0   done
  1   broken in itself: a fault of this program
  2   the command line was not understood
  3   the daemon cannot be reached
  4   the configuration is wrong
  5   the daemon refused
  6   status: the daemon answers, and a press would not bring an officer now
  7   recordings: cannot be listed or exported
  8   config: the change was undone, the centre's echo did not come
  9   selftest: a part failed, or could not be tested though it was asked for by name
  10  enrol: not done
  11  logs, support, verify: a file or a program is not to be had
  12  status: the kiosk is not enrolled yet
  13  verify: something is not as it was signed; each finding is on a line
  14  verify: nothing is broken, and nothing shows that this is all: no seal, or no links
  15  update: this board has no slots, or no RAUC to write them
  16  update: the bundle is refused: not signed by the owner, broken, or for another board
  17  update: the slot could not be written; the one that runs is as it was
  18  update: the running slot has not proved itself";

/// What somebody needs who has never used it, for `--help` and the man page.
const ABOUT: &str = "Asks, tests and changes the emergency-call kiosk.

At night, in this order:
  sos-ctl status                would it work now; what to look at
  sos-ctl logs                  what the daemon did
  sos-ctl selftest              everything, with a test call
  sos-ctl config list PREFIX    what is set; --doc: what there is
  sos-ctl config set KEY VALUE  on trial for a minute

Of a fresh kiosk, status says what comes next: config set, enrol, start.";

/// Asks, tests and changes the emergency-call kiosk
#[derive(Debug, Parser)]
#[command(name = "sos-ctl", version, long_about = ABOUT, after_help = EXIT_CODES)]
pub struct Cli {
    /// The daemon's control socket [default: control.socket of the configuration]
    #[arg(long, global = true, env = "SOS_CONTROL_SOCKET")]
    pub socket: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// How the kiosk is; the first line says whether it would work now, and if not why
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
        /// Again every second, until Ctrl-C; where stdout is no terminal, a line at each change
        #[arg(long, short)]
        watch: bool,
        /// Where no daemon answers: look at this configuration alone for what is still to be done
        #[arg(long)]
        file: Option<PathBuf>,
    },
    /// Press the button: a REAL alarm, marked as pressed from here
    Press {
        /// Leave the button down
        #[arg(long)]
        hold: bool,
        /// The second button of the simulated panel
        #[arg(long)]
        second: bool,
    },
    /// Let go of a button that was left down
    Release {
        /// The second button of the simulated panel
        #[arg(long)]
        second: bool,
    },
    /// Open or close the case of the simulated panel
    Tamper {
        /// What to do with it
        case: Case,
    },
    /// The panel's lines as they are
    Panel {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Test parts of the kiosk now; each test is logged at the centre
    ///
    /// A press during a test is an alarm, as ever. The one exception: while the test of the button waits, the
    /// first press of the button itself is the test, and the next one is an alarm.
    Selftest {
        /// Which parts; none: the full self-test, with a test call to the centre, as every night
        parts: Vec<PartName>,
        /// Sound and camera: what is heard and seen now is right, and every later test is compared with it
        #[arg(long, requires = "parts")]
        learn: bool,
        /// As JSON, a line a step
        #[arg(long)]
        json: bool,
    },
    /// Look at the configuration and change it
    ///
    /// A change is checked whole, written, taken up by the daemon, and undone by it, unless the centre's echo comes
    /// within a minute. The SSH session may be lost meanwhile: the daemon decides.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// What is recorded on this kiosk; needs no daemon
    #[cfg(feature = "kiosk")]
    #[command(subcommand)]
    Recordings(RecordingsCommand),
    /// The journal of the service; where there is none, the daemon's last events
    Logs {
        /// Go on as more comes, until Ctrl-C
        #[arg(long, short)]
        follow: bool,
        /// How many lines of what was
        #[arg(long, short = 'n', default_value_t = 200)]
        lines: u32,
        /// The service
        #[arg(long, default_value = "sos-kiosk")]
        unit: String,
        /// The daemon's last events, even where there is a journal
        #[arg(long)]
        events: bool,
    },
    /// Make the kiosk's key and a request for its certificate, or install the certificate
    ///
    /// First: `enrol --ca FILE` puts the centre's authority into place (compare its fingerprint), makes the key, which
    /// never leaves the kiosk, and prints the request. The owner signs it (`sos-centre sign-kiosk`). Then:
    /// `enrol --install FILE` checks the certificate against key, authority and name, and puts it into place.
    Enrol(EnrolArguments),
    /// Whether a recording is what the kiosk signed: its directory, or an export that was unpacked; needs no kiosk
    ///
    /// Every fragment that was altered, truncated, left out, added or put in another's place is named. The key is the
    /// kiosk's public one (`sos-centre evidence-key show`, or evidence.pem of an export whose fingerprint somebody has
    /// compared), or a certificate of it.
    Verify {
        /// The directory
        dir: PathBuf,
        /// The public key, or a certificate of it, PEM
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Install an update into the slot that does not run; it starts with the next boot
    ///
    /// The bundle must be signed by the owner and meant for this board. After the boot the kiosk tests itself: unless
    /// it passes within ten minutes it starts again, and after three starts the slot that runs now is back.
    Update(UpdateArguments),
    /// A bundle for whoever helps from afar: status, configuration, logs, versions, devices; no secrets
    Support {
        /// The file to write (.tar.gz); it must not be there yet; "-": to stdout [default: a name with id and time]
        file: Option<PathBuf>,
    },
    /// Write man pages and shell completions, for the packages
    #[command(hide = true)]
    Generate {
        /// The directory
        dir: PathBuf,
    },
}

/// What to do with the case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Case {
    /// Open it
    Open,
    /// Close it
    Close,
}

/// Parts that can be tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PartName {
    /// Lamps on, one after the other
    Lamp,
    /// Loudspeaker to microphone, by a few quiet chirps, compared with the last full tests
    Sound,
    /// Frames come, are fresh and show what the reference still shows
    Camera,
    /// To the centre and back
    Link,
    /// A person presses it
    Button,
}

impl From<PartName> for TestPart {
    fn from(name: PartName) -> Self {
        match name {
            PartName::Lamp => Self::Lamp,
            PartName::Sound => Self::Sound,
            PartName::Camera => Self::Camera,
            PartName::Link => Self::Link,
            PartName::Button => Self::Button,
        }
    }
}

/// `config`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// The value of a key
    Get {
        /// Which
        key: String,
        /// With its origin, default and doc
        #[arg(long)]
        json: bool,
        /// This file alone, instead of the daemon's
        #[arg(long)]
        file: Option<PathBuf>,
    },
    /// Set keys: undone by the daemon unless the centre's echo comes within a minute
    ///
    /// The whole is checked before anything is written. Most keys are taken up by the daemon's own restart, which takes
    /// about a second and waits for the end of an alarm; `config list --doc` tells which take effect at once.
    Set {
        /// KEY VALUE, any number of times; they change together
        #[arg(required = true, num_args = 2.., value_names = ["KEY", "VALUE"], allow_negative_numbers = true)]
        pairs: Vec<String>,
        #[command(flatten)]
        /// How.
        how: How,
    },
    /// Take keys out: the default, or a weaker layer, counts again; undone like `set`
    Unset {
        /// Which
        #[arg(required = true)]
        keys: Vec<String>,
        #[command(flatten)]
        /// How.
        how: How,
    },
    /// Each key with its value and where that comes from
    List {
        /// What each key does, its default and an example
        #[arg(long)]
        doc: bool,
        /// Only the keys that begin so, for example media.camera
        #[arg(default_value = "", hide_default_value = true)]
        prefix: String,
        /// This file alone, instead of the daemon's
        #[arg(long)]
        file: Option<PathBuf>,
    },
    /// Whether the configuration is right
    Check {
        /// This file alone, instead of the daemon's
        file: Option<PathBuf>,
    },
    /// What differs from the defaults and from the last good one, and what is on trial
    Diff {
        /// As JSON
        #[arg(long)]
        json: bool,
        /// This file alone, instead of the daemon's
        #[arg(long)]
        file: Option<PathBuf>,
    },
}

/// How a change is made.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct How {
    /// This file alone, instead of the daemon's
    #[arg(long)]
    pub file: Option<PathBuf>,
    /// Keep the change even if the centre stays silent
    #[arg(long)]
    pub keep: bool,
    /// Do not wait for the outcome
    #[arg(long)]
    pub no_wait: bool,
}

/// `enrol`
#[derive(Debug, Clone, Default, clap::Args)]
pub struct EnrolArguments {
    /// The certificate of the centre's authority, PEM, to be trusted from now on
    #[arg(long, value_name = "FILE", conflicts_with = "install")]
    pub ca: Option<PathBuf>,
    /// Its SHA-256 fingerprint as the owner told it; without it, it is shown and asked for
    #[arg(long, value_name = "HEX", requires = "ca")]
    pub fingerprint: Option<String>,
    /// The signed certificate, PEM ("-": stdin)
    #[arg(long, value_name = "FILE")]
    pub install: Option<PathBuf>,
    /// This configuration alone, instead of the daemon's
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// `update`
#[derive(Debug, Clone, Default, clap::Args)]
pub struct UpdateArguments {
    /// The bundle (.raucb)
    #[arg(required_unless_present = "confirm")]
    pub file: Option<PathBuf>,
    /// By the system, after each start: mark the running slot good once the kiosk has proved itself
    #[arg(long, hide = true, conflicts_with = "file")]
    pub confirm: bool,
}

/// `recordings`
#[cfg(feature = "kiosk")]
#[derive(Debug, Subcommand)]
pub enum RecordingsCommand {
    /// Every recording, oldest first
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
        /// The store [default: store.dir of the configuration]
        #[arg(long)]
        dir: Option<PathBuf>,
    },
    /// One recording as a file that any player plays
    Export {
        /// Which, as `list` names it
        incident: crate::wire::IncidentId,
        /// The file to write; it must not be there yet
        file: PathBuf,
        /// The store [default: store.dir of the configuration]
        #[arg(long)]
        dir: Option<PathBuf>,
    },
}
