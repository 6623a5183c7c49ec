//! The last minutes, and what follows from them: rates, and when the queue will be empty.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::figures::{Figures, OfTarget, QUEUES, WITHOUT_WEBHOOKS};
use super::overview::{Dead, Depth, Drift, Lanes, Latencies, Moment, Outbox, Overview, Rates, Refusal, Spread, Target};
use super::spread::Buckets;
use crate::domain::refusal;

/// Ten minutes.
const MOST: usize = 120;
/// Rates are taken over this, so that one batch does not make them jump.
const RATE: Duration = Duration::from_secs(14);
/// Depths are known every ten seconds: a trend needs several of them.
const TREND: Duration = Duration::from_secs(59);

#[derive(Default)]
pub(super) struct History {
    figures: VecDeque<(Instant, Figures)>,
    moments: VecDeque<Moment>,
    /// When none was known to wait, for the last time.
    none_waited: Option<Instant>,
}

impl History {
    pub(super) fn add(&mut self, at: Instant, figures: Figures) {
        // Whatever is in hand lay in no queue that was looked into.
        if figures.in_flight == 0.0 && figures.none_waited.is_some() {
            self.none_waited = figures.none_waited;
        }
        let (waiting, owed) = (figures.waiting(), figures.owed);
        self.figures.push_back((at, figures));
        self.moments.push_back(Moment { requests: self.rates().requests, waiting, owed });
        while self.figures.len() > MOST {
            self.figures.pop_front();
            self.moments.pop_front();
        }
    }

    /// What the figures come to; what they do not tell is left as it is by default.
    pub(super) fn overview(&self, unacknowledged: Option<u64>) -> Overview {
        let Some((at, now)) = self.figures.back() else { return Overview::default() };
        let depth = |(queue, ready): (&str, f64)| Depth {
            queue: queue.to_owned(),
            ready,
            unacknowledged: unacknowledged.filter(|_| queue == "requests"),
        };
        let queues = if now.targets.is_empty() { WITHOUT_WEBHOOKS } else { QUEUES.len() };
        let [behind, wrong, ahead] = now.drift;
        Overview {
            rates: self.rates(),
            arriving: self.arriving(),
            queues: QUEUES.into_iter().zip(now.queues).take(queues).map(depth).collect(),
            oldest_request_seconds: self.waited(),
            oldest_request_at_most_seconds: self.none_waited.map(|then| at.duration_since(then).as_secs_f64()),
            drain_seconds: self.drains_in(),
            outbox: Outbox { members: now.owed, oldest_seconds: now.owed_oldest },
            latencies: self.latencies(now),
            dead_letters: now
                .reasons
                .iter()
                .map(|(reason, count)| Dead { reason: reason.clone(), count: *count })
                .collect(),
            refusals: refusal::ALL
                .into_iter()
                .zip(now.refusals)
                .map(|(reason, count)| Refusal { reason: reason.to_owned(), count })
                .collect(),
            cache_drift: Drift { behind, wrong, ahead },
            webhooks: self.targets(now),
            lanes: Lanes {
                serving: now.lanes,
                wanted: now.lanes_wanted,
                batch_limit: now.batch_limit,
                prefetch: now.prefetch,
                pace_seconds: now.pace,
                in_flight: now.in_flight,
            },
            history: self.moments.iter().copied().collect(),
            ..Overview::default()
        }
    }

    fn rates(&self) -> Rates {
        let Some((seconds, then, now)) = self.since(RATE) else { return Rates::default() };
        let rate = |of: fn(&Figures) -> f64| ((of(now) - of(then)) / seconds).max(0.0);
        Rates {
            requests: rate(|figures| figures.requests),
            joined: rate(|figures| figures.joined),
            left: rate(|figures| figures.left),
            rejected: rate(|figures| figures.rejected),
            refused: rate(|figures| figures.refused),
            retried: rate(|figures| figures.retried),
            dead: rate(|figures| figures.dead),
            events: rate(|figures| figures.events),
        }
    }

    /// What came is what was settled, and what is there beyond what was. Depths are asked for seldom, so it takes a minute.
    fn arriving(&self) -> Option<f64> {
        let (seconds, then, now) = self.since(TREND).filter(|(seconds, ..)| *seconds >= TREND.as_secs_f64())?;
        let there = |figures: &Figures| figures.settled() + figures.waiting() + figures.in_flight;
        Some(((there(now) - there(then)) / seconds).max(0.0))
    }

    /// Of the last minute, or since the worker counts.
    fn latencies(&self, now: &Figures) -> Latencies {
        let then = self.before(TREND);
        let spread = |of: fn(&Figures) -> &Buckets| -> Option<Spread> { of(now).since(then.map(of)).spread() };
        Latencies {
            queue_wait: spread(|figures| &figures.queue_wait),
            join_to_event: spread(|figures| &figures.join_to_event),
            event_confirm: spread(|figures| &figures.event_confirm),
            copy_confirm: spread(|figures| &figures.copy_confirm),
        }
    }

    fn targets(&self, now: &Figures) -> Vec<Target> {
        let past = self.since(TREND);
        let target = |(name, now): (&String, &OfTarget)| {
            let (seconds, then) = past.map_or((1.0, *now), |(seconds, then, _)| {
                (seconds, then.targets.get(name).copied().unwrap_or_default())
            });
            let (delivered, failed) = (now.delivered - then.delivered, now.failed - then.failed);
            Target {
                target: name.clone(),
                takes: delivered > 0.0 || failed <= 0.0,
                waiting: now.waiting,
                delivered: delivered.max(0.0) / seconds,
                failed: failed.max(0.0) / seconds,
                dead: now.dead,
            }
        };
        now.targets.iter().map(target).collect()
    }

    fn waited(&self) -> Option<f64> {
        let (now, _) = self.figures.back()?;
        let lately = self.figures.iter().rev().take_while(|(at, _)| now.duration_since(*at) < RATE);
        lately.filter_map(|(_, figures)| figures.longest_wait).reduce(f64::max)
    }

    fn drains_in(&self) -> Option<f64> {
        let (seconds, then, now) = self.since(TREND)?;
        let shrinks = (then.waiting() - now.waiting()) / seconds;
        (shrinks > 0.0).then(|| now.waiting() / shrinks)
    }

    /// The newest figures that are so much older than the newest of all; none where the worker is younger.
    fn before(&self, least: Duration) -> Option<&Figures> {
        let (now, _) = self.figures.back()?;
        let old = self.figures.iter().rev().find(|(at, _)| now.duration_since(*at) >= least);
        old.map(|(_, figures)| figures)
    }

    /// The newest figures, the newest that are so much older, or else the oldest, and the seconds between.
    fn since(&self, least: Duration) -> Option<(f64, &Figures, &Figures)> {
        let (now, newest) = self.figures.back()?;
        let old = self.figures.iter().rev().find(|(at, _)| now.duration_since(*at) >= least);
        let (then, figures) = old.or_else(|| self.figures.front())?;
        let seconds = now.duration_since(*then).as_secs_f64();
        (seconds > 0.0).then_some((seconds, figures, newest))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Figures, History, MOST, OfTarget, QUEUES};

    fn figures(requests: f64, waiting: f64) -> Figures {
        let mut figures = Figures { requests, ..Figures::default() };
        figures.queues[0] = waiting;
        figures
    }

    #[test]
    fn rates_and_the_end_of_the_queue_follow_from_the_last_minute() {
        let (mut history, start) = (History::default(), Instant::now());
        for step in 0..13_u32 {
            let done = f64::from(step) * 500.0;
            history.add(start + Duration::from_secs(5) * step, figures(done, 12_000.0 - done));
        }
        let overview = history.overview(Some(3));
        assert!((overview.rates.requests - 100.0).abs() < 1e-9, "{overview:?}");
        assert!((overview.drain_seconds.unwrap() - 60.0).abs() < 1e-9, "{overview:?}");
        assert_eq!((overview.queues[0].unacknowledged, overview.queues[1].unacknowledged), (Some(3), None));
        assert_eq!((overview.oldest_request_seconds, overview.oldest_request_at_most_seconds), (None, None));
    }

    #[test]
    fn what_arrives_is_what_was_settled_and_what_waits_more_than_a_minute_ago() {
        for (settled, waiting, in_hand, arriving) in
            [(0.0, 50.0, 0.0, 10.0), (100.0, 0.0, 0.0, 20.0), (100.0, -50.0, 25.0, 15.0), (10.0, -50.0, 0.0, 0.0)]
        {
            let (mut history, start) = (History::default(), Instant::now());
            for step in 0..13_u32 {
                let of = |each: f64| each * f64::from(step);
                let here = Figures { in_flight: of(in_hand), ..figures(of(settled), 1_000.0 + of(waiting)) };
                history.add(start + Duration::from_secs(5) * step, here);
                let told = history.overview(None).arriving;
                let expected = (step == 12).then_some(arriving);
                assert_eq!(told.map(f64::round), expected, "at {step} with {settled}, {waiting} and {in_hand}");
            }
        }
    }

    #[test]
    fn the_oldest_request_is_the_longest_wait_of_late_or_came_after_none_waited() {
        let (mut history, start) = (History::default(), Instant::now());
        let later = |seconds: u64| start + Duration::from_secs(seconds);
        let waited = |longest_wait| Figures { longest_wait, none_waited: Some(start), ..Figures::default() };
        for (seconds, longest) in [(5, Some(40.0)), (10, Some(3.0)), (15, None)] {
            history.add(later(seconds), waited(longest));
        }
        let told = |history: &History| {
            let overview = history.overview(None);
            (overview.oldest_request_seconds, overview.oldest_request_at_most_seconds)
        };
        assert_eq!(told(&history), (Some(40.0), Some(15.0)));
        history.add(later(20), figures(0.0, 7.0));
        assert_eq!(told(&history), (Some(3.0), Some(20.0)), "40 seconds are not of late any more");
        // Nothing lies in a queue, and yet somebody waits.
        history.add(later(35), Figures { in_flight: 1.0, none_waited: Some(later(31)), ..Figures::default() });
        assert_eq!(told(&history), (None, Some(35.0)));
        history.add(later(40), Figures { none_waited: Some(later(31)), ..Figures::default() });
        assert_eq!(told(&history), (None, Some(9.0)));
    }

    #[test]
    fn a_target_that_was_tried_in_vain_takes_none_until_it_takes_one() {
        let (mut history, start) = (History::default(), Instant::now());
        let of = |delivered: f64, failed: f64| OfTarget { waiting: 4.0, delivered, failed, dead: 1.0 };
        for (step, of_target) in (0_u32..).zip([of(2.0, 0.0), of(2.0, 10.0), of(7.0, 10.0)]) {
            let targets = [("crm".to_owned(), of_target)].into();
            history.add(start + Duration::from_secs(10) * step, Figures { targets, ..Figures::default() });
            let overview = history.overview(None);
            let [crm] = &overview.webhooks[..] else { panic!("{overview:?}") };
            assert_eq!((crm.takes, crm.waiting, crm.dead), (step != 1, 4.0, 1.0), "{crm:?}");
            assert_eq!(overview.queues.len(), QUEUES.len());
        }
        let overview = history.overview(None);
        assert!((overview.webhooks[0].failed - 0.5).abs() < 1e-9, "{overview:?}");
    }

    #[test]
    fn times_are_those_of_the_last_minute() {
        let (mut history, start) = (History::default(), Instant::now());
        let mut seen = Vec::new();
        for (step, count) in [(0, 10.0), (5, 10.0), (70, 10.0)] {
            let mut figures = Figures::default();
            figures.queue_wait.push(1.0, count);
            figures.queue_wait.push(f64::INFINITY, count);
            history.add(start + Duration::from_secs(step), figures);
            seen.push(history.overview(None).latencies.queue_wait.map(|spread| spread.p50_seconds));
        }
        assert_eq!(seen, [Some(0.5), Some(0.5), None]);
    }

    #[test]
    fn a_queue_that_does_not_shrink_has_no_end_and_memory_has_one() {
        let (mut history, start) = (History::default(), Instant::now());
        assert_eq!(history.overview(None).drain_seconds, None);
        for step in 0..1_000_u32 {
            history.add(start + Duration::from_secs(5) * step, figures(0.0, f64::from(step)));
        }
        let overview = history.overview(None);
        assert_eq!((overview.drain_seconds, overview.history.len()), (None, MOST));
    }
}
