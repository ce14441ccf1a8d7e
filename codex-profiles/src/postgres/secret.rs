//! A parameter of a statement that nobody prints.

use std::{error::Error, fmt};

use codex_auth::AuthDotJson;
use tokio_postgres::types::{IsNull, ToSql, Type, private::BytesMut, to_sql_checked};

/// The content of an `auth.json`, on its way to the table. `tokio-postgres` logs the parameters of
/// each statement by their `Debug`, at the level `debug`; what it reads it does not log.
pub(super) struct SecretText(String);

impl SecretText {
    pub(super) fn of(login: &AuthDotJson) -> Self {
        Self(String::from_utf8_lossy(&login.to_compact_bytes()).into_owned())
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

impl ToSql for SecretText {
    fn to_sql(
        &self,
        r#type: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.0.to_sql(r#type, out)
    }

    fn accepts(r#type: &Type) -> bool {
        String::accepts(r#type)
    }

    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_as_a_parameter_is_written_and_not_printed() {
        let login = AuthDotJson::parse(br#"{"OPENAI_API_KEY":"sk-planted"}"#).unwrap();
        let text = SecretText::of(&login);
        let parameters: &[&(dyn ToSql + Sync)] = &[&text];
        assert_eq!(format!("{parameters:?}"), "[[REDACTED]]");
        let mut written = BytesMut::new();
        text.to_sql_checked(&Type::TEXT, &mut written).unwrap();
        assert!(String::from_utf8_lossy(&written).contains("sk-planted"));
    }
}
