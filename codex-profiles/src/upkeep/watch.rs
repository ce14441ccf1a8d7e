//! What the operating system says about changes of the files.

use std::{path::Path, sync::Arc};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode},
};
use tokio::sync::Notify;
use tracing::{debug, warn};

use crate::{fs::atomic, home::CodexHome};

/// The files whose change says something; locks and temporary files come and go all the time.
const TELLING: [&str; 5] = [
    "auth.json",
    "config.toml",
    ".current_profile",
    "state.json",
    "usage.json",
];

/// Watches the files of one home for as long as it lives.
pub(super) struct HomeWatch {
    watcher: Option<RecommendedWatcher>,
    home: CodexHome,
    changed: Arc<Notify>,
}

impl HomeWatch {
    /// Begins to watch. A file system that tells nothing, such as a network folder, is not noticed
    /// here: whoever uses a file looks at its stamp first.
    pub(super) fn start(home: &CodexHome) -> Self {
        let changed = Arc::new(Notify::new());
        let told = changed.clone();
        let watcher = notify::recommended_watcher(move |event| {
            if is_telling(&event) {
                told.notify_one();
            }
        });
        if let Err(error) = &watcher {
            warn!(%error, "changes of files are not told by the system; they are looked for");
        }
        let mut watch = Self {
            watcher: watcher.ok(),
            home: home.clone(),
            changed,
        };
        watch.follow();
        watch
    }

    /// Whether changes will be told.
    pub(super) fn is_told(&self) -> bool {
        self.watcher.is_some()
    }

    /// Waits for a change. Changes that come in one go are one.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Watches the folders that there are now: one that is replaced is another one.
    pub(super) fn follow(&mut self) {
        let home = self.home.clone();
        if let Err(error) = atomic::create_folder(home.root()) {
            debug!(%error, "the home cannot be made");
        }
        let live = atomic::real_path(&home.auth_json()).ok();
        let beside_live = live.as_deref().and_then(Path::parent);
        let elsewhere = beside_live.filter(|folder| *folder != home.root());
        let flat = [Some(home.root()), Some(&home.router()), elsewhere]
            .map(|folder| folder.map(|folder| (folder.to_owned(), RecursiveMode::NonRecursive)));
        let profiles = (home.profiles(), RecursiveMode::Recursive);
        for (folder, mode) in flat.into_iter().flatten().chain([profiles]) {
            self.watch(&folder, mode);
        }
    }

    fn watch(&mut self, folder: &Path, mode: RecursiveMode) {
        if let Some(watcher) = self.watcher.as_mut().filter(|_| folder.is_dir())
            && let Err(error) = watcher.watch(folder, mode)
        {
            let folder = folder.display();
            warn!(%folder, %error, "changes are not told by the system; they are looked for");
            self.watcher = None;
        }
    }
}

fn is_telling(event: &notify::Result<Event>) -> bool {
    let Ok(event) = event else {
        // Events were lost: anything may have changed.
        return true;
    };
    let changes = match event.kind {
        EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
        _ => true,
    };
    // A folder that is made, renamed or removed is a profile that comes, moves or goes.
    changes && (event.need_rescan() || event.paths.iter().any(|path| tells(path)))
}

fn tells(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_none_or(|name| {
        TELLING.contains(&name) || (!name.starts_with('.') && path.extension().is_none())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_and_temporary_files_say_nothing() {
        for path in ["/h/auth.json", "/h/.current_profile", "/h/profiles/work"] {
            assert!(tells(Path::new(path)), "{path}");
        }
        for path in [
            "/h/auth.lock",
            "/h/auth.json.lock",
            "/h/.auth-x1",
            "/h/router/spent.json",
        ] {
            assert!(!tells(Path::new(path)), "{path}");
        }
    }
}
