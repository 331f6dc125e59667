//! `sos-centre` as a program: exit codes, what it prints and where.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::place::Place;

const NO_BROKER: u16 = 1;

fn sos_centre(config: &Path, arguments: &[&str], stdin: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sos-centre"));
    command.args(arguments).arg("--config").arg(config);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // One that has refused its arguments reads nothing.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child.wait_with_output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[tokio::test]
async fn officers_are_added_listed_and_removed() {
    let place = Place::new(&[], NO_BROKER).await;
    let config = place.write();
    let run = |arguments: &[&str], stdin: &str| sos_centre(&config, arguments, stdin);
    let added = run(&["officer", "add", "dana", "--role", "supervisor", "--password-stdin"], "longer than eight\n");
    assert!(added.status.success(), "{}", stderr(&added));
    let short = run(&["officer", "add", "erik", "--password-stdin"], "short\n");
    assert_eq!((short.status.code(), short.stdout.len()), (Some(1), 0));
    assert!(stderr(&short).contains("8 characters"), "{}", stderr(&short));
    let odd = run(&["officer", "add", "a b", "--password-stdin"], "longer than eight\n");
    assert_eq!(odd.status.code(), Some(1));
    let listed = run(&["officer", "list"], "");
    assert_eq!(String::from_utf8(listed.stdout).unwrap(), "ana\tofficer\nbek\tsupervisor\ndana\tsupervisor\n");
    assert!(run(&["officer", "remove", "dana"], "").status.success());
    assert_eq!(run(&["officer", "remove", "dana"], "").status.code(), Some(1));
}

#[tokio::test]
async fn a_wrong_configuration_is_named_and_has_its_own_code() {
    let place = Place::new(&[], NO_BROKER).await;
    let config = place.write();
    assert_eq!(sos_centre(&config, &["check"], "").status.code(), Some(0));
    let right = std::fs::read_to_string(&config).unwrap();
    let listed = String::from_utf8(sos_centre(&config, &["keys"], "").stdout).unwrap();
    assert!(listed.contains(&format!("media.port = 0  # {}:19\n#   Port of the media", config.display())), "{listed}");
    assert!(listed.contains("media.advertise = []  # default\n"), "{listed}");
    std::fs::write(&config, right.replace("port = 0", "prot = 0")).unwrap();
    for command in ["run", "check"] {
        let refused = sos_centre(&config, &[command], "");
        assert_eq!(refused.status.code(), Some(78));
        let expected = format!("sos-centre: {}:19: media.prot: unknown key", config.display());
        assert!(stderr(&refused).starts_with(&expected), "{}", stderr(&refused));
    }
    // The file is right, but what it names is not there.
    std::fs::write(&config, right.replace("\"centre.key\"", "\"no.key\"")).unwrap();
    for command in ["run", "check"] {
        let refused = sos_centre(&config, &[command], "");
        assert_eq!(refused.status.code(), Some(78));
        assert!(stderr(&refused).contains("no.key: cannot be read"), "{}", stderr(&refused));
    }
    assert_eq!(sos_centre(Path::new("/no/such/file.toml"), &["run"], "").status.code(), Some(78));
    assert_eq!(sos_centre(&config, &["fly"], "").status.code(), Some(2));
}

#[tokio::test]
async fn it_ends_cleanly_when_told_to_even_with_visitors_and_without_a_broker() {
    let place = Place::new(&[], NO_BROKER).await;
    let config = place.write();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    drop(taken);
    let text = std::fs::read_to_string(&config).unwrap();
    let listen = format!("loopback_listen = \"127.0.0.1:{port}\"");
    std::fs::write(&config, text.replace("loopback_listen = \"127.0.0.1:0\"", &listen)).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_sos-centre"))
        .args(["run", "--config"])
        .arg(&config)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut look = tokio::time::interval(Duration::from_millis(20));
    let started = Instant::now();
    let visitor = loop {
        look.tick().await;
        match tokio::net::TcpStream::connect(("127.0.0.1", port)).await {
            Ok(visitor) => break visitor,
            Err(_) => assert!(started.elapsed() < crate::place::BOUND, "it does not listen"),
        }
    };
    // A second one cannot have the same port, and says so.
    let second = sos_centre(&config, &["run"], "");
    assert_eq!(second.status.code(), Some(1));
    assert!(stderr(&second).contains(&format!("cannot listen on 127.0.0.1:{port}")), "{}", stderr(&second));
    let told = Instant::now();
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    let ended = tokio::task::spawn_blocking(move || child.wait().unwrap());
    assert_eq!(crate::place::soon("the end", ended).await.unwrap().code(), Some(0));
    assert!(told.elapsed() < Duration::from_secs(5), "{:?}", told.elapsed());
    drop(visitor);
}
