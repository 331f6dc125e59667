//! The command lines as black boxes: exit code, stdout, stderr.
#![cfg(feature = "kiosk")]

mod kiosk_here;

use std::path::Path;
use std::process::{Command, Output};

use kiosk_here::Kiosk;

fn run(program: &str, args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        Command::new(program).args(args).env_remove("SOS_CONTROL_SOCKET").output().expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status.code(), text(stdout), text(stderr))
}

async fn ctl(args: &[&str]) -> (Option<i32>, String, String) {
    let args: Vec<String> = args.iter().map(ToString::to_string).collect();
    let child = move || {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        run(env!("CARGO_BIN_EXE_sos-ctl"), &args)
    };
    tokio::task::spawn_blocking(child).await.expect("no panic")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[tokio::test]
async fn a_kiosk_that_would_work_says_so_first() {
    let kiosk = Kiosk::start(vec![]).up().await;
    let (code, out, err) = ctl(&["--socket", text(&kiosk.socket), "status"]).await;
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert_eq!(out.lines().next(), Some("park-north: works, a press now would bring an officer"));
    assert!(out.contains("\n  doing      at rest\n"), "{out}");
    let (code, out, _) = ctl(&["--socket", text(&kiosk.socket), "status", "--json"]).await;
    assert_eq!(code, Some(0));
    let status: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(status["phase"], "idle");
    kiosk.stop().await;
}

#[tokio::test]
async fn one_that_would_not_says_why_and_exits_with_its_own_code() {
    let kiosk = Kiosk::start(vec![]);
    let (code, out, err) = ctl(&["--socket", text(&kiosk.socket), "status"]).await;
    assert_eq!((code, err.as_str()), (Some(6), ""));
    let first = "park-north: DOES NOT WORK: no connection to the broker; the media leg to the centre is down";
    assert_eq!(out.lines().next(), Some(first));
    kiosk.stop().await;
}

#[tokio::test]
async fn a_press_prints_its_incident() {
    let kiosk = Kiosk::start(vec![]).up().await;
    let (code, out, err) = ctl(&["--socket", text(&kiosk.socket), "press"]).await;
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let incident = out.trim().parse::<sos::wire::IncidentId>().expect("an incident's id");
    let (_, again, _) = ctl(&["--socket", text(&kiosk.socket), "press", "--hold"]).await;
    assert_eq!(again.trim(), incident.to_string(), "a further press joins");
    let (_, out, _) = ctl(&["--socket", text(&kiosk.socket), "status"]).await;
    assert!(out.contains(&format!("incident {incident}, presses 2")) && out.contains("button     pressed"), "{out}");
    assert_eq!(ctl(&["--socket", text(&kiosk.socket), "release"]).await.0, Some(0));
    kiosk.stop().await;
}

#[tokio::test]
async fn without_a_daemon_there_is_a_hint() {
    let (code, out, err) = ctl(&["--socket", "/nonexistent/control.sock", "status"]).await;
    assert_eq!((code, out.as_str()), (Some(3), ""));
    assert!(err.starts_with("error: /nonexistent/control.sock: the daemon cannot be reached: "), "{err}");
    assert!(err.contains("\nhint: is it running?"), "{err}");
}

#[tokio::test]
async fn usage_has_its_own_code() {
    assert_eq!(ctl(&["dance"]).await.0, Some(2));
    assert_eq!(ctl(&["config", "check", "--what"]).await.0, Some(2));
}

#[tokio::test]
async fn a_configuration_is_checked_and_explained() {
    let dir = tempfile::TempDir::new().expect("a directory");
    let file = dir.path().join("c.toml");
    let good = "id = \"a\"\nplace.name = \"Park\"\n[centre]\nbroker = \"c:8883\"\ndelivery = \"https://c:8444\"\n";
    std::fs::write(&file, good).expect("a file");
    let (code, out, _) = ctl(&["config", "check", text(&file)]).await;
    assert_eq!((code, out), (Some(0), format!("right: {}\n", file.display())));

    std::fs::write(&file, format!("{good}[media]\nfps = 500\n")).expect("a file");
    let (code, out, err) = ctl(&["config", "check", text(&file)]).await;
    assert_eq!((code, out.as_str()), (Some(4), ""));
    let wanted = format!("error: {}:7: media.fps: expected 5 to 60, found 500\nhint: ", file.display());
    assert!(err.starts_with(&wanted), "{err}");

    let (code, out, _) = ctl(&["config", "list", "--doc", text(&file)]).await;
    assert_eq!(code, Some(0));
    assert!(out.contains(&format!("media.fps = 500  # {}:7\n#   Frames per second.\n", file.display())), "{out}");
    assert!(out.contains("store.dir = \"/var/lib/sos-kiosk\"  # default\n"), "{out}");
}

#[test]
fn the_daemon_refuses_a_wrong_configuration_with_its_own_code() {
    let dir = tempfile::TempDir::new().expect("a directory");
    let file = dir.path().join("c.toml");
    std::fs::write(&file, "id = \"a\"\ncolour = \"red\"\n").expect("a file");
    let (code, out, err) = run(env!("CARGO_BIN_EXE_sos-kiosk"), &["--config", text(&file)]);
    assert_eq!((code, out.as_str()), (Some(78), ""));
    assert!(err.contains(&format!("{}:2: colour: unknown key", file.display())), "{err}");
}
