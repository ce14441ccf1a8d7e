//! The file and what is remembered of it, changed so that a crash leaves either told apart.

use std::time::Duration;

use jiff::Timestamp;
use similar::TextDiff;
use tracing::info;

use super::{
    AttachError, Attachment, ConfigChange, Form, RouterUrl,
    config::Config,
    look::{self, Course},
    plan::{self, Detached, Draft},
    record::{Record, fingerprint},
};
use crate::{
    disk::{Disk, MAX_TRIES},
    error::StoreError,
    faults::Step,
    fs::{
        ReadError, atomic,
        lock::{FileLock, LockError},
        read,
    },
    state::State,
};

/// Both take milliseconds; a longer wait means that something hangs.
const LOCK_LIMIT: Duration = Duration::from_secs(10);

/// What there is at one moment.
struct Found {
    /// The text of `config.toml`, if there is one.
    text: Option<String>,
    record: Option<Record>,
    wants_key: bool,
}

impl Found {
    fn text(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }
}

impl Disk {
    pub(crate) fn attachment(&self, router: RouterUrl) -> Result<Attachment, StoreError> {
        let config = self.home.config_toml();
        let record = State::load(&self.home)?.attached();
        let text = self.config_text();
        let parsed = match &text {
            Ok(text) => Config::parse(text.as_deref().unwrap_or_default())
                .map_err(|broken| AttachError::broken(&config)(broken).to_string()),
            Err(error) => Err(error.to_string()),
        };
        let course = match &parsed {
            Ok(config) => Course::of(config, record.as_ref(), router),
            Err(_) => Course::unknown(),
        };
        let preview = self.preview_attach(router, Form::default());
        Ok(Attachment {
            state: course.state,
            form: course.form,
            sends_key: course.sends_key,
            leads_to: course.leads_to,
            notes: parsed
                .as_ref()
                .map(|config| look::notes(config, router))
                .unwrap_or_default(),
            problem: match (parsed.err(), &preview) {
                (None, Err(error)) => Some(error.to_string()),
                (problem, _) => problem,
            },
            diff: preview
                .ok()
                .map(|change| change.diff)
                .filter(|diff| !diff.is_empty()),
            config,
        })
    }

    pub(super) fn preview_attach(
        &self,
        router: RouterUrl,
        form: Form,
    ) -> Result<ConfigChange, AttachError> {
        let found = self.found()?;
        let before = self.text_before(&found, router)?.text;
        let draft = self.draft(&before, router, form, found.wants_key)?;
        self.told(found.text(), &draft.text, Vec::new(), router)
    }

    pub(super) fn attach(
        &self,
        router: RouterUrl,
        form: Form,
    ) -> Result<ConfigChange, AttachError> {
        let _lock = self.lock_attachment(LOCK_LIMIT)?;
        let told = self.preview_attach(router, form)?;
        if told.diff.is_empty() {
            return Ok(told);
        }
        // One step at a time: a crash finds the file with the first attachment, with none, or with
        // the second, and what is remembered agrees.
        self.restore_config(router)?;
        self.attach_config(router, form)?;
        Ok(told)
    }

    pub(super) fn preview_detach(&self, router: RouterUrl) -> Result<ConfigChange, AttachError> {
        let found = self.found()?;
        let detached = self.text_before(&found, router)?;
        self.told(found.text(), &detached.text, detached.left, router)
    }

    pub(super) fn detach(&self, router: RouterUrl) -> Result<ConfigChange, AttachError> {
        let _lock = self.lock_attachment(LOCK_LIMIT)?;
        self.restore_config(router)
    }

    /// Forgets what is remembered of an attachment that is not in the file: it was never made, or
    /// was taken back, when the program died; or somebody else removed it.
    pub(crate) fn recover_attachment(&self) -> Result<(), AttachError> {
        if State::load(&self.home)?.attached().is_none() {
            return Ok(());
        }
        let _lock = match self.lock_attachment(Duration::ZERO) {
            // Not a left-over: another process is at it.
            Err(StoreError::Lock(LockError::Busy { .. })) => return Ok(()),
            lock => lock?,
        };
        let found = self.found()?;
        let Some(record) = &found.record else {
            return Ok(());
        };
        // One that is broken may be mended yet.
        let Ok(config) = Config::parse(found.text()) else {
            return Ok(());
        };
        if !look::holds(&config, record) && !plan::owes(found.text(), &config, record) {
            info!("Codex is not attached any more");
            self.remember(None)?;
        }
        Ok(())
    }

    fn attach_config(&self, router: RouterUrl, form: Form) -> Result<(), AttachError> {
        for _ in 0..MAX_TRIES {
            let found = self.found()?;
            let draft = self.draft(found.text(), router, form, found.wants_key)?;
            let record = Record {
                form,
                url: router.to_string(),
                at: Timestamp::now(),
                created: found.text.is_none(),
                before: fingerprint(found.text()),
                after: fingerprint(&draft.text),
                edits: draft.edits,
            };
            self.remember(Some(&record))?;
            self.pass(Step::AttachmentNoted)?;
            match self.replace(&found, Some(&draft.text)) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) => {
                    // Whatever went wrong after the change, the old value is remembered for it.
                    if self.config_text().is_ok_and(|text| text == found.text) {
                        self.remember(None)?;
                    }
                    return Err(error.into());
                }
            }
        }
        self.remember(None)?;
        Err(self.contended().into())
    }

    fn restore_config(&self, router: RouterUrl) -> Result<ConfigChange, AttachError> {
        for _ in 0..MAX_TRIES {
            let found = self.found()?;
            let detached = self.text_before(&found, router)?;
            let created = found.record.as_ref().is_some_and(|record| record.created);
            let is_gone = created && detached.text.trim().is_empty();
            let text = (!is_gone).then_some(detached.text.as_str());
            if !self.replace(&found, text.filter(|_| found.text.is_some()))? {
                continue;
            }
            if found.record.is_some() {
                self.remember(None)?;
            }
            return self.told(found.text(), &detached.text, detached.left, router);
        }
        Err(self.contended().into())
    }

    /// Writes the file, or removes it, unless somebody else has changed it meanwhile.
    fn replace(&self, found: &Found, text: Option<&str>) -> Result<bool, StoreError> {
        let path = self.home.config_toml();
        if found.text.as_deref() == text {
            return Ok(true);
        }
        // All that takes time comes first: between the look and the change nothing else may fit.
        let prepared = text.map(|text| atomic::prepare_rewrite(&path, text.as_bytes()));
        let prepared = prepared.transpose().map_err(StoreError::io(&path))?;
        self.pass(Step::BeforeConfigWritten)?;
        if self.config_text().ok() != Some(found.text.clone()) {
            return Ok(false);
        }
        let done = match prepared {
            Some(prepared) => prepared.put_in_place_for_good(),
            None => atomic::real_path(&path).and_then(|path| atomic::remove(&path)),
        };
        done.map_err(StoreError::io(&path))?;
        self.pass(Step::ConfigWritten)?;
        Ok(true)
    }

    fn found(&self) -> Result<Found, AttachError> {
        let state = State::load(&self.home)?;
        Ok(Found {
            text: self.config_text()?,
            record: state.attached(),
            wants_key: state.requires_client_key(),
        })
    }

    fn config_text(&self) -> Result<Option<String>, AttachError> {
        let config = self.home.config_toml();
        let bytes = match read::bytes(&config) {
            Ok(bytes) => bytes,
            Err(ReadError::Missing) => return Ok(None),
            Err(error) => return Err(StoreError::unusable(&config)(error).into()),
        };
        let text = String::from_utf8(bytes);
        text.map(Some).map_err(|_| AttachError::NotText { config })
    }

    fn text_before(&self, found: &Found, router: RouterUrl) -> Result<Detached, AttachError> {
        let detached = plan::detached(found.text(), found.record.as_ref(), router);
        detached.map_err(AttachError::broken(&self.home.config_toml()))
    }

    fn draft(
        &self,
        before: &str,
        router: RouterUrl,
        form: Form,
        wants_key: bool,
    ) -> Result<Draft, AttachError> {
        let config = self.home.config_toml();
        let parsed = Config::parse(before).map_err(AttachError::broken(&config))?;
        if form == Form::BaseUrl {
            if wants_key {
                return Err(AttachError::NeedsKey);
            }
            if let Some(provider) = look::other_provider(&parsed) {
                return Err(AttachError::OtherProvider { config, provider });
            }
        }
        plan::attached(before, router, form, wants_key).map_err(AttachError::unchangeable(&config))
    }

    fn told(
        &self,
        before: &str,
        after: &str,
        left: Vec<String>,
        router: RouterUrl,
    ) -> Result<ConfigChange, AttachError> {
        let config = self.home.config_toml();
        let parsed = Config::parse(after).map_err(AttachError::broken(&config))?;
        Ok(ConfigChange {
            diff: difference(before, after),
            left,
            notes: look::notes(&parsed, router),
            config,
        })
    }

    fn remember(&self, record: Option<&Record>) -> Result<(), StoreError> {
        State::update(&self.home, |state| state.set_attached(record)).map(drop)
    }

    fn lock_attachment(&self, limit: Duration) -> Result<FileLock, StoreError> {
        Ok(FileLock::acquire(
            &self.home.attachment_lock(),
            0o600,
            limit,
        )?)
    }

    fn contended(&self) -> StoreError {
        let path = self.home.config_toml();
        StoreError::Contended { path }
    }

    fn pass(&self, step: Step) -> Result<(), StoreError> {
        let path = self.home.config_toml();
        self.faults.at(step).map_err(StoreError::io(&path))
    }
}

/// A unified difference that shows what changes and nothing else of the file: there may be keys in
/// it.
fn difference(before: &str, after: &str) -> String {
    TextDiff::from_lines(before, after)
        .unified_diff()
        .context_radius(0)
        .missing_newline_hint(false)
        .header("config.toml", "config.toml")
        .to_string()
}
