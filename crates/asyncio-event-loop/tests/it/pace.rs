//! Nobody starves: neither descriptors nor timers, beside a task that yields for ever.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use asyncio_event_loop::{Runner, get_running_loop, run, sleep};
use asyncio_executor::{create_task, yield_now};

use crate::log::{secs, virtual_runner};

#[test]
fn a_timer_fires_while_a_task_yields_for_ever() {
    let spin = async {
        drop(create_task(async {
            loop {
                yield_now().await;
            }
        }));
        sleep(Duration::from_millis(1)).await;
        7
    };
    assert_eq!(run(spin), 7);
}

#[test]
fn a_zero_delay_is_due_in_the_next_turn_on_the_machines_clock_too() {
    run(async {
        // Until many turns are granted.
        for _ in 0..200 {
            yield_now().await;
        }
        for _ in 0..200 {
            let fired = Rc::new(Cell::new(false));
            let inner = fired.clone();
            get_running_loop().call_later(Duration::ZERO, move || inner.set(true));
            yield_now().await;
            yield_now().await;
            assert!(fired.get());
        }
    });
}

/// On virtual time nothing passes while a task spins.
#[test]
fn virtual_time_stands_still_while_a_task_yields() {
    virtual_runner()
        .run(async {
            let begin = get_running_loop().time();
            for _ in 0..1000 {
                yield_now().await;
            }
            assert_eq!(get_running_loop().time(), begin);
            sleep(secs(1)).await;
            assert_eq!(get_running_loop().time(), begin + secs(1));
        })
        .unwrap();
}

#[test]
fn descriptors_are_looked_at_at_least_every_64th_turn() {
    for virtual_time in [false, true] {
        let (near, _far) = crate::socket::pair();
        let seen = Rc::new(Cell::new(0));
        Runner::builder()
            .virtual_time(virtual_time)
            .build()
            .unwrap()
            .run(async {
                let inner = seen.clone();
                get_running_loop().add_writer(&near, move || inner.set(inner.get() + 1)).unwrap();
                for _ in 0..64 * 100 + 1 {
                    yield_now().await;
                }
                get_running_loop().remove_writer(&near);
            })
            .unwrap();
        assert!(seen.get() >= 100, "{} times", seen.get());
    }
}
