//! What is asked of the tables, each in one transaction.

use std::{sync::Arc, time::Duration};

use codex_auth::{
    AuthDotJson, LoginReason, ProfileRef,
    refresh::{RefreshReason, pause_after_unanswered},
    secret::RefreshToken,
};
use jiff::SignedDuration;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio_postgres::{Client, GenericClient, Row, Transaction};
use tracing::warn;

use crate::{
    postgres::{
        PostgresError,
        intent::{Attempt, Begun, Intent},
        secret::SecretText,
        shared::Claim,
    },
    refresher::{
        prepare::{RECOVERY_INTERVAL, is_too_young},
        same_access,
    },
};

const COLUMNS: &str = "profile, version, auth_json, refused";

/// A login as the table holds it.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) profile: ProfileRef,
    pub(super) version: i64,
    pub(super) login: Arc<AuthDotJson>,
    /// Why the issuer refused its token for good.
    pub(super) refused: Option<LoginReason>,
}

/// A refresh that is wanted.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    /// The login that whoever asks wants another one for.
    pub(super) held: Stored,
    pub(super) reason: RefreshReason,
    pub(super) attempt: Attempt,
    /// An attempt of another replica's that was watched for long enough.
    pub(super) watched: Option<String>,
}

/// What one look at the tables under the token's lock says.
#[derive(Debug)]
pub(super) enum Look {
    /// There is no such profile any more.
    Gone,
    /// Another replica has the lock.
    Busy,
    /// Somebody has refreshed it: this one serves.
    Have(Stored),
    /// The token was refused before, for good.
    Refused(LoginReason),
    /// It came for another one just now, and was refused by the upstream all the same.
    JustRecovered,
    /// Another replica may be posting it at this moment.
    Begun(Begun),
    /// It was posted and no answer came, more than once: it is not the time yet to try again.
    NotYet(Duration),
    /// The token may be spent. The lock is held, and the intent committed.
    Spend(Intent),
}

/// What the issuer answered, and to what.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) profile: ProfileRef,
    /// The fingerprint of the token that was spent for it.
    pub(super) spent: String,
    pub(super) reason: Option<RefreshReason>,
    pub(super) login: Arc<AuthDotJson>,
    /// Whether it is somebody else's login than the one that was refreshed.
    pub(super) stranger: bool,
    /// Keeps the token from every other exchange of this replica until the answer is stored.
    #[expect(dead_code, reason = "it is there to be dropped")]
    pub(super) claim: Option<Arc<Claim>>,
}

/// What became of an answer.
#[derive(Debug)]
pub(super) enum Landed {
    /// It is stored.
    Stored(Stored),
    /// Something else lies there by now: a person signed in again.
    Superseded(Stored),
    /// The profile was removed meanwhile.
    Gone,
}

impl Answer {
    /// Where the login of another account is put that came for the token.
    fn stranger_profile(&self) -> ProfileRef {
        let mark = self.spent.get(..12).unwrap_or(&self.spent);
        ProfileRef::new(format!("unsaved-{mark}"))
    }
}

impl Stored {
    pub(super) fn token(&self) -> String {
        token_of(&self.login).unwrap_or_default()
    }

    fn from(row: &Row) -> Result<Self, PostgresError> {
        let profile = ProfileRef::new(row.get::<_, &str>("profile"));
        let login = AuthDotJson::parse(row.get::<_, &str>("auth_json").as_bytes());
        let login = login.map_err(|source| PostgresError::Login {
            profile: profile.clone(),
            source,
        })?;
        Ok(Self {
            profile,
            version: row.get("version"),
            login: Arc::new(login),
            refused: row.get::<_, Option<&str>>("refused").map(reason_in),
        })
    }
}

/// The login of a profile.
pub(super) async fn read(
    client: &impl GenericClient,
    profile: &str,
) -> Result<Option<Stored>, PostgresError> {
    let select = format!("SELECT {COLUMNS} FROM login WHERE profile = $1");
    let row = client.query_opt(&select, &[&profile]).await?;
    row.as_ref().map(Stored::from).transpose()
}

/// All logins, by name; one that cannot be understood says so in its place.
pub(super) async fn all(
    client: &Client,
) -> Result<Vec<Result<Stored, PostgresError>>, PostgresError> {
    let select = format!("SELECT {COLUMNS} FROM login ORDER BY profile");
    let rows = client.query(&select, &[]).await?;
    Ok(rows.iter().map(Stored::from).collect())
}

/// Which of these profiles are others now: the new login, or `None` where it is gone. One that cannot
/// be understood is left as it was known.
pub(super) async fn changed(
    client: &Client,
    known: &[(String, i64)],
) -> Result<Vec<(String, Option<Stored>)>, PostgresError> {
    let (profiles, versions): (Vec<&str>, Vec<i64>) = known
        .iter()
        .map(|(profile, version)| (profile.as_str(), *version))
        .unzip();
    let select = "SELECT known.name, login.*
        FROM unnest($1::text[], $2::bigint[]) AS known (name, known_version)
        LEFT JOIN login ON login.profile = known.name
        WHERE login.version IS DISTINCT FROM known.known_version";
    let rows = client.query(select, &[&profiles, &versions]).await?;
    let understood = rows.iter().filter_map(|row| {
        let there = row.get::<_, Option<i64>>("version").is_some();
        let stored = there.then(|| Stored::from(row)).transpose();
        let stored = stored.inspect_err(|error| warn!(%error, "left as it was"));
        Some((row.get("name"), stored.ok()?))
    });
    Ok(understood.collect())
}

/// Puts a login that a person signed in with at its place.
pub(super) async fn put(
    client: &mut Client,
    profile: &ProfileRef,
    login: &AuthDotJson,
    schema: &str,
) -> Result<Stored, PostgresError> {
    let transaction = client.transaction().await?;
    // Locks the row, and makes it where there is none: nobody refreshes or replaces it meanwhile.
    let hold = "INSERT INTO login (profile, auth_json, token_hash) VALUES ($1, $2, $3)
        ON CONFLICT (profile) DO UPDATE SET profile = excluded.profile";
    let mut stored = write(&transaction, hold, profile, login).await?;
    if !login.may_follow(&stored.login) {
        return Err(PostgresError::AnotherAccount(profile.clone()));
    }
    if !login.holds_same_secrets(&stored.login) {
        let replace = "UPDATE login SET auth_json = $2, token_hash = $3, refused = NULL,
                version = nextval('login_version'), updated_at = clock_timestamp()
            WHERE profile = $1";
        stored = write(&transaction, replace, profile, login).await?;
    }
    // Last: what was written may have waited for an answer that came for this very token.
    if is_spent(&transaction, token_of(login).as_deref()).await? {
        return Err(PostgresError::Spent);
    }
    tell(&transaction, schema, profile).await?;
    transaction.commit().await?;
    Ok(stored)
}

/// Runs a statement that writes a login at its place, and says what lies there then.
async fn write(
    transaction: &Transaction<'_>,
    statement: &str,
    profile: &ProfileRef,
    login: &AuthDotJson,
) -> Result<Stored, PostgresError> {
    let statement = format!("{statement} RETURNING {COLUMNS}");
    let (text, token) = (SecretText::of(login), token_of(login));
    let row = transaction
        .query_one(&statement, &[&profile.as_str(), &text, &token])
        .await
        .map_err(|error| match PostgresError::from(error) {
            error if error.is_unique_violation() => PostgresError::AlreadyStored,
            error => error,
        })?;
    Stored::from(&row)
}

/// Says whether there was such a profile.
pub(super) async fn remove(
    client: &mut Client,
    profile: &ProfileRef,
    schema: &str,
) -> Result<bool, PostgresError> {
    let transaction = client.transaction().await?;
    let delete = "DELETE FROM login WHERE profile = $1";
    let gone = transaction.execute(delete, &[&profile.as_str()]).await?;
    tell(&transaction, schema, profile).await?;
    transaction.commit().await?;
    Ok(gone > 0)
}

/// Takes the token's lock, reads everything again, and notes the intent if there is no way around
/// spending the token. The lock is kept for that alone.
pub(super) async fn look(client: &mut Client, wish: &Wish) -> Result<Look, PostgresError> {
    let token = wish.held.token();
    let transaction = client.transaction().await?;
    let locked = transaction
        .query_one("SELECT pg_try_advisory_lock($1)", &[&lock_key(&token)])
        .await?
        .get::<_, bool>(0);
    let look = if locked {
        decide(&transaction, wish, &token).await
    } else {
        look_past_lock(&transaction, wish).await
    };
    transaction.commit().await?;
    if locked && !matches!(look, Ok(Look::Spend(_))) {
        unlock(client, &token).await?;
    }
    look
}

/// Lets others have the token's lock. Without effect on a connection that does not hold it.
pub(super) async fn unlock(client: &Client, token: &str) -> Result<(), PostgresError> {
    let unlock = "SELECT pg_advisory_unlock($1)";
    client.query_one(unlock, &[&lock_key(token)]).await?;
    Ok(())
}

async fn look_past_lock(transaction: &Transaction<'_>, wish: &Wish) -> Result<Look, PostgresError> {
    let now = read(transaction, wish.held.profile.as_str()).await?;
    Ok(match now {
        None => Look::Gone,
        Some(now) if !same_access(&now.login, &wish.held.login) => Look::Have(now),
        Some(_) => Look::Busy,
    })
}

async fn decide(
    transaction: &Transaction<'_>,
    wish: &Wish,
    token: &str,
) -> Result<Look, PostgresError> {
    let select = format!("SELECT {COLUMNS} FROM login WHERE profile = $1 FOR UPDATE");
    let row = transaction
        .query_opt(&select, &[&wish.held.profile.as_str()])
        .await?;
    let Some(now) = row.as_ref().map(Stored::from).transpose()? else {
        return Ok(Look::Gone);
    };
    if !same_access(&now.login, &wish.held.login) || now.token() != token {
        return Ok(Look::Have(now));
    }
    if let Some(reason) = now.refused {
        return Ok(Look::Refused(reason));
    }
    if is_spent(transaction, Some(token)).await? {
        // A backup was restored, or a copy put back by hand.
        mark_refused(transaction, token, LoginReason::Reused).await?;
        return Ok(Look::Refused(LoginReason::Reused));
    }
    if let Some(look) = look_at_origin(transaction, wish, token).await? {
        return Ok(look);
    }
    let before = Begun::read(transaction, token).await?;
    if let Some(begun) = before {
        if begun.may_be_under_way(wish) {
            return Ok(Look::Begun(begun));
        }
        if let Some(left) = pause_after_unanswered(begun.attempts)
            .checked_sub(begun.age)
            .filter(|left| !left.is_zero())
        {
            return Ok(Look::NotYet(left));
        }
    }
    let intent = Intent::begin(transaction, token, &wish.attempt).await?;
    Ok(Look::Spend(intent))
}

/// A token that came only just now is not spent for nothing.
async fn look_at_origin(
    transaction: &Transaction<'_>,
    wish: &Wish,
    token: &str,
) -> Result<Option<Look>, PostgresError> {
    let select = "SELECT reason,
            (extract(epoch FROM clock_timestamp() - spent_at) * 1000)::bigint AS age_ms
        FROM spent WHERE next_hash = $1 ORDER BY spent_at DESC LIMIT 1";
    let Some(row) = transaction.query_opt(select, &[&token]).await? else {
        return Ok(None);
    };
    let age = SignedDuration::from_millis(row.get("age_ms"));
    let age = (!age.is_negative()).then_some(age);
    let came_for = row.get::<_, Option<&str>>("reason").and_then(named);
    let recovery = Some(RefreshReason::UnauthorizedRecovery);
    if Some(wish.reason) == recovery
        && came_for == recovery
        && age.is_some_and(|age| age < RECOVERY_INTERVAL)
    {
        return Ok(Some(Look::JustRecovered));
    }
    let young = is_too_young(wish.reason, &wish.held.login, age);
    Ok(young.then(|| Look::Have(wish.held.clone())))
}

/// Puts the issuer's answer in place of the very token that was spent for it, whatever its profile
/// is called by now, and of nothing else.
pub(super) async fn land(
    client: &mut Client,
    answer: &Answer,
    schema: &str,
) -> Result<Landed, PostgresError> {
    let transaction = client.transaction().await?;
    let next = token_of(&answer.login);
    if answer.stranger {
        keep_stranger(&transaction, answer, schema).await?;
    }
    let update = format!(
        "UPDATE login SET auth_json = $2, token_hash = $3, refused = NULL,
             version = nextval('login_version'), updated_at = clock_timestamp()
         WHERE token_hash = $1 AND NOT $4 RETURNING {COLUMNS}"
    );
    let text = SecretText::of(&answer.login);
    let row = transaction
        .query_opt(&update, &[&answer.spent, &text, &next, &answer.stranger])
        .await?;
    if next.as_ref() != Some(&answer.spent) {
        record_spent(&transaction, answer, next.as_deref()).await?;
    }
    forget_intent(&transaction, &answer.spent).await?;
    let landed = match row {
        Some(row) => {
            let stored = Stored::from(&row)?;
            tell(&transaction, schema, &stored.profile).await?;
            Landed::Stored(stored)
        }
        None => match read(&transaction, answer.profile.as_str()).await? {
            // The commit came through whose answer was lost with the connection.
            Some(now) if token_of(&now.login) == next => Landed::Stored(now),
            Some(now) => Landed::Superseded(now),
            None => Landed::Gone,
        },
    };
    transaction.commit().await?;
    Ok(landed)
}

/// The issuer answered with somebody else's tokens: they become a profile of their own, and the one
/// that was refreshed has lost its own.
async fn keep_stranger(
    transaction: &Transaction<'_>,
    answer: &Answer,
    schema: &str,
) -> Result<(), PostgresError> {
    let profile = answer.stranger_profile();
    let insert = "INSERT INTO login (profile, auth_json, token_hash) VALUES ($1, $2, $3)
        ON CONFLICT DO NOTHING";
    let (text, token) = (SecretText::of(&answer.login), token_of(&answer.login));
    transaction
        .execute(insert, &[&profile.as_str(), &text, &token])
        .await?;
    let lost = LoginReason::OutcomeUnknown;
    mark_refused(transaction, &answer.spent, lost).await?;
    tell(transaction, schema, &profile).await?;
    tell(transaction, schema, &answer.profile).await
}

/// Records that this very token is of no use any more. Gives back what lies in its place, if
/// somebody has put another one there.
pub(super) async fn refuse(
    client: &mut Client,
    profile: &ProfileRef,
    token: &str,
    reason: LoginReason,
    schema: &str,
) -> Result<Option<Stored>, PostgresError> {
    let transaction = client.transaction().await?;
    let marked = mark_refused(&transaction, token, reason).await?;
    let insert = "INSERT INTO spent (token_hash, profile) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    transaction
        .execute(insert, &[&token, &profile.as_str()])
        .await?;
    forget_intent(&transaction, token).await?;
    tell(&transaction, schema, profile).await?;
    let other = if marked {
        None
    } else {
        read(&transaction, profile.as_str()).await?
    };
    transaction.commit().await?;
    Ok(other)
}

async fn mark_refused(
    transaction: &Transaction<'_>,
    token: &str,
    reason: LoginReason,
) -> Result<bool, PostgresError> {
    let update = "UPDATE login SET refused = $2, version = nextval('login_version'),
            updated_at = clock_timestamp()
        WHERE token_hash = $1";
    let reason = name_of(&reason);
    let marked = transaction.execute(update, &[&token, &reason]).await?;
    Ok(marked > 0)
}

async fn record_spent(
    transaction: &Transaction<'_>,
    answer: &Answer,
    next: Option<&str>,
) -> Result<(), PostgresError> {
    let insert = "INSERT INTO spent (token_hash, next_hash, profile, reason)
        VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
    let reason = answer.reason.as_ref().and_then(name_of);
    transaction
        .execute(
            insert,
            &[&answer.spent, &next, &answer.profile.as_str(), &reason],
        )
        .await?;
    Ok(())
}

async fn is_spent(
    transaction: &Transaction<'_>,
    token: Option<&str>,
) -> Result<bool, PostgresError> {
    let select = "SELECT EXISTS (SELECT FROM spent WHERE token_hash = $1)";
    Ok(transaction.query_one(select, &[&token]).await?.get(0))
}

async fn forget_intent(transaction: &Transaction<'_>, token: &str) -> Result<(), PostgresError> {
    let delete = "DELETE FROM intent WHERE token_hash = $1";
    transaction.execute(delete, &[&token]).await?;
    Ok(())
}

/// Tells the other replicas, once the transaction is committed.
async fn tell(
    transaction: &Transaction<'_>,
    schema: &str,
    profile: &ProfileRef,
) -> Result<(), PostgresError> {
    let channel = format!("{schema}_logins");
    transaction
        .execute("SELECT pg_notify($1, $2)", &[&channel, &profile.as_str()])
        .await?;
    Ok(())
}

/// The fingerprint of the refresh token.
pub(super) fn token_of(login: &AuthDotJson) -> Option<String> {
    login.refresh_token().map(RefreshToken::fingerprint)
}

/// The first eight bytes of a fingerprint: enough to tell tokens apart, and one that is taken for
/// another only waits.
fn lock_key(token: &str) -> i64 {
    let digits = token.get(..16).unwrap_or_default();
    u64::from_str_radix(digits, 16).map_or(0, u64::cast_signed)
}

/// As it stands in JSON.
fn name_of<T: Serialize>(reason: &T) -> Option<String> {
    let name = serde_json::to_value(reason).ok()?;
    name.as_str().map(str::to_owned)
}

fn named<T: DeserializeOwned>(name: &str) -> Option<T> {
    serde_json::from_value(Value::from(name)).ok()
}

/// What a newer program may have written and this one does not know is a refusal all the same.
fn reason_in(name: &str) -> LoginReason {
    named(name).unwrap_or(LoginReason::Revoked)
}
