//! When a request went to the retry ladder, and to which rungs: each of its copies carries it to the next, for nothing else
//! knows it afterwards. A request that was never there carries nothing.

use crate::wire::{Incoming, instant};

/// Longest header: some thirty times. Of more the newest are kept; how many there were, the attempts say.
const LONGEST: usize = 1024;
/// Stands between two of them.
pub const BETWEEN: &str = ", ";

/// What the copy says that goes to the ladder once more, by this routing key.
pub(super) fn once_more(incoming: &Incoming, routing_key: &str, user: &str) -> Option<String> {
    let rung = routing_key.rsplit('.').next().unwrap_or(routing_key);
    let now = incoming.taken_at.map(|at| format!("{} {rung}", instant::text(at)));
    let before = so_far(incoming, user).map(ToOwned::to_owned);
    let all = [before, now].into_iter().flatten().collect::<Vec<_>>().join(BETWEEN);
    let mut kept = all.as_str();
    while kept.len() > LONGEST {
        kept = kept.split_once(BETWEEN)?.1;
    }
    (!kept.is_empty()).then(|| kept.to_owned())
}

/// What a copy says that comes from there. Nobody's word counts but that of the worker.
pub(super) fn so_far<'a>(incoming: &'a Incoming, user: &str) -> Option<&'a str> {
    incoming.own.retries.as_deref().filter(|_| incoming.user_id.as_deref() == Some(user))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::{LONGEST, once_more, so_far};
    use crate::wire::{Incoming, OwnHeaders};

    fn came_back(retries: Option<&str>, user: &str) -> Incoming {
        Incoming {
            user_id: Some(user.into()),
            taken_at: Some(datetime!(2026-11-24 10:00:01 UTC)),
            own: OwnHeaders { retries: retries.map(Into::into), ..OwnHeaders::default() },
            ..Incoming::default()
        }
    }

    #[test]
    fn each_time_is_added_to_those_before_if_the_worker_wrote_them() {
        let before = Some("2026-11-24T10:00:00.000Z 1s");
        let (first, second) = (came_back(None, "gateway"), came_back(before, "worker"));
        assert_eq!(once_more(&first, "retry.1s", "worker").as_deref(), Some("2026-11-24T10:00:01.000Z 1s"));
        let both = "2026-11-24T10:00:00.000Z 1s, 2026-11-24T10:00:01.000Z 5s";
        assert_eq!(once_more(&second, "retry.5s", "worker").as_deref(), Some(both));
        assert_eq!((so_far(&first, "worker"), so_far(&second, "worker")), (None, before));
        let forged = came_back(before, "gateway");
        assert_eq!(once_more(&forged, "retry.1s", "worker"), once_more(&first, "retry.1s", "worker"));
        assert_eq!(so_far(&forged, "worker"), None);
    }

    #[test]
    fn however_often_it_goes_there_the_newest_times_are_kept_and_they_stay_short() {
        let mut kept = None;
        for _ in 0..100 {
            kept = once_more(&came_back(kept.as_deref(), "worker"), "retry.10m", "worker");
        }
        let kept = kept.unwrap();
        assert!(kept.len() <= LONGEST && kept.len() > LONGEST / 2, "{}", kept.len());
        assert!(kept.split(", ").all(|one| one == "2026-11-24T10:00:01.000Z 10m"), "{kept}");
        assert_eq!(
            once_more(&came_back(Some(&"x".repeat(LONGEST * 2)), "worker"), "retry.1s", "worker").as_deref(),
            Some("2026-11-24T10:00:01.000Z 1s")
        );
    }
}
