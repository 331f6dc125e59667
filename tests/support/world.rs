//! Broker, centre and one kiosk, each the real program, configured as in the field but for its devices.

use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::Command;

use super::centre_side::CentreSide;
use super::process::Process;
use super::until;

pub const KIOSK: &str = "park-north";
pub const PLACE: &str = "Central Park, north gate";
/// Loopback is fast; a loaded machine is not.
const START_WITHIN: Duration = Duration::from_secs(30);

/// What differs from one world to the next.
#[derive(Debug, Clone)]
pub struct Options {
    pub camera: Option<PathBuf>,
    pub microphone: Option<PathBuf>,
    pub speaker: Speaker,
    /// The microphone is the card that the loudspeaker is, and no file.
    pub hears_by_card: bool,
    /// The microphone hears the loudspeaker, fainter by so many dB; none: it does not.
    pub air_loss_db: Option<u32>,
    /// Where the spoken sentences are; without, chimes in their place, whatever this machine has.
    pub prompts: Option<PathBuf>,
    pub standby: bool,
    pub kiosk_udp: bool,
    pub pre_event_s: u32,
    /// Plain HTTP on loopback besides HTTPS, so that a browser opens without a warning.
    pub plain_console: bool,
    /// Prefix of the kiosk's command, e.g. `ip netns exec NAME`.
    pub kiosk_prefix: Vec<String>,
    /// Where the kiosk keeps what must last; none: a directory of the world's.
    pub store: Option<PathBuf>,
    /// Address the centre's side listens on and is called by.
    pub centre_address: String,
    pub officers: Vec<String>,
}

/// Where what the loudspeaker plays goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Speaker {
    /// Into a file.
    File,
    /// Nobody hears it, at the same pace.
    Nobody,
    /// To a sound card, by ALSA's name of it.
    Card(String),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            camera: None,
            microphone: None,
            speaker: Speaker::File,
            hears_by_card: false,
            air_loss_db: None,
            prompts: None,
            standby: true,
            kiosk_udp: true,
            pre_event_s: 30,
            plain_console: true,
            kiosk_prefix: vec![],
            store: None,
            centre_address: "127.0.0.1".to_owned(),
            officers: vec!["aigerim".to_owned(), "daulet".to_owned()],
        }
    }
}

impl Options {
    /// For tests that do not wait for half a minute before the press.
    pub fn quick() -> Self {
        Self { pre_event_s: 5, ..Self::default() }
    }
}

/// The centre's side and a kiosk on this machine.
pub struct World {
    pub side: CentreSide,
    pub kiosk: Process,
    _temporary: Option<TempDir>,
}

impl Deref for World {
    type Target = CentreSide;
    fn deref(&self) -> &CentreSide {
        &self.side
    }
}

impl DerefMut for World {
    fn deref_mut(&mut self) -> &mut CentreSide {
        &mut self.side
    }
}

impl World {
    /// A world in a directory that vanishes with it.
    pub async fn temporary(options: Options) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("sos-world-").tempdir()?;
        let path = dir.path().to_owned();
        let mut world = Self::start(options, &path).await?;
        world._temporary = Some(dir);
        Ok(world)
    }

    /// A world in `dir`.
    pub async fn start(options: Options, dir: &Path) -> Result<Self> {
        let side = CentreSide::start(options, dir).await?;
        std::fs::create_dir_all(store(&side))?;
        write_kiosk(&side)?;
        let kiosk = start_kiosk(&side.dir, &side.options)?;
        let mut world = Self { side, kiosk, _temporary: None };
        world.kiosk_ready().await?;
        Ok(world)
    }

    pub fn speaker_wav(&self) -> PathBuf {
        self.dir.join("speaker.wav")
    }

    pub fn recordings(&self) -> PathBuf {
        store(&self.side).join("recordings")
    }

    /// Waits until the kiosk would work: link, centre, leg, picture, sound.
    pub async fn kiosk_ready(&mut self) -> Result<()> {
        let standby = self.options.standby;
        let found = until("kiosk ready", START_WITHIN, || async {
            let status = self.status().await.ok()?;
            let up = |key: &str| status[key].as_bool() == Some(true);
            let leg = !standby || up("leg_up");
            let media = status["frame_age_ms"].is_u64() && status["sound_age_ms"].is_u64();
            (up("link_up") && up("centre_present") && leg && media).then_some(())
        })
        .await;
        if found.is_err() {
            let status = self.status().await;
            bail!("the kiosk is not ready: {status:?}; its log:\n{}", self.kiosk.tail());
        }
        Ok(())
    }

    /// One request to the kiosk's control socket.
    pub async fn control(&self, request: Value) -> Result<Value> {
        let stream = UnixStream::connect(self.dir.join("control.sock")).await?;
        let (reader, mut writer) = stream.into_split();
        writer.write_all(format!("{request}\n").as_bytes()).await?;
        let mut line = String::new();
        BufReader::new(reader).read_line(&mut line).await?;
        Ok(serde_json::from_str(&line)?)
    }

    pub async fn status(&self) -> Result<Value> {
        let answer = self.control(json!({"do": "status"})).await?;
        Ok(answer["status"].clone())
    }

    /// Presses (and lets go of) the button; returns the id of the incident it opened or joined.
    pub async fn press(&self) -> Result<String> {
        let answer = self.control(json!({"do": "press"})).await?;
        let incident = answer["incident"].as_str().with_context(|| format!("press: {answer}"))?;
        Ok(incident.to_owned())
    }

    /// What the centre's journal says of the kiosk, oldest first.
    pub fn journal(&self) -> Result<Vec<String>> {
        let database = rusqlite::Connection::open(self.dir.join("centre/centre.sqlite"))?;
        let mut query = database.prepare("SELECT what FROM journal WHERE who = ?1 ORDER BY rowid")?;
        let found = query.query_map([format!("kiosk:{KIOSK}")], |row| row.get(0))?;
        Ok(found.collect::<Result<_, _>>()?)
    }

    /// The open incident at the kiosk, if any.
    pub async fn open_incident(&self) -> Result<Option<String>> {
        Ok(self.status().await?["incident"]["id"].as_str().map(str::to_owned))
    }

    /// How a lamp shines: "off", "on", "blinking".
    pub async fn lamp(&self, name: &str) -> Result<String> {
        let status = self.status().await?;
        let lamp = status["lamps"].as_array().into_iter().flatten().find(|lamp| lamp["lamp"] == json!(name));
        Ok(lamp.and_then(|lamp| lamp["light"].as_str()).unwrap_or("off").to_owned())
    }

    /// Waits until the kiosk has no incident any more.
    pub async fn kiosk_idle(&self) -> Result<()> {
        until("the kiosk's incident over", Duration::from_secs(15), || async {
            self.status().await.ok()?["incident"].is_null().then_some(())
        })
        .await
    }

    pub async fn restart_kiosk(&mut self) -> Result<()> {
        self.kiosk = start_kiosk(&self.dir, &self.options)?;
        self.kiosk_ready().await
    }

    /// Starts the kiosk and waits for nothing: it may not get through.
    pub fn start_kiosk(&mut self) -> Result<()> {
        self.kiosk = start_kiosk(&self.dir, &self.options)?;
        Ok(())
    }

    /// Rewrites the kiosk's configuration with other options; takes effect at its next start.
    pub fn reconfigure(&mut self, change: impl FnOnce(&mut Options)) -> Result<()> {
        change(&mut self.options);
        write_kiosk(&self.side)
    }

    /// Ends everything in order; says who did not end cleanly.
    pub async fn stop(mut self) -> Result<()> {
        let kiosk = self.kiosk.terminate().await;
        let side = self.side.stop().await;
        ensure!(kiosk? == Some(0), "sos-kiosk did not end cleanly; its log:\n{}", self.kiosk.tail());
        side
    }
}

/// Where the kiosk keeps what must last.
fn store(side: &CentreSide) -> PathBuf {
    side.options.store.clone().unwrap_or_else(|| side.dir.join("kiosk"))
}

/// The kiosk's configuration.
fn write_kiosk(side: &CentreSide) -> Result<()> {
    let (dir, options) = (side.dir.display(), &side.options);
    let file = |file: &Path| format!("driver = \"file\"\nfile = \"{}\"", file.display());
    let source = |path: &Option<PathBuf>| path.as_deref().map_or("driver = \"test\"".to_owned(), file);
    let microphone = if options.hears_by_card { "driver = \"alsa\"".to_owned() } else { source(&options.microphone) };
    let text = format!(
        "{}\
         ca = \"{dir}/keys/ca.pem\"\ncert = \"{dir}/keys/{KIOSK}.pem\"\nkey = \"{dir}/keys/{KIOSK}.key\"\n\
         [media]\npre_event_s = {}\n\
         [media.camera]\n{}\n[media.microphone]\n{microphone}\n\
         [media.speaker]\n{}\n\
         [media.prompts]\ndir = \"{}\"\nown = \"{dir}/own-prompts\"\n\
         [media.sound]\n{}{}\n\
         [store]\ndir = \"{}\"\n[control]\nsocket = \"{dir}/control.sock\"\n\
         [rtc]\nudp = {}\nstandby = {}\n",
        side.kiosk_head(),
        options.pre_event_s,
        source(&options.camera),
        match &options.speaker {
            Speaker::File => file(&side.dir.join("speaker.wav")),
            Speaker::Nobody => "driver = \"null\"".to_owned(),
            Speaker::Card(_) => "driver = \"alsa\"".to_owned(),
        },
        options.prompts.clone().unwrap_or_else(|| side.dir.join("no-prompts")).display(),
        match &options.speaker {
            Speaker::File | Speaker::Nobody => String::new(),
            Speaker::Card(name) => format!("card = \"{name}\"\n"),
        },
        options.air_loss_db.map_or_else(String::new, |loss_db| format!("air_loss_db = {loss_db}")),
        store(side).display(),
        options.kiosk_udp,
        options.standby,
    );
    Ok(std::fs::write(side.dir.join("kiosk.toml"), text)?)
}

fn command(prefix: &[String], program: &str) -> Command {
    match prefix.split_first() {
        None => Command::new(program),
        Some((first, rest)) => {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        }
    }
}

fn start_kiosk(dir: &Path, options: &Options) -> Result<Process> {
    let mut command = command(&options.kiosk_prefix, env!("CARGO_BIN_EXE_sos-kiosk"));
    Process::start("kiosk", command.arg("--config").arg(dir.join("kiosk.toml")), dir)
}
