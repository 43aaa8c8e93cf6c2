//! The models that can answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::rank::model::Model;

/// Models by name, one of them the default. Immutable once shared; a change makes a new set.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelSet {
    models: BTreeMap<String, Arc<Model>>,
    default: String,
}

impl ModelSet {
    /// A set of models; none if the default is not among them.
    pub fn new(models: BTreeMap<String, Arc<Model>>, default: &str) -> Option<Self> {
        models.contains_key(default).then(|| Self { models, default: default.to_owned() })
    }

    /// The model of that name; the default one for an empty name.
    pub fn get(&self, name: &str) -> Option<&Arc<Model>> {
        self.models.get(if name.is_empty() { self.default.as_str() } else { name })
    }

    /// The name of the model that answers when a request names none. It is always there.
    pub fn default_name(&self) -> &str {
        &self.default
    }

    /// All models, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Model>> {
        self.models.values()
    }

    /// How many there are; at least the default one.
    #[allow(clippy::len_without_is_empty, reason = "a set is never empty")]
    pub fn len(&self) -> usize {
        self.models.len()
    }

    /// Puts a model in, in place of the one of its name.
    pub fn put(&mut self, model: Model) {
        self.models.insert(model.name.clone(), Arc::new(model));
    }

    /// Takes a model out, unless it is the default.
    pub fn remove(&mut self, name: &str) {
        if name != self.default {
            self.models.remove(name);
        }
    }
}
