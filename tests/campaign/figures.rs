//! Figures in the form all campaigns share.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Samples by name.
#[derive(Debug, Default)]
pub struct Figures {
    samples: BTreeMap<String, Vec<f64>>,
    values: BTreeMap<String, f64>,
}

impl Figures {
    pub fn add(&mut self, name: &str, sample: f64) {
        self.samples.entry(name.to_owned()).or_default().push(sample);
    }

    pub fn set(&mut self, name: &str, value: f64) {
        self.values.insert(name.to_owned(), value);
    }

    pub fn median(&self, name: &str) -> Option<f64> {
        self.samples.get(name).map(|samples| quantile(samples, 0.5))
    }

    pub fn samples(&self) -> &BTreeMap<String, Vec<f64>> {
        &self.samples
    }

    /// `{NAME: {"median", "p95", "max", "n"}}`, or `{NAME: {"value"}}`.
    pub fn json(&self) -> Value {
        let mut all = serde_json::Map::new();
        for (name, samples) in &self.samples {
            let max = samples.iter().copied().fold(f64::MIN, f64::max);
            all.insert(
                name.clone(),
                json!({
                    "median": rounded(quantile(samples, 0.5)),
                    "p95": rounded(quantile(samples, 0.95)),
                    "max": rounded(max),
                    "n": samples.len(),
                }),
            );
        }
        for (name, value) in &self.values {
            all.insert(name.clone(), json!({"value": rounded(*value)}));
        }
        Value::Object(all)
    }
}

/// The smallest sample that this share of all does not exceed.
pub fn quantile(samples: &[f64], share: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    let at = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(at.saturating_sub(1).min(last)).copied().unwrap_or(f64::NAN)
}

/// To two places.
pub fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
