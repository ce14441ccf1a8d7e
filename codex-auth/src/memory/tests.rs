use fake_openai::{FakeOpenAi, Fault};

use super::*;
use crate::issuer::Issuer;

/// What was kept, and how often keeping fails before that.
#[derive(Debug, Clone, Default)]
struct Kept(Arc<Mutex<(Vec<String>, u32)>>);

impl Keep for Kept {
    async fn keep(&self, login: AuthDotJson) -> Result<(), SharedError> {
        let mut kept = self.0.lock().unwrap();
        if let Some(left) = kept.1.checked_sub(1) {
            kept.1 = left;
            return Err(Arc::new(Unanswered));
        }
        kept.0.push(token_of(&login));
        Ok(())
    }
}

impl Kept {
    fn failing(times: u32) -> Self {
        Self(Arc::new(Mutex::new((Vec::new(), times))))
    }

    fn tokens(&self) -> Vec<String> {
        self.0.lock().unwrap().0.clone()
    }
}

fn token_of(login: &AuthDotJson) -> String {
    login.refresh_token().unwrap().expose().to_owned()
}

fn expired(fake: &FakeOpenAi, kept: &Kept) -> MemoryLogin<Kept> {
    let login = fake.auth_json_expired(&fake.account("user-1", "acct-1"));
    let login = AuthDotJson::parse(login.to_string().as_bytes()).unwrap();
    let endpoint = TokenEndpoint::new(reqwest::Client::new(), Issuer::new(fake.issuer_url()));
    MemoryLogin::new(ProfileRef::new("work"), login, endpoint, kept.clone())
}

async fn ask(login: &MemoryLogin<Kept>) -> Result<Credentials, CredentialError> {
    login.credentials(&RouteHint::default()).await
}

#[tokio::test]
async fn fifty_requests_refresh_once_and_what_came_is_kept() {
    let (fake, kept) = (FakeOpenAi::start().await, Kept::default());
    let login = expired(&fake, &kept);
    let requests: Vec<_> = (0..50)
        .map(|_| {
            let login = login.clone();
            tokio::spawn(async move { ask(&login).await.unwrap() })
        })
        .collect();
    for request in requests {
        request.await.unwrap();
    }
    assert_eq!(fake.refreshes().len(), 1);
    assert_eq!(kept.tokens(), [token_of(&login.login())]);
}

#[tokio::test]
async fn a_401_refreshes_once_a_minute_at_most() {
    let (fake, kept) = (FakeOpenAi::start().await, Kept::default());
    let login = expired(&fake, &kept);
    let stale = ask(&login).await.unwrap();
    let fresh = login.refresh(&stale).await.unwrap();
    assert!(!fresh.same_bearer(&stale));
    assert!(login.refresh(&stale).await.unwrap().same_bearer(&fresh));
    let error = login.refresh(&fresh).await.unwrap_err();
    assert!(
        matches!(error, CredentialError::LoginRequired { .. }),
        "{error}"
    );
    assert_eq!((fake.refreshes().len(), fake.reuse_count()), (2, 0));
}

#[tokio::test]
async fn a_login_that_cannot_be_kept_serves_and_is_kept_later() {
    let (fake, kept) = (FakeOpenAi::start().await, Kept::failing(4));
    let login = expired(&fake, &kept);
    ask(&login).await.unwrap();
    assert!(kept.tokens().is_empty());
    login.finish().await.unwrap_err();
    login.finish().await.unwrap();
    assert_eq!(kept.tokens(), [token_of(&login.login())]);
}

#[tokio::test]
async fn a_lost_answer_is_tried_once_more_and_is_an_unknown_outcome_then() {
    let (fake, kept) = (FakeOpenAi::start().await, Kept::default());
    let login = expired(&fake, &kept);
    fake.fault(Fault::refresh_lost());
    let mut unanswered = 0;
    let error = loop {
        match ask(&login).await.unwrap_err() {
            // It pauses for a second after the first failure.
            CredentialError::Unavailable { .. } if unanswered < 500 => unanswered += 1,
            error => break error,
        }
        time::sleep(Duration::from_millis(10)).await;
    };
    assert!(
        unanswered > 0 && error.to_string().contains("answer lost"),
        "{error}"
    );
    ask(&login).await.unwrap_err();
    assert_eq!(fake.refreshes().len(), 2, "not a third time");
    assert!(!format!("{login:?}").contains(&token_of(&login.login())));
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_lose_the_rotation() {
    let (fake, kept) = (FakeOpenAi::start().await, Kept::default());
    let login = expired(&fake, &kept);
    fake.fault(Fault::refresh_delayed(Duration::from_millis(200)));
    let request = time::timeout(Duration::from_millis(50), ask(&login));
    assert!(request.await.is_err(), "it hung up");
    login.finish().await.unwrap();
    assert_eq!(kept.tokens().len(), 1);
}
