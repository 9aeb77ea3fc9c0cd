//! What was sent is carried to its end, whether or not anybody waits for it: [`Carried`].
//!
//! A caller's own task does the work, which costs no change of tasks. When the caller is gone in the middle, a task takes over: the switch
//! cannot be stopped, so the command counts as under way until it has ended, and what came of it is written down.

use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::runtime::Handle;

/// See the module.
pub(super) struct Carried<F>(Option<Pin<Box<F>>>)
where
    F: Future<Output: Send + 'static> + Send + 'static;

impl<F> Carried<F>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    /// Begins with the first poll.
    pub(super) fn new(work: F) -> Carried<F> {
        Carried(Some(Box::pin(work)))
    }
}

impl<F> Future for Carried<F>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // As of every future: not to be polled after its end.
        let Some(work) = self.0.as_mut() else { return Poll::Pending };
        let polled = work.as_mut().poll(cx);
        if polled.is_ready() {
            self.0 = None;
        }
        polled
    }
}

impl<F> Drop for Carried<F>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    fn drop(&mut self) {
        // Without a runtime everything ends.
        if let (Some(rest), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(rest);
        }
    }
}
