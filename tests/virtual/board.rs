//! The virtual board: a Linux kernel that runs as a program, with ssh to it. Cutting its power is killing it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::support::process::Process;
use crate::support::until;

/// The host's end of the wire, where the centre is.
pub const HOST: &str = "10.98.77.1";
/// The board's end.
pub const BOARD: &str = "10.98.77.2";
/// Longest boot, on a machine that does other things as well.
const BOOT_WITHIN: Duration = Duration::from_secs(60);
/// Longest command.
const COMMAND_WITHIN: Duration = Duration::from_secs(90);

/// What a board is made of.
#[derive(Debug, Clone, clap::Args)]
pub struct Making {
    /// The kernel (scripts/virtual-kiosk.d/kernel).
    #[arg(long)]
    pub kernel: PathBuf,
    /// The root file system, which is copied (scripts/virtual-kiosk.d/root).
    #[arg(long)]
    pub root: PathBuf,
    /// The key that opens the board's ssh.
    #[arg(long)]
    pub ssh_key: PathBuf,
}

pub struct Board {
    making: Making,
    dir: PathBuf,
    kernel: Option<Process>,
}

impl Board {
    /// A board in `dir`, switched off, with a fresh disk.
    pub async fn new(making: Making, dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let board = Self { making, dir: dir.to_owned(), kernel: None };
        let copied = Command::new("cp")
            .args(["--sparse=always", "--reflink=auto"])
            .arg(&board.making.root)
            .arg(board.disk())
            .status()
            .await?;
        ensure!(copied.success(), "no copy of {}", board.making.root.display());
        Ok(board)
    }

    fn disk(&self) -> PathBuf {
        self.dir.join("disk.img")
    }

    /// Power on; returns when ssh answers, after how long.
    pub async fn boot(&mut self, more: &[&str]) -> Result<Duration> {
        ensure!(self.kernel.is_none(), "the board is on already");
        let started = Instant::now();
        let mut command = Command::new(&self.making.kernel);
        command
            .args(["mem=1024M", "seccomp=on", "ncpus=2", "root=/dev/ubda", "rw", "con0=null,fd:1", "con=null"])
            .args(["ssl=null", "quiet", "umid=board", "vec0:transport=raw,ifname=kv1", "panic=-1"])
            // A watchdog that only orders a restart would loop for ever where the system is frozen; this one ends it.
            .args(["softdog.soft_panic=1", "vivid.n_devs=1", "vivid.node_types=0x1", "vivid.input_types=0x0"])
            .args(["snd_aloop.pcm_substreams=2"])
            .arg(format!("ubd0={}", self.disk().display()))
            .arg(format!("uml_dir={}/", self.dir.display()))
            .args(more);
        let mut kernel = Process::start("board", &mut command, &self.dir)?;
        let answers = until("ssh of the board", BOOT_WITHIN, || async {
            let one = Duration::from_millis(200);
            tokio::time::timeout(one, TcpStream::connect((BOARD, 22))).await.ok()?.ok().map(drop)
        })
        .await;
        if let Err(error) = answers {
            ensure!(kernel.running(), "the kernel ended; its console:\n{}", kernel.tail());
            bail!("{error}; its console:\n{}", kernel.tail());
        }
        self.kernel = Some(kernel);
        self.ssh("true").await?;
        Ok(started.elapsed())
    }

    pub fn is_on(&mut self) -> bool {
        self.kernel.as_mut().is_some_and(Process::running)
    }

    /// The power is cut: what was not on the disk is gone.
    pub async fn cut_power(&mut self) -> Result<()> {
        let mut kernel = self.kernel.take().context("the board is off")?;
        let group = format!("-{}", kernel.pid());
        Command::new("kill").args(["-KILL", "--", &group]).status().await?;
        // Its processes are the kernel's children, some in groups of their own; with it they have lost their memory.
        kernel.kill().await?;
        self.close_ssh().await
    }

    /// Waits until the board has switched itself off (a reset is the same: it is booted again).
    pub async fn resets(&mut self, within: Duration) -> Result<()> {
        let kernel = self.kernel.as_mut().context("the board is off")?;
        let mut look = tokio::time::interval(Duration::from_millis(20));
        let started = Instant::now();
        while kernel.running() {
            look.tick().await;
            ensure!(started.elapsed() < within, "the board has not reset itself within {within:?}");
        }
        self.kernel = None;
        self.close_ssh().await
    }

    async fn close_ssh(&self) -> Result<()> {
        // Refused where there is none.
        Command::new("ssh").args(self.ssh_options()).args(["-O", "exit", "board"]).output().await?;
        let _ = std::fs::remove_file(self.control());
        Ok(())
    }

    fn control(&self) -> PathBuf {
        self.dir.join("ssh")
    }

    fn ssh_options(&self) -> Vec<String> {
        let options = [
            "BatchMode=yes".to_owned(),
            "StrictHostKeyChecking=no".to_owned(),
            "UserKnownHostsFile=/dev/null".to_owned(),
            "LogLevel=ERROR".to_owned(),
            "ConnectTimeout=5".to_owned(),
            "ControlMaster=auto".to_owned(),
            "ControlPersist=120".to_owned(),
            format!("ControlPath={}", self.control().display()),
            format!("HostName={BOARD}"),
            "User=root".to_owned(),
        ];
        let key = self.making.ssh_key.display().to_string();
        let mut all = vec!["-F".to_owned(), "none".to_owned(), "-i".to_owned(), key];
        all.extend(options.into_iter().flat_map(|option| ["-o".to_owned(), option]));
        all
    }

    /// Runs a shell script on the board; what it printed. An exit code that is not 0 is an error.
    pub async fn ssh(&self, script: &str) -> Result<String> {
        let (code, out, err) = self.ssh_status(script).await?;
        ensure!(code == Some(0), "on the board, exit {code:?}:\n{script}\n{out}{err}");
        Ok(out)
    }

    /// Runs a shell script on the board: exit code, output, errors.
    pub async fn ssh_status(&self, script: &str) -> Result<(Option<i32>, String, String)> {
        let output = self.run_there("sh -eu", script.as_bytes()).await?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((output.status.code(), text(&output.stdout), text(&output.stderr)))
    }

    /// The last lines of its journal, for whoever looks into a failure.
    pub async fn last_words(&self) -> String {
        match self.ssh_status("journalctl -n 60 --no-pager -o cat").await {
            Ok((_, journal, _)) => format!("the board's journal:\n{journal}"),
            Err(error) => format!("no journal of the board: {error:#}"),
        }
    }

    /// Copies a file to the board.
    pub async fn put(&self, file: &Path, to: &str, mode: &str) -> Result<()> {
        let bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
        self.write(&bytes, to, mode).await
    }

    /// Writes a file on the board.
    pub async fn write(&self, bytes: &[u8], to: &str, mode: &str) -> Result<()> {
        let script = format!("mkdir -p \"$(dirname {to})\"; rm -f {to}; umask 077; cat > {to}; chmod {mode} {to}");
        let output = self.run_there(&format!("sh -euc '{script}'"), bytes).await?;
        ensure!(output.status.success(), "{to}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// Fetches a file from the board.
    pub async fn get(&self, from: &str) -> Result<Vec<u8>> {
        let output = self.run_there(&format!("cat {from}"), b"").await?;
        ensure!(output.status.success(), "{from}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(output.stdout)
    }

    /// A technician's session: a connection and a terminal of its own, on which a command runs until either ends.
    /// Killing it is what the board sees of a session that is lost.
    pub fn session(&self, command: &str) -> Result<Child> {
        let alone = ["-o", "ControlMaster=no", "-o", "ControlPath=none"];
        let mut ssh = Command::new("ssh");
        // The first setting of an option counts.
        ssh.args(alone).args(self.ssh_options()).args(["-tt", "board", command]);
        ssh.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        ssh.spawn().context("ssh")
    }

    async fn run_there(&self, command: &str, input: &[u8]) -> Result<std::process::Output> {
        let mut child = Command::new("ssh")
            .args(self.ssh_options())
            .args(["board", command])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("ssh")?;
        let mut stdin = child.stdin.take().context("piped")?;
        let (written, output) = tokio::time::timeout(COMMAND_WITHIN, async {
            let write = async move {
                let done = stdin.write_all(input).await;
                drop(stdin);
                done
            };
            tokio::join!(write, child.wait_with_output())
        })
        .await
        .with_context(|| format!("on the board, not within {COMMAND_WITHIN:?}: {command}"))?;
        // A command that reads nothing closes its input.
        drop(written);
        Ok(output?)
    }
}
