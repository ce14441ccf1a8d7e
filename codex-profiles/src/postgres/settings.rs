use std::{fmt, path::PathBuf, str::FromStr as _, sync::Arc, time::Duration};

use codex_auth::{ProfileRef, refresh::TokenEndpoint};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio_postgres::{Config, config::TargetSessionAttrs};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::postgres::{PostgresError, PostgresLogins};

/// A server that does not take a connection in this time is not there.
pub(super) const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How soon a peer that has vanished is noticed.
const SILENCE: Duration = Duration::from_secs(10);
/// The longest identifier of PostgreSQL, less the ending of the channel's name.
const MAX_SCHEMA_BYTES: usize = 56;

/// Which database, and how it is used. `Debug` shows the schema alone.
#[derive(Clone)]
pub struct PostgresSettings {
    pub(super) config: Config,
    pub(super) schema: String,
    pub(super) roots: Option<Vec<CertificateDer<'static>>>,
    pub(super) default_profile: Option<ProfileRef>,
    pub(super) rescue_folder: Option<PathBuf>,
    pub(super) faults: crate::faults::Faults,
}

impl PostgresSettings {
    /// A database by its address: `postgres://user:password@host/database?sslmode=require`, or the
    /// form of libpq, `host=/run/postgresql user=router dbname=router`.
    ///
    /// With `sslmode` the certificate is always checked, as with libpq's `verify-full`.
    ///
    /// # Errors
    /// [`PostgresError::Settings`].
    pub fn parse(address: &str) -> Result<Self, PostgresError> {
        let config = Config::from_str(address);
        // The error's causes may quote parts of the address.
        let mut config = config.map_err(|error| PostgresError::Settings(error.to_string()))?;
        if config.get_application_name().is_none() {
            config.application_name("codex-router");
        }
        if config.get_target_session_attrs() == TargetSessionAttrs::Any {
            // Of several hosts, the primary.
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        config
            .connect_timeout(CONNECT_LIMIT)
            .keepalives_idle(SILENCE)
            .keepalives_interval(SILENCE / 2)
            .keepalives_retries(2)
            .tcp_user_timeout(SILENCE);
        Ok(Self {
            config,
            schema: "codex_router".to_owned(),
            roots: None,
            default_profile: None,
            rescue_folder: None,
            faults: crate::faults::Faults::default(),
        })
    }

    /// Another schema for the tables than `codex_router`.
    ///
    /// # Errors
    /// [`PostgresError::Settings`] unless it is a plain identifier: lower-case letters, digits and
    /// `_`, at most 56 of them.
    pub fn with_schema(self, schema: &str) -> Result<Self, PostgresError> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let begins_well = schema.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
        if !begins_well || !schema.chars().all(plain) || schema.len() > MAX_SCHEMA_BYTES {
            let reason = format!("`{schema}` is no plain name for a schema");
            return Err(PostgresError::Settings(reason));
        }
        Ok(Self {
            schema: schema.to_owned(),
            ..self
        })
    }

    /// Trusts the certificates in this PEM text instead of the operating system's.
    ///
    /// # Errors
    /// [`PostgresError::Settings`] where there is none in it, or a broken one.
    pub fn with_root_certificates(self, pem: &[u8]) -> Result<Self, PostgresError> {
        let roots: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let roots = roots.map_err(|error| PostgresError::Settings(error.to_string()))?;
        if roots.is_empty() {
            let reason = "there is no certificate in the PEM text".to_owned();
            return Err(PostgresError::Settings(reason));
        }
        Ok(Self {
            roots: Some(roots),
            ..self
        })
    }

    /// The login of requests that name none. Without it, such a request is refused.
    #[must_use]
    pub fn with_default_profile(self, profile: ProfileRef) -> Self {
        Self {
            default_profile: Some(profile),
            ..self
        }
    }

    /// Notes each answer of the issuer in this folder until the database has it, so that a program
    /// which is killed while the database is away does not lose it. The folder must outlive the
    /// program (a volume, not a container's own layer), belong to one replica alone, and be
    /// readable by nobody else: the files hold tokens.
    #[must_use]
    pub fn with_rescue_folder(self, folder: impl Into<PathBuf>) -> Self {
        Self {
            rescue_folder: Some(folder.into()),
            ..self
        }
    }

    /// Dies at this step. For tests of whole processes.
    #[cfg(feature = "failpoints")]
    #[must_use]
    pub fn aborting_at(self, point: crate::failpoints::FailPoint) -> Self {
        point.plan_abort(&self.faults);
        self
    }

    /// Connects, and puts in place what the rescue folder holds, once the tables are there.
    ///
    /// # Errors
    /// [`PostgresError::Unreachable`], or whatever else keeps the database from being used.
    pub async fn connect(self, endpoint: TokenEndpoint) -> Result<PostgresLogins, PostgresError> {
        PostgresLogins::connect(self, endpoint).await
    }

    pub(super) fn tls(&self) -> Result<MakeRustlsConnect, PostgresError> {
        let config = self.tls_config();
        let config = config.map_err(|error| PostgresError::Settings(error.to_string()))?;
        Ok(MakeRustlsConnect::new(config))
    }

    fn tls_config(&self) -> Result<ClientConfig, rustls::Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let Some(roots) = &self.roots else {
            return Ok(builder.with_platform_verifier()?.with_no_client_auth());
        };
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(roots.iter().cloned());
        Ok(builder.with_root_certificates(store).with_no_client_auth())
    }
}

impl fmt::Debug for PostgresSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresSettings")
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}
