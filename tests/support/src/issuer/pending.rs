//! Sign-ins that are under way: authorization codes and device codes.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::accounts::Account;

/// An authorization code that was given out and not yet spent.
#[derive(Debug)]
pub(super) struct Grant {
    pub(super) account: Account,
    pub(super) code_challenge: String,
    pub(super) redirect_uri: String,
}

/// A device that shows a user code.
#[derive(Debug)]
struct Device {
    user_code: String,
    approved_by: Option<Account>,
}

/// What the device is given once a person has approved it.
#[derive(Debug)]
pub(super) struct Approved {
    pub(super) code: String,
    pub(super) verifier: String,
    pub(super) challenge: String,
}

/// Everything that waits for its second half.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    grants: HashMap<String, Grant>,
    devices: HashMap<String, Device>,
    browser_user: Option<Account>,
    denied: bool,
}

impl Pending {
    /// Whoever signs in at the authorize address from now on.
    pub(crate) fn set_browser_user(&mut self, account: Account) {
        self.browser_user = Some(account);
    }

    pub(super) fn browser_user(&self) -> Option<Account> {
        self.browser_user.clone()
    }

    /// The next visit of the authorize address ends in `access_denied`.
    pub(crate) fn deny_next(&mut self) {
        self.denied = true;
    }

    pub(super) fn take_denial(&mut self) -> bool {
        std::mem::take(&mut self.denied)
    }

    pub(super) fn grant(&mut self, grant: Grant) -> String {
        let code = format!("ac_{}", Uuid::new_v4().simple());
        self.grants.insert(code.clone(), grant);
        code
    }

    /// Spends a code if address and verifier are those of the grant (RFC 7636 4.6); a code that
    /// was tried wrongly is gone as well.
    pub(super) fn redeem(&mut self, code: &str, redirect: &str, verifier: &str) -> Option<Account> {
        let grant = self.grants.remove(code)?;
        let proven = grant.redirect_uri == redirect && grant.code_challenge == challenge(verifier);
        proven.then_some(grant.account)
    }

    /// A new device: its id and the code it shows.
    pub(super) fn device(&mut self) -> (String, String) {
        let random = Uuid::new_v4().simple().to_string().to_uppercase();
        let user_code = format!("{}-{}", &random[..4], &random[4..9]);
        let id = format!("deviceauth_{}", random.to_lowercase());
        let device = Device {
            user_code: user_code.clone(),
            approved_by: None,
        };
        self.devices.insert(id.clone(), device);
        (id, user_code)
    }

    /// Approves the device that shows `user_code`; false if none does.
    pub(crate) fn approve(&mut self, user_code: &str, account: &Account) -> bool {
        let device = self
            .devices
            .values_mut()
            .find(|device| device.user_code == user_code);
        device
            .map(|device| device.approved_by = Some(account.clone()))
            .is_some()
    }

    /// The code for an approved device, once; nothing while it waits or if it is unknown.
    pub(super) fn poll(&mut self, id: &str, user_code: &str, redirect: &str) -> Option<Approved> {
        let device = self
            .devices
            .get(id)
            .filter(|device| device.user_code == user_code)?;
        let account = device.approved_by.clone()?;
        self.devices.remove(id);
        let verifier = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let challenge = challenge(&verifier);
        let grant = Grant {
            account,
            code_challenge: challenge.clone(),
            redirect_uri: redirect.to_owned(),
        };
        Some(Approved {
            code: self.grant(grant),
            verifier,
            challenge,
        })
    }
}

/// The S256 code challenge of a verifier.
pub(crate) fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant() -> Grant {
        Grant {
            account: Account::new("user-a", "acct-1"),
            code_challenge: challenge("verifier"),
            redirect_uri: "http://localhost:1455/auth/callback".to_owned(),
        }
    }

    #[test]
    fn a_code_is_good_once_and_only_with_its_verifier_and_address() {
        let mut pending = Pending::default();
        let address = grant().redirect_uri;
        let code = pending.grant(grant());
        assert!(pending.redeem(&code, &address, "verifier").is_some());
        assert!(pending.redeem(&code, &address, "verifier").is_none());
        let code = pending.grant(grant());
        assert!(pending.redeem(&code, &address, "guess").is_none());
        let code = pending.grant(grant());
        assert!(
            pending
                .redeem(&code, "http://elsewhere/", "verifier")
                .is_none()
        );
    }

    #[test]
    fn a_device_waits_until_it_is_approved_and_is_answered_once() {
        let mut pending = Pending::default();
        let (id, user_code) = pending.device();
        assert!(pending.poll(&id, &user_code, "r").is_none());
        assert!(pending.approve(&user_code, &Account::new("user-a", "acct-1")));
        let approved = pending.poll(&id, &user_code, "r").unwrap();
        assert!(
            pending
                .redeem(&approved.code, "r", &approved.verifier)
                .is_some()
        );
        assert!(pending.poll(&id, &user_code, "r").is_none());
    }
}
