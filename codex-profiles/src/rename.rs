//! Giving a profile another name: its folder, the choice, and what is remembered of it.

use tracing::{info, warn};

use crate::{
    disk::{Disk, ProfilesLock},
    error::StoreError,
    faults::Step,
    fs::atomic,
    journal::RenameIntent,
    profile::ProfileName,
    state::State,
};

impl Disk {
    /// Cut short anywhere, whoever takes the lock next finishes it, or finds that nothing was done.
    pub(crate) fn rename(&self, from: &ProfileName, to: &ProfileName) -> Result<(), StoreError> {
        let lock = self.lock_profiles()?;
        self.settle_rename(&lock)?;
        if !self.is_taken(from) {
            return Err(StoreError::UnknownProfile(from.clone()));
        }
        let (path, target) = (self.home.profile(from), self.home.profile(to));
        self.clear_empty_folder(to);
        if target.symlink_metadata().is_ok() {
            return Err(StoreError::NameTaken(to.clone()));
        }
        // A choice that cannot be read is found out before anything is done.
        self.current()?;
        self.begin_rename(&RenameIntent::new(from, to))?;
        self.passes(Step::RenameNoted)?;
        let renamed = atomic::rename_folder(&path, &target)
            .and_then(|()| self.faults.at(Step::FolderRenamed));
        match renamed {
            Ok(()) => self.finish_rename(&lock, from, to),
            // It has its new name, and only a power cut could take that back.
            Err(error) if self.is_taken(to) && !self.is_taken(from) => {
                warn!(%error, "a new name may not be on the disk yet");
                self.finish_rename(&lock, from, to)
            }
            Err(error) => {
                self.end_rename()?;
                Err(StoreError::io(&path)(error))
            }
        }
    }

    /// Finishes a rename whose folder has its new name; one whose folder has not is forgotten.
    pub(crate) fn settle_rename(&self, lock: &ProfilesLock) -> Result<(), StoreError> {
        let Some(intent) = self.rename_intent()? else {
            return Ok(());
        };
        let names = (
            ProfileName::parse(&intent.from),
            ProfileName::parse(&intent.to),
        );
        match names {
            (Ok(from), Ok(to)) if self.is_taken(&to) && !self.is_taken(&from) => {
                self.finish_rename(lock, &from, &to)?;
                info!(profile = %to, "a new name that was cut short is finished");
                Ok(())
            }
            _ => self.end_rename(),
        }
    }

    /// Everything but the folder. To do it twice does no harm.
    fn finish_rename(
        &self,
        _lock: &ProfilesLock,
        from: &ProfileName,
        to: &ProfileName,
    ) -> Result<(), StoreError> {
        if self.current()?.as_ref() == Some(from) {
            self.set_current(to)?;
        }
        self.passes(Step::ChoiceRenamed)?;
        State::update(&self.home, |state| {
            state.rename_profile(from.as_str(), to.as_str());
        })?;
        self.passes(Step::FactsRenamed)?;
        self.end_rename()
    }

    fn passes(&self, step: Step) -> Result<(), StoreError> {
        let root = self.home.root();
        self.faults.at(step).map_err(StoreError::io(root))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::{
        StoreError,
        faults::{Fault, Step},
        testing::{World, name},
    };

    /// `work`, which is current, has a label and serves a model.
    async fn world() -> World {
        let world = World::new().await;
        let login = world.fake.auth_json(&world.ada());
        world.put_profile("work", &login);
        world.put_live(&login);
        world.put_current("work");
        let store = world.store();
        store
            .update_state(|state| {
                state.set_label("work", Some("At work"));
                let rules = r#"[{"model":"gpt-5*","profile":"work"}]"#;
                state.set_model_rules(&serde_json::from_str(rules).unwrap());
            })
            .await
            .unwrap();
        world
    }

    async fn rename_dying_at(world: &World, step: Step) {
        let store = world.store();
        store.disk.faults.plan(step, Fault::Crash);
        let died = store.rename(&name("work"), &name("job")).await;
        assert!(matches!(died, Err(StoreError::Interrupted)), "{died:?}");
    }

    #[tokio::test]
    async fn a_rename_that_is_cut_short_is_finished_or_was_never_begun() {
        for (step, expected) in [
            (Step::RenameNoted, "work"),
            (Step::FolderRenamed, "job"),
            (Step::ChoiceRenamed, "job"),
            (Step::FactsRenamed, "job"),
        ] {
            let world = world().await;
            rename_dying_at(&world, step).await;
            // As a write leaves it that came too late for the old name.
            fs::create_dir_all(world.home.profile(&name("work"))).unwrap();
            let store = world.store();
            assert!(!world.home.rename_intent().exists(), "{step:?}");
            assert_eq!(world.current(), expected, "{step:?}");
            let state = store.state().await.unwrap();
            let label = state.profile(expected).label;
            assert_eq!(label.as_deref(), Some("At work"), "{step:?}");
            let rules = state.model_rules();
            let rule = rules.for_model("gpt-5").unwrap();
            assert_eq!(rule.profile.as_str(), expected, "{step:?}");
            let other = if expected == "job" { "work" } else { "job" };
            store.rename(&name(expected), &name(other)).await.unwrap();
            assert_eq!(world.current(), other, "{step:?}");
            assert_eq!(store.list().await.unwrap().len(), 1);
        }
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_synced_has_its_new_name_all_the_same() {
        let world = world().await;
        let store = world.store();
        store.disk.faults.plan(Step::FolderRenamed, Fault::Full);
        store.rename(&name("work"), &name("job")).await.unwrap();
        assert_eq!(world.current(), "job");
        let label = store.state().await.unwrap().profile("job").label;
        assert_eq!(label.as_deref(), Some("At work"));
        assert!(!world.home.rename_intent().exists());
    }

    #[tokio::test]
    async fn a_store_that_is_open_already_finishes_it_before_its_next_change() {
        let world = world().await;
        let running = world.store();
        rename_dying_at(&world, Step::FolderRenamed).await;
        assert_eq!(world.current(), "work", "which is nobody's name now");
        running.label(&name("job"), None).await.unwrap();
        assert_eq!(world.current(), "job");
        assert!(!world.home.rename_intent().exists());
    }

    #[tokio::test]
    async fn a_name_that_somebody_took_again_keeps_what_is_its_own() {
        let world = world().await;
        rename_dying_at(&world, Step::FolderRenamed).await;
        let stranger = world.fake.auth_json(&world.bob());
        world.put_profile("work", &stranger);
        let store = world.store();
        assert_eq!(world.current(), "work");
        let state = store.state().await.unwrap();
        assert_eq!(state.profile("work").label.as_deref(), Some("At work"));
        assert!(!world.home.rename_intent().exists());
    }

    #[tokio::test]
    async fn a_note_that_is_torn_renames_nothing() {
        let world = world().await;
        fs::create_dir_all(world.home.journal()).unwrap();
        crate::fs::atomic::write(&world.home.rename_intent(), b"{\"from\":").unwrap();
        world.store().label(&name("work"), None).await.unwrap();
        assert_eq!(world.current(), "work");
    }
}
