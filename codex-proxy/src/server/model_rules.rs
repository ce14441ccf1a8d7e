//! The settings of a profile store as the rules that the model rule layer follows.

use std::sync::Arc;

use codex_profiles::{ModelRules as Rules, ProfileStore};
use futures_util::future::BoxFuture;

use crate::model_rules::{ModelRules, ModelTable, Ruled};

impl ModelRules for ProfileStore {
    fn rules(&self) -> BoxFuture<'_, Option<Arc<dyn ModelTable>>> {
        Box::pin(async {
            let rules = self.model_rules().await;
            let rules = rules.inspect_err(|error| tracing::warn!(%error, "no model rules"));
            Some(rules.ok()?? as Arc<dyn ModelTable>)
        })
    }
}

impl ModelTable for Rules {
    fn rule_for(&self, model: &str) -> Option<Ruled> {
        let rule = self.for_model(model)?;
        Some(Ruled {
            profile: rule.profile.clone(),
            rule: rule.to_string().into(),
        })
    }
}
