//! How often somebody may show a wrong token: ten at once, then one every six seconds, by the address it comes from.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use tokio::time::Instant;

const AT_ONCE: u32 = 10;
const EACH: Duration = Duration::from_secs(6);
/// Beyond this the address is forgotten that has the least to wait.
const MOST: usize = 1024;

/// When each address will be as free as it was before its failures.
#[derive(Default)]
pub(super) struct Attempts(HashMap<IpAddr, Instant>);

impl Attempts {
    /// Whether another may come from there, or in how long.
    pub(super) fn allow(&self, from: IpAddr, now: Instant) -> Result<(), Duration> {
        let free = self.0.get(&network(from)).map_or(Duration::ZERO, |free| free.saturating_duration_since(now));
        let waits = (free + EACH).saturating_sub(EACH * AT_ONCE);
        if waits.is_zero() { Ok(()) } else { Err(waits) }
    }

    /// Whether another may come from there; if so, it is noted.
    pub(super) fn take(&mut self, from: IpAddr, now: Instant) -> bool {
        let may = self.allow(from, now).is_ok();
        if may {
            self.failed(from, now);
        }
        may
    }

    /// Notes a failure.
    pub(super) fn failed(&mut self, from: IpAddr, now: Instant) {
        let from = network(from);
        if self.0.len() >= MOST && !self.0.contains_key(&from) {
            self.0.retain(|_, free| *free > now);
            if self.0.len() >= MOST
                && let Some(least) = self.0.iter().min_by_key(|(_, free)| **free).map(|(address, _)| *address)
            {
                self.0.remove(&least);
            }
        }
        let free = self.0.entry(from).or_insert(now);
        *free = (*free).max(now) + EACH;
    }
}

/// Whoever has one address of IPv6 has the 64 bits below it as well.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use tokio::time::Instant;

    use super::{AT_ONCE, Attempts, EACH, MOST};

    #[test]
    fn after_ten_failures_one_more_is_allowed_every_six_seconds() {
        let (mut attempts, now, from) = (Attempts::default(), Instant::now(), IpAddr::V4(Ipv4Addr::LOCALHOST));
        for _ in 0..AT_ONCE {
            assert_eq!(attempts.allow(from, now), Ok(()));
            attempts.failed(from, now);
        }
        assert_eq!(attempts.allow(from, now), Err(EACH));
        assert_eq!(attempts.allow(from, now + EACH), Ok(()));
        attempts.failed(from, now + EACH);
        assert!(attempts.allow(from, now + EACH).is_err());
        assert_eq!(attempts.allow(from, now + EACH * 100), Ok(()));
    }

    #[test]
    fn addresses_of_one_network_count_as_one_and_do_not_fill_the_memory() {
        let (mut attempts, now) = (Attempts::default(), Instant::now());
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        for host in 1..=AT_ONCE {
            attempts.failed(address(&format!("2001:db8::{host}")), now);
        }
        assert!(attempts.allow(address("2001:db8::ffff"), now).is_err());
        assert!(attempts.allow(address("2001:db8:0:1::1"), now).is_ok());
        for host in 0..2 * u32::try_from(MOST).unwrap() {
            attempts.failed(IpAddr::V4(Ipv4Addr::from_bits(host)), now);
        }
        assert_eq!(attempts.0.len(), MOST);
        assert!(attempts.allow(address("2001:db8::1"), now).is_err(), "the worst is not forgotten first");
    }
}
