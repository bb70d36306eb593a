//! Runs: values, errors, the end of tasks, time.

use std::cell::RefCell;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use asyncio_event_loop::{RunError, Runner, get_running_loop, run, sleep, to_thread};
use asyncio_executor::{Future, catch_cancelled, create_task, current_task};

fn virtual_runner() -> Runner {
    Runner::builder().virtual_time(true).build().unwrap()
}

#[test]
fn a_run_borrows_and_returns() {
    let text = String::from("hello");
    assert_eq!(run(async { text.len() }), 5);
}

#[test]
fn virtual_time_jumps() {
    let mut runner = virtual_runner();
    let took = runner.run(async {
        let begin = get_running_loop().time();
        sleep(Duration::from_secs(3600)).await;
        get_running_loop().time() - begin
    });
    assert_eq!(took.unwrap(), Duration::from_secs(3600));
}

#[test]
fn a_deadlock_names_every_task_and_what_it_waits_for() {
    let mut runner = virtual_runner();
    let error = runner
        .run(async {
            let waits = create_task(pending::<()>());
            waits.set_name("never");
            waits.await;
        })
        .unwrap_err();
    let RunError::Deadlock(deadlock) = error else { panic!("{error}") };
    assert_eq!(deadlock.tasks().len(), 2);
    assert!(deadlock.tasks()[0].contains("waits for task \"never\""), "{deadlock}");
    assert!(deadlock.tasks()[1].contains("name=\"never\" spawned at"), "{deadlock}");
}

#[test]
fn leftover_tasks_are_cancelled_and_clean_up() {
    let log = Rc::new(RefCell::new(Vec::new()));
    let mut runner = virtual_runner();
    let inner = log.clone();
    runner
        .run(async {
            let _detached = create_task(async move {
                let error = catch_cancelled(pending::<()>()).await.unwrap_err();
                sleep(Duration::from_secs(1)).await;
                inner.borrow_mut().push("cleaned");
                error.raise().await
            });
            sleep(Duration::from_secs(1)).await;
        })
        .unwrap();
    runner.close();
    assert_eq!(*log.borrow(), ["cleaned"]);
}

#[test]
fn a_cancelled_main_task_is_an_error_of_the_runner() {
    let mut runner = virtual_runner();
    let error = runner.run(async {
        current_task().unwrap().cancel_with("enough");
        sleep(Duration::from_secs(1)).await;
    });
    assert!(matches!(error, Err(RunError::Cancelled(error)) if error.message() == Some("enough")));
}

#[test]
fn work_on_a_thread_comes_back_on_either_clock() {
    assert_eq!(run(async { to_thread(|| 7).await }), 7);
    assert_eq!(virtual_runner().run(async { to_thread(|| 7).await }).unwrap(), 7);
}

#[test]
fn timers_fire_in_order_of_deadline_then_of_arming() {
    let log = Rc::new(RefCell::new(Vec::new()));
    virtual_runner()
        .run(async {
            let this = get_running_loop();
            for (delay, name) in [(3, "c"), (1, "a"), (3, "d"), (2, "b"), (0, "now")] {
                let log = log.clone();
                this.call_later(Duration::from_secs(delay), move || log.borrow_mut().push(name));
            }
            sleep(Duration::from_secs(4)).await;
        })
        .unwrap();
    assert_eq!(*log.borrow(), ["now", "a", "b", "c", "d"]);
}

#[test]
fn a_sleep_that_is_carried_to_another_run_is_not_over() {
    let hour = Duration::from_secs(3600);
    let mut slept = Box::pin(sleep(hour));
    virtual_runner()
        .run(std::future::poll_fn(|cx| {
            assert!(slept.as_mut().poll(cx).is_pending());
            std::task::Poll::Ready(())
        }))
        .unwrap();
    let mut second = virtual_runner();
    second.run(slept).unwrap();
    assert_eq!(second.get_loop().time().saturating_duration_since(asyncio_event_loop::Instant::ZERO), hour);
}

#[test]
fn a_sleep_of_zero_lets_the_others_run_inside_a_combinator_too() {
    let log = Rc::new(RefCell::new(Vec::new()));
    let (inside, outside) = (log.clone(), log.clone());
    virtual_runner()
        .run(async {
            drop(create_task(async move { outside.borrow_mut().push("the other") }));
            let both: futures_util::stream::FuturesUnordered<_> = (0..2).map(|_| sleep(Duration::ZERO)).collect();
            futures_util::StreamExt::count(both).await;
            inside.borrow_mut().push("the sleeper");
        })
        .unwrap();
    assert_eq!(*log.borrow(), ["the other", "the sleeper"]);
}

#[test]
fn a_main_task_that_is_cancelled_is_named() {
    let panic = std::panic::catch_unwind(|| {
        run(async {
            let main = current_task().unwrap();
            main.set_name("the program");
            main.cancel_with("enough");
            sleep(Duration::from_secs(1)).await;
        });
    });
    let text = *panic.unwrap_err().downcast::<String>().unwrap();
    assert!(
        text.starts_with("the main task, \"the program\", was cancelled at") && text.ends_with(": enough"),
        "{text}"
    );
}

#[test]
fn a_future_that_the_end_of_a_run_cancels_calls_its_callbacks() {
    let called = Rc::new(RefCell::new(false));
    let mut runner = virtual_runner();
    let ran = runner.run(async {
        let future = Future::<()>::new();
        let inner = called.clone();
        future.add_done_callback(move |future| *inner.borrow_mut() = future.cancelled());
        drop(create_task(future));
        sleep(Duration::from_secs(1)).await;
    });
    ran.unwrap();
    runner.close();
    assert!(*called.borrow());
}

#[test]
fn a_panic_at_the_end_of_a_run_goes_to_the_exception_handler() {
    let faults = Rc::new(RefCell::new(Vec::new()));
    let mut runner = virtual_runner();
    let inner = faults.clone();
    runner.get_loop().set_exception_handler(move |_, fault| inner.borrow_mut().push(fault.to_string()));
    let task = runner.run(async {
        let task = create_task(async {
            let _ = catch_cancelled(pending::<()>()).await;
            std::panic::resume_unwind(Box::new("too late"));
        });
        sleep(Duration::from_secs(1)).await;
        Some(task)
    });
    runner.close();
    assert!(faults.borrow().iter().any(|fault| fault.contains("too late")), "{:?}", faults.borrow());
    drop(task);
}

#[test]
fn an_eager_task_factory_does_not_start_main_before_the_loop() {
    let mut runner = virtual_runner();
    runner.get_loop().set_task_factory(|builder| builder.eager_start(true));
    let value = runner.run(async {
        let task = create_task(async { 1 });
        assert!(task.done(), "an eager task that does not wait ends at once");
        task.await
    });
    assert_eq!(value.unwrap(), 1);
}
