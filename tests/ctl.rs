//! The command lines as black boxes: exit code, stdout, stderr.
#![cfg(feature = "kiosk")]

mod kiosk_here;

use std::path::Path;
use std::process::{Command, Output};

use kiosk_here::Kiosk;
use sos::machine::Event;
use sos::wire::up::{Fault, FaultKind};

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
    assert!(out.contains("\n  doing       at rest\n"), "{out}");
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
async fn each_fault_is_said_once_and_with_what_to_look_at() {
    let kiosk = Kiosk::start(vec![]).up().await;
    for (kind, detail) in [(FaultKind::CameraLost, "no such device"), (FaultKind::CaseOpen, "the contact is open")] {
        kiosk.happens(Event::FaultRaised(Fault { kind, detail: detail.to_owned() })).await;
    }
    let (code, out, _) = ctl(&["--socket", text(&kiosk.socket), "status"]).await;
    assert_eq!(code, Some(6));
    let mut lines = out.lines();
    assert_eq!(lines.next(), Some("park-north: DOES NOT WORK: camera lost: no such device"));
    assert_eq!(lines.next(), Some("  WARNING     case open: the contact is open"));
    assert!(lines.next().is_some_and(|line| line.starts_with("  look at     the camera's cable and power; ")), "{out}");
    assert_eq!(lines.next(), Some("  look at     the case: close it"));
    assert_eq!(out.matches("no such device").count(), 1, "{out}");
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
    assert!(out.contains(&format!("incident {incident}, presses 2")) && out.contains("button      pressed"), "{out}");
    assert_eq!(ctl(&["--socket", text(&kiosk.socket), "release"]).await.0, Some(0));
    kiosk.stop().await;
}

#[tokio::test]
async fn without_a_daemon_there_is_a_hint() {
    let (code, out, err) = ctl(&["--socket", "/nonexistent/control.sock", "press"]).await;
    assert_eq!((code, out.as_str()), (Some(3), ""));
    assert!(err.starts_with("error: /nonexistent/control.sock: the daemon cannot be reached: "), "{err}");
    assert!(err.contains("\nhint: is it running?"), "{err}");
}

#[tokio::test]
async fn without_a_daemon_status_says_what_a_fresh_kiosk_still_lacks() {
    let dir = tempfile::TempDir::new().expect("a directory");
    let file = dir.path().join("c.toml");
    let status = async || ctl(&["--socket", "/nonexistent/s", "status", "--file", text(&file)]).await;
    std::fs::write(&file, "").expect("a file");
    let (code, out, err) = status().await;
    assert_eq!((code, out.as_str()), (Some(4), ""));
    let wanted = "error: this kiosk is not set up yet: id, place.name, centre.broker and centre.delivery are not set\n\
                  hint: together, for example: sos-ctl config set id 'park-north' place.name ";
    assert!(err.starts_with(wanted), "{err}");
    // One that is set up and wrong is another matter.
    std::fs::write(&file, GOOD.replace("\"Park\"", "7")).expect("a file");
    assert!(status().await.2.contains("c.toml:2: place.name: expected text, found 7"));

    let keys = "ca = \"ca.pem\"\ncert = \"kiosk.pem\"\nkey = \"kiosk.key\"\n";
    std::fs::write(&file, format!("{GOOD}{keys}")).expect("a file");
    let cases = [
        ("kiosk.key", "error: a is not enrolled: there is no key yet\nhint: sos-ctl enrol --ca FILE makes the key"),
        ("ca.pem", "error: a is not enrolled: the certificate of the centre's authority is not there\nhint: "),
        ("kiosk.pem", "error: a is not enrolled: the key is there, its certificate is not\nhint: sos-ctl enrol prints"),
    ];
    for (name, wanted) in cases {
        let (code, out, err) = status().await;
        assert_eq!((code, out.as_str()), (Some(12), ""), "{err}");
        assert!(err.starts_with(wanted), "{err}");
        std::fs::write(dir.path().join(name), "PEM").expect("a file");
    }
    assert_eq!(status().await.0, Some(3), "all is there: it is the daemon that is missing");
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

    let (_, out, _) = ctl(&["config", "list", "place", "--file", text(&file)]).await;
    let wanted = format!("place.name = \"Park\"  # {}:2\n# place.lat: not set\n# place.lon: not set\n", file.display());
    assert_eq!(out, wanted);
    let (code, _, err) = ctl(&["config", "list", "colour", "--file", text(&file)]).await;
    assert_eq!((code, err.as_str()), (Some(4), "error: colour: no key begins so\nhint: sos-ctl config list\n"));
    let (code, out, _) = ctl(&["config", "list", "--doc", "--file", text(&file)]).await;
    assert_eq!(code, Some(0));
    assert!(out.contains(&format!("media.fps = 500  # {}:7\n#   Frames per second.\n", file.display())), "{out}");
    assert!(out.contains("store.dir = \"/var/lib/sos-kiosk\"  # default\n"), "{out}");
    assert!(out.contains("#   default 25, example 25; takes effect by a restart\n"));
    assert!(out.contains("takes effect at once\n"), "{out}");
    assert!(out.ends_with("# By a restart: the daemon's own, about a second, never in an alarm.\n"), "{out}");
}

const GOOD: &str =
    "id = \"a\" # the first\nplace.name = \"Park\"\n[centre]\nbroker = \"c:8883\"\ndelivery = \"https://c:8444\"\n";
/// No daemon answers there.
const NOBODY: [&str; 2] = ["--socket", "/nonexistent/control.sock"];

#[tokio::test]
async fn keys_are_read_set_and_taken_out_without_a_daemon() {
    let dir = tempfile::TempDir::new().expect("a directory");
    let file = dir.path().join("c.toml");
    std::fs::write(&file, GOOD).expect("a file");
    let config = async |args: &[&str]| {
        let words: Vec<&str> = [&NOBODY[..], &["config"], args, &["--file", text(&file)]].concat();
        ctl(&words).await
    };
    let read = || std::fs::read_to_string(&file).expect("a file");
    assert_eq!(config(&["get", "place.name"]).await, (Some(0), "Park\n".to_owned(), String::new()));
    assert_eq!(config(&["get", "media.fps"]).await.1, "25\n");
    let (code, out, err) = config(&["get", "fps"]).await;
    assert_eq!((code, out.as_str()), (Some(4), ""));
    assert!(err.starts_with("error: fps: unknown key; is it media.fps?\nhint: "), "{err}");
    let (_, out, _) = config(&["get", "media.fps", "--json"]).await;
    assert!(out.contains("\"origin\":\"default\"") && out.contains("\"live\":false"), "{out}");

    let (code, out, err) = config(&["set", "media.fps", "15", "place.name", "Old Park"]).await;
    assert_eq!((code, out.as_str()), (Some(0), "place.name: \"Park\" -> \"Old Park\"\nmedia.fps: 25 -> 15\n"));
    assert!(err.contains("The daemon does not answer: it tries the change at its next start"), "{err}");
    assert_eq!(read(), GOOD.replace("\"Park\"", "\"Old Park\"") + "\n[media]\nfps = 15\n");

    // Two keys of which neither may be without the other change together.
    let (code, _, err) = config(&["set", "place.lat", "51.1"]).await;
    assert_eq!(code, Some(4));
    assert!(err.contains("place.lat: expected place.lon beside it, found none"), "{err}");
    assert_eq!(config(&["set", "place.lat", "51.1", "place.lon", "-71.4"]).await.0, Some(0));
    assert_eq!(config(&["unset", "place.lat", "place.lon"]).await.0, Some(0));

    let before = read();
    let (code, out, err) = config(&["set", "media.fps", "500"]).await;
    assert_eq!((code, out.as_str()), (Some(4), ""));
    assert!(err.contains("media.fps: expected 5 to 60, found 500\nhint: "), "{err}");
    assert_eq!(config(&["set", "media.fps"]).await.0, Some(2));
    assert_eq!(config(&["set", "media.fps", "1", "x"]).await.0, Some(2));
    assert_eq!(read(), before, "nothing is written unless the whole is right");
    let (code, out, _) = config(&["unset", "centre.broker"]).await;
    assert_eq!((code, out.as_str()), (Some(4), ""), "what is needed cannot be taken out");
    assert_eq!(config(&["set", "media.fps", "15"]).await.2, "nothing to change\n");

    let (code, out, _) = config(&["diff"]).await;
    assert_eq!(code, Some(0));
    assert!(out.contains("against the defaults:\n  id: (not set) -> \"a\"\n"), "{out}");
    assert!(out.contains("  media.fps: 25 -> 15\n") && out.contains("proved:\n  there is none yet"), "{out}");
    std::fs::write(dir.path().join("c.toml.good"), GOOD).expect("a file");
    let (_, out, _) = config(&["diff", "--json"]).await;
    let diff: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let keys: Vec<_> = diff["last_good"].as_array().expect("a list").iter().map(|c| c["key"].clone()).collect();
    assert_eq!(keys, ["place.name", "media.fps"]);
}

#[tokio::test]
async fn a_file_that_is_no_daemons_is_changed_without_a_trial() {
    let kiosk = Kiosk::start(vec![]).up().await;
    let dir = tempfile::TempDir::new().expect("a directory");
    let file = dir.path().join("c.toml");
    std::fs::write(&file, GOOD).expect("a file");
    let set = ["--socket", text(&kiosk.socket), "config", "set", "media.fps", "10", "--file", text(&file)];
    assert_eq!(ctl(&set).await, (Some(0), "media.fps: 25 -> 10\n".to_owned(), String::new()));
    assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 1, "and nothing is left beside it");
    kiosk.stop().await;
}

#[tokio::test]
async fn a_watch_says_each_change_once_and_ends_cleanly() {
    use std::io::{BufRead, BufReader};
    let mut kiosk = Kiosk::start(vec![]).up().await;
    let mut child = Command::new(env!("CARGO_BIN_EXE_sos-ctl"))
        .args(["--socket", text(&kiosk.socket), "status", "--watch"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("it runs");
    let out = BufReader::new(child.stdout.take().expect("piped"));
    let (to, mut lines) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || out.lines().map_while(Result::ok).for_each(|line| _ = to.send(line)));
    let first = tokio::time::timeout(kiosk_here::BOUND, lines.recv()).await.expect("in time").expect("a line");
    assert!(first.ends_with(" park-north: works, a press now would bring an officer"), "{first}");
    kiosk.happens(sos::machine::Event::LinkDown).await;
    let next = tokio::time::timeout(kiosk_here::BOUND, lines.recv()).await.expect("in time").expect("a line");
    assert!(next.contains("DOES NOT WORK: no connection to the broker"), "{next}");
    kiosk.until(|told| matches!(told, kiosk_here::Told::Said(_)).then_some(())).await;
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("it runs").success());
    let ended = tokio::task::spawn_blocking(move || child.wait()).await.expect("no panic").expect("it ends");
    assert_eq!(ended.code(), Some(0));
    kiosk.stop().await;
}

#[tokio::test]
async fn without_a_journal_the_daemons_events_are_the_log() {
    let kiosk = Kiosk::start(vec![]).up().await;
    let logs = ["--socket", text(&kiosk.socket), "logs", "--unit", "no-such-unit", "-n", "2"];
    let (code, out, err) = ctl(&logs).await;
    assert_eq!(code, Some(0), "{err}");
    assert!(err.contains("no journal of the service"), "{err}");
    let lines: Vec<&str> = out.lines().map(|line| line.split_once(' ').expect("a time").1).collect();
    assert_eq!(lines, ["CentrePresent(true)", "LegUp"]);
    assert_eq!(ctl(&["--socket", "/nonexistent/s", "logs", "--events"]).await.0, Some(3));
    kiosk.stop().await;
}

#[tokio::test]
async fn every_exit_code_is_in_the_help_and_in_the_man_page() {
    let (code, out, _) = ctl(&["--help"]).await;
    assert_eq!(code, Some(0));
    let dir = tempfile::TempDir::new().expect("a directory");
    let (code, files, _) = ctl(&["generate", text(dir.path())]).await;
    assert_eq!(code, Some(0));
    for file in [
        "man/sos-ctl.1",
        "man/sos-ctl-config-set.1",
        "completions/bash/sos-ctl.bash",
        "completions/zsh/_sos-ctl",
        "completions/fish/sos-ctl.fish",
    ] {
        let path = dir.path().join(file);
        assert!(files.contains(text(&path)), "{file} is said: {files}");
        assert!(std::fs::metadata(&path).expect("it is there").len() > 100, "{file}");
    }
    let page = std::fs::read_to_string(dir.path().join("man/sos-ctl.1")).expect("a page");
    for line in sos::ctl::cli::EXIT_CODES.lines().skip(1) {
        let (code, what) = line.trim().split_once(' ').expect("a code");
        assert!(out.contains(line.trim()), "{line}");
        let word = what.split_whitespace().next().expect("a word");
        assert!(page.lines().any(|line| line.trim().starts_with(code) && line.contains(word)), "{code} {what}: {page}");
    }
    assert!(!out.contains("generate") && !page.contains("generate("), "it is for packages, not for people");
}

/// What bash offers for the last of these words.
fn bash_offers(completions: &Path, words: &[&str]) -> Vec<String> {
    let script = format!(
        "source {}; COMP_WORDS=({words}); COMP_CWORD={last}; COMP_LINE='{words}'; COMP_POINT=${{#COMP_LINE}}; \
         complete=$(complete -p sos-ctl); complete=${{complete##*-F }}; ${{complete%% *}} sos-ctl '{word}' '{before}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        completions.display(),
        words = words.join(" "),
        last = words.len() - 1,
        word = words[words.len() - 1],
        before = words[words.len() - 2],
    );
    let (code, out, err) = run("bash", &["--norc", "-c", &script]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{script}");
    out.split_whitespace().map(str::to_owned).collect()
}

#[tokio::test]
async fn shells_offer_the_keys_and_the_parts_that_are_tested() {
    let dir = tempfile::TempDir::new().expect("a directory");
    assert_eq!(ctl(&["generate", text(dir.path())]).await.0, Some(0));
    let bash = dir.path().join("completions/bash/sos-ctl.bash");
    for command in ["get", "set", "unset"] {
        let keys = bash_offers(&bash, &["sos-ctl", "config", command, "media.f"]);
        assert_eq!(keys, ["media.fps"], "config {command}");
    }
    let second = bash_offers(&bash, &["sos-ctl", "config", "set", "media.fps", "10", "place.na"]);
    assert_eq!(second, ["place.name"]);
    let all = bash_offers(&bash, &["sos-ctl", "config", "unset", ""]);
    let missing: Vec<&str> =
        sos::config::kiosk::KEYS.iter().map(|key| key.name).filter(|key| !all.iter().any(|word| word == key)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert_eq!(bash_offers(&bash, &["sos-ctl", "selftest", "cam"]), ["camera"]);

    let read = |file: &str| std::fs::read_to_string(dir.path().join("completions").join(file)).expect("a file");
    let (zsh, fish) = (read("zsh/_sos-ctl"), read("fish/sos-ctl.fish"));
    assert!(zsh.contains("media.fps\\:"), "zsh");
    for line in [
        "-n \"__fish_sos_ctl_using_subcommand config; and __fish_seen_subcommand_from get\" -f -a \"media.fps\" -d 'Frames",
        "-n \"__fish_sos_ctl_using_subcommand selftest\" -f -a \"camera\" -d '",
    ] {
        assert!(fish.contains(line), "{line}");
    }
    // An unknown key is still the command's own matter.
    let (code, _, err) = ctl(&["config", "get", "media.fsp", "--file", "/nonexistent"]).await;
    assert!(code == Some(4) && !err.contains("possible values"), "{err}");
}

#[test]
fn a_fault_of_the_program_has_a_code_of_its_own() {
    const BREAK: &str = "SOS_TEST_BREAK";
    if std::env::var_os(BREAK).is_some() {
        sos::ctl::end_on_own_fault();
        panic!("expected 1, found 2");
    }
    let broken = Command::new(std::env::current_exe().expect("this test"))
        .args(["a_fault_of_the_program_has_a_code_of_its_own", "--exact", "--nocapture"])
        .env(BREAK, "")
        .output()
        .expect("it runs");
    let told = String::from_utf8(broken.stderr).expect("UTF-8");
    assert_eq!(broken.status.code(), Some(1), "{told}");
    assert!(told.contains("error: a fault of this program: ") && told.contains("expected 1, found 2"), "{told}");
}

#[test]
fn where_nobody_hears_the_messages_the_code_is_the_same() {
    let broken = Command::new(env!("CARGO_BIN_EXE_sos-ctl"))
        .args(["--socket", "/nonexistent/s", "press"])
        .stderr(std::fs::File::options().write(true).open("/dev/full").expect("a full device"))
        .output()
        .expect("it runs");
    assert_eq!((broken.status.code(), broken.stdout.as_slice()), (Some(3), [].as_slice()), "nobody hears the message");
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
