//! Statements about kept presses.

use rusqlite::params;

use super::Index;
use super::rows::incident;
use crate::kiosk::ports::KeptPress;
use crate::wire::IncidentId;
use crate::wire::up::PressOrigin;

impl Index {
    /// Keeps a press; the same again raises its count.
    ///
    /// # Errors
    /// As SQLite gives them, like every function here.
    pub fn keep(&self, press: &KeptPress) -> rusqlite::Result<()> {
        let origin = match press.origin {
            PressOrigin::Button | PressOrigin::Unknown => "button",
            PressOrigin::SecondButton => "second_button",
            PressOrigin::Control => "control",
        };
        self.db.execute(
            "INSERT INTO press (incident, origin, pressed_wall_us, presses, acknowledged) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (incident) DO UPDATE SET presses = max(presses, excluded.presses),
                 acknowledged = max(acknowledged, excluded.acknowledged)",
            params![press.incident.to_string(), origin, press.pressed_wall_us, press.presses, press.acknowledged],
        )?;
        Ok(())
    }

    /// The centre has it.
    pub fn keep_acknowledged(&self, incident: IncidentId) -> rusqlite::Result<()> {
        let id = incident.to_string();
        self.db.execute("UPDATE press SET acknowledged = 1 WHERE incident = ?1", [id]).map(drop)
    }

    /// It is over.
    pub fn keep_closed(&self, incident: IncidentId) -> rusqlite::Result<()> {
        self.db.execute("UPDATE press SET closed = 1 WHERE incident = ?1", [incident.to_string()]).map(drop)
    }

    /// Presses that are not over, oldest first.
    pub fn open_presses(&self) -> rusqlite::Result<Vec<KeptPress>> {
        let mut statement = self.db.prepare(
            "SELECT incident, origin, pressed_wall_us, presses, acknowledged FROM press WHERE closed = 0 ORDER BY rowid",
        )?;
        let rows = statement.query_map([], |row| {
            let origin = match row.get::<_, String>(1)?.as_str() {
                "control" => PressOrigin::Control,
                "second_button" => PressOrigin::SecondButton,
                _ => PressOrigin::Button,
            };
            Ok(KeptPress {
                incident: incident(row, 0)?,
                origin,
                pressed_wall_us: row.get(2)?,
                presses: row.get(3)?,
                acknowledged: row.get(4)?,
            })
        })?;
        rows.collect()
    }
}
