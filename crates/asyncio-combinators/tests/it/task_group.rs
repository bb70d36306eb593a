
/// The group takes the panic of a child in an entry of the ready queue; a handle dropped before that must not lose it.
#[test]
fn a_panic_is_the_groups_though_the_handle_is_dropped_right_after_it() {
    let reports = std::rc::Rc::new(std::cell::Cell::new(0));
    let seen = reports.clone();
    let mut runner = asyncio_event_loop::Runner::builder().virtual_time(true).build().unwrap();
    runner.get_loop().set_exception_handler(move |_, _| seen.set(seen.get() + 1));
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        runner.run(asyncio_combinators::task_group(async |group| {
            let child = group.create_task(async { panic!("the child's") });
            while !child.done() {
                asyncio_executor::yield_now().await;
            }
            drop::<asyncio_executor::Task<()>>(child);
            std::future::pending::<()>().await;
        }))
    }));
    let payload = ended.unwrap_err();
    assert_eq!(asyncio_executor::panic_message(&*payload), Some("the child's"));
    assert_eq!(reports.get(), 0);
}
