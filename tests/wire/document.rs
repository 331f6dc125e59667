//! The published document: it is the one the types make, and every real message fits it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs;
use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sos::wire::asyncapi::{document, schema_of};
use sos::wire::topic::{CENTRE_STATE, Down, Up};
use sos::wire::{Envelope, encode};

use crate::samples::{self, Visitor, kiosk};

#[test]
fn the_committed_document_is_the_one_the_types_make() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/asyncapi.json");
    let made = format!("{}\n", serde_json::to_string_pretty(&document()).unwrap());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &made).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == made, "{} is not what the types make: UPDATE_DOCS=1 writes it anew", path.display());
}

#[test]
fn every_reference_leads_somewhere_and_every_topic_has_its_channel() {
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(to)) = map.get("$ref") {
                    found.push(to.clone());
                }
                map.values().for_each(|inner| references(inner, found));
            }
            Value::Array(items) => items.iter().for_each(|inner| references(inner, found)),
            _ => {}
        }
    }
    let document = document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 40, "{}", found.len());
    for to in found {
        assert!(document.pointer(to.strip_prefix('#').unwrap()).is_some(), "{to}");
    }
    let addresses: BTreeSet<&str> =
        document["channels"].as_object().unwrap().values().map(|c| c["address"].as_str().unwrap()).collect();
    let parameter = |topic: String| topic.replace(kiosk().as_str(), "{kioskId}");
    let ups = Up::ALL.map(|kind| parameter(kind.of(&kiosk())));
    let downs = Down::ALL.map(|kind| parameter(kind.of(&kiosk())));
    let topics: BTreeSet<&str> = ups.iter().chain(&downs).map(String::as_str).chain([CENTRE_STATE]).collect();
    assert_eq!(addresses, topics);
}

struct Fits {
    document: Value,
    topics: BTreeSet<String>,
}

impl Visitor for Fits {
    fn message<T: Serialize + DeserializeOwned + PartialEq + Debug>(
        &mut self,
        name: &str,
        topic: &str,
        message: &Envelope<T>,
    ) {
        let schema = schema_of(&self.document, topic).expect("a schema");
        let fits = jsonschema::draft7::new(&schema).expect("a valid schema");
        let mut bytes: Value = serde_json::from_slice(&encode(message).unwrap()).unwrap();
        let faults: Vec<String> = fits.iter_errors(&bytes).map(|e| format!("{} at {}", e, e.instance_path())).collect();
        assert_eq!(faults, Vec::<String>::new(), "{name}");
        // The check can fail: without its body, or with an order that is a word, it does not fit.
        let body = bytes["body"].take();
        assert!(!fits.is_valid(&bytes), "{name}");
        bytes["body"] = body;
        bytes["seq"] = json!("seven");
        assert!(!fits.is_valid(&bytes), "{name}");
        // A newer side's field is no fault.
        bytes["seq"] = json!(7);
        bytes["body"]["from_the_future"] = json!({"x": [1]});
        assert!(fits.is_valid(&bytes), "{name}");
        self.topics.insert(topic.to_owned());
    }

    fn delivery<T: Serialize + DeserializeOwned + PartialEq + Debug>(&mut self, name: &str, message: &T) {
        let route = self.document["x-delivery"]["routes"].as_array().unwrap();
        let reference = match name {
            "receipt" => route[0]["answer"].clone(),
            "inventory" => route[1]["answer"].clone(),
            "evidence_key" => route[3]["body"].clone(),
            "key_receipt" => route[3]["answer"].clone(),
            _ => route[2]["body"].clone(),
        };
        let mut schema = reference;
        schema["components"] = self.document["components"].clone();
        let fits = jsonschema::draft7::new(&schema).expect("a valid schema");
        assert!(fits.is_valid(&serde_json::to_value(message).unwrap()), "{name}");
        assert!(!fits.is_valid(&json!({})), "{name}");
    }
}

#[test]
fn real_messages_of_every_topic_fit_the_document() {
    let mut fits = Fits { document: document(), topics: BTreeSet::new() };
    samples::visit(&mut fits);
    assert_eq!(fits.topics.len(), Up::ALL.len() + Down::ALL.len() + 1);
    assert!(schema_of(&fits.document, "sos/v1/nobody/x/y").is_none());
}
