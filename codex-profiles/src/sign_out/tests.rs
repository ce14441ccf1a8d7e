use std::time::Duration;

use codex_auth::{AuthDotJson, LoginReason, refresh::RefreshReason, revoke::RevokeError};
use fake_openai::Fault;
use serde_json::Value;
use tokio::{runtime::Builder, sync::oneshot, task};

use super::SignOutError;
use crate::{
    Condition, ProfileStore, StoreError,
    audit::Action,
    testing::{World, eventually, name, token},
};

async fn reason(store: &ProfileStore, profile: &str) -> Option<LoginReason> {
    let profiles = store.list().await.unwrap();
    let found = profiles
        .iter()
        .find(|found| found.label.as_str() == profile);
    match found.unwrap().condition {
        Condition::NeedsLogin(reason) => Some(reason),
        _ => None,
    }
}

fn revoked(world: &World) -> Vec<Value> {
    let posts = world.fake.requests_to("/oauth/revoke");
    posts
        .into_iter()
        .map(|post| post.json["token"].clone())
        .collect()
}

#[tokio::test]
async fn the_newest_token_is_revoked_and_every_copy_needs_a_login_then() {
    let world = World::new().await;
    let old = world.fake.auth_json(&world.ada());
    let newer = world.codex_posts(&old).await;
    world.put_profile("work", &old);
    world.put_profile("copy", &newer);
    world.put_live(&newer);
    let bob = world.fake.auth_json(&world.bob());
    world.put_profile("bob", &bob);
    let store = world.store();

    let scope = store.sign_out(&name("work")).await.unwrap();

    assert_eq!((scope.others, scope.live), (vec![name("copy")], true));
    assert_eq!(revoked(&world), [token(&newer), token(&old)]);
    for profile in ["work", "copy"] {
        assert_eq!(
            reason(&store, profile).await,
            Some(LoginReason::Revoked),
            "{profile}"
        );
    }
    assert_eq!(reason(&store, "bob").await, None);
    // Nothing was deleted or changed.
    assert_eq!(
        (world.profile("work"), world.profile("copy")),
        (old, newer.clone())
    );
    assert_eq!(world.live(), newer);
    // And nothing posts the token again.
    let posts = world.posts();
    let refused = store
        .refresh_profile(&name("work"), RefreshReason::Forced)
        .await;
    assert!(refused.is_err());
    assert_eq!(world.posts(), posts);
}

#[tokio::test]
async fn asking_what_would_stop_revokes_nothing() {
    let world = World::new().await;
    world.put_expired_everywhere();
    let scope = world.store().sign_out_scope(&name("work")).await.unwrap();
    assert!(scope.live && scope.others.is_empty());
    assert!(revoked(&world).is_empty());
}

#[tokio::test]
async fn signing_in_again_renews_what_was_signed_out() {
    let world = World::new().await;
    world.put_profile("work", &world.fake.auth_json(&world.ada()));
    let store = world.store();
    store.sign_out(&name("work")).await.unwrap();
    let fresh = world.fake.auth_json(&world.ada());
    let login = AuthDotJson::parse(fresh.to_string().as_bytes()).unwrap();
    let kept = store.keep_sign_in(&login, None).await.unwrap();
    assert_eq!((kept.name, kept.created), (name("work"), false));
    assert_eq!(reason(&store, "work").await, None);
}

#[tokio::test]
async fn another_workspace_that_shares_the_token_stops_too_and_is_named() {
    let world = World::new().await;
    let one = world.fake.auth_json(&world.ada());
    let mut other = one.clone();
    other["tokens"]["account_id"] = "acct-other".into();
    world.put_profile("one", &one);
    world.put_profile("other", &other);
    let store = world.store();
    let scope = store.sign_out(&name("one")).await.unwrap();
    assert_eq!(scope.others, [name("other")]);
    assert_eq!(revoked(&world).len(), 1);
    assert_eq!(reason(&store, "other").await, Some(LoginReason::Revoked));
}

#[tokio::test]
async fn a_login_without_a_refresh_token_is_signed_out_by_its_access_token() {
    let world = World::new().await;
    let mut login = world.fake.auth_json(&world.ada());
    login["tokens"]["refresh_token"] = "".into();
    world.put_profile("work", &login);
    let store = world.store();
    store.sign_out(&name("work")).await.unwrap();
    assert_eq!(revoked(&world), [login["tokens"]["access_token"].clone()]);
    assert_eq!(reason(&store, "work").await, Some(LoginReason::Revoked));
}

#[tokio::test]
async fn an_api_key_has_nothing_to_revoke_and_a_stranger_is_unknown() {
    let world = World::new().await;
    world.put_profile("key", &world.fake.api_key_auth_json("sk-1"));
    let nothing = world.store().sign_out(&name("key")).await;
    assert!(
        matches!(nothing, Err(SignOutError::NothingToRevoke { .. })),
        "{nothing:?}"
    );
    let unknown = world.store().sign_out(&name("nobody")).await;
    assert!(matches!(
        unknown,
        Err(SignOutError::Store(StoreError::UnknownProfile(_)))
    ));
    assert!(revoked(&world).is_empty());
}

#[tokio::test]
async fn an_issuer_that_fails_leaves_the_login_as_it_was() {
    let world = World::new().await;
    world.put_profile("work", &world.fake.auth_json(&world.ada()));
    let store = world.store();
    world.fake.fault(Fault::status(503).path("/oauth/revoke"));
    let failed = store.sign_out(&name("work")).await.unwrap_err();
    assert!(
        matches!(
            &failed,
            SignOutError::NotRevoked {
                source: RevokeError::Failed(503),
                ..
            }
        ),
        "{failed}"
    );
    assert_eq!(reason(&store, "work").await, None);
    store.sign_out(&name("work")).await.unwrap();
    assert_eq!(reason(&store, "work").await, Some(LoginReason::Revoked));
}

#[tokio::test]
async fn an_issuer_that_fails_half_way_is_a_sign_out_in_part_that_can_be_repeated() {
    let world = World::new().await;
    let old = world.fake.auth_json(&world.ada());
    let newer = world.codex_posts(&old).await;
    world.put_profile("work", &newer);
    world.put_profile("copy", &old);
    let store = world.store();
    world.fake.fault(Fault::status(200).path("/oauth/revoke"));
    world.fake.fault(Fault::status(503).path("/oauth/revoke"));

    let failed = store.sign_out(&name("work")).await.unwrap_err();

    assert!(matches!(failed, SignOutError::InPart { .. }), "{failed}");
    let text = failed.to_string();
    assert!(text.contains("in part; run it again"), "{text}");
    assert_eq!(reason(&store, "work").await, Some(LoginReason::Revoked));
    store.sign_out(&name("work")).await.unwrap();
    assert_eq!(reason(&store, "copy").await, Some(LoginReason::Revoked));
}

#[tokio::test]
async fn a_sign_out_that_a_runtimes_end_cuts_is_told_of_by_the_next_start() {
    let world = World::new().await;
    world.put_profile("work", &world.fake.auth_json(&world.ada()));
    let slow = Fault::refresh_delayed(Duration::from_mins(1));
    world.fake.fault(slow.path("/oauth/revoke"));
    let (store, (end, ended)) = (world.store(), oneshot::channel::<()>());
    let cut = task::spawn_blocking(move || {
        let (mut runtime, work) = (Builder::new_current_thread(), name("work"));
        let runtime = runtime.enable_all().build().unwrap();
        runtime.block_on(async {
            tokio::select! {
                done = store.sign_out(&work) => panic!("{done:?}"),
                _ = ended => {}
            }
        });
    });
    eventually(|| !revoked(&world).is_empty()).await;
    end.send(()).unwrap();
    cut.await.unwrap();
    let log = world.store().audit_log().await.unwrap();
    let detail = log.entries[0].detail.as_deref();
    let unknown = Some("cut short: whether it was made is not known");
    assert_eq!((log.entries[0].action, detail), (Action::SignOut, unknown));
    assert_eq!(log.entries.len(), 1);
}

#[tokio::test]
async fn one_that_did_not_happen_leaves_no_line() {
    let world = World::new().await;
    world.put_profile("work", &world.fake.auth_json(&world.ada()));
    world.fake.fault(Fault::status(503).path("/oauth/revoke"));
    assert!(world.store().sign_out(&name("work")).await.is_err());
    let log = world.store().audit_log().await.unwrap();
    assert!(log.entries.is_empty(), "{log:?}");
}
