//! The note of a refresh that was begun, committed before the token is posted.

use std::time::Duration;

use tokio_postgres::{Client, Transaction};

use crate::postgres::{PostgresError, table::Wish};

/// How a replica signs its attempts.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    pub(super) replica: String,
    /// Longer than this attempt can take, whatever happens.
    pub(super) patience: Duration,
}

/// The right to post one token.
#[derive(Debug, Clone)]
pub(super) struct Intent {
    /// Which attempt it is, over all replicas.
    attempt: String,
    /// How often the token was posted without an answer, counting this time.
    pub(super) attempts: u32,
}

/// An attempt that has not come to its end.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) attempt: String,
    pub(super) attempts: u32,
    pub(super) age: Duration,
    /// How long it must be watched before it can be taken for dead.
    pub(super) patience: Duration,
    replica: String,
    under_way: bool,
}

impl Begun {
    pub(super) async fn read(
        transaction: &Transaction<'_>,
        token: &str,
    ) -> Result<Option<Self>, PostgresError> {
        let select = "SELECT attempt, attempts, replica, under_way, patience_ms,
                (extract(epoch FROM clock_timestamp() - begun_at) * 1000)::bigint AS age_ms
            FROM intent WHERE token_hash = $1";
        let row = transaction.query_opt(select, &[&token]).await?;
        Ok(row.map(|row| Self {
            attempt: row.get("attempt"),
            attempts: row.get::<_, i32>("attempts").unsigned_abs(),
            // A clock that was set back must not make a pause longer.
            age: Duration::from_millis(row.get::<_, i64>("age_ms").unsigned_abs()),
            patience: Duration::from_millis(row.get::<_, i64>("patience_ms").unsigned_abs()),
            replica: row.get("replica"),
            under_way: row.get("under_way"),
        }))
    }

    /// Whether somebody may be posting at this moment, or hold an answer that is not stored yet.
    /// An attempt of our own is none: whoever looks here has the claim.
    pub(super) fn may_be_under_way(&self, wish: &Wish) -> bool {
        self.under_way
            && self.replica != wish.attempt.replica
            && wish.watched.as_ref() != Some(&self.attempt)
    }
}

impl Intent {
    pub(super) async fn begin(
        transaction: &Transaction<'_>,
        token: &str,
        signed: &Attempt,
    ) -> Result<Self, PostgresError> {
        let attempt = uuid::Uuid::new_v4().to_string();
        let patience = i64::try_from(signed.patience.as_millis()).unwrap_or(i64::MAX);
        let upsert = "INSERT INTO intent
                (token_hash, attempt, attempts, replica, under_way, patience_ms)
            VALUES ($1, $2, 1, $3, true, $4)
            ON CONFLICT (token_hash) DO UPDATE SET attempt = $2, attempts = intent.attempts + 1,
                begun_at = clock_timestamp(), replica = $3, under_way = true, patience_ms = $4
            RETURNING attempts";
        let row = transaction
            .query_one(upsert, &[&token, &attempt, &signed.replica, &patience])
            .await?;
        Ok(Self {
            attempts: row.get::<_, i32>(0).unsigned_abs(),
            attempt,
        })
    }

    /// No answer came, and none will: what others decide need not wait.
    pub(super) async fn leave_unanswered(&self, client: &Client) -> Result<(), PostgresError> {
        let update = "UPDATE intent SET under_way = false WHERE attempt = $1";
        client.execute(update, &[&self.attempt]).await?;
        Ok(())
    }

    /// The issuer did not use the token: this attempt does not count.
    pub(super) async fn take_back(&self, client: &mut Client) -> Result<(), PostgresError> {
        let transaction = client.transaction().await?;
        let delete = "DELETE FROM intent WHERE attempt = $1 AND attempts <= 1";
        transaction.execute(delete, &[&self.attempt]).await?;
        let update = "UPDATE intent SET attempts = attempts - 1, under_way = false
            WHERE attempt = $1";
        transaction.execute(update, &[&self.attempt]).await?;
        Ok(transaction.commit().await?)
    }
}
