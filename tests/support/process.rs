//! A child process with its log in a file; killed when dropped.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

pub struct Process {
    pub name: &'static str,
    pub log: PathBuf,
    child: Child,
}

impl Process {
    /// Starts `command`, its output appended to `DIR/NAME.log`.
    pub fn start(name: &'static str, command: &mut Command, dir: &Path) -> Result<Self> {
        let log = dir.join(format!("{name}.log"));
        let out = File::options().create(true).append(true).open(&log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            // Ctrl-C in the terminal is for the harness, which ends its children in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{name}: {command:?}"))?;
        Ok(Self { name, log, child })
    }

    pub fn pid(&self) -> u32 {
        self.child.id().unwrap_or(0)
    }

    pub fn running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// SIGKILL, and waits until it is gone.
    pub async fn kill(&mut self) -> Result<()> {
        self.child.kill().await.with_context(|| format!("{}: kill", self.name))
    }

    /// SIGTERM, and SIGKILL if that is not heard in five seconds. Returns the exit code.
    pub async fn terminate(&mut self) -> Result<Option<i32>> {
        if let Some(pid) = self.child.id() {
            Command::new("kill").args(["-TERM", &pid.to_string()]).status().await?;
        }
        match tokio::time::timeout(Duration::from_secs(5), self.child.wait()).await {
            Ok(status) => Ok(status?.code()),
            Err(_) => {
                self.kill().await?;
                bail!("{}: did not end within 5 s of SIGTERM", self.name)
            }
        }
    }

    /// Waits until it accepts connections on a loopback port.
    pub async fn listens(&mut self, port: u16) -> Result<()> {
        self.listens_on("127.0.0.1", port).await
    }

    /// Waits until it accepts connections.
    pub async fn listens_on(&mut self, address: &str, port: u16) -> Result<()> {
        let mut look = tokio::time::interval(Duration::from_millis(20));
        for _ in 0..750 {
            look.tick().await;
            if TcpStream::connect((address, port)).await.is_ok() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}; its log:\n{}", self.name, self.tail());
            }
        }
        bail!("{} does not listen on port {port}; its log:\n{}", self.name, self.tail())
    }

    /// The last lines of its log.
    pub fn tail(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log).into_owned();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A broker on loopback that lets everyone in.
pub fn open_broker(dir: &Path, port: u16) -> Result<Process> {
    let conf = dir.join("mosquitto.conf");
    std::fs::write(&conf, format!("listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n"))?;
    Process::start("mosquitto", Command::new("/usr/sbin/mosquitto").arg("-c").arg(&conf), dir)
}
