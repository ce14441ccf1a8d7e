//! What can be made to go wrong.

use super::*;

#[tokio::test]
async fn a_stream_can_be_cut_stalled_and_failed() {
    let setup = Setup::new().await;
    setup.fake.fault(Fault::cut_after(3));
    let mut cut = setup.say("hi").send().await.unwrap();
    let mut seen = Vec::new();
    let error = loop {
        match cut.chunk().await {
            Ok(Some(bytes)) => seen.extend_from_slice(&bytes),
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    assert!(error.is_some());
    assert_eq!(
        String::from_utf8(seen).unwrap().matches("data: ").count(),
        3
    );

    setup
        .fake
        .fault(Fault::stall_after(2, Duration::from_millis(150)));
    let started = std::time::Instant::now();
    assert_eq!(events(setup.say("hi")).await.len(), 11);
    assert!(started.elapsed() >= Duration::from_millis(150));

    setup
        .fake
        .fault(Fault::response_failed("server_is_overloaded"));
    let failed = events(setup.say("hi")).await.pop().unwrap();
    assert_eq!(failed["type"], "response.failed");
    assert_eq!(failed["response"]["error"]["code"], "server_is_overloaded");
    assert_eq!(setup.fake.cancelled_streams(), 0);
}

#[tokio::test]
async fn a_client_that_hangs_up_is_noticed() {
    let setup = Setup::new().await;
    setup
        .fake
        .fault(Fault::stall_after(2, Duration::from_mins(1)));
    let mut response = setup.say("hi").send().await.unwrap();
    response.chunk().await.unwrap();
    assert_eq!(setup.fake.open_streams(), 1);
    drop(response);
    until(|| setup.fake.cancelled_streams() == 1).await;
    assert_eq!(
        (setup.fake.open_streams(), setup.fake.connections()),
        (0, 1)
    );
}

#[tokio::test]
async fn faults_can_be_set_over_http() {
    let setup = Setup::new().await;
    let url = format!("{}/fake/faults", setup.fake.issuer_url());
    let fault =
        json!({"kind": "rate_limit_exceeded", "retry_after_seconds": 2, "account": "acct-1"});
    let posted = setup.client.post(&url).json(&fault).send().await.unwrap();
    assert_eq!(posted.status(), StatusCode::NO_CONTENT);
    let limited = setup.say("hi").send().await.unwrap();
    assert_eq!(limited.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(limited.headers()["retry-after"], "2");
    let wrong = setup
        .client
        .post(&url)
        .json(&json!({"kind": "nonsense"}))
        .send()
        .await
        .unwrap();
    assert_eq!(wrong.status(), StatusCode::BAD_REQUEST);
}
