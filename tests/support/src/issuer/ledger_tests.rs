use super::*;

fn ledger() -> Ledger {
    let minter = Minter {
        issuer: "http://issuer.test".to_owned(),
    };
    Ledger::new(
        minter,
        Lifetimes {
            access: SignedDuration::from_hours(1),
        },
    )
}

fn account() -> Account {
    Account::new("user-a", "acct-1")
}

fn post(ledger: &mut Ledger, token: &str) -> (RefreshOutcome, Option<Login>) {
    ledger.refresh(token, crate::CLIENT_ID, Some("scheduled".to_owned()))
}

#[test]
fn a_refresh_token_is_good_for_one_refresh_and_the_next_one_for_the_next() {
    let mut ledger = ledger();
    let first = ledger.sign_in(&account());
    let (outcome, second) = post(&mut ledger, &first.refresh_token);
    assert_eq!(outcome, RefreshOutcome::Rotated);
    let second = second.unwrap();
    assert_ne!(second.access_token, first.access_token);
    assert_eq!(second.owner_id, first.owner_id);
    assert_eq!(
        post(&mut ledger, &second.refresh_token).0,
        RefreshOutcome::Rotated
    );
    assert_eq!(ledger.refreshes()[0].reason.as_deref(), Some("scheduled"));
}

#[test]
fn posting_a_spent_token_revokes_the_whole_family() {
    let mut ledger = ledger();
    let first = ledger.sign_in(&account());
    let second = post(&mut ledger, &first.refresh_token).1.unwrap();
    assert_eq!(
        post(&mut ledger, &first.refresh_token).0,
        RefreshOutcome::Reused
    );
    assert_eq!(
        ledger.account_of(&second.access_token),
        Err(Refused::Revoked)
    );
    assert_eq!(
        post(&mut ledger, &second.refresh_token).0,
        RefreshOutcome::Invalidated
    );
}

#[test]
fn another_sign_in_of_the_same_account_is_another_family() {
    let mut ledger = ledger();
    let (one, other) = (ledger.sign_in(&account()), ledger.sign_in(&account()));
    ledger.revoke(&one.access_token);
    assert_eq!(ledger.account_of(&one.access_token), Err(Refused::Revoked));
    assert_eq!(ledger.account_of(&other.access_token), Ok(&account()));
}

#[test]
fn expired_unknown_and_foreign_tokens_are_told_apart() {
    let mut ledger = ledger();
    let login = ledger.sign_in(&account());
    let foreign = ledger.refresh(&login.refresh_token, "app_other", None).0;
    assert_eq!(foreign, RefreshOutcome::Unknown);
    ledger.expire_refresh_token(&login.refresh_token);
    assert_eq!(
        post(&mut ledger, &login.refresh_token).0,
        RefreshOutcome::Expired
    );
    assert_eq!(post(&mut ledger, "rt_nobody").0, RefreshOutcome::Unknown);
}

#[test]
fn an_access_token_ends_at_its_time() {
    let mut ledger = ledger();
    let gone = Lifetimes {
        access: SignedDuration::from_secs(-5),
    };
    let login = ledger.sign_in_for(&account(), gone);
    assert_eq!(
        ledger.account_of(&login.access_token),
        Err(Refused::Expired)
    );
    let fresh = ledger.sign_in(&account());
    ledger.expire_access_token(&fresh.access_token);
    assert_eq!(
        ledger.account_of(&fresh.access_token),
        Err(Refused::Expired)
    );
    assert_eq!(ledger.account_of("nobody"), Err(Refused::Unknown));
}
