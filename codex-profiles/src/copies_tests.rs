//! Copies of logins, of all ages and owners, kept in any order: for each owner the newest is left,
//! and nobody's login is where another one's was.

use std::collections::{BTreeMap, HashMap};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use codex_auth::{AuthDotJson, Identity};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{CodexHome, ProfileStore, testing::put};

/// One copy of a login: whose, and of which refresh.
#[derive(Debug, Clone)]
struct Copy {
    user: Option<&'static str>,
    workspace: Option<&'static str>,
    /// Whether the workspace is told by the file, or by the token alone.
    in_file: bool,
    generation: i64,
    /// Saved from the live file, or added as an import is.
    live: bool,
}

impl Copy {
    fn file(&self) -> Value {
        let claims = json!({"iat": self.generation, "exp": i64::from(i32::MAX),
            "https://api.openai.com/auth": {"chatgpt_user_id": self.user,
                "chatgpt_account_id": self.workspace}});
        let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
        let token = format!("e30.{claims}.c2ln");
        let owner = format!("{:?}-{:?}", self.user, self.workspace);
        json!({"auth_mode": "chatgpt", "tokens": {"id_token": token, "access_token": token,
            "refresh_token": format!("rt_{owner}_{}", self.generation),
            "account_id": self.workspace.filter(|_| self.in_file)}})
    }

    fn login(&self) -> AuthDotJson {
        AuthDotJson::parse(self.file().to_string().as_bytes()).unwrap()
    }
}

fn copies() -> impl Strategy<Value = Vec<Copy>> {
    let user = prop::sample::select(vec![None, Some("ann"), Some("bob")]);
    let workspace = prop::sample::select(vec![None, Some("w1"), Some("w2")]);
    let copy = (user, workspace, any::<bool>(), 1..4_i64, any::<bool>());
    let copy = copy.prop_map(|(user, workspace, in_file, generation, live)| Copy {
        user,
        workspace,
        in_file,
        generation,
        live,
    });
    prop::collection::vec(copy, 1..9)
}

/// A home that is gone after the case.
struct Folder {
    store: ProfileStore,
    paths: CodexHome,
    _kept: tempfile::TempDir,
}

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = CodexHome::at(folder.path());
        let store = ProfileStore::open(home.clone()).unwrap();
        Self {
            store,
            paths: home,
            _kept: folder,
        }
    }

    async fn keep(&self, copy: &Copy) {
        if copy.live {
            put(&self.paths.auth_json(), &copy.file());
            self.store.save(None).await.unwrap();
        } else {
            self.store.add(copy.login(), None).await.unwrap();
        }
    }

    /// Every saved login by the name of its profile.
    async fn saved(&self) -> BTreeMap<String, AuthDotJson> {
        let profiles = self.store.list().await.unwrap().into_iter();
        profiles
            .map(|profile| {
                let login = AuthDotJson::clone(&profile.login.unwrap());
                (profile.label.as_str().to_owned(), login)
            })
            .collect()
    }
}

fn newest_of_each(copies: &[Copy]) -> HashMap<Identity, i64> {
    let mut newest = HashMap::new();
    for copy in copies {
        let generation = newest.entry(copy.login().identity()).or_insert(0);
        *generation = copy.generation.max(*generation);
    }
    newest
}

fn generation(login: &AuthDotJson) -> i64 {
    login.access_token_issued_at().unwrap().as_second()
}

async fn any_order_ends_with_the_newest(copies: Vec<Copy>) -> Result<(), TestCaseError> {
    let home = Folder::new();
    for copy in &copies {
        let before = home.saved().await;
        home.keep(copy).await;
        let after = home.saved().await;
        for (name, login) in before {
            let now = after.get(&name).map(AuthDotJson::identity);
            prop_assert_eq!(now, Some(login.identity()), "a profile changed hands");
            prop_assert!(generation(&after[&name]) >= generation(&login), "set back");
        }
    }
    let saved = home.saved().await;
    let kept: HashMap<Identity, i64> = saved
        .values()
        .map(|login| (login.identity(), generation(login)))
        .collect();
    prop_assert_eq!(kept.len(), saved.len(), "one login, one profile");
    prop_assert_eq!(&kept, &newest_of_each(&copies));
    keeping_again_changes_nothing(&home, &copies).await
}

async fn keeping_again_changes_nothing(
    home: &Folder,
    copies: &[Copy],
) -> Result<(), TestCaseError> {
    let bytes = |saved: BTreeMap<String, AuthDotJson>| -> Vec<(String, Vec<u8>)> {
        let saved = saved.into_iter();
        saved
            .map(|(name, login)| (name, login.to_bytes()))
            .collect()
    };
    let before = bytes(home.saved().await);
    for copy in copies {
        home.keep(copy).await;
    }
    prop_assert_eq!(bytes(home.saved().await), before);
    Ok(())
}

proptest! {
    // Every write is synced to the disk, which takes its time.
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn copies_kept_in_any_order_leave_the_newest_of_each_owner(copies in copies()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(any_order_ends_with_the_newest(copies))?;
    }
}

#[test]
fn the_owner_is_the_person_in_the_workspace_wherever_it_says_so() {
    let of = |user, workspace, in_file| {
        let copy = Copy {
            user,
            workspace,
            in_file,
            generation: 1,
            live: false,
        };
        copy.login().identity()
    };
    let ann = of(Some("ann"), Some("w1"), true);
    for (user, workspace, same) in [
        (Some("ann"), Some("w1"), true),
        (Some("ann"), Some("w2"), false),
        (Some("bob"), Some("w1"), false),
        (Some("bob"), Some("w2"), false),
        (None, Some("w1"), false),
        (Some("ann"), None, false),
        (None, None, false),
    ] {
        for in_file in [true, false] {
            let other = of(user, workspace, in_file);
            assert_eq!(ann == other, same, "{user:?} {workspace:?} {in_file}");
        }
    }
}
