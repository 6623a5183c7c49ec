//! Names of receivers, looked up a few at a time. Apart, because a look-up blocks a thread and cannot be called off: where names
//! hang, each try would take another one, until whatever else needs such threads had none.

use std::error::Error;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;

/// Most look-ups for one target at once, those included that nobody waits for any more.
const AT_ONCE: usize = 4;

/// Looks up names for one target.
pub(super) struct Resolver(Arc<Semaphore>);

impl Resolver {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(look_up(Arc::clone(&self.0), name))
    }
}

async fn look_up(permits: Arc<Semaphore>, name: Name) -> Result<Addrs, Box<dyn Error + Send + Sync>> {
    let permit = permits.acquire_owned().await?;
    let looking = tokio::task::spawn_blocking(move || {
        // The caller sets the port.
        let found = (name.as_str(), 0_u16).to_socket_addrs().map(Iterator::collect::<Vec<SocketAddr>>);
        // Not before: who gave up waiting has not ended this.
        drop(permit);
        found
    });
    let found = looking.await??;
    Ok(Box::new(found.into_iter()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::FutureExt as _;
    use reqwest::dns::Resolve as _;

    use super::Resolver;

    #[tokio::test]
    async fn who_wants_a_name_while_too_many_are_looked_up_waits_and_takes_no_thread() {
        let resolver = Resolver::new();
        let hanging = Arc::clone(&resolver.0).acquire_many_owned(4).await.unwrap();
        let mut waiting = resolver.resolve("localhost".parse().unwrap());
        assert!((&mut waiting).now_or_never().is_none());
        drop(hanging);
        assert!(waiting.await.unwrap().any(|address| address.ip().is_loopback()));
        assert_eq!(resolver.0.available_permits(), 4);
    }
}
