//! Waiting for many publishes at once, without being woken for each. Apart from the window, because it knows nothing of
//! messages.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures_util::FutureExt as _;

/// Begins all, so that their frames go out in one write; then waits for one after the other. They are done in the order in
/// which they were begun, so whoever waits for the first finds most of the others done.
pub(super) async fn in_turn<T, E>(all: impl Iterator<Item = impl Future<Output = Result<T, E>>>) -> Result<Vec<T>, E> {
    let begun: Vec<_> = all.map(begin).collect();
    let mut done = Vec::with_capacity(begun.len());
    for one in begun {
        done.push(match one {
            Begun::Waits(one) => one.await?,
            Begun::Done(one) => one?,
        });
    }
    Ok(done)
}

/// A future that was asked once.
enum Begun<F: Future> {
    Waits(Pin<Box<F>>),
    Done(F::Output),
}

/// Asks it once, and nobody is to be woken for it: whoever waits for it asks again.
fn begin<F: Future>(future: F) -> Begun<F> {
    let mut future = Box::pin(future);
    match future.poll_unpin(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Begun::Done(done),
        Poll::Pending => Begun::Waits(future),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::convert::Infallible;

    use tokio::sync::Notify;

    use super::in_turn;

    #[tokio::test]
    async fn all_are_begun_before_any_is_waited_for_and_answered_in_their_order() {
        let (begun, last) = (RefCell::new(Vec::new()), Notify::new());
        let each = async |number: u32| {
            begun.borrow_mut().push(number);
            // The first is done when the last has begun, so to wait for it before would be to wait for ever.
            if number == 2 {
                last.notify_one();
            } else if number == 0 {
                last.notified().await;
            }
            Ok::<_, Infallible>(number)
        };
        assert_eq!(in_turn((0..3).map(each)).await, Ok(vec![0, 1, 2]));
        assert_eq!(begun.into_inner(), [0, 1, 2]);
    }

    #[tokio::test]
    async fn the_first_that_fails_is_told() {
        let each = async |number: u32| if number < 2 { Ok(number) } else { Err(number) };
        assert_eq!(in_turn((0..5).map(each)).await, Err(2));
    }
}
