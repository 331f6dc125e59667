//! `sos-ctl enrol` and `sos-centre sign-kiosk`: the whole way of a key that never leaves the kiosk, and every wrong turn.
#![cfg(all(feature = "kiosk", feature = "centre"))]

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// Exit code, stdout, stderr.
type Outcome = (Option<i32>, String, String);

fn run(program: &str, args: &[&str], stdin: &str) -> Outcome {
    let mut child = Command::new(program)
        .args(args)
        .env_remove("SOS_CONTROL_SOCKET")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    // One that refuses its arguments reads nothing.
    let _ = child.stdin.take().expect("piped").write_all(stdin.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

struct Board {
    dir: TempDir,
    config: PathBuf,
}

impl Board {
    /// A kiosk without key and certificate, and an owner with an authority.
    fn new(id: &str) -> Self {
        let dir = TempDir::new().expect("a directory");
        let keys = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scripts/keys");
        let made = Command::new(keys).arg(dir.path().join("owner")).output().expect("it runs");
        assert!(made.status.success(), "{made:?}");
        let config = dir.path().join("c.toml");
        let text = format!(
            "id = \"{id}\"\nplace.name = \"Park\"\n[centre]\nbroker = \"c:8883\"\ndelivery = \"https://c:8444\"\n\
             ca = \"ca.pem\"\ncert = \"kiosk.pem\"\nkey = \"kiosk.key\"\n"
        );
        std::fs::write(&config, text).expect("a file");
        Self { dir, config }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn enrol(&self, args: &[&str], stdin: &str) -> Outcome {
        let mut words = vec!["--socket", "/nonexistent/s", "enrol", "--file", text(&self.config)];
        words.extend(args);
        run(env!("CARGO_BIN_EXE_sos-ctl"), &words, stdin)
    }

    fn sign(&self, id: &str, owner: &str, request: &str) -> Outcome {
        let (ca, key) = (self.path(&format!("{owner}/ca.pem")), self.path(&format!("{owner}/ca.key")));
        let words = ["sign-kiosk", "-", "--id", id, "--ca", text(&ca), "--ca-key", text(&key)];
        run(env!("CARGO_BIN_EXE_sos-centre"), &words, request)
    }

    fn fingerprint(&self) -> String {
        let ca = self.path("owner/ca.pem");
        let (_, out, _) = run("openssl", &["x509", "-in", text(&ca), "-noout", "-fingerprint", "-sha256"], "");
        out.trim().rsplit('=').next().expect("a fingerprint").to_owned()
    }

    /// The authority is trusted and the request made.
    fn request(&self) -> String {
        let ca = self.path("owner/ca.pem");
        let (code, out, err) = self.enrol(&["--ca", text(&ca), "--fingerprint", &self.fingerprint()], "");
        assert_eq!(code, Some(0), "{err}");
        out
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn a_key_is_made_here_a_request_is_signed_there_and_the_certificate_fits() {
    let board = Board::new("park-north");
    let request = board.request();
    assert!(request.starts_with("-----BEGIN CERTIFICATE REQUEST-----\n"), "stdout is the request alone: {request}");
    let key = board.path("kiosk.key");
    assert_eq!(std::fs::metadata(&key).expect("a key").mode() & 0o7777, 0o600);
    let again = board.enrol(&[], "");
    assert!(again.2.contains("there already, and kept"), "{}", again.2);

    let (code, certificate, err) = board.sign("park-north", "owner", &request);
    assert_eq!(code, Some(0), "{err}");
    let (code, out, err) = board.enrol(&["--install", "-"], &certificate);
    assert_eq!((code, out.as_str()), (Some(0), ""), "{err}");
    // By somebody else's eyes: name, use, signature.
    let (cert, ca) = (board.path("kiosk.pem"), board.path("ca.pem"));
    let (code, out, _) = run("openssl", &["verify", "-purpose", "sslclient", "-CAfile", text(&ca), text(&cert)], "");
    assert_eq!(code, Some(0), "{out}");
    let (_, out, _) =
        run("openssl", &["x509", "-in", text(&cert), "-noout", "-subject", "-ext", "extendedKeyUsage"], "");
    assert!(out.contains("CN = park-north") && out.contains("TLS Web Client Authentication"), "{out}");
    let identity = sos::tls::Identity { cert, key };
    sos::tls::install_provider();
    sos::tls::client(&ca, Some(&identity)).expect("the daemon can use it");
}

#[test]
fn an_authority_with_another_fingerprint_is_not_trusted() {
    let board = Board::new("park-north");
    let ca = board.path("owner/ca.pem");
    let (code, out, err) = board.enrol(&["--ca", text(&ca), "--fingerprint", &"AB:".repeat(32)], "");
    assert_eq!((code, out.as_str()), (Some(10), ""));
    assert!(err.contains("expected the fingerprint AB:AB:") && err.contains(&board.fingerprint()), "{err}");
    let (code, _, err) = board.enrol(&["--ca", text(&ca)], "yes\n");
    assert_eq!(code, Some(10), "without a terminal nobody has compared it");
    assert!(err.contains("hint: --fingerprint HEX"), "{err}");
    assert!(!board.path("ca.pem").exists() && !board.path("kiosk.key").exists(), "nothing is half done");
    let server = board.path("owner/server.pem");
    let (_, _, err) = board.enrol(&["--ca", text(&server), "--fingerprint", "00"], "");
    assert!(err.contains("expected the certificate of an authority"), "{err}");
}

#[test]
fn a_certificate_of_another_name_key_or_authority_is_not_installed() {
    let board = Board::new("park-north");
    let request = board.request();
    let other = Board::new("park-south");
    let theirs = other.request();
    assert_eq!(board.sign("park-south", "owner", &request).0, Some(1), "the owner names the kiosk");
    let refused = board.sign("park-south", "owner", &request).2;
    assert!(refused.contains("expected a request of \"park-south\", found one of \"park-north\""), "{refused}");
    let torn = request.replace("MI", "MJ");
    assert_eq!(board.sign("park-north", "owner", &torn).0, Some(1));

    let install = |certificate: &str| board.enrol(&["--install", "-"], certificate);
    let (code, _, err) = install(&board.sign("park-south", "owner", &theirs).1);
    assert_eq!(code, Some(10));
    assert!(err.contains("expected a certificate for \"park-north\", found one for \"park-south\""), "{err}");

    // The same name, another key.
    let twin = Board::new("park-north");
    let (_, _, err) = install(&board.sign("park-north", "owner", &twin.request()).1);
    assert!(err.contains("expected a certificate of this kiosk's key"), "{err}");
    // The same key, another authority.
    std::fs::rename(twin.path("owner"), board.path("stranger")).expect("moved");
    let (code, _, err) = install(&board.sign("park-north", "stranger", &request).1);
    assert_eq!(code, Some(10));
    assert!(err.contains("the centre would not accept it"), "{err}");
    assert_eq!(install("nonsense").0, Some(10));
    assert!(!board.path("kiosk.pem").exists(), "none of them is in place");
}
