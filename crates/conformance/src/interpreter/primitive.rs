//! Statements that wait for a primitive.

use std::rc::Rc;

use super::immediate::{act, with_queue};
use super::world::{AnyQueue, AnySemaphore, World};
use super::{Env, body, fail, number};
use crate::expression::List;

/// Gives back what a statement has acquired, when its body is over, however it ends.
struct GiveBack<'a> {
    world: &'a Rc<World>,
    name: &'a str,
    bounded: bool,
    lock: bool,
}

impl Drop for GiveBack<'_> {
    fn drop(&mut self) {
        if self.lock {
            // A statement of its own: the guard wakes others when it is dropped, which must find the map free.
            let guard = self.world.held.borrow_mut().remove(self.name);
            drop(guard);
        } else {
            match (self.world.semaphore(self.name), self.bounded) {
                (AnySemaphore::Plain(semaphore), _) => semaphore.release(),
                (AnySemaphore::Bounded(semaphore), _) => drop(semaphore.release()),
            }
        }
    }
}

async fn acquire(world: &Rc<World>, name: &str) {
    let guard = world.lock(name).acquire_owned().await;
    world.held.borrow_mut().insert(name.to_owned(), guard);
}

async fn obtain(world: &Rc<World>, name: &str) {
    match world.semaphore(name) {
        AnySemaphore::Plain(semaphore) => semaphore.acquire().await.forget(),
        AnySemaphore::Bounded(semaphore) => semaphore.acquire().await.forget(),
    }
}

pub(super) async fn step(world: &Rc<World>, statement: &Rc<List>, env: &Env) -> String {
    let name = statement.word(1);
    match statement.head() {
        "acquire" => acquire(world, name).await,
        "lock" => {
            acquire(world, name).await;
            let _back = GiveBack { world, name, bounded: false, lock: true };
            body(world, statement, 2, env).await;
        }
        "obtain" => obtain(world, name).await,
        "permit" => {
            obtain(world, name).await;
            let _back = GiveBack { world, name, bounded: name.starts_with('B'), lock: false };
            body(world, statement, 2, env).await;
        }
        "attend" => world.event(name).wait().await,
        "cwait" => {
            let condition = world.condition(name);
            let guard = condition.acquire().await;
            drop(condition.wait(guard).await);
        }
        "cwaitfor" => {
            let condition = world.condition(name);
            let level = number(statement.word(2));
            let guard = condition.acquire().await;
            let reached = |(): &mut ()| world.levels.borrow().get(name).copied().unwrap_or(0) >= level;
            drop(condition.wait_for(guard, reached).await);
        }
        "notify" => {
            let condition = world.condition(name);
            let guard = condition.acquire().await;
            *world.levels.borrow_mut().entry(name.to_owned()).or_default() += 1;
            match statement.word(2) {
                "all" => condition.notify_all(&guard),
                count => condition.notify(&guard, number(count) as usize),
            }
        }
        "meet" => match world.barrier(name).wait().await {
            Ok(index) => return index.to_string(),
            Err(_) => fail("broken"),
        },
        "reset" => world.barrier(name).reset().await,
        "abort" => world.barrier(name).abort().await,
        "put" => {
            let item = number(statement.word(2)) as i64;
            let put = with_queue!(world.queue(name), queue => queue.put(item).await.is_ok());
            if !put {
                fail("shutdown");
            }
        }
        "get" => match with_queue!(world.queue(name), queue => queue.get().await) {
            Ok(item) => return item.to_string(),
            Err(_) => fail("shutdown"),
        },
        "join" => with_queue!(world.queue(name), queue => queue.join().await),
        _ => return act(world, statement, env),
    }
    "ok".to_owned()
}
