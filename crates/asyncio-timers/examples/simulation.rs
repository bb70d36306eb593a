//! A discrete-event simulation of a shop: customers come at random, wait in one line, and give up if it takes too long.
//!
//! It uses the timer queue alone, without a loop: time jumps from event to event. Each customer has two timers, and a
//! timeout is disarmed more often than it fires.

use asyncio_timers::{Clock, Instant, Timer, TimerQueue, VirtualClock};
use std::collections::VecDeque;
use std::pin::Pin;
use std::time::Duration;

const CUSTOMERS: usize = 10_000;
const TILLS: usize = 3;
const BETWEEN_ARRIVALS: Duration = Duration::from_secs(20);
const SERVICE: Duration = Duration::from_secs(58);
const PATIENCE: Duration = Duration::from_secs(300);

/// What happens, and to which customer.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Event {
    Arrives(usize),
    LosesPatience(usize),
    HasPaid(usize),
}

/// A customer's timers: what they do next, and how long they wait for it.
struct Customer {
    next: Pin<Box<Timer<Event>>>,
    patience: Pin<Box<Timer<Event>>>,
    arrived: Instant,
}

/// Numbers that look random and are the same in each run (xorshift).
struct Random(u64);

impl Random {
    /// A duration between nothing and twice the mean.
    fn around(&mut self, mean: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        mean.mul_f64((self.0 >> 11) as f64 / (1_u64 << 52) as f64)
    }
}

/// The state of the simulation, beside the clock and the queue.
#[derive(Default)]
struct Shop {
    line: VecDeque<usize>,
    busy: usize,
    served: usize,
    gave_up: usize,
    waited: Duration,
}

fn main() {
    let clock = VirtualClock::new();
    let queue = TimerQueue::new();
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut shop = Shop::default();

    let mut arrival = clock.now();
    let customers: Vec<Customer> = (0..CUSTOMERS)
        .map(|index| {
            arrival += random.around(BETWEEN_ARRIVALS);
            let customer =
                Customer { next: Box::pin(Timer::new()), patience: Box::pin(Timer::new()), arrived: arrival };
            queue.arm(customer.next.as_ref(), arrival, Event::Arrives(index));
            customer
        })
        .collect();

    while let Some(wakeup) = queue.next_wakeup() {
        clock.advance_to(wakeup);
        queue.advance(clock.now());
        while let Some(event) = queue.pop_due() {
            match event {
                Event::Arrives(index) => {
                    let patience = clock.now() + random.around(PATIENCE);
                    queue.arm(customers[index].patience.as_ref(), patience, Event::LosesPatience(index));
                    shop.line.push_back(index);
                }
                Event::LosesPatience(index) => {
                    shop.line.retain(|other| *other != index);
                    shop.gave_up += 1;
                }
                Event::HasPaid(_) => {
                    shop.busy -= 1;
                    shop.served += 1;
                }
            }
            while shop.busy < TILLS
                && let Some(index) = shop.line.pop_front()
            {
                shop.busy += 1;
                shop.waited += clock.now() - customers[index].arrived;
                customers[index].patience.as_ref().disarm();
                let paid = clock.now() + random.around(SERVICE);
                queue.arm(customers[index].next.as_ref(), paid, Event::HasPaid(index));
            }
        }
    }

    assert_eq!(shop.served + shop.gave_up, CUSTOMERS);
    assert!(queue.is_empty());
    println!(
        "{} customers in {:.1} hours: {} served after {:.0} s in line on average, {} gave up",
        CUSTOMERS,
        clock.now().as_secs_f64() / 3600.0,
        shop.served,
        shop.waited.as_secs_f64() / shop.served as f64,
        shop.gave_up,
    );
}
