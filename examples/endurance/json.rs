//! The one line of figures at the end.

use serde_json::Value;

/// Figures by name, in the order in which they were put in.
#[derive(Debug, Default)]
pub struct Figures(Vec<(&'static str, Value)>);

/// Figures that must be zero.
const HARM: [&str; 7] = ["lost", "twice", "half", "refused", "failed", "slow", "surprises"];

impl Figures {
    /// Figures of a mode.
    pub fn of(mode: &str) -> Self {
        Self::default().with("mode", mode)
    }

    /// These figures and another.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.retain(|(known, _)| *known != name);
        self.0.push((name, value.into()));
        self
    }

    /// Whether nothing was lost, done twice, left half done or refused without need.
    pub fn is_clean(&self) -> bool {
        let harm = self.0.iter().filter(|(name, _)| HARM.contains(name));
        harm.into_iter().all(|(_, value)| value.as_u64() == Some(0))
            && self.0.iter().all(|(name, value)| *name != "sound" || *value == true)
    }

    /// One line of JSON.
    pub fn line(&self) -> String {
        let pairs: Vec<String> =
            self.0.iter().map(|(name, value)| format!("{}:{value}", Value::from(*name))).collect();
        format!("{{{}}}", pairs.join(","))
    }
}
