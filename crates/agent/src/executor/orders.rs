//! What a run is told, while whoever attends to it is busy with something else.
//!
//! Every order says what is wanted now, so a newer one of its sort replaces an older one that was not
//! taken yet. So what waits is bounded, however long a supervisor does not answer, and a lease that
//! is passed on is always the newest.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tessera_types::Timestamp;
use tokio::sync::Notify;

use crate::supervisor::{Lease, StopSpec};

/// What a run is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Stop(StopSpec),
    NotAfter(Option<Timestamp>),
    Renew(Lease),
    /// Clean up; the last order.
    Remove,
}

/// The newest order of each sort that was not taken yet.
#[derive(Debug, Default)]
struct Waiting {
    stop: Option<StopSpec>,
    not_after: Option<Option<Timestamp>>,
    lease: Option<Lease>,
    remove: bool,
    /// Nobody gives orders any more.
    closed: bool,
}

impl Waiting {
    fn put(&mut self, order: Order) {
        match order {
            Order::Stop(stop) => self.stop = Some(stop),
            Order::NotAfter(at) => self.not_after = Some(at),
            Order::Renew(lease) => self.lease = Some(lease),
            Order::Remove => self.remove = true,
        }
    }

    /// The most urgent order. Cleaning up waits until everything else was taken.
    fn take(&mut self) -> Option<Order> {
        let stop = self.stop.take().map(Order::Stop);
        let lease = || self.lease.take().map(Order::Renew);
        let order = stop.or_else(lease);
        let order = order.or_else(|| self.not_after.take().map(Order::NotAfter));
        order.or_else(|| std::mem::take(&mut self.remove).then_some(Order::Remove))
    }
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    wake: Notify,
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where orders are given.
#[derive(Debug)]
pub(super) struct Orders(Arc<Shared>);

/// Where they are taken.
#[derive(Debug)]
pub(super) struct Inbox(Arc<Shared>);

/// The two ends for the orders of one run.
pub(super) fn orders() -> (Orders, Inbox) {
    let shared = Arc::<Shared>::default();
    (Orders(Arc::clone(&shared)), Inbox(shared))
}

impl Orders {
    pub(super) fn send(&self, order: Order) {
        self.0.waiting().put(order);
        self.0.wake.notify_one();
    }
}

impl Drop for Orders {
    fn drop(&mut self) {
        self.0.waiting().closed = true;
        self.0.wake.notify_one();
    }
}

impl Inbox {
    /// The next order; none when nobody gives any more, and all were taken. It may be dropped while
    /// it waits; no order is lost by that.
    pub(super) async fn recv(&mut self) -> Option<Order> {
        loop {
            {
                let mut waiting = self.0.waiting();
                if let Some(order) = waiting.take() {
                    return Some(order);
                }
                if waiting.closed {
                    return None;
                }
            }
            self.0.wake.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervisor::{BootInstant, Signal};

    fn lease(from: u64) -> Lease {
        Lease { lease_ms: 100, granted_at: BootInstant::from_ms(from) }
    }

    #[tokio::test]
    async fn what_waits_is_bounded_and_the_newest_of_each_sort() {
        let (orders, mut inbox) = orders();
        let stop = |grace_ms| Order::Stop(StopSpec { signal: Signal::TERM, grace_ms });
        orders.send(Order::Remove);
        for number in 0..1000 {
            orders.send(Order::Renew(lease(number)));
            orders.send(stop(number));
        }
        orders.send(Order::NotAfter(None));
        drop(orders);
        let expected = [stop(999), Order::Renew(lease(999)), Order::NotAfter(None), Order::Remove];
        for order in expected {
            assert_eq!(inbox.recv().await, Some(order));
        }
        assert_eq!(inbox.recv().await, None);
    }

    #[tokio::test]
    async fn an_order_wakes_whoever_waits() {
        let (orders, mut inbox) = orders();
        let waiting = tokio::spawn(async move { inbox.recv().await });
        tokio::task::yield_now().await;
        orders.send(Order::Remove);
        assert_eq!(waiting.await.unwrap(), Some(Order::Remove));
    }
}
