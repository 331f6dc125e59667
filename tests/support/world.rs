//! Broker, centre and one kiosk, each the real program, configured as in the field but for its devices.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::Command;

use super::process::{Process, free_port};
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
    /// What the loudspeaker plays is kept in a file; without, nobody hears it, at the same pace.
    pub speaker_kept: bool,
    pub standby: bool,
    pub kiosk_udp: bool,
    pub pre_event_s: u32,
    /// Plain HTTP on loopback besides HTTPS, so that a browser opens without a warning.
    pub plain_console: bool,
    /// Prefix of the kiosk's command, e.g. `ip netns exec NAME`.
    pub kiosk_prefix: Vec<String>,
    /// Address the centre's side listens on and is called by.
    pub centre_address: String,
    pub officers: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            camera: None,
            microphone: None,
            speaker_kept: true,
            standby: true,
            kiosk_udp: true,
            pre_event_s: 30,
            plain_console: true,
            kiosk_prefix: vec![],
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

pub struct World {
    pub options: Options,
    pub dir: PathBuf,
    /// Everyone's password, made at run time.
    pub password: String,
    pub console_port: u16,
    pub plain_port: u16,
    pub delivery_port: u16,
    pub broker_port: u16,
    pub media_port: u16,
    pub broker: Process,
    pub centre: Process,
    pub kiosk: Process,
    _temporary: Option<TempDir>,
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
        std::fs::create_dir_all(dir)?;
        let dir = dir.canonicalize()?;
        let keys = repository().join("scripts/keys");
        run(Command::new(keys).arg(dir.join("keys")).arg(KIOSK).args(names(&options))).await?;
        let ports = [free_port()?, free_port()?, free_port()?, free_port()?, free_port()?];
        let [console_port, plain_port, delivery_port, broker_port, media_port] = ports;
        let password = uuid::Uuid::new_v4().simple().to_string();
        let files = Files { dir: &dir, options: &options, ports };
        files.write()?;
        let mut broker = start_broker(&dir)?;
        broker.listens_on(&options.centre_address, broker_port).await?;
        for officer in &options.officers {
            add_officer(&dir, officer, &password).await?;
        }
        let mut centre = start_centre(&dir)?;
        centre.listens_on(&options.centre_address, console_port).await?;
        let kiosk = start_kiosk(&dir, &options)?;
        let mut world = Self {
            options,
            dir,
            password,
            console_port,
            plain_port,
            delivery_port,
            broker_port,
            media_port,
            broker,
            centre,
            kiosk,
            _temporary: None,
        };
        world.kiosk_ready().await?;
        Ok(world)
    }

    /// Where an officer's browser goes.
    pub fn console(&self) -> String {
        if self.options.plain_console {
            format!("http://localhost:{}/", self.plain_port)
        } else {
            format!("https://{}:{}/", self.options.centre_address, self.console_port)
        }
    }

    pub fn speaker_wav(&self) -> PathBuf {
        self.dir.join("speaker.wav")
    }

    pub fn recordings(&self) -> PathBuf {
        self.dir.join("kiosk/recordings")
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

    pub async fn restart_broker(&mut self) -> Result<()> {
        self.broker = start_broker(&self.dir)?;
        self.broker.listens_on(&self.options.centre_address, self.broker_port).await
    }

    pub async fn restart_centre(&mut self) -> Result<()> {
        self.centre = start_centre(&self.dir)?;
        self.centre.listens_on(&self.options.centre_address, self.console_port).await
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
        let ports = [self.console_port, self.plain_port, self.delivery_port, self.broker_port, self.media_port];
        Files { dir: &self.dir, options: &self.options, ports }.write()
    }

    /// Ends everything in order; says who did not end cleanly.
    pub async fn stop(mut self) -> Result<()> {
        let kiosk = self.kiosk.terminate().await;
        let centre = self.centre.terminate().await;
        let broker = self.broker.terminate().await;
        ensure!(kiosk? == Some(0), "sos-kiosk did not end cleanly; its log:\n{}", self.kiosk.tail());
        ensure!(centre? == Some(0), "sos-centre did not end cleanly; its log:\n{}", self.centre.tail());
        broker?;
        Ok(())
    }

    /// A client of the console's API, logged in.
    pub async fn api(&self, officer: &str) -> Result<Api> {
        sos::tls::install_provider();
        let base = format!("http://127.0.0.1:{}", self.plain_port);
        let client = reqwest::Client::new();
        let login = client
            .post(format!("{base}/api/login"))
            .header("origin", &base)
            .json(&json!({"name": officer, "password": self.password}))
            .send()
            .await?
            .error_for_status()?;
        let cookie = login.headers().get("set-cookie").context("no cookie at login")?.to_str()?;
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        Ok(Api { base, client, cookie })
    }
}

pub struct Api {
    pub base: String,
    pub cookie: String,
    client: reqwest::Client,
}

impl Api {
    pub async fn bytes(&self, path: &str) -> Result<Vec<u8>> {
        let request = self.client.get(format!("{}{path}", self.base)).header("cookie", &self.cookie);
        Ok(request.send().await?.error_for_status()?.bytes().await?.to_vec())
    }

    pub async fn get(&self, path: &str) -> Result<Value> {
        Ok(serde_json::from_slice(&self.bytes(path).await?)?)
    }

    pub async fn incident(&self, id: &str) -> Result<Value> {
        Ok(self.get(&format!("/api/incidents/{id}")).await?["incident"].clone())
    }

    /// Waits until the incident at the centre fits.
    pub async fn incident_when(&self, id: &str, what: &str, fits: impl Fn(&Value) -> bool) -> Result<Value> {
        let found = until(what, Duration::from_secs(20), || async {
            let incident = self.incident(id).await.ok()?;
            fits(&incident).then_some(incident)
        })
        .await;
        match found {
            Ok(incident) => Ok(incident),
            Err(error) => Err(anyhow!("{error}; now {}", self.incident(id).await?)),
        }
    }
}

struct Files<'a> {
    dir: &'a Path,
    options: &'a Options,
    ports: [u16; 5],
}

impl Files<'_> {
    fn write(&self) -> Result<()> {
        let dir = self.dir;
        for part in ["broker", "centre", "kiosk"] {
            std::fs::create_dir_all(dir.join(part))?;
        }
        let [_, _, _, broker_port, _] = self.ports;
        let broker = std::fs::read_to_string(repository().join("systemd/mosquitto/sos.conf"))?;
        let broker = broker
            .replace("@PORT@", &format!("{broker_port} {}", self.options.centre_address))
            .replace("@KEYS@", &dir.join("keys").display().to_string())
            .replace("@ACL@", &repository().join("systemd/mosquitto/acl").display().to_string())
            .replace("@STATE@", &dir.join("broker").display().to_string());
        // Started as root, mosquitto would become a user who cannot read this directory.
        std::fs::write(dir.join("mosquitto.conf"), format!("user root\n{broker}"))?;
        std::fs::write(dir.join("centre.toml"), self.centre()?)?;
        std::fs::write(dir.join("kiosk.toml"), self.kiosk()?)?;
        Ok(())
    }

    fn centre(&self) -> Result<String> {
        let (dir, at) = (self.dir.display(), &self.options.centre_address);
        let [console, plain, delivery, broker, media] = self.ports;
        let mut text = format!(
            "instance = \"astana-1\"\n\
             [mqtt]\nbroker = \"{at}:{broker}\"\nca = \"{dir}/keys/ca.pem\"\n\
             cert = \"{dir}/keys/centre.pem\"\nkey = \"{dir}/keys/centre.key\"\n\
             [console]\nlisten = \"{at}:{console}\"\n\
             cert = \"{dir}/keys/server.pem\"\nkey = \"{dir}/keys/server.key\"\n"
        );
        if self.options.plain_console {
            writeln!(text, "loopback_listen = \"127.0.0.1:{plain}\"")?;
        }
        write!(
            text,
            "[delivery]\nlisten = \"{at}:{delivery}\"\nca = \"{dir}/keys/ca.pem\"\n\
             cert = \"{dir}/keys/server.pem\"\nkey = \"{dir}/keys/server.key\"\n\
             [media]\nlisten = [\"{at}\"]\nport = {media}\n\
             [store]\ndatabase = \"{dir}/centre/centre.sqlite\"\narchive = \"{dir}/centre/archive\"\n"
        )?;
        Ok(text)
    }

    fn kiosk(&self) -> Result<String> {
        let (dir, at, options) = (self.dir.display(), &self.options.centre_address, self.options);
        let [_, _, delivery, broker, _] = self.ports;
        let source = |file: &Option<PathBuf>| match file {
            None => "driver = \"test\"".to_owned(),
            Some(file) => format!("driver = \"file\"\nfile = \"{}\"", file.display()),
        };
        Ok(format!(
            "id = \"{KIOSK}\"\n\
             [place]\nname = \"{PLACE}\"\nlat = 51.1282\nlon = 71.4304\n\
             [centre]\nbroker = \"{at}:{broker}\"\ndelivery = \"https://{at}:{delivery}\"\n\
             ca = \"{dir}/keys/ca.pem\"\ncert = \"{dir}/keys/{KIOSK}.pem\"\nkey = \"{dir}/keys/{KIOSK}.key\"\n\
             [media]\npre_event_s = {}\n\
             [media.camera]\n{}\n[media.microphone]\n{}\n\
             [media.speaker]\n{}\n\
             [store]\ndir = \"{dir}/kiosk\"\n[control]\nsocket = \"{dir}/control.sock\"\n\
             [rtc]\nudp = {}\nstandby = {}\n",
            options.pre_event_s,
            source(&options.camera),
            source(&options.microphone),
            if options.speaker_kept {
                format!("driver = \"file\"\nfile = \"{dir}/speaker.wav\"")
            } else {
                "driver = \"null\"".to_owned()
            },
            options.kiosk_udp,
            options.standby,
        ))
    }
}

pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn names(options: &Options) -> Vec<String> {
    if options.centre_address == "127.0.0.1" { vec![] } else { vec![format!("--address={}", options.centre_address)] }
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

fn start_broker(dir: &Path) -> Result<Process> {
    let path = if Path::new("/usr/sbin/mosquitto").exists() { "/usr/sbin/mosquitto" } else { "mosquitto" };
    Process::start("mosquitto", Command::new(path).arg("-c").arg(dir.join("mosquitto.conf")), dir)
}

fn start_centre(dir: &Path) -> Result<Process> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sos-centre"));
    Process::start("centre", command.args(["run", "--config"]).arg(dir.join("centre.toml")), dir)
}

fn start_kiosk(dir: &Path, options: &Options) -> Result<Process> {
    let mut command = command(&options.kiosk_prefix, env!("CARGO_BIN_EXE_sos-kiosk"));
    Process::start("kiosk", command.arg("--config").arg(dir.join("kiosk.toml")), dir)
}

async fn add_officer(dir: &Path, name: &str, password: &str) -> Result<()> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sos-centre"))
        .args(["officer", "add", name, "--password-stdin", "--config"])
        .arg(dir.join("centre.toml"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().context("piped")?;
    stdin.write_all(format!("{password}\n").as_bytes()).await?;
    drop(stdin);
    let output = child.wait_with_output().await?;
    ensure!(output.status.success(), "officer add: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Runs a command to its end; its output is in the error if it fails.
pub async fn run(command: &mut Command) -> Result<Vec<u8>> {
    let output = command.stdin(Stdio::null()).output().await.with_context(|| format!("{command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output.stdout)
}
