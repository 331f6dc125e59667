//! Evidence as the centre has it: verified on receipt, shown, exported, and checked by others' programs.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use reqwest::Method;
use serde_json::{Value, json};
use sos::adapter::store::{StoreAdapter, layout};
use sos::adapter::upload::{RETRY_REFUSED, UploadConfig, Uploader};
use sos::centre::desk::IncidentRecord;
use sos::centre::page::{IncidentView, RecordingView};
use sos::centre::store::{Store, evidence, incidents};
use sos::evidence::chain::Chain;
use sos::evidence::{Digest, Link, Offered, PublicKey, SigningKey, Stated, Subject, What};
use sos::kiosk::INBOX_SIZE;
use sos::kiosk::ports::{Fragments, NewFragment};
use sos::wire::IncidentId;
use sos::wire::delivery::{
    DURATION_HEADER, EVIDENCE_KEY_PATH, LINK_HEADER, SHA256_HEADER, START_HEADER, fragment_path, sealed_path,
};
use sos::wire::down::Standing;
use sos::wire::evidence::ChainHead;
use sos::wire::up::{Place as Where, PressOrigin};
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::delivery::sha256;
use crate::media_files::{encoded, frames};
use crate::place::{Browser, Centre, Kiosk, Place, identity_of, soon};

const NO_BROKER: u16 = 1;

/// The incident of a recording, as an alarm would have opened it.
async fn opened(centre: &Centre, id: IncidentId) -> Store {
    let store = Store::open(&centre.dir.join("centre.sqlite")).unwrap();
    let view = IncidentView {
        id,
        kiosk: "north".parse().unwrap(),
        place: Where::default(),
        origin: PressOrigin::Button,
        standing: Standing::Closed,
        owner: None,
        pressed_wall_us: 1_700_000_000_000_000,
        closed_wall_us: Some(1_700_000_060_000_000),
        presses: 1,
        verdict: None,
        note: String::new(),
        kiosk_closed: true,
        timing: BTreeMap::new(),
        recording: RecordingView::default(),
    };
    let record = IncidentRecord { view, clock_offset_us: None };
    store.write(move |db| incidents::save_new(db, &record)).await.unwrap();
    store
}

async fn shown(officer: &Browser, id: IncidentId) -> Value {
    officer.json(&format!("/api/incidents/{id}")).await["incident"]["recording"]["evidence"].clone()
}

/// Records, delivers and seals as a kiosk does, with the kiosk's own store and delivery.
async fn delivered(centre: &Centre, dir: &Path, id: IncidentId) {
    let (inbox, _events) = mpsc::channel(INBOX_SIZE);
    let (store, ..) = StoreAdapter::open(dir, &"north".parse().unwrap(), inbox.clone()).unwrap();
    let parts = encoded(dir);
    for (index, bytes) in (0..).zip(&parts) {
        store
            .write(NewFragment {
                incident: id,
                index,
                start_wall_us: 1_700_000_000_000_000 + i64::try_from(index).unwrap() * 1_000_000,
                duration_us: if index == 0 { 0 } else { 1_000_000 },
                bytes: Bytes::from(bytes.clone()),
            })
            .unwrap();
    }
    store.seal(id, parts.len() as u64 - 1).unwrap();
    let config = UploadConfig {
        url: format!("https://localhost:{}", centre.at.delivery.port()),
        ca: centre.dir.join("ca.pem"),
        identity: identity_of(&centre.dir, "north"),
        retry_refused: RETRY_REFUSED,
    };
    let uploader = Uploader::start(config, std::future::ready(Arc::clone(&store)), inbox);
    let told = async {
        while !store.ask(|index| Ok(index.recordings()?.iter().all(|(_, told)| *told))).await.unwrap() {
            tokio::task::yield_now().await;
        }
    };
    soon("the delivery", told).await;
    uploader.stop().await;
}

/// The zip, unpacked by an ordinary program.
async fn unpacked(officer: &Browser, id: IncidentId, dir: &Path) -> PathBuf {
    let answer = officer.get(&format!("/api/incidents/{id}/export.zip")).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/zip");
    fs::write(dir.join("export.zip"), answer.bytes().await.unwrap()).unwrap();
    let done = Command::new("unzip").args(["-q", "export.zip"]).current_dir(dir).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    dir.join(format!("incident-{id}"))
}

fn verify(dir: &Path) -> (Option<i32>, String) {
    let mut ctl = Command::new(env!("CARGO_BIN_EXE_sos-ctl"));
    let done = ctl.args(["verify", "."]).args(["--key", "evidence.pem"]).current_dir(dir).output().unwrap();
    (done.status.code(), String::from_utf8(done.stdout).unwrap())
}

/// What the page in the export tells people to run, as they would: with openssl, and nothing of ours.
fn by_openssl(dir: &Path) -> String {
    let page = fs::read_to_string(dir.join("how-to-check.html")).unwrap();
    let (_, commands) = page.split_once("<pre id=\"openssl\">").unwrap();
    let (commands, _) = commands.split_once("</pre>").unwrap();
    let commands = commands.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    let done = Command::new("sh").arg("-c").arg(commands).current_dir(dir).output().unwrap();
    String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_kiosk_signed_is_verified_and_anyone_can_check_the_export() {
    let place = Place::new(&["north"], NO_BROKER).await;
    let centre = place.start().await;
    let id = IncidentId::fresh();
    let kiosk = TempDir::new().unwrap();
    let store = opened(&centre, id).await;
    let officer = centre.officer("ana").await;
    assert_eq!(shown(&officer, id).await["standing"], json!("unsigned"));
    delivered(&centre, kiosk.path(), id).await;
    assert_eq!(shown(&officer, id).await, json!({"standing": "verified"}));

    let subject = Subject { kiosk: "north".parse().unwrap(), incident: id };
    let chain = Chain::read(&fs::read(layout::chain(kiosk.path(), id)).unwrap());
    let digest = chain.links[3].digest(&subject).to_string();
    let head = ChainHead { incident: id, fragment: 3, sealed: false, digest: digest.clone() };
    store.write(move |db| evidence::keep_head(db, &head, 77)).await.unwrap();
    assert_eq!(shown(&officer, id).await, json!({"standing": "verified"}), "the witness says the same");

    let dir = TempDir::new().unwrap();
    let export = unpacked(&officer, id, dir.path()).await;
    centre.journal_says("ana: exported the recording").await;
    let (code, said) = verify(&export);
    assert_eq!((code, said.starts_with("verified: ")), (Some(0), true), "{said}");
    assert_eq!(frames(&export.join("recording.mp4")), 125);
    let witness = fs::read_to_string(export.join("witness.txt")).unwrap();
    assert!(witness.ends_with(&format!("\n77 3 {digest}\n")), "{witness}");
    let manifest: Value = serde_json::from_slice(&fs::read(export.join("manifest.json")).unwrap()).unwrap();
    assert_eq!((&manifest["exported_by"], &manifest["incident"]["id"]), (&json!("ana"), &json!(id.to_string())));
    assert!(fs::read_to_string(export.join("journal.txt")).unwrap().contains("\tkiosk:north\trecording ended, 5 fr"));
    let fingerprint = manifest["key"].as_str().unwrap();
    let said = by_openssl(&export);
    assert!(said.starts_with(fingerprint) && said.ends_with("sealed 5\n") && !said.contains("WRONG"), "{said}");

    // Whatever is changed in it, both ways of checking say so.
    for (file, expected) in [
        ("fragments/000002.m4s", "fragment 2: altered"),
        ("signatures/000004.statement", "fragment 4: not signed"),
        ("signatures/000004.signature", "fragment 4: not signed"),
        ("recording.mp4", "altered: recording.mp4 departs from"),
    ] {
        let path = export.join(file);
        let was = fs::read(&path).unwrap();
        let mut bytes = was.clone();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
        let (code, said) = verify(&export);
        assert_eq!((code, said.contains(expected)), (Some(13), true), "{file}: {said}");
        let said = by_openssl(&export);
        assert!(said.contains("WRONG"), "{file}: {said}");
        fs::write(&path, was).unwrap();
    }
    fs::write(export.join("witness.txt"), format!("77 3 {}\n", "ab".repeat(32))).unwrap();
    let (code, said) = verify(&export);
    assert_eq!((code, said.contains("fragment 3: not what the centre heard")), (Some(13), true), "{said}");

    assert_eq!(centre.browser().get(&format!("/api/incidents/{id}/export.zip")).await.status(), 401);
    let unknown = IncidentId::fresh();
    assert_eq!(officer.get(&format!("/api/incidents/{unknown}/export.zip")).await.status(), 404);
    centre.stop().await;
}

/// A kiosk's evidence, made by hand so that it can be made wrong.
struct Signer {
    key: SigningKey,
    subject: Subject,
    previous: Digest,
}

impl Signer {
    fn new(dir: &Path, name: &str, incident: IncidentId) -> Self {
        let (key, _) = SigningKey::load_or_make(&dir.join(name)).unwrap();
        Self { key, subject: Subject { kiosk: "north".parse().unwrap(), incident }, previous: Digest::default() }
    }

    fn public(&self) -> PublicKey {
        self.key.public()
    }

    fn sign(&mut self, what: What) -> Link {
        let link = Link::sign(&self.key, &self.subject, what, self.previous);
        self.previous = link.digest(&self.subject);
        link
    }

    fn fragment(&mut self, index: u64, bytes: &[u8]) -> String {
        let stated = Stated { index, start_us: 1, size: bytes.len() as u64, sha256: Digest::of(bytes) };
        let proof = self.sign(What::Fragment(stated)).proof;
        Offered { start_us: 1, proof, key: self.public() }.to_string()
    }

    async fn seal(&mut self, kiosk: &Kiosk, fragments: u64) {
        let proof = self.sign(What::Sealed(fragments)).proof;
        let seal = json!({"previous": proof.previous.to_string(), "signature": proof.signature.to_string(),
            "key": self.public().to_string()});
        let path = sealed_path(self.subject.incident);
        let answer = kiosk.request(Method::PUT, &path).json(&json!({"fragments": fragments, "seal": seal}));
        assert_eq!(answer.send().await.unwrap().status(), 200);
    }
}

async fn put(kiosk: &Kiosk, id: IncidentId, index: u64, bytes: &[u8], link: Option<String>) {
    let request = kiosk.request(Method::PUT, &fragment_path(id, index)).header(SHA256_HEADER, sha256(bytes));
    let request = request.header(START_HEADER, "1").header(DURATION_HEADER, "1000000").body(bytes.to_vec());
    let request = link.into_iter().fold(request, |request, link| request.header(LINK_HEADER, link));
    assert_eq!(request.send().await.unwrap().status(), 200, "nothing is refused for its link");
}

#[tokio::test]
async fn what_does_not_verify_is_kept_and_named() {
    let place = Place::new(&["north"], NO_BROKER).await;
    let centre = place.start().await;
    let (kiosk, officer) = (centre.kiosk("north"), centre.officer("ana").await);
    let dir = TempDir::new().unwrap();
    let bytes = |index: u64| format!("fragment {index}").into_bytes();
    // How the third of four goes wrong, and what is said of it.
    for case in ["signature", "link", "unsigned", "nonsense", "witness", "seal"] {
        let id = IncidentId::fresh();
        let store = opened(&centre, id).await;
        let mut signer = Signer::new(dir.path(), "evidence.key", id);
        for index in 0..4 {
            let (before, link) = (signer.previous, signer.fragment(index, &bytes(index)));
            let link = match (index, case) {
                (2, "signature") => Some(signer.fragment(2, b"other bytes")),
                (2, "link") => {
                    signer.previous = Digest::of(b"another");
                    Some(signer.fragment(2, &bytes(2)))
                }
                (2, "unsigned") => None,
                (2, "nonsense") => Some("no link at all".to_owned()),
                _ => Some(link),
            };
            if (index, case) == (2, "signature") {
                signer.previous = before;
                signer.fragment(2, &bytes(2));
            }
            put(&kiosk, id, index, &bytes(index), link).await;
            if index == 1 {
                assert_eq!(shown(&officer, id).await, json!({"standing": "receiving"}), "{case}");
            }
        }
        if case == "witness" {
            let head = ChainHead { incident: id, fragment: 2, sealed: false, digest: "ab".repeat(32) };
            store.write(move |db| evidence::keep_head(db, &head, 5)).await.unwrap();
        }
        if case == "seal" {
            signer.previous = Digest::default();
        }
        signer.seal(&kiosk, 3).await;
        let expected = match case {
            "seal" => json!({"standing": "broken", "why": "seal"}),
            "nonsense" => json!({"standing": "broken", "fragment": 2, "why": "unsigned"}),
            _ => json!({"standing": "broken", "fragment": 2, "why": case}),
        };
        assert_eq!(shown(&officer, id).await, expected);
        let kept = officer.get(&format!("/api/incidents/{id}/fragments/2")).await;
        assert_eq!(kept.bytes().await.unwrap().as_ref(), bytes(2), "kept all the same");
    }
    centre.journal_says("kiosk:north: evidence: the signature of fragment 2 does not hold for what was received").await;
    centre.stop().await;
}

#[tokio::test]
async fn the_first_key_counts_and_another_needs_the_owner() {
    let place = Place::new(&["north"], NO_BROKER).await;
    let centre = place.start().await;
    let (kiosk, officer) = (centre.kiosk("north"), centre.officer("ana").await);
    let (dir, id) = (TempDir::new().unwrap(), IncidentId::fresh());
    opened(&centre, id).await;
    let first = Signer::new(dir.path(), "first", id).public();
    let tell = async |key: PublicKey| -> Value {
        let request = kiosk.request(Method::PUT, EVIDENCE_KEY_PATH).json(&json!({"key": key.to_string()}));
        request.send().await.unwrap().json().await.unwrap()
    };
    assert_eq!(tell(first).await, json!({"accepted": true}));
    assert_eq!(tell(first).await, json!({"accepted": true}));

    let mut other = Signer::new(dir.path(), "second", id);
    assert_eq!(tell(other.public()).await, json!({"accepted": false}));
    for index in 0..2 {
        let link = other.fragment(index, b"bytes");
        put(&kiosk, id, index, b"bytes", Some(link)).await;
    }
    other.seal(&kiosk, 1).await;
    assert_eq!(shown(&officer, id).await, json!({"standing": "broken", "fragment": 0, "why": "key"}));
    let fingerprint = other.public().fingerprint();
    let said = format!("kiosk:north: evidence: another key, {fingerprint}, which the owner has not accepted");
    centre.journal_says(&said).await;

    let config = place.write();
    let command = |arguments: &[&str]| {
        let mut centre = Command::new(env!("CARGO_BIN_EXE_sos-centre"));
        let done = centre.arg("evidence-key").args(arguments).arg("--config").arg(&config).output().unwrap();
        (done.status.success(), String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned())
    };
    let listed = command(&["list"]).1;
    assert!(listed.contains(&format!("north\t{}\tcounts\n", first.fingerprint())), "{listed}");
    assert!(listed.contains(&format!("north\t{fingerprint}\tnot accepted\n")), "{listed}");
    assert!(!command(&["accept", "north", &"ab".repeat(32)]).0);
    assert!(command(&["accept", "north", &fingerprint]).0);
    assert_eq!(command(&["show", "north"]), (true, other.public().to_pem()));
    assert_eq!(shown(&officer, id).await, json!({"standing": "verified"}), "for all that it has signed");
    assert_eq!(tell(other.public()).await, json!({"accepted": true}));
    centre.stop().await;
}
