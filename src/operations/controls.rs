//! What operators have set by hand, as this worker last read it; told to whoever has to act on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use time::OffsetDateTime;
use tokio::sync::watch;
use tracing::info;

use super::Meters;
use crate::domain::{Bounds, Control, Setting, SiteId};

/// What is in force. Cheap to share.
#[derive(Clone)]
pub struct Controls(Arc<Inner>);

struct Inner {
    /// Nothing until it was read once: a worker that starts must not take requests which somebody has paused.
    in_force: watch::Sender<Option<Vec<Setting>>>,
    /// Some site is held: so that the join path asks for nothing else while none is.
    holds_any: AtomicBool,
}

impl Default for Controls {
    fn default() -> Self {
        Self(Arc::new(Inner { in_force: watch::Sender::new(None), holds_any: AtomicBool::new(false) }))
    }
}

impl Controls {
    /// Notes what was read.
    pub fn read(&self, settings: Vec<Setting>) {
        let holds = settings.iter().any(|setting| matches!(setting.control, Control::HoldSite(_)));
        self.0.holds_any.store(holds, Ordering::Relaxed);
        self.0.in_force.send_if_modified(|in_force| {
            if in_force.as_ref() == Some(&settings) {
                return false;
            }
            tell(in_force.as_deref().unwrap_or_default(), &settings);
            *in_force = Some(settings);
            true
        });
    }

    /// Brings the metric up to what is known here. Where nothing can be read, what was set for a time ends with that all the
    /// same: alerts that are silent for it must not stay so.
    pub fn show(&self, meters: &Meters) {
        let (in_force, now) = (self.0.in_force.borrow(), OffsetDateTime::now_utc());
        let lasts = |setting: &&Setting| setting.expires_at.is_none_or(|end| end > now);
        for kind in Control::KINDS {
            let of_kind = |setting: &&Setting| setting.control.kind() == kind;
            let count = in_force.iter().flatten().filter(lasts).filter(of_kind).count();
            meters.control_set.of(kind).set(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
        }
    }

    /// All that is set, as last read; `None` before it was read once.
    #[must_use]
    pub fn last_read(&self) -> Option<Vec<Setting>> {
        self.0.in_force.borrow().clone()
    }

    /// Why something is set, and by whom; `None` if it is not.
    #[must_use]
    pub fn why(&self, control: Control) -> Option<String> {
        let in_force = self.0.in_force.borrow();
        let setting = in_force.as_ref()?.iter().find(|setting| setting.control == control)?;
        Some(format!("{} by {}: {}", setting.control, setting.who, setting.reason))
    }

    /// Whether requests of a site are to wait.
    #[must_use]
    pub fn holds(&self, site: SiteId) -> bool {
        self.0.holds_any.load(Ordering::Relaxed) && is_set(self.0.in_force.borrow().as_deref(), Control::HoldSite(site))
    }

    /// Waits until requests are to be taken: it is known what is set, and nothing that keeps them is among it. Safe to be
    /// dropped.
    pub async fn until_intake(&self) {
        let is_open = |in_force: &Option<Vec<Setting>>| in_force.is_some() && !keeps_requests(in_force.as_deref());
        // It ends only with its sender, which is `self`.
        drop(self.0.in_force.subscribe().wait_for(is_open).await);
    }

    /// Waits until no requests are to be taken. Safe to be dropped.
    pub async fn until_paused(&self) {
        drop(self.0.in_force.subscribe().wait_for(|in_force| keeps_requests(in_force.as_deref())).await);
    }

    /// Waits until it is known what is set. Safe to be dropped.
    pub async fn until_read(&self) {
        drop(self.0.in_force.subscribe().wait_for(Option::is_some).await);
    }

    /// Whether it is known that PostgreSQL is to be left alone.
    #[must_use]
    pub fn pauses_database(&self) -> bool {
        is_set(self.0.in_force.borrow().as_deref(), Control::PauseDatabase)
    }

    /// Waits as long as PostgreSQL is to be left alone. Before anything was read it may be tried: that is how an outage at
    /// the start is met. Safe to be dropped.
    pub async fn until_database(&self) {
        let is_free = |in_force: &Option<Vec<Setting>>| !is_set(in_force.as_deref(), Control::PauseDatabase);
        drop(self.0.in_force.subscribe().wait_for(is_free).await);
    }

    /// Tells the bounds that are set now, and again whenever anything changes, as long as it is polled.
    pub async fn follow_bounds(&self, mut told: impl FnMut(Option<Bounds>)) -> std::convert::Infallible {
        let mut in_force = self.0.in_force.subscribe();
        loop {
            let settings = in_force.borrow_and_update().clone().unwrap_or_default();
            told(settings.iter().find_map(|setting| setting.bounds));
            if in_force.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }
}

fn keeps_requests(in_force: Option<&[Setting]>) -> bool {
    [Control::PauseIntake, Control::PauseDatabase].into_iter().any(|control| is_set(in_force, control))
}

fn is_set(in_force: Option<&[Setting]>, control: Control) -> bool {
    in_force.into_iter().flatten().any(|setting| setting.control == control)
}

/// Into the log, as it changes what the worker does.
fn tell(before: &[Setting], now: &[Setting]) {
    let is_new = |setting: &&Setting| !before.contains(setting);
    for Setting { control, who, reason, expires_at, .. } in now.iter().filter(is_new) {
        info!(%control, who, reason, expires_at = expires_at.map(|at| at.to_string()), "set by an operator");
    }
    let is_gone = |setting: &&Setting| !now.iter().any(|other| other.control == setting.control);
    for Setting { control, .. } in before.iter().filter(is_gone) {
        info!(%control, "no longer set");
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::Controls;
    use crate::domain::{Control, Setting, SiteId};
    use crate::operations::Meters;

    const SITE: SiteId = SiteId(Uuid::from_u128(1));

    fn set(control: Control) -> Setting {
        let (who, reason) = ("ana".to_owned(), "a test".to_owned());
        Setting { control, bounds: None, who, reason, since: OffsetDateTime::UNIX_EPOCH, expires_at: None }
    }

    fn is_over(waiting: impl Future<Output = ()>) -> bool {
        pin!(waiting).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn no_request_is_taken_before_it_is_known_that_none_is_paused() {
        let controls = Controls::default();
        assert!(!is_over(controls.until_intake()) && !is_over(controls.until_paused()));
        controls.read(Vec::new());
        assert!(is_over(controls.until_intake()) && !is_over(controls.until_paused()));
        controls.read(vec![set(Control::PauseIntake)]);
        assert!(!is_over(controls.until_intake()) && is_over(controls.until_paused()));
        assert_eq!(controls.why(Control::PauseIntake).as_deref(), Some("pause intake by ana: a test"));
    }

    #[test]
    fn a_paused_database_keeps_requests_as_well_and_may_be_tried_until_it_is_known() {
        let controls = Controls::default();
        assert!(!is_over(controls.until_read()) && is_over(controls.until_database()));
        controls.read(vec![set(Control::PauseDatabase)]);
        assert!(controls.pauses_database() && is_over(controls.until_read()) && is_over(controls.until_paused()));
        assert!(!is_over(controls.until_database()) && !is_over(controls.until_intake()));
        controls.read(vec![set(Control::PauseIntake)]);
        assert!(!controls.pauses_database() && is_over(controls.until_database()) && !is_over(controls.until_intake()));
    }

    #[test]
    fn a_site_is_held_as_long_as_that_is_set_and_no_other_with_it() {
        let controls = Controls::default();
        controls.read(vec![set(Control::HoldSite(SITE))]);
        assert!(controls.holds(SITE) && !controls.holds(SiteId(Uuid::nil())));
        controls.read(Vec::new());
        assert!(!controls.holds(SITE));
    }

    #[test]
    fn the_metric_counts_held_sites_and_names_none_of_them() {
        let (controls, meters) = (Controls::default(), Meters::register().unwrap());
        let told = |kind: &str, count: u32| {
            controls.show(&meters);
            let (text, line) = (meters.render(), format!("join_community_control_set{{control=\"{kind}\"}} {count}"));
            assert!(text.lines().any(|told| told == line), "{line} is not in\n{text}");
            assert!(!text.contains(&SITE.to_string()), "{text}");
        };
        for kind in Control::KINDS {
            told(kind, 0);
        }
        let held = [SITE, SiteId(Uuid::nil())].map(|site| set(Control::HoldSite(site)));
        controls.read(held.into_iter().chain([set(Control::PauseEvents)]).collect());
        for (kind, count) in [("hold", 2), ("pause events", 1), ("pause intake", 0), ("bounds", 0)] {
            told(kind, count);
        }
        let ended = Setting { expires_at: Some(OffsetDateTime::UNIX_EPOCH), ..set(Control::PauseDatabase) };
        controls.read(vec![set(Control::HoldSite(SITE)), ended]);
        for (kind, count) in [("hold", 1), ("pause events", 0), ("pause database", 0)] {
            told(kind, count);
        }
    }
}
