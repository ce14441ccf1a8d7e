mod properties;

use std::{
    fs, panic,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::*;
use crate::{
    CodexHome,
    disk::Disk,
    faults::{Fault, Meanwhile, Step},
    fs::atomic,
    state::State,
};

const OURS: &str = "openai_base_url = \"http://127.0.0.1:9876/v1\"";

/// A home with this `config.toml`, if any, without a store around it.
struct Desk {
    disk: Disk,
    folder: tempfile::TempDir,
}

impl Desk {
    fn with(config: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::new(CodexHome::at(folder.path()));
        if let Some(config) = config {
            atomic::write(&disk.home.config_toml(), config.as_bytes()).unwrap();
        }
        Self { disk, folder }
    }

    fn path(&self) -> std::path::PathBuf {
        self.disk.home.config_toml()
    }

    fn text(&self) -> Option<String> {
        fs::read_to_string(self.path()).ok()
    }

    fn put(&self, text: &str) {
        atomic::write(&self.path(), text.as_bytes()).unwrap();
    }

    fn attach(&self) -> ConfigChange {
        self.disk.attach(router(), Form::BaseUrl).unwrap()
    }

    fn refused(&self, form: Form) -> String {
        let before = self.text();
        let error = self.disk.attach(router(), form).unwrap_err();
        assert_eq!(self.text(), before, "nothing was changed");
        assert!(!self.remembers());
        error.to_string()
    }

    fn detach(&self) -> ConfigChange {
        self.disk.detach(router()).unwrap()
    }

    fn state(&self) -> AttachmentState {
        self.look().state
    }

    fn look(&self) -> Attachment {
        self.disk.attachment(router()).unwrap()
    }

    fn remembers(&self) -> bool {
        State::load(&self.disk.home).unwrap().attached().is_some()
    }
}

fn router() -> RouterUrl {
    "http://127.0.0.1:9876".parse().unwrap()
}

fn other_router() -> RouterUrl {
    "http://127.0.0.1:9999".parse().unwrap()
}

#[test]
fn attaching_changes_one_line_and_detaching_brings_the_very_bytes_back() {
    for (before, attached) in [
        ("", format!("{OURS}\n")),
        (
            "\u{feff}# mine\r\n",
            format!("\u{feff}{OURS}\r\n# mine\r\n"),
        ),
        ("a = 1", format!("a = 1\n{OURS}")),
        (
            "a = 1\r\n[t]\r\nb = 2",
            format!("a = 1\r\n{OURS}\r\n[t]\r\nb = 2"),
        ),
        (
            "openai_base_url = 'https://x.example/v1' # why\n",
            format!("{OURS} # why\n"),
        ),
        (
            "\"openai_base_url\"   =   7\n[t]",
            "\"openai_base_url\"   =   \"http://127.0.0.1:9876/v1\"\n[t]".to_owned(),
        ),
    ] {
        let desk = Desk::with(Some(before));
        desk.attach();
        assert_eq!(desk.text().unwrap(), attached);
        assert_eq!(desk.state(), AttachmentState::Attached);
        desk.detach();
        assert_eq!(desk.text().unwrap(), before);
        assert!(!desk.remembers());
    }
}

#[test]
fn the_difference_shows_what_changes_and_no_other_line() {
    let desk = Desk::with(Some("key = \"sk-planted\"\nopenai_base_url = \"u\"\n"));
    let seen = desk.look().diff.unwrap();
    let change = desk.attach();
    assert_eq!(change.diff, seen);
    assert_eq!(
        change.diff,
        format!(
            "--- config.toml\n+++ config.toml\n@@ -2 +2 @@\n-openai_base_url = \"u\"\n+{OURS}\n"
        )
    );
    assert_eq!(desk.look().diff, None, "nothing would change now");
}

#[test]
fn a_file_that_was_made_goes_again_unless_something_came_into_it() {
    let desk = Desk::with(None);
    desk.attach();
    desk.detach();
    assert!(!desk.path().exists());

    desk.attach();
    desk.put(&format!("{OURS}\nmodel = \"m\"\n"));
    desk.detach();
    assert_eq!(desk.text().unwrap(), "model = \"m\"\n");
}

#[test]
fn attaching_or_detaching_twice_is_as_once() {
    let desk = Desk::with(Some("a = 1\n"));
    desk.attach();
    let (text, change) = (desk.text(), desk.attach());
    assert_eq!((desk.text(), change.diff.as_str()), (text, ""));
    desk.detach();
    let change = desk.detach();
    assert_eq!(
        (desk.text().unwrap().as_str(), change.diff.as_str()),
        ("a = 1\n", "")
    );
}

#[test]
fn what_came_into_the_file_meanwhile_stays_and_the_old_value_comes_back() {
    let desk = Desk::with(Some("openai_base_url = 'old' # why\n"));
    desk.attach();
    desk.put(&format!("# new\n{OURS} # why\n[projects.x]\ntrust = 1\n"));
    desk.detach();
    assert_eq!(
        desk.text().unwrap(),
        "# new\nopenai_base_url = 'old' # why\n[projects.x]\ntrust = 1\n"
    );

    let desk = Desk::with(Some("a = 1"));
    desk.attach();
    desk.put(&format!("a = 2\n{OURS}"));
    desk.detach();
    assert_eq!(desk.text().unwrap(), "a = 2");
}

#[test]
fn a_value_that_somebody_else_has_put_there_since_stays_and_is_told_of() {
    let desk = Desk::with(Some(""));
    desk.attach();
    desk.put("openai_base_url = \"https://ada:sk-planted@x.example/v1\"\n");
    let seen = desk.look();
    assert_eq!(seen.state, AttachmentState::Foreign);
    assert_eq!(seen.leads_to.as_deref(), Some("https://x.example/v1"));
    let change = desk.detach();
    assert_eq!(change.left, ["openai_base_url"]);
    assert!(desk.text().unwrap().contains("x.example"));
    assert!(!desk.remembers());
}

#[test]
fn at_another_address_codex_is_elsewhere_until_it_is_attached_anew() {
    let desk = Desk::with(Some("a = 1\n"));
    desk.disk.attach(other_router(), Form::BaseUrl).unwrap();
    let seen = desk.look();
    assert_eq!(seen.state, AttachmentState::Elsewhere);
    assert_eq!(seen.leads_to.as_deref(), Some("http://127.0.0.1:9999/v1"));
    desk.attach();
    assert_eq!(desk.state(), AttachmentState::Attached);
    desk.detach();
    assert_eq!(desk.text().unwrap(), "a = 1\n");
}

#[test]
fn what_is_not_remembered_is_detached_by_its_address() {
    let desk = Desk::with(Some(
        "openai_base_url = \"http://localhost:9876/v1\"\na = 1\n",
    ));
    assert_eq!(desk.state(), AttachmentState::Attached);
    desk.detach();
    assert_eq!(desk.text().unwrap(), "a = 1\n");

    let foreign = "openai_base_url = \"http://localhost:4000/v1\"\n";
    desk.put(foreign);
    assert_eq!(desk.state(), AttachmentState::Foreign);
    assert_eq!(desk.detach().diff, "");
    assert_eq!(desk.text().unwrap(), foreign);
}

#[test]
fn a_provider_of_its_own_is_a_table_at_the_end_and_goes_again() {
    for before in [
        "",
        "a = 1",
        "model_provider = 'x' # why\r\n[model_providers.x]\r\nname = \"X\"\r\n",
    ] {
        let desk = Desk::with(Some(before));
        desk.disk.attach(router(), Form::Provider).unwrap();
        let seen = desk.look();
        assert_eq!(
            (seen.state, seen.form),
            (AttachmentState::Attached, Some(Form::Provider))
        );
        assert!(!seen.sends_key);
        desk.detach();
        assert_eq!(desk.text().unwrap(), before);
    }
}

#[test]
fn a_table_that_has_more_in_it_now_stays_where_it_is() {
    let desk = Desk::with(Some("[t]\na = 1\n"));
    desk.disk.attach(router(), Form::Provider).unwrap();
    let more = format!("{}query_params = {{}}\n", desk.text().unwrap());
    desk.put(&more);
    let change = desk.detach();
    assert_eq!(change.left, ["model_providers.codex-router"]);
    let text = desk.text().unwrap();
    assert!(
        text.starts_with("[t]\na = 1\n") && text.ends_with("query_params = {}\n"),
        "{text}"
    );
    assert_eq!(desk.state(), AttachmentState::Detached);
}

#[test]
fn one_form_takes_the_place_of_the_other() {
    let desk = Desk::with(Some("a = 1\n"));
    desk.attach();
    desk.disk.attach(router(), Form::Provider).unwrap();
    assert!(!desk.text().unwrap().contains("openai_base_url"));
    desk.attach();
    assert_eq!(desk.text().unwrap(), format!("a = 1\n{OURS}\n"));
    desk.detach();
    assert_eq!(desk.text().unwrap(), "a = 1\n");
}

#[test]
fn a_file_that_codex_would_not_read_is_not_touched() {
    let refused = |config: &str| Desk::with(Some(config)).refused(Form::BaseUrl);
    let told = refused("a = 1\nkey = sk-planted");
    assert!(told.contains("line 2, column 7"), "{told}");
    assert!(!told.contains("planted"), "{told}");
    assert!(refused("openai_base_url = \"a\"\nopenai_base_url = \"b\"").contains("line 2"));
    assert!(refused("[openai_base_url]\n").contains("cannot be changed here"));
    let desk = Desk::with(Some("model_providers = { x = {} }\n"));
    assert!(
        desk.refused(Form::Provider)
            .contains("cannot be changed here")
    );
    let desk = Desk::with(None);
    atomic::write(&desk.path(), b"a = \"\xff\"").unwrap();
    assert!(desk.refused(Form::BaseUrl).contains("not UTF-8"));
    assert_eq!(desk.state(), AttachmentState::Foreign);
    assert!(desk.look().problem.unwrap().contains("not UTF-8"));
}

#[test]
fn what_would_change_nothing_is_refused_and_what_stands_against_it_is_named() {
    let desk = Desk::with(Some("model_provider = \"ollama\"\n"));
    assert!(desk.refused(Form::BaseUrl).contains("--provider"));
    assert_eq!(desk.state(), AttachmentState::Foreign);

    let desk = Desk::with(Some(
        "[profiles.fast]\nmodel_provider = \"azure\"\n[profiles.plain]\nmodel = \"m\"\n",
    ));
    let notes = desk.attach().notes;
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(
        notes[0].contains("`fast` sets `model_provider`"),
        "{notes:?}"
    );
}

#[test]
fn with_client_keys_only_the_form_that_can_send_one_is_written() {
    let desk = Desk::with(Some(""));
    let keys = r#"{"client_keys":[{"name":"n","sha256":"00"}]}"#;
    atomic::write(&desk.disk.home.state_json(), keys.as_bytes()).unwrap();
    assert!(desk.refused(Form::BaseUrl).contains("client keys"));
    desk.disk.attach(router(), Form::Provider).unwrap();
    assert!(
        desk.text()
            .unwrap()
            .contains("env_key = \"CODEX_ROUTER_KEY\"")
    );
    assert!(desk.look().sends_key);
}

#[cfg(unix)]
#[test]
fn links_and_permissions_stay_as_they_are() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let desk = Desk::with(None);
    let real = desk.folder.path().join("dotfiles/codex.toml");
    atomic::write(&real, b"a = 1\n").unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o644)).unwrap();
    symlink("dotfiles/codex.toml", desk.path()).unwrap();

    desk.attach();
    assert!(desk.path().is_symlink());
    assert_eq!(
        fs::read_to_string(&real).unwrap(),
        format!("a = 1\n{OURS}\n")
    );
    assert_eq!(mode(&real), 0o644);
    desk.detach();
    assert!(desk.path().is_symlink());
    assert_eq!(
        (fs::read_to_string(&real).unwrap().as_str(), mode(&real)),
        ("a = 1\n", 0o644)
    );

    let new = Desk::with(None);
    new.attach();
    assert_eq!(mode(&new.path()), 0o600);
}

/// Wherever the program dies, the next start knows whether Codex is attached, and how to take it
/// back.
#[test]
fn a_crash_at_any_step_leaves_the_file_whole_and_what_is_remembered_true() {
    let steps = [
        Step::AttachmentNoted,
        Step::BeforeConfigWritten,
        Step::ConfigWritten,
    ];
    for (config, step) in [None, Some("a = 1\n")]
        .into_iter()
        .flat_map(|config| steps.map(|step| (config, step)))
    {
        for detaching in [false, true] {
            let desk = Desk::with(config);
            if detaching {
                desk.attach();
            }
            desk.disk.faults.plan(step, Fault::Crash);
            let died = panic::catch_unwind(panic::AssertUnwindSafe(|| {
                if detaching {
                    desk.detach();
                } else {
                    desk.attach();
                }
            }));
            // Detaching notes nothing before it changes the file.
            assert_eq!(died.is_ok(), detaching && step == Step::AttachmentNoted);
            desk.disk.faults.clear();

            desk.disk.recover();
            let is_attached = desk.state() == AttachmentState::Attached;
            assert_eq!(desk.remembers(), is_attached, "{step:?}");
            desk.detach();
            assert_eq!(desk.text().as_deref(), config, "{step:?}");
        }
    }
}

#[test]
fn a_full_disk_changes_nothing() {
    let desk = Desk::with(Some("a = 1\n"));
    desk.disk
        .faults
        .plan(Step::BeforeConfigWritten, Fault::Full);
    desk.refused(Form::BaseUrl);
    desk.disk.faults.clear();
    desk.attach();
    desk.disk
        .faults
        .plan(Step::BeforeConfigWritten, Fault::Full);
    desk.disk.detach(router()).unwrap_err();
    desk.disk.faults.clear();
    assert_eq!(desk.state(), AttachmentState::Attached);
    desk.detach();
    assert_eq!(desk.text().unwrap(), "a = 1\n");
}

#[test]
fn what_somebody_else_removed_is_forgotten_at_the_next_start() {
    let desk = Desk::with(Some("a = 1\n"));
    desk.attach();
    desk.put("a = 1\n");
    assert_eq!(desk.state(), AttachmentState::Detached);
    desk.disk.recover();
    assert!(!desk.remembers());

    desk.attach();
    desk.put(&format!("{OURS}\nbroken"));
    desk.disk.recover();
    assert!(desk.remembers(), "it may be mended yet");
}

#[test]
fn what_was_replaced_is_remembered_until_it_is_back() {
    let desk = Desk::with(Some("openai_base_url = 'old'\n"));
    desk.attach();
    desk.put(&format!("# {OURS}\n"));
    desk.disk.recover();
    assert!(desk.remembers(), "our line may come back yet");
    desk.put(&format!("{OURS}\n"));
    desk.detach();
    assert_eq!(desk.text().unwrap(), "openai_base_url = 'old'\n");

    desk.attach();
    desk.put("openai_base_url = 'old'\n");
    desk.disk.recover();
    assert!(!desk.remembers());
}

#[test]
fn what_was_replaced_comes_back_after_our_line_was_taken_out_and_written_again() {
    let desk = Desk::with(Some("a = 1\nopenai_base_url = 'old'\n"));
    desk.attach();
    desk.put(&format!("a = 1\n# {OURS}\n"));
    desk.disk.recover();
    desk.attach();
    assert_eq!(desk.state(), AttachmentState::Attached);
    desk.detach();
    let text = desk.text().unwrap();
    assert!(text.contains("\nopenai_base_url = 'old'\n"), "{text}");
    assert!(!desk.remembers());
}

#[test]
fn an_error_after_the_change_forgets_nothing() {
    let desk = Desk::with(Some("openai_base_url = 'old'\n"));
    desk.disk.faults.plan(Step::ConfigWritten, Fault::Full);
    desk.disk.attach(router(), Form::BaseUrl).unwrap_err();
    desk.disk.faults.clear();
    assert_eq!(desk.text().unwrap(), format!("{OURS}\n"));
    assert!(desk.remembers());
    desk.detach();
    assert_eq!(desk.text().unwrap(), "openai_base_url = 'old'\n");
}

/// An editor that saves while the new text is being written must not be written over.
#[test]
fn what_is_saved_while_the_new_text_is_prepared_stays() {
    let desk = Desk::with(Some("a = 1\n"));
    let (config, times) = (desk.path(), Arc::new(AtomicUsize::new(0)));
    let saved = times.clone();
    let save = Box::leak(Box::new(move || {
        if saved.fetch_add(1, Ordering::SeqCst) == 0 {
            let folder = config.parent().unwrap();
            let prepared = fs::read_dir(folder).unwrap().flatten();
            let mut names = prepared.map(|entry| entry.file_name());
            let is_prepared =
                |name: &std::ffi::OsString| name.to_string_lossy().starts_with(".auth-");
            assert!(
                names.any(|name| is_prepared(&name)),
                "all is written but the name"
            );
            atomic::write(&config, b"a = 2\n").unwrap();
        }
    }));
    let meanwhile = Fault::Meanwhile(Meanwhile(save));
    desk.disk.faults.plan(Step::BeforeConfigWritten, meanwhile);
    desk.attach();
    assert!(times.load(Ordering::SeqCst) > 1, "it is tried again");
    assert_eq!(desk.text().unwrap(), format!("a = 2\n{OURS}\n"));
}

#[test]
fn two_programs_at_once_attach_once() {
    let desk = Desk::with(Some("a = 1\n"));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let own = Disk::new(desk.disk.home.clone());
                own.attach(router(), Form::BaseUrl).unwrap();
            });
        }
    });
    assert_eq!(desk.text().unwrap(), format!("a = 1\n{OURS}\n"));
    desk.detach();
    assert_eq!(desk.text().unwrap(), "a = 1\n");
}
