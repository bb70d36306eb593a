//! Context variables: inherited as copies, shared on request, reset by token, and nobody's outside their task.

use asyncio_executor::{
    Context, Executor, LazyContext, Task, call_soon, context_var, copy_context, create_task, yield_now,
};

use crate::trace::{Log, abroad, run};

context_var! {
    static NUMBER: u32 = 0;
    /// Another type.
    static NAME: String = "nobody".to_owned();
}

#[test]
fn a_task_gets_a_copy_of_the_context_that_makes_it() {
    let executor = Executor::new(|| {});
    let task = executor.spawn(async {
        let _ = NUMBER.set(1);
        let inner = create_task(async {
            let before = NUMBER.get();
            let _ = NUMBER.set(2);
            yield_now().await;
            (before, NUMBER.get())
        });
        let _ = NUMBER.set(3);
        (inner.await, NUMBER.get())
    });
    let other = executor.spawn(async {
        yield_now().await;
        NUMBER.get()
    });
    run(&executor);
    assert_eq!(task.result().unwrap(), ((1, 2), 3));
    assert_eq!(other.result().unwrap(), 0);
    assert_eq!(NUMBER.get(), 0);
}

#[test]
fn a_context_can_be_shared_on_request() {
    let executor = Executor::new(|| {});
    let context = Context::new();
    context.run(|| drop(NUMBER.set(5)));
    let make = |add: u32| {
        executor.spawn_with(Task::builder().context(context.clone()), async move {
            let value = NUMBER.get();
            let _ = NUMBER.set(value + add);
            value
        })
    };
    let (first, second) = (make(1), make(10));
    assert_eq!(first.context().run(|| NUMBER.get()), 5);
    run(&executor);
    assert_eq!((first.result().unwrap(), second.result().unwrap()), (5, 6));
    assert_eq!(context.run(|| NUMBER.get()), 16);
}

#[test]
fn a_token_undoes_one_set() {
    let executor = Executor::new(|| {});
    let task = executor.spawn(async {
        let first = NUMBER.set(1);
        let second = NUMBER.set(2);
        assert_eq!(format!("{second:?}"), "<Token of <ContextVar NUMBER>>");
        NUMBER.reset(second);
        let between = NUMBER.get();
        NUMBER.reset(first);
        let _ = NAME.set("somebody".to_owned());
        (between, NUMBER.get(), NAME.get())
    });
    run(&executor);
    assert_eq!(task.result().unwrap(), (1, 0, "somebody".to_owned()));
    assert_eq!(
        (NAME.get().as_str(), NAME.name(), format!("{NAME:?}").as_str()),
        ("nobody", "NAME", "<ContextVar NAME>")
    );
}

#[test]
fn a_token_of_another_variable_is_refused() {
    context_var! {
        static OTHER: u32 = 0;
    }
    let payload = std::panic::catch_unwind(|| {
        let context = Context::new();
        context.run(|| OTHER.reset(NUMBER.set(1)));
    })
    .unwrap_err();
    assert!(asyncio_executor::panic_message(&*payload).unwrap().contains("made by the variable NUMBER, not by OTHER"));
}

#[test]
fn callbacks_run_in_a_copy_taken_when_they_are_scheduled() {
    let executor = Executor::new(|| {});
    let log = Log::default();
    let to = log.clone();
    let task = executor.spawn(async move {
        let say = |name: &'static str| {
            let to = to.clone();
            move || {
                to.push(format!("{name} {}", NUMBER.get()));
                let _ = NUMBER.set(100);
            }
        };
        let _ = NUMBER.set(1);
        call_soon(say("soon"));
        let inner = create_task(async { drop(NUMBER.set(50)) });
        let (done, late) = (say("done"), say("late"));
        inner.add_done_callback(move |_| done());
        let handle = inner.handle();
        let _ = NUMBER.set(2);
        inner.await;
        let _ = NUMBER.set(3);
        handle.add_done_callback(move |_| late());
        let promise = asyncio_executor::Future::<u32>::new();
        let future = say("future");
        promise.add_done_callback(move |_| future());
        let _ = NUMBER.set(4);
        promise.set_result(1).unwrap();
        yield_now().await;
        NUMBER.get()
    });
    run(&executor);
    assert_eq!(log.take(), ["soon 1", "done 1", "late 3", "future 3"]);
    assert_eq!(task.result().unwrap(), 4);
}

#[test]
fn what_a_callback_sets_is_gone_after_it() {
    let executor = Executor::new(|| {});
    let log = Log::default();
    let to = log.clone();
    executor.call_soon(move || {
        let _ = NUMBER.set(9);
        let again = to.clone();
        call_soon(move || again.push(format!("scheduled by it {}", NUMBER.get())));
    });
    let to = log.clone();
    executor.call_soon(move || to.push(format!("after it {}", NUMBER.get())));
    executor.turn();
    assert_eq!(NUMBER.get(), 0);
    let task = executor.spawn(async { NUMBER.get() });
    run(&executor);
    assert_eq!(log.take(), ["after it 0", "scheduled by it 9"]);
    assert_eq!(task.result().unwrap(), 0);
}

#[test]
fn outside_of_tasks_there_is_a_context_too() {
    let executor = Executor::new(|| {});
    let context = Context::new();
    let task = context.run(|| {
        let _ = NUMBER.set(8);
        executor.spawn(async { NUMBER.get() })
    });
    assert_eq!(NUMBER.get(), 0);
    run(&executor);
    assert_eq!(task.result().unwrap(), 8);
}

#[test]
fn a_context_is_the_same_when_cloned_and_another_when_copied() {
    let context = Context::new();
    let (same, copy) = (context.clone(), context.copy());
    context.run(|| drop(NUMBER.set(4)));
    let read = |context: &Context| context.run(|| NUMBER.get());
    assert_eq!((read(&same), read(&copy)), (4, 0));
    let copied = context.run(copy_context);
    assert_eq!(read(&copied), 4);
    assert_eq!(
        (format!("{context:?}"), format!("{copy:?}")),
        ("Context { variables: 1 }".into(), "Context { variables: 0 }".into())
    );
}

#[test]
fn a_lazy_context_keeps_what_is_set_in_it_and_shows_it_to_nobody_else() {
    abroad(|| {
        let lazy = LazyContext::copy_current();
        for turn in 0..3 {
            let _entered = lazy.enter();
            assert_eq!(NUMBER.get(), turn);
            drop(NUMBER.set(turn + 1));
        }
        assert_eq!(NUMBER.get(), 0);
        drop(NUMBER.set(9));
        let (copy, inner) = (LazyContext::copy_current(), LazyContext::default());
        drop(NUMBER.set(10));
        let entered = copy.enter();
        assert_eq!(NUMBER.get(), 9);
        {
            let _entered = inner.enter();
            assert_eq!(NUMBER.get(), 0);
            let _again = copy.enter();
            drop(NUMBER.set(11));
        }
        assert_eq!(NUMBER.get(), 11);
        drop(entered);
        assert_eq!(NUMBER.get(), 10);
    });
}

#[test]
fn a_snapshot_goes_to_another_thread() {
    let context = Context::new();
    context.run(|| drop(NAME.set("traveller".to_owned())));
    let snapshot = context.snapshot();
    assert_eq!(abroad(move || snapshot.restore().run(|| NAME.get())), "traveller");
    assert_eq!(abroad(|| NAME.get()), "nobody");
}

#[test]
fn the_context_of_a_task_that_is_done_is_empty() {
    let executor = Executor::new(|| {});
    let task = executor.spawn(async { drop(NUMBER.set(1)) });
    let before = task.context();
    run(&executor);
    assert_eq!(before.run(|| NUMBER.get()), 1);
    let after = task.context();
    after.run(|| drop(NUMBER.set(2)));
    assert_eq!(task.context().run(|| NUMBER.get()), 0, "nothing is kept in a task that is done");
}

#[test]
fn a_value_may_look_for_its_context_when_it_is_dropped() {
    #[derive(Clone)]
    struct Curious(#[expect(dead_code, reason = "dropped")] std::sync::Arc<Asks>);
    struct Asks;
    impl Drop for Asks {
        fn drop(&mut self) {
            assert_eq!(NUMBER.get(), 0);
            let _ = copy_context();
        }
    }
    context_var! {
        static CURIOUS: Option<Curious> = None;
    }
    // At the end of the thread, its ambient context is dropped.
    abroad(|| drop(CURIOUS.set(Some(Curious(std::sync::Arc::new(Asks))))));
    let executor = Executor::new(|| {});
    let task = executor.spawn(async { drop(CURIOUS.set(Some(Curious(std::sync::Arc::new(Asks))))) });
    run(&executor);
    assert!(task.result().is_ok());
}

#[test]
fn a_panic_is_reported_in_the_context_of_its_task_whenever_that_is() {
    for (kept, watched) in [(false, false), (true, false), (false, true), (true, true)] {
        let executor = Executor::new(|| {});
        let log = Log::default();
        let to = log.clone();
        executor.set_reporter(Some(std::rc::Rc::new(move |fault| {
            to.push(format!("{} {}", fault.panic_message().unwrap(), NUMBER.get()));
        })));
        let task: Task<()> = executor.spawn(async {
            let _ = NUMBER.set(2);
            panic!("lost");
        });
        if watched {
            task.add_done_callback(|_| ());
        }
        let mut task = Some(task);
        task = task.filter(|_| kept);
        run(&executor);
        assert_eq!(task.as_ref().map(|task| task.context().run(|| NUMBER.get())), kept.then_some(2));
        drop(task);
        assert_eq!(log.take(), ["lost 2"]);
    }
}

#[test]
fn the_context_of_a_panic_goes_when_its_outcome_does() {
    #[derive(Clone)]
    struct Kept(#[expect(dead_code, reason = "counted")] std::sync::Arc<()>);
    context_var! {
        static KEPT: Option<Kept> = None;
    }
    let executor = Executor::new(|| {});
    executor.set_reporter(Some(std::rc::Rc::new(drop)));
    let value = std::sync::Arc::new(());
    let make = || -> Task<()> {
        let value = value.clone();
        executor.spawn(async move {
            let _ = KEPT.set(Some(Kept(value)));
            panic!("lost");
        })
    };
    let count = || std::sync::Arc::strong_count(&value);
    let (taken, dropped, shared, left) = (make(), make(), make().shared(), make());
    run(&executor);
    assert_eq!(count(), 5);
    drop(taken.result());
    assert_eq!(count(), 4);
    drop(dropped);
    assert_eq!(count(), 3);
    drop(shared.try_result());
    drop(shared);
    assert_eq!(count(), 2);
    drop(executor);
    assert_eq!(count(), 1);
    drop(left);
}
