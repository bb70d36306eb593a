//! Context variables.

use asyncio::Context;

asyncio::context_var! { static REQUEST_ID: u64 = 0; }

#[asyncio::test(virtual_time)]
async fn a_task_runs_in_a_copy_of_its_creators_context() {
    let token = REQUEST_ID.set(1);
    let task = asyncio::create_task(async {
        let inherited = REQUEST_ID.get();
        let _ = REQUEST_ID.set(2);
        inherited
    });
    assert_eq!(task.await, 1);
    assert_eq!(REQUEST_ID.get(), 1);
    REQUEST_ID.reset(token);
    assert_eq!(REQUEST_ID.get(), 0);
}

#[asyncio::test(virtual_time)]
async fn a_closure_runs_in_a_context() {
    let ctx: Context = asyncio::copy_context();
    let f = || {
        let _ = REQUEST_ID.set(5);
    };
    ctx.run(f);
    assert_eq!(REQUEST_ID.get(), 0);
    let same = ctx.clone();
    assert_eq!(same.run(|| REQUEST_ID.get()), 5, "a clone of a context is the same context");
}
