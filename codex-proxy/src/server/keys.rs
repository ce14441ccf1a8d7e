//! Whatever knows the keys of clients, behind one type.

use std::{fmt, sync::Arc};

use futures_util::future::BoxFuture;

use crate::{
    BoxError,
    gate::{Admission, ClientKeys},
};

/// Some [`ClientKeys`], or none at all.
#[derive(Clone, Default)]
pub(super) struct AnyKeys(Option<Arc<dyn Erased>>);

impl AnyKeys {
    pub(super) fn new(keys: impl ClientKeys) -> Self {
        Self(Some(Arc::new(keys)))
    }
}

impl ClientKeys for AnyKeys {
    async fn admit(&self, presented: Option<&str>) -> Result<Admission, BoxError> {
        match &self.0 {
            Some(keys) => keys.admit(presented).await,
            None => Ok(Admission::Open),
        }
    }
}

impl fmt::Debug for AnyKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyKeys").finish_non_exhaustive()
    }
}

trait Erased: Send + Sync {
    fn admit<'a>(
        &'a self,
        presented: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Admission, BoxError>>;
}

impl<K: ClientKeys> Erased for K {
    fn admit<'a>(
        &'a self,
        presented: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Admission, BoxError>> {
        Box::pin(ClientKeys::admit(self, presented))
    }
}
