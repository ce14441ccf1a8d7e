//! Any body is either a Responses request that the ChatGPT backend takes, or a 400.

use codex_proxy::responses::adapt::adapt;

use crate::backend;

pub(crate) fn check(bytes: &[u8]) {
    match adapt(bytes) {
        Ok(adapted) => {
            backend::accepts(&adapted.body);
            // What was adapted needs nothing more.
            let again = adapt(&adapted.body).expect("it is a request");
            let [first, again] = [&adapted.body, &again.body].map(|body| backend::parsed(body));
            assert_eq!(first, again);
        }
        Err(error) => assert_eq!(error.status.as_u16(), 400),
    }
}
