//! The centre's side of the world: broker and centre, each the real program, their files, keys and officers.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::process::{Process, free_port};
use super::until;
use super::world::{KIOSK, Options, PLACE};

pub struct CentreSide {
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
}

impl CentreSide {
    /// Broker and centre in `dir`, with keys for them and for one kiosk.
    pub async fn start(options: Options, dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let dir = dir.canonicalize()?;
        let keys = repository().join("scripts/keys");
        run(Command::new(keys).arg(dir.join("keys")).arg(KIOSK).args(names(&options))).await?;
        let ports = [free_port()?, free_port()?, free_port()?, free_port()?, free_port()?];
        let [console_port, plain_port, delivery_port, broker_port, media_port] = ports;
        let password = uuid::Uuid::new_v4().simple().to_string();
        Files { dir: &dir, options: &options, ports }.write()?;
        let mut broker = start_broker(&dir)?;
        broker.listens_on(&options.centre_address, broker_port).await?;
        for officer in &options.officers {
            add_officer(&dir, officer, &password).await?;
        }
        let mut centre = start_centre(&dir)?;
        centre.listens_on(&options.centre_address, console_port).await?;
        Ok(Self {
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
        })
    }

    /// Where an officer's browser goes.
    pub fn console(&self) -> String {
        if self.options.plain_console {
            format!("http://localhost:{}/", self.plain_port)
        } else {
            format!("https://{}:{}/", self.options.centre_address, self.console_port)
        }
    }

    /// How the kiosk is called, and by which addresses it calls: the head of its configuration.
    pub fn kiosk_head(&self) -> String {
        let (at, broker, delivery) = (&self.options.centre_address, self.broker_port, self.delivery_port);
        format!(
            "id = \"{KIOSK}\"\n\
             [place]\nname = \"{PLACE}\"\nlat = 51.1282\nlon = 71.4304\n\
             [centre]\nbroker = \"{at}:{broker}\"\ndelivery = \"https://{at}:{delivery}\"\n"
        )
    }

    pub async fn restart_broker(&mut self) -> Result<()> {
        self.broker = start_broker(&self.dir)?;
        self.broker.listens_on(&self.options.centre_address, self.broker_port).await
    }

    pub async fn restart_centre(&mut self) -> Result<()> {
        self.centre = start_centre(&self.dir)?;
        self.centre.listens_on(&self.options.centre_address, self.console_port).await
    }

    /// Ends both in order; says who did not end cleanly.
    pub async fn stop(mut self) -> Result<()> {
        let centre = self.centre.terminate().await;
        let broker = self.broker.terminate().await;
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
        for part in ["broker", "centre"] {
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
}

pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn names(options: &Options) -> Vec<String> {
    if options.centre_address == "127.0.0.1" { vec![] } else { vec![format!("--address={}", options.centre_address)] }
}

fn start_broker(dir: &Path) -> Result<Process> {
    let path = if Path::new("/usr/sbin/mosquitto").exists() { "/usr/sbin/mosquitto" } else { "mosquitto" };
    Process::start("mosquitto", Command::new(path).arg("-c").arg(dir.join("mosquitto.conf")), dir)
}

fn start_centre(dir: &Path) -> Result<Process> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sos-centre"));
    Process::start("centre", command.args(["run", "--config"]).arg(dir.join("centre.toml")), dir)
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
