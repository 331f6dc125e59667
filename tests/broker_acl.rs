//! The project's own broker configuration, in a real mosquitto, with certificates of `scripts/keys`: who may say and
//! hear what.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use sos::wire::limits::MAX_MESSAGE;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(10);

/// A running broker, ended when dropped.
struct Broker {
    child: Child,
    port: u16,
    dir: TempDir,
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn keys(dir: &Path) {
    let made = Command::new(repository().join("scripts/keys")).arg(dir).args(["kiosk-1", "kiosk-2"]).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

impl Broker {
    fn start() -> Self {
        let dir = TempDir::new().unwrap();
        keys(&dir.path().join("keys"));
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let template = std::fs::read_to_string(repository().join("systemd/mosquitto/sos.conf")).unwrap();
        let filled = template
            .replace("@PORT@", &format!("{port} 127.0.0.1"))
            .replace("@KEYS@", &dir.path().join("keys").display().to_string())
            .replace("@ACL@", &repository().join("systemd/mosquitto/acl").display().to_string())
            .replace("@STATE@", &dir.path().display().to_string());
        let configuration = dir.path().join("mosquitto.conf");
        // Started as root it would become a user who cannot read the keys.
        std::fs::write(&configuration, format!("user root\n{filled}")).unwrap();
        let program = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"].into_iter().find(|p| Path::new(p).exists());
        let child = Command::new(program.unwrap_or("mosquitto"))
            .arg("-c")
            .arg(&configuration)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("mosquitto is installed (scripts/setup)");
        let broker = Self { child, port, dir };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "the broker does not listen");
            std::thread::yield_now();
        }
        broker
    }

    fn client(&self, program: &str, name: &str) -> Command {
        let keys = self.dir.path().join("keys");
        let mut command = Command::new(program);
        command.args(["-V", "5", "-h", "localhost", "-p", &self.port.to_string()]);
        command.arg("--cafile").arg(keys.join("ca.pem"));
        command.arg("--cert").arg(keys.join(format!("{name}.pem"))).arg("--key").arg(keys.join(format!("{name}.key")));
        command
    }

    /// Leaves a retained message, if it may.
    fn say(&self, name: &str, topic: &str) -> Output {
        self.client("mosquitto_pub", name).args(["-q", "1", "-r", "-t", topic, "-m", name]).output().unwrap()
    }

    /// Every topic of the retained messages that come to whoever subscribes to everything.
    fn heard(&self, name: &str) -> BTreeSet<String> {
        let mut command = self.client("mosquitto_sub", name);
        // What does not come can only be waited for.
        let heard = command.args(["-t", "#", "-q", "1", "-F", "%t", "-W", "2"]).output().unwrap();
        String::from_utf8(heard.stdout).unwrap().lines().map(str::to_owned).collect()
    }
}

fn set(topics: &[&str]) -> BTreeSet<String> {
    topics.iter().map(|topic| (*topic).to_owned()).collect()
}

#[test]
fn a_kiosk_speaks_and_hears_for_itself_alone() {
    let broker = Broker::start();
    let everything = [
        "sos/v1/kiosk/kiosk-1/alarm",
        "sos/v1/kiosk/kiosk-2/alarm",
        "sos/v1/to/kiosk-1/ack",
        "sos/v1/to/kiosk-2/ack",
        "sos/v1/centre/state",
        "sos/v1/kiosk/kiosk-1/alarm/deeper",
        "elsewhere",
    ];
    // Whoever may not say it leaves nothing: each says all, and only the one who may is heard.
    for topic in everything {
        assert!(broker.say("kiosk-1", topic).status.success() || topic != everything[0]);
    }
    assert_eq!(broker.heard("centre"), set(&["sos/v1/kiosk/kiosk-1/alarm"]));
    assert_eq!(broker.heard("kiosk-1"), set(&[]));

    for topic in everything {
        broker.say("kiosk-2", topic);
        broker.say("centre", topic);
    }
    let all_kiosks = ["sos/v1/kiosk/kiosk-1/alarm", "sos/v1/kiosk/kiosk-2/alarm", "sos/v1/centre/state"];
    assert_eq!(broker.heard("centre"), set(&all_kiosks));
    assert_eq!(broker.heard("kiosk-1"), set(&["sos/v1/to/kiosk-1/ack", "sos/v1/centre/state"]));
    assert_eq!(broker.heard("kiosk-2"), set(&["sos/v1/to/kiosk-2/ack", "sos/v1/centre/state"]));
}

#[test]
fn without_a_certificate_of_the_authority_nobody_is_let_in() {
    let broker = Broker::start();
    let ca = broker.dir.path().join("keys/ca.pem");
    let port = broker.port.to_string();
    let plain = ["-V", "5", "-h", "localhost", "-p", &port, "-t", "sos/v1/kiosk/kiosk-1/alarm", "-m", "x"];
    let none = Command::new("mosquitto_pub").args(plain).arg("--cafile").arg(&ca).output().unwrap();
    assert!(!none.status.success(), "without a certificate");
    let clear = Command::new("mosquitto_pub").args(plain).output().unwrap();
    assert!(!clear.status.success(), "without TLS");

    let other = TempDir::new().unwrap();
    keys(other.path());
    let foreign = Command::new("mosquitto_pub")
        .args(plain)
        .arg("--cafile")
        .arg(&ca)
        .arg("--cert")
        .arg(other.path().join("kiosk-1.pem"))
        .arg("--key")
        .arg(other.path().join("kiosk-1.key"))
        .output()
        .unwrap();
    assert!(!foreign.status.success(), "with a certificate of another authority");
    // A name given beside the certificate changes nothing.
    let named = broker
        .client("mosquitto_pub", "kiosk-1")
        .args(["-u", "centre", "-P", "x", "-q", "1", "-r", "-t", "sos/v1/to/kiosk-2/order", "-m", "x"])
        .output()
        .unwrap();
    assert!(broker.heard("kiosk-2").is_empty(), "{named:?}");
    assert!(broker.say("kiosk-1", "sos/v1/kiosk/kiosk-1/state").status.success(), "the broker still serves");
}

#[test]
fn the_largest_message_passes_and_a_larger_packet_does_not() {
    let broker = Broker::start();
    let file = broker.dir.path().join("payload");
    for (level, size) in [("event", MAX_MESSAGE + 16 * 1024), ("signal", MAX_MESSAGE)] {
        std::fs::write(&file, vec![b'x'; size]).unwrap();
        let topic = format!("sos/v1/kiosk/kiosk-1/{level}");
        let mut say = broker.client("mosquitto_pub", "kiosk-1");
        say.args(["-q", "1", "-r", "-t", &topic, "-f"]).arg(&file).output().unwrap();
    }
    let mut hear = broker.client("mosquitto_sub", "centre");
    let heard = hear.args(["-t", "sos/v1/kiosk/+/+", "-q", "1", "-F", "%t %l", "-W", "2"]).output().unwrap();
    let heard = String::from_utf8(heard.stdout).unwrap();
    assert_eq!(heard.trim(), format!("sos/v1/kiosk/kiosk-1/signal {MAX_MESSAGE}"));
}
