//! The primitives, on the loop.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use asyncio::{
    Barrier, BoundedSemaphore, BrokenBarrierError, Condition, Event, GetError, LifoQueue, Lock, PriorityQueue,
    PutError, Queue, QueueShutDown, Semaphore,
};

const SECOND: Duration = Duration::from_secs(1);

#[asyncio::test(virtual_time)]
async fn a_lock_holds_a_value() {
    let value = 7;
    let lock = Lock::new(value);
    let mut guard = lock.acquire().await;
    *guard += 1;
    assert!(lock.locked());
    assert!(lock.try_acquire().is_none());
    drop(guard);
    assert_eq!(lock.try_acquire().as_deref(), Some(&8));

    let lock = Rc::new(lock);
    let guard = lock.clone().acquire_owned().await;
    assert_eq!(*guard, 8);
}

#[asyncio::test(virtual_time)]
async fn an_event_is_set_and_cleared() {
    let event = Rc::new(Event::new());
    let setter = event.clone();
    asyncio::get_running_loop().call_later(SECOND, move || setter.set());
    event.wait().await;
    assert!(event.is_set());
    event.clear();
    assert!(!event.is_set());
}

#[asyncio::test(virtual_time)]
async fn a_condition_owns_its_lock_or_shares_one() {
    let queue = VecDeque::new();
    let cond = Rc::new(Condition::new(queue));
    let producer = cond.clone();
    asyncio::create_task(async move {
        for item in 1..=2 {
            asyncio::sleep(SECOND).await;
            let mut q = producer.acquire().await;
            q.push_back(item);
            producer.notify(&q, 1);
            producer.notify_all(&q);
        }
    });
    let mut q = cond.acquire().await;
    while q.is_empty() {
        q = cond.wait(q).await;
    }
    assert_eq!(q.pop_front(), Some(1));
    q = cond.wait_for(q, |q| !q.is_empty()).await;
    assert_eq!(q.pop_front(), Some(2));

    let rc_lock = Rc::new(Lock::new(7));
    let cond = Condition::with_lock(rc_lock.clone());
    let guard = cond.acquire().await;
    assert!(rc_lock.locked());
    assert_eq!(*guard, 7);
}

#[asyncio::test(virtual_time)]
async fn a_semaphore_gives_permits() {
    let sem = Semaphore::new(3);
    let permit = sem.acquire().await;
    permit.forget();
    assert_eq!(sem.value(), 2);
    sem.release();
    assert_eq!(sem.value(), 3);

    let sem = BoundedSemaphore::new(3);
    let permit = sem.acquire().await;
    drop(permit);
    assert!(sem.release().is_err());

    let sem = Rc::new(Semaphore::new(1));
    let permit = sem.clone().acquire_owned().await;
    assert!(sem.locked());
    drop(permit);
}

#[asyncio::test(virtual_time)]
async fn a_barrier_lets_all_through_together() {
    let barrier = Rc::new(Barrier::new(3));
    let indices = asyncio::gather((0..3).map(|_| {
        let barrier = barrier.clone();
        async move {
            let index: Result<usize, BrokenBarrierError> = barrier.wait().await;
            index.unwrap()
        }
    }));
    let mut indices = indices.await;
    indices.sort_unstable();
    assert_eq!(indices, [0, 1, 2]);
    barrier.reset().await;
    barrier.abort().await;
    assert!(barrier.broken());
    assert!(barrier.wait().await.is_err());
}

#[asyncio::test(virtual_time)]
async fn a_queue_passes_items() -> Result<(), Box<dyn std::error::Error>> {
    let maxsize = 2;
    let q = Queue::new(maxsize);
    q.put(1).await?;
    q.put_nowait(2)?;
    assert!(q.full());
    assert_eq!(q.qsize(), 2);
    assert!(matches!(q.put_nowait(3), Err(PutError::Full(3))));
    assert_eq!(q.get().await?, 1);
    assert_eq!(q.get_nowait()?, 2);
    assert!(matches!(q.get_nowait(), Err(GetError::Empty)));
    assert!(q.empty());
    q.task_done()?;
    q.task_done()?;
    q.join().await;
    let immediate = false;
    q.shutdown(immediate);
    assert!(matches!(q.put(4).await, Err(QueueShutDown(4))));
    assert!(matches!(q.put_nowait(4), Err(PutError::ShutDown(4))));
    assert!(matches!(q.get().await, Err(QueueShutDown(()))));
    assert!(matches!(q.get_nowait(), Err(GetError::ShutDown)));
    Ok(())
}

#[asyncio::test(virtual_time)]
async fn other_queues_have_other_orders() -> Result<(), Box<dyn std::error::Error>> {
    let (lifo, priority) = (LifoQueue::new(0), PriorityQueue::new(0));
    for item in [2, 1, 3] {
        lifo.put(item).await?;
        priority.put(item).await?;
    }
    assert_eq!(lifo.get().await?, 3);
    assert_eq!(priority.get().await?, 1);
    Ok(())
}

#[asyncio::test(virtual_time)]
async fn constructors_are_const_where_they_can_be() {
    thread_local! {
        static LOCK: Lock<u32> = const { Lock::new(0) };
        static EVENT: Event = const { Event::new() };
        static SEMAPHORE: Semaphore = const { Semaphore::new(3) };
        static BOUNDED: BoundedSemaphore = const { BoundedSemaphore::new(3) };
        static BARRIER: Barrier = const { Barrier::new(3) };
        static CONDITION: Condition<u32> = const { Condition::new(0) };
        static QUEUE: Queue<u32> = const { Queue::new(3) };
        static STACK: LifoQueue<u32> = const { LifoQueue::new(3) };
        static ORDERED: RefCell<PriorityQueue<u32>> = const { RefCell::new(PriorityQueue::new(3)) };
    }
    LOCK.with(|lock| assert!(!lock.locked()));
    EVENT.with(|event| assert!(!event.is_set()));
    SEMAPHORE.with(|semaphore| assert_eq!(semaphore.value(), 3));
    BOUNDED.with(|semaphore| assert!(!semaphore.locked()));
    BARRIER.with(|barrier| assert_eq!(barrier.parties(), 3));
    CONDITION.with(|condition| assert!(!condition.locked()));
    QUEUE.with(|queue| assert_eq!(queue.maxsize(), 3));
    STACK.with(|queue| assert!(queue.empty()));
    ORDERED.with_borrow(|queue| assert!(queue.empty()));
}
