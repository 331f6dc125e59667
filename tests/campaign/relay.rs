//! A wire with delay between two network namespaces, for a kernel that has no netem.
//!
//! ```text
//! namespace A: tun0 <-> relay A <== unix datagrams, each held for half the round trip ==> relay B <-> tun0 :namespace B
//! ```
//!
//! Unix sockets are found by path, in whatever network namespace their owner is; so each relay only has
//! to be started inside its own (`ip netns exec`). The device is attached by its name.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::process::Command;

use crate::support::centre_side::run as run_command;
use crate::support::process::Process;

#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// The socket this end hears on.
    #[arg(long)]
    here: PathBuf,
    /// The other end's.
    #[arg(long)]
    there: PathBuf,
    /// How long a packet is held, each way, ms.
    #[arg(long)]
    hold_ms: u64,
}

/// Packets held, with the instant each may go on.
type Held = Arc<(Mutex<VecDeque<(Instant, Vec<u8>)>>, Condvar)>;

pub async fn run(arguments: &Arguments) -> Result<()> {
    let device = attach("tun0")?;
    let socket = UnixDatagram::bind(&arguments.here)?;
    let hold = Duration::from_millis(arguments.hold_ms);
    let held: Held = Arc::default();
    let (mut reader, mut writer) = (device.try_clone()?, device);
    let (out, there, queue) = (socket.try_clone()?, arguments.there.clone(), Arc::clone(&held));
    std::thread::spawn(move || {
        let mut packet = vec![0; 65536];
        while let Ok(size) = reader.read(&mut packet) {
            let (lock, ready) = &*queue;
            lock.lock().expect("no panic holds it").push_back((Instant::now() + hold, packet[..size].to_vec()));
            ready.notify_one();
        }
    });
    std::thread::spawn(move || {
        loop {
            let (lock, ready) = &*held;
            let mut queue = lock.lock().expect("no panic holds it");
            while queue.is_empty() {
                queue = ready.wait(queue).expect("no panic holds it");
            }
            let (at, packet) = queue.pop_front().expect("not empty");
            drop(queue);
            while let Some(left) = at.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
                std::thread::park_timeout(left);
            }
            // The other end may not be there yet; a wire loses such packets.
            let _ = out.send_to(&packet, &there);
        }
    });
    tokio::task::spawn_blocking(move || {
        let mut packet = vec![0; 65536];
        while let Ok(size) = socket.recv(&mut packet) {
            let _ = writer.write_all(&packet[..size]);
        }
    })
    .await?;
    Ok(())
}

/// Attaches to a TUN device made with `ip tuntap add` (no packet information header).
#[allow(unsafe_code, reason = "the kernel gives a TUN device by an ioctl alone")]
fn attach(name: &str) -> Result<File> {
    const TUNSETIFF: libc::c_ulong = 0x4004_54ca;
    let file = OpenOptions::new().read(true).write(true).open("/dev/net/tun").context("/dev/net/tun")?;
    // struct ifreq: 16 bytes of name, 2 of flags, the rest unused.
    let mut request = [0u8; 40];
    request[..name.len()].copy_from_slice(name.as_bytes());
    let flags = libc::IFF_TUN | libc::IFF_NO_PI;
    request[16..18].copy_from_slice(&u16::try_from(flags)?.to_ne_bytes());
    let fd = std::os::fd::AsRawFd::as_raw_fd(&file);
    // SAFETY: `request` is as large as the kernel's struct ifreq and lives through the call.
    let done = unsafe { libc::ioctl(fd, TUNSETIFF, request.as_mut_ptr()) };
    if done < 0 { Err(std::io::Error::last_os_error()).context(name.to_owned()) } else { Ok(file) }
}

/// Two namespaces, `near` (the kiosk's) and `far` (the centre's), joined by such a wire.
pub struct Wire {
    pub near: String,
    pub far: String,
    /// The centre's address in `far`.
    pub address: String,
    _ends: Vec<Process>,
}

impl Wire {
    pub async fn lay(round_trip: Duration, dir: &std::path::Path) -> Result<Self> {
        let id = std::process::id();
        let (near, far) = (format!("sos-near-{id}"), format!("sos-far-{id}"));
        let mut wire = Self { near, far, address: "10.99.0.2".to_owned(), _ends: vec![] };
        for (name, own, other) in [(&wire.near, "10.99.0.1", "10.99.0.2"), (&wire.far, "10.99.0.2", "10.99.0.1")] {
            ip(&["netns", "add", name]).await?;
            ip(&["-n", name, "link", "set", "lo", "up"]).await?;
            ip(&["-n", name, "tuntap", "add", "dev", "tun0", "mode", "tun"]).await?;
            ip(&["-n", name, "addr", "add", own, "peer", other, "dev", "tun0"]).await?;
            ip(&["-n", name, "link", "set", "tun0", "up"]).await?;
        }
        let sockets = [dir.join("near.sock"), dir.join("far.sock")];
        for (n, name) in [wire.near.clone(), wire.far.clone()].iter().enumerate() {
            let mut command = Command::new("ip");
            command.args(["netns", "exec", name]).arg(std::env::current_exe()?).arg("relay");
            command.arg("--here").arg(&sockets[n]).arg("--there").arg(&sockets[1 - n]);
            command.args(["--hold-ms", &(round_trip.as_millis() / 2).to_string()]);
            wire._ends.push(Process::start("relay", &mut command, dir)?);
        }
        Ok(wire)
    }

    pub fn prefix(name: &str) -> Vec<String> {
        ["ip", "netns", "exec", name].map(str::to_owned).to_vec()
    }

    pub async fn lift(self) -> Result<()> {
        drop(self._ends);
        ip(&["netns", "del", &self.near]).await?;
        ip(&["netns", "del", &self.far]).await
    }
}

async fn ip(arguments: &[&str]) -> Result<()> {
    run_command(Command::new("ip").args(arguments)).await.map(|_| ())
}
