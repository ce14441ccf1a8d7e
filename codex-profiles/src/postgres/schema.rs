//! Making the tables.

use tokio_postgres::Client;

use crate::postgres::PostgresError;

/// Any number that nobody else is likely to lock.
const MIGRATION_LOCK: i64 = 0x636f_6465_785f_7274;
const VERSION_1: &str = include_str!("schema.sql");

/// Makes what is missing, all of it or nothing; one replica at a time.
pub(super) async fn migrate(client: &mut Client, schema: &str) -> Result<(), PostgresError> {
    let transaction = client.transaction().await?;
    transaction
        .execute("SELECT pg_advisory_xact_lock($1)", &[&MIGRATION_LOCK])
        .await?;
    // Asked for first: whoever may not create schemas can be given an empty one.
    let found = transaction
        .query_one(
            "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1),
                    EXISTS (SELECT FROM pg_tables WHERE schemaname = $1 AND tablename = 'migration')",
            &[&schema],
        )
        .await?;
    if !found.get::<_, bool>(0) {
        let create = format!("CREATE SCHEMA {schema}");
        transaction.batch_execute(&create).await?;
    }
    if !found.get::<_, bool>(1) {
        transaction.batch_execute(VERSION_1).await?;
    }
    Ok(transaction.commit().await?)
}
