//! The contract as an AsyncAPI 3.0 document, made from the types. `docs/asyncapi.json` holds it; a test
//! compares the two (`UPDATE_DOCS=1` writes the file anew).

use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use super::delivery::{
    DURATION_HEADER, EVIDENCE_KEY_PATH, EvidenceKey, Inventory, KeyReceipt, LINK_HEADER, Receipt, SHA256_HEADER,
    START_HEADER, Sealed, fragment_path, recording_path, sealed_path,
};
use super::evidence::ChainHead;
use super::selftest::TestCall;
use super::topic::{self, Down, Up};
use super::{Envelope, IncidentId, KioskId, down, limits, up};

/// The kiosk of the channels' addresses, replaced by the parameter.
const ANY: &str = "kiosk-id";

/// Who sends on a channel, in the words of the document.
const KIOSK: &str = "kiosk";
const CENTRE: &str = "centre";

/// The document.
///
/// # Panics
/// Never: what is fixed here is covered by a test.
#[must_use]
pub fn document() -> Value {
    let mut made = Maker::new();
    for kind in Up::ALL {
        let (schema, about) = made.up(kind);
        made.channel(&format!("kiosk_{}", kind.level()), &kind.of(&any()), KIOSK, schema, about);
    }
    for kind in Down::ALL {
        let (schema, about) = made.down(kind);
        made.channel(&format!("to_{}", kind.level()), &kind.of(&any()), CENTRE, schema, about);
    }
    let schema = made.payload::<down::CentreState>();
    made.channel(
        "centre_state",
        topic::CENTRE_STATE,
        CENTRE,
        schema,
        "Presence of the centre; retained, with a last will.",
    );
    made.finish()
}

/// The schema of a topic's messages, as it stands in the document; `None` for a topic of nobody.
///
/// The result is a schema of its own that refers to the document's components, which are part of it.
#[must_use]
pub fn schema_of(document: &Value, topic: &str) -> Option<Value> {
    let name = match (Up::parse(topic), Down::parse(topic)) {
        (Some((_, kind)), _) => format!("kiosk_{}", kind.level()),
        (_, Some((_, kind))) => format!("to_{}", kind.level()),
        _ if topic == topic::CENTRE_STATE => "centre_state".to_owned(),
        _ => return None,
    };
    let payload = document.pointer(&format!("/components/messages/{name}/payload"))?;
    let mut schema = payload.as_object()?.clone();
    schema.insert("components".to_owned(), document.get("components")?.clone());
    Some(Value::Object(schema))
}

fn any() -> KioskId {
    ANY.parse().expect("a kiosk id by its own rule")
}

struct Maker {
    schemas: SchemaGenerator,
    channels: Map<String, Value>,
    operations: Map<String, Value>,
    messages: Map<String, Value>,
}

impl Maker {
    fn new() -> Self {
        // AsyncAPI's own schema object is a superset of draft 07.
        let settings = SchemaSettings::draft07().with(|s| s.definitions_path = "/components/schemas".into());
        Self { schemas: settings.into_generator(), channels: Map::new(), operations: Map::new(), messages: Map::new() }
    }

    fn payload<T: JsonSchema>(&mut self) -> Schema {
        self.schemas.subschema_for::<Envelope<T>>()
    }

    fn up(&mut self, kind: Up) -> (Schema, &'static str) {
        match kind {
            Up::State => (self.payload::<up::KioskState>(), "Presence of a kiosk; retained, with a last will."),
            Up::Heartbeat => (self.payload::<up::Heartbeat>(), "Proof of life."),
            Up::Alarm => (self.payload::<up::Alarm>(), "A press, said until the centre acknowledges it."),
            Up::Event => (self.payload::<up::IncidentEvent>(), "What happened in an incident."),
            Up::Signal => (self.payload::<up::SignalUp>(), "Media sessions, from the kiosk."),
            Up::TestCall => (self.payload::<TestCall>(), "A test call: said like an alarm, logged, and no alarm."),
            Up::Evidence => {
                (self.payload::<ChainHead>(), "The newest signed statement about a recording, as witness elsewhere.")
            }
            Up::Test => (self.payload::<up::TestReport>(), "A test of a part of the kiosk, logged."),
        }
    }

    fn down(&mut self, kind: Down) -> (Schema, &'static str) {
        match kind {
            Down::Ack => (self.payload::<down::AlarmAck>(), "The centre has the alarm, durably."),
            Down::Echo => (self.payload::<down::Echo>(), "The answer to a heartbeat."),
            Down::Signal => (self.payload::<down::SignalDown>(), "Media sessions, from the gateway."),
            Down::Order => (self.payload::<down::Order>(), "What the desk decided."),
        }
    }

    fn channel(&mut self, name: &str, address: &str, sender: &str, payload: Schema, about: &str) {
        let per_kiosk = address.contains(ANY);
        let mut channel = json!({
            "address": address.replace(ANY, "{kioskId}"),
            "description": about,
            "messages": { name: { "$ref": format!("#/components/messages/{name}") } },
        });
        if per_kiosk {
            channel["parameters"] = json!({ "kioskId": { "$ref": "#/components/parameters/kioskId" } });
        }
        self.channels.insert(name.to_owned(), channel);
        self.messages.insert(
            name.to_owned(),
            json!({ "name": name, "contentType": "application/json", "summary": about, "payload": payload }),
        );
        self.operations.insert(
            format!("{sender}_sends_{name}"),
            json!({
                "action": "send",
                "summary": format!("The {sender} sends; the other side receives."),
                "channel": { "$ref": format!("#/channels/{name}") },
                "messages": [{ "$ref": format!("#/channels/{name}/messages/{name}") }],
            }),
        );
    }

    fn finish(mut self) -> Value {
        let delivery = self.delivery();
        let schemas = self.schemas.take_definitions(true);
        json!({
            "asyncapi": "3.0.0",
            "info": {
                "title": "Street emergency-call kiosk and its centre",
                "version": "1",
                "description": format!(
                    "MQTT 5 over TLS with a certificate per kiosk (CN = kiosk id), QoS 1. A message is at most {} \
                     bytes. Unknown fields are accepted; receivers drop an id they have seen. Made from the types \
                     in src/wire: do not edit.",
                    limits::MAX_MESSAGE
                ),
            },
            "defaultContentType": "application/json",
            "channels": self.channels,
            "operations": self.operations,
            "components": {
                "parameters": {
                    "kioskId": { "description": "1 to 32 of a-z, 0-9 and '-', not centre: the common name of its certificate." },
                },
                "messages": self.messages,
                "schemas": schemas,
            },
            "x-delivery": delivery,
        })
    }

    /// Recordings go by HTTPS, which AsyncAPI has no request and answer with a body of bytes for.
    fn delivery(&mut self) -> Value {
        let incident = IncidentId(uuid::Uuid::nil());
        let path = |path: String| path.replace(&incident.to_string(), "{incident}");
        json!({
            "description": "HTTPS with the kiosk's certificate. Answers: 200; 400 malformed; 403 the certificate is \
                            no kiosk's or it is another kiosk's incident; 409 conflict; 413 too large; 422 the hash \
                            does not fit the bytes.",
            "routes": [
                {
                    "request": format!("PUT {}", path(fragment_path(incident, 7)).replace("/7", "/{index}")),
                    "headers": [SHA256_HEADER, START_HEADER, DURATION_HEADER, LINK_HEADER],
                    "body": format!("The fragment, at most {} bytes.", limits::MAX_FRAGMENT),
                    "answer": self.schemas.subschema_for::<Receipt>(),
                },
                {
                    "request": format!("GET {}", path(recording_path(incident))),
                    "answer": self.schemas.subschema_for::<Inventory>(),
                },
                {
                    "request": format!("PUT {}", path(sealed_path(incident))),
                    "body": self.schemas.subschema_for::<Sealed>(),
                    "answer": self.schemas.subschema_for::<Inventory>(),
                },
                {
                    "request": format!("PUT {EVIDENCE_KEY_PATH}"),
                    "body": self.schemas.subschema_for::<EvidenceKey>(),
                    "answer": self.schemas.subschema_for::<KeyReceipt>(),
                },
            ],
        })
    }
}
