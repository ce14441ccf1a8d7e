use std::time::Duration;

use codex_auth::refresh::RefreshReason;
use fake_openai::Fault;
use serde_json::Value;

use crate::{
    ProfileStore, RemovedId, StoreError,
    fs::atomic,
    testing::{World, eventually, name, token},
};

/// Ada's `work` is current; Bob's `home` is not.
async fn world() -> (World, Value) {
    let world = World::new().await;
    world.put_expired_everywhere();
    let login = world.fake.auth_json_expired(&world.bob());
    world.put_profile("home", &login);
    (world, login)
}

async fn set_label(store: &ProfileStore, profile: &str, label: &str) {
    store
        .label(&name(profile), Some(label.to_owned()))
        .await
        .unwrap();
}

async fn label(store: &ProfileStore, profile: &str) -> Option<String> {
    store.state().await.unwrap().profile(profile).label
}

#[tokio::test]
async fn a_removed_profile_can_be_recovered_until_it_is_purged() {
    let (world, login) = world().await;
    let store = world.store();
    let current = store.remove(&name("work")).await;
    assert!(matches!(current, Err(StoreError::IsCurrent(_))));

    store.remove(&name("home")).await.unwrap();
    assert_eq!(store.list().await.unwrap().len(), 1);
    assert!(world.every_refresh_token().contains(&token(&login)));

    // Another name's folder begins with the same letters.
    let other = store.purge(&name("hom")).await;
    assert!(matches!(other, Err(StoreError::UnknownProfile(_))));
    assert!(world.every_refresh_token().contains(&token(&login)));
    assert_eq!(store.purge(&name("home")).await.unwrap(), 1);
    assert!(!world.every_refresh_token().contains(&token(&login)));
    let gone = store.restore(&name("home")).await;
    assert!(matches!(gone, Err(StoreError::NothingRemoved(_))));
}

#[tokio::test]
async fn one_that_was_removed_is_deleted_and_nothing_else_of_its_name() {
    let (world, first) = world().await;
    let store = world.store();
    store.remove(&name("home")).await.unwrap();
    let second = world.fake.auth_json(&world.fake.account("cy", "acct-cy"));
    world.put_profile("home", &second);
    store.remove(&name("home")).await.unwrap();
    let third = world.fake.auth_json(&world.fake.account("di", "acct-di"));
    world.put_profile("home", &third);
    let id = store.removed().await.unwrap().remove(0).id;
    assert_eq!(RemovedId::parse(id.as_str()), Some(id.clone()));
    assert_eq!(id.name(), &name("home"));

    store.purge_removed(&id).await.unwrap();

    let left = world.every_refresh_token();
    assert!(!left.contains(&token(&second)));
    assert!(left.contains(&token(&first)) && left.contains(&token(&third)));
    let again = store.purge_removed(&id).await;
    assert!(matches!(again, Err(StoreError::NothingRemoved(_))));
    let others = store.removed().await.unwrap();
    assert_eq!(others.len(), 1, "the older one comes to light");
    assert_eq!(world.profile("home"), third);
}

#[test]
fn no_name_and_no_path_is_the_id_of_a_removed_profile() {
    for text in [
        "",
        "home",
        "home-",
        "-1",
        "home-x",
        "../x-1",
        "a/b-1",
        ".removed-home-1",
    ] {
        assert_eq!(RemovedId::parse(text), None, "{text}");
    }
}

#[tokio::test]
async fn restoring_brings_back_the_login_and_its_label() {
    let (world, login) = world().await;
    let store = world.store();
    set_label(&store, "home", "H").await;
    store.remove(&name("home")).await.unwrap();
    assert_eq!(label(&store, "home").await, None);

    let restored = store.restore(&name("home")).await.unwrap();

    assert!(restored.removed_at.is_some());
    assert_eq!((restored.renewed, restored.older), (false, 0));
    assert_eq!(world.profile("home"), login);
    assert_eq!(label(&store, "home").await.as_deref(), Some("H"));
}

#[tokio::test]
async fn restoring_takes_the_latest_and_never_a_name_that_is_taken() {
    let (world, first) = world().await;
    let store = world.store();
    set_label(&store, "home", "first").await;
    store.remove(&name("home")).await.unwrap();
    let second = world.fake.auth_json(&world.fake.account("cy", "acct-cy"));
    world.put_profile("home", &second);
    assert_eq!(label(&store, "home").await, None, "no label is inherited");

    let taken = store.restore(&name("home")).await;
    assert!(matches!(taken, Err(StoreError::NameTaken(_))));
    assert_eq!(world.profile("home"), second);

    store.remove(&name("home")).await.unwrap();
    assert_eq!(store.restore(&name("home")).await.unwrap().older, 1);
    assert_eq!(world.profile("home"), second);
    store.rename(&name("home"), &name("cy")).await.unwrap();
    store.restore(&name("home")).await.unwrap();
    assert_eq!(world.profile("home"), first);
    assert_eq!(label(&store, "home").await.as_deref(), Some("first"));
}

#[tokio::test]
async fn purging_deletes_the_profile_and_its_earlier_copies_and_forgets_them() {
    let (world, first) = world().await;
    let store = world.store();
    set_label(&store, "home", "first").await;
    store.remove(&name("home")).await.unwrap();
    let second = world.fake.auth_json(&world.fake.account("cy", "acct-cy"));
    world.put_profile("home", &second);

    assert_eq!(store.purge(&name("home")).await.unwrap(), 2);

    let left = world.every_refresh_token();
    assert!(!left.contains(&token(&first)) && !left.contains(&token(&second)));
    let state = std::fs::read_to_string(world.home.state_json()).unwrap();
    assert!(!state.contains("home"), "{state}");
    world.put_profile("den", &second);
    let current = store.purge(&name("work")).await;
    assert!(matches!(current, Err(StoreError::IsCurrent(_))));
}

#[tokio::test]
async fn a_restored_login_that_went_on_elsewhere_is_renewed_from_there() {
    let (world, old) = world().await;
    let store = world.store();
    store.remove(&name("home")).await.unwrap();
    let newer = world.codex_posts(&old).await;
    world.put_profile("elsewhere", &newer);

    assert!(store.restore(&name("home")).await.unwrap().renewed);

    assert_eq!(token(&world.profile("home")), token(&newer));
}

#[cfg(unix)]
#[tokio::test]
async fn purging_a_link_leaves_what_it_leads_to() {
    let (world, login) = world().await;
    let outside = tempfile::tempdir().unwrap();
    crate::testing::put(&outside.path().join("auth.json"), &login);
    let link = world.home.profile(&name("link"));
    std::os::unix::fs::symlink(outside.path(), link).unwrap();

    assert_eq!(world.store().purge(&name("link")).await.unwrap(), 1);

    assert!(outside.path().join("auth.json").exists());
}

/// Does something to the profile `home` while its refresh waits for the issuer.
async fn in_the_middle_of_a_refresh(
    world: &World,
    store: &ProfileStore,
    what: impl AsyncFnOnce(&ProfileStore),
) {
    let slow = Duration::from_millis(400);
    world.fake.fault(Fault::refresh_delayed(slow));
    let refreshing = {
        let store = store.clone();
        tokio::spawn(async move {
            let reason = RefreshReason::Forced;
            store.refresh_profile(&name("home"), reason).await.map(drop)
        })
    };
    eventually(|| !world.fake.requests_to("/oauth/token").is_empty()).await;
    what(store).await;
    assert!(!refreshing.is_finished(), "it was not in the middle");
    // Whoever asked may get an error: the profile is no longer what it was.
    drop(refreshing.await.unwrap());
    store.finish_refreshes().await;
}

/// The only refresh token that the issuer would still take for Bob.
fn issued(world: &World) -> String {
    let refreshes = world.fake.refreshes();
    assert_eq!(refreshes.len(), 1);
    refreshes[0].issued.as_ref().unwrap().refresh_token.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rename_in_the_middle_of_a_refresh_loses_no_token() {
    let (world, _) = world().await;
    let store = world.store();
    in_the_middle_of_a_refresh(&world, &store, async |store| {
        store.rename(&name("home"), &name("den")).await.unwrap();
    })
    .await;
    assert_eq!(token(&world.profile("den")), issued(&world));
    assert!(!world.home.profile(&name("home")).exists());
    assert_eq!(store.list().await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_in_the_middle_of_a_refresh_loses_no_token_and_can_be_undone() {
    let (world, _) = world().await;
    let store = world.store();
    in_the_middle_of_a_refresh(&world, &store, async |store| {
        store.remove(&name("home")).await.unwrap();
    })
    .await;
    assert_eq!(token(&world.profile("unsaved-1")), issued(&world));

    assert!(store.restore(&name("home")).await.unwrap().renewed);

    assert_eq!(
        token(&world.profile("home")),
        issued(&world),
        "not the spent one"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_in_the_middle_of_a_refresh_loses_no_token() {
    let (world, _) = world().await;
    let store = world.store();
    in_the_middle_of_a_refresh(&world, &store, async |store| {
        store.purge(&name("home")).await.unwrap();
    })
    .await;
    assert_eq!(token(&world.profile("unsaved-1")), issued(&world));
}

#[tokio::test]
async fn the_only_profile_goes_although_it_is_current_and_leaves_nothing_chosen() {
    let world = World::new().await;
    let login = world.put_expired_everywhere();
    let store = world.store();

    store.remove(&name("work")).await.unwrap();

    assert_eq!(store.current().await.unwrap(), None);
    assert_eq!(world.live(), login, "Codex keeps its login");
    store.restore(&name("work")).await.unwrap();
    world.put_current("work");
    assert_eq!(store.purge(&name("work")).await.unwrap(), 1);
    assert_eq!(store.current().await.unwrap(), None);
}

#[tokio::test]
async fn a_purge_deletes_nothing_where_there_is_more_than_a_login() {
    let (world, login) = world().await;
    let store = world.store();
    let folder = world.home.profile(&name("home"));
    for ours in ["auth.json.broken-1", ".auth-x1y2z3"] {
        atomic::write(&folder.join(ours), b"{").unwrap();
    }
    let foreign = folder.join("notes.txt");
    atomic::write(&foreign, b"precious").unwrap();
    let purge = async || store.purge(&name("home")).await;

    let refused = purge().await.unwrap_err();
    assert!(refused.to_string().contains("notes.txt"), "{refused}");
    assert_eq!(world.profile("home"), login, "it is still in the list");
    store.remove(&name("home")).await.unwrap();
    assert!(matches!(
        purge().await,
        Err(StoreError::MoreThanALogin { .. })
    ));
    store.restore(&name("home")).await.unwrap();
    assert_eq!(std::fs::read(&foreign).unwrap(), b"precious");

    std::fs::remove_file(&foreign).unwrap();
    assert_eq!(purge().await.unwrap(), 1);
    assert!(!world.every_refresh_token().contains(&token(&login)));
}
