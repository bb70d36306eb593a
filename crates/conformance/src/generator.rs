//! Random programs: many tasks, few primitives, equal deadlines.
//!
//! Each program uses a random half of the language, so that what it does use meets often. A rule keeps programs within
//! what both sides can do: a task awaits only tasks of a higher number, so that nobody waits for himself. In `calm`
//! programs, where nothing is cancelled, conditions and barriers are CPython's own; in others the Python side has what
//! differs on purpose.

use crate::random::Random;

/// Kinds of statement, each with how often it is drawn.
const ALWAYS: &[(&str, usize)] = &[("sleep", 10), ("value", 1)];
const STORMY: &[(&str, usize)] = &[
    ("cancel", 8),
    ("cancelself", 1),
    ("uncancel", 2),
    ("cancelling", 1),
    ("state", 1),
    ("fail", 2),
    ("catch", 4),
    ("finally", 3),
    ("timeout", 5),
    ("waitfor", 4),
    ("group", 5),
    ("child", 2),
    ("timeoutat", 2),
    ("expired", 1),
    ("shield", 3),
    ("generate", 2),
    ("reschedule", 3),
    ("condition", 6),
    ("barrier", 4),
];
const SHARED: &[(&str, usize)] = &[
    ("spawn", 3),
    ("eager", 2),
    ("await", 5),
    ("run", 3),
    ("loop", 1),
    ("except", 4),
    ("gather", 4),
    ("gathering", 2),
    ("wait", 4),
    ("completed", 3),
    ("future", 3),
    ("set", 3),
    ("awaitfuture", 3),
    ("callback", 3),
    ("uncallback", 1),
    ("soon", 2),
    ("later", 3),
    ("at", 2),
    ("unhandle", 1),
    ("variable", 2),
    ("lock", 5),
    ("acquire", 2),
    ("permit", 5),
    ("obtain", 2),
    ("attend", 4),
    ("raise", 4),
    ("put", 4),
    ("get", 4),
    ("queue", 3),
    ("join", 2),
    ("shutdown", 1),
];
const CALM: &[(&str, usize)] = &[("condition", 12), ("barrier", 8)];
/// What a callback may contain.
const IMMEDIATE: &[&str] = &[
    "cancel",
    "uncancel",
    "cancelling",
    "state",
    "child",
    "kid",
    "spawn",
    "eager",
    "gathering",
    "future",
    "set",
    "callback",
    "uncallback",
    "soon",
    "later",
    "at",
    "unhandle",
    "variable",
    "raise",
    "queue",
    "shutdown",
    "value",
    "release",
];

/// Makes the program of a seed.
#[must_use]
pub fn program(seed: u64) -> String {
    let mut random = Random::new(seed);
    let calm = random.chance(12);
    let mut features: Vec<(&'static str, usize)> = ALWAYS.to_vec();
    let half: Vec<_> =
        SHARED.iter().chain(if calm { CALM } else { STORMY }).filter(|_| random.chance(45)).copied().collect();
    features.extend(half);
    if calm {
        features.extend(CALM);
        features.retain(|(name, _)| !matches!(*name, "acquire" | "shutdown"));
    } else {
        features.push(("cancel", 4));
    }
    let most = if random.chance(20) { 60 } else { 22 };
    let budget = 8 + random.below(most);
    let spread = [1, 2, 2, 4, 4, 4][random.below(6)];
    let size = random.below(4).clamp(1, 3) - usize::from(random.chance(20));
    let keen = random.chance(15);
    let mut generator = Generator { random, features, calm, keen, budget, made: 0, size, spread };
    generator.main()
}

/// Where a statement is.
#[derive(Clone, Copy)]
struct Place {
    /// Tasks of a higher number may be awaited.
    level: usize,
    depth: usize,
    /// How many timeouts are around it.
    limits: usize,
    immediate: bool,
}

impl Place {
    fn deeper(self) -> Self {
        Self { depth: self.depth + 1, ..self }
    }

    fn task(self, level: usize) -> Self {
        Self { level, limits: 0, immediate: false, depth: self.depth + 1 }
    }
}

/// The highest number of a task.
const TASKS: usize = 5;

struct Generator {
    random: Random,
    features: Vec<(&'static str, usize)>,
    calm: bool,
    keen: bool,
    /// How many statements may still be made.
    budget: usize,
    made: usize,
    /// Of the queues.
    size: usize,
    /// How many different delays there are.
    spread: usize,
}

impl Generator {
    fn main(&mut self) -> String {
        let place = Place { level: 0, depth: 0, limits: 0, immediate: false };
        let mut statements = Vec::new();
        self.occupy(&mut statements);
        let tasks = 2 + self.random.below(TASKS - 1);
        for number in (1..=tasks).rev() {
            let kind = if self.random.chance(10) { "eager" } else { "spawn" };
            statements.push(self.task(kind, number, place));
        }
        if self.random.chance(50) {
            let numbers = self.random.below(tasks);
            statements.rotate_left(numbers);
        }
        for _ in 0..1 + self.random.below(4) {
            statements.push(self.statement(place));
        }
        match self.random.below(3) {
            0 => {}
            1 => statements.push(format!("(sleep {})", self.random.below(4))),
            _ => {
                let names: Vec<String> = (1..=tasks).map(|number| format!("t{number}")).collect();
                let mode = self.random.pick(&["all", "all", "first"]);
                statements.push(format!("(wait {mode} - {})", names.join(" ")));
            }
        }
        let kind = match self.calm {
            true => "calm",
            false if self.keen => "keen",
            false => "main",
        };
        format!("({kind} {})", statements.join(" "))
    }

    /// Takes some primitives, to give them back later, so that others have to wait for them.
    fn occupy(&mut self, statements: &mut Vec<String>) {
        let used: Vec<&str> = self.features.iter().map(|(name, _)| *name).collect();
        let size = self.size;
        for (feature, take, give) in [
            ("obtain", "(obtain S1)".to_owned(), "(restore S1)".to_owned()),
            ("permit", "(obtain S1)".to_owned(), "(restore S1)".to_owned()),
            ("acquire", "(acquire L0)".to_owned(), "(release L0)".to_owned()),
            ("put", format!("(putnow Q{size} 7)"), format!("(getnow Q{size})")),
            ("join", format!("(putnow Q{size} 8)"), format!("(taskdone Q{size})")),
        ] {
            if used.contains(&feature) && self.random.chance(35) && !(self.calm && feature == "acquire") {
                statements.push(take);
                let delay = self.random.below(4);
                if self.random.chance(80) {
                    statements.push(format!("(later h9 {delay} {give})"));
                }
            }
        }
    }

    fn fresh(&mut self, letter: &str) -> String {
        self.made += 1;
        format!("{letter}{}", self.made)
    }

    fn task(&mut self, kind: &str, number: usize, place: Place) -> String {
        let body = self.body(place.task(number));
        format!("({kind} t{number}{body})")
    }

    /// Statements, each with a space before it.
    fn body(&mut self, place: Place) -> String {
        let count = 1 + self.random.below(if place.depth > 1 { 2 } else { 4 });
        let mut text = String::new();
        for _ in 0..count {
            text.push(' ');
            text.push_str(&self.statement(place));
        }
        text
    }

    fn list(&mut self, place: Place) -> String {
        if self.random.chance(10) {
            return "()".to_owned();
        }
        format!("({})", self.body(place).trim_start())
    }

    fn short(&mut self) -> usize {
        self.random.below(self.spread)
    }

    fn limit(&mut self) -> String {
        if self.random.chance(8) { "-".to_owned() } else { self.short().to_string() }
    }

    /// The number of a task that may be awaited; none if there is none.
    fn above(&mut self, place: Place) -> Option<usize> {
        (place.level < TASKS).then(|| place.level + 1 + self.random.below(TASKS - place.level))
    }

    fn target(&mut self) -> String {
        match self.random.below(12) {
            0 if self.random.chance(20) => "m0".to_owned(),
            0 => format!("u{}", 1 + self.random.below(self.made.max(1))),
            1 | 2 => format!("c{}", 1 + self.random.below(3)),
            _ => format!("t{}", 1 + self.random.below(TASKS)),
        }
    }

    fn message(&mut self) -> &'static str {
        self.random.pick(&["", "", " m1", " m2", " m3"])
    }

    /// Items for a combinator that makes tasks of bodies.
    fn items(&mut self, place: Place) -> String {
        let count = 1 + self.random.below(3);
        let mut items = String::new();
        match self.random.below(4) {
            0 => {
                for number in 1..=count.min(2) {
                    items.push_str(&format!(" f{number}"));
                }
            }
            1 | 2 if place.level < TASKS => {
                let numbers: Vec<usize> = (place.level + 1..=TASKS).filter(|_| self.random.chance(50)).collect();
                for number in numbers {
                    items.push_str(&format!(" t{number}"));
                }
            }
            _ => {
                for _ in 0..count {
                    let body = self.body(place.task(place.level));
                    items.push_str(&format!(" (do{body})"));
                }
            }
        }
        items
    }

    /// Items for a gather: also gathers, and two of different types.
    fn mixed(&mut self, place: Place) -> String {
        let gather =
            |random: &mut Random| (place.level <= TASKS).then(|| place.level + random.below(TASKS + 1 - place.level));
        match self.random.below(9) {
            0 | 8 => match (gather(&mut self.random), gather(&mut self.random)) {
                (Some(first), Some(second)) if first != second => format!(" a{first} a{second}"),
                (Some(first), _) => format!(" a{first}"),
                _ => String::new(),
            },
            // An eager body may end or watch what stands before it, which Python has begun to watch by then.
            1 if !self.keen => {
                let body = format!(" (do{})", self.body(place.task(place.level)));
                let other = match self.above(place) {
                    Some(number) if self.random.chance(50) => format!(" t{number}"),
                    _ => format!(" f{}", 1 + self.random.below(2)),
                };
                format!("{other}{body}")
            }
            2 => match self.above(place) {
                Some(number) if self.random.chance(50) => format!(" t{number} t{number}"),
                Some(number) => format!(" t{number} f1"),
                None => " f1 f1".to_owned(),
            },
            _ => self.items(place),
        }
    }

    fn awaitable(&mut self, place: Place, inner: Place) -> String {
        match (self.random.below(5), self.above(place)) {
            (0 | 1, Some(number)) => format!("t{number}"),
            (2, _) => format!("f{}", 1 + self.random.below(2)),
            (3, _) if place.level <= TASKS => format!("a{}", place.level + self.random.below(TASKS + 1 - place.level)),
            _ => format!("(do{})", self.body(inner)),
        }
    }

    fn statement(&mut self, place: Place) -> String {
        if self.budget == 0 || place.depth > 4 {
            return if place.immediate { "(value x)".to_owned() } else { format!("(sleep {})", self.short()) };
        }
        self.budget -= 1;
        if place.limits > 0 && self.random.chance(6) {
            // They may stand in few places, and would be rare.
            let kind = self.random.pick(&["reschedule", "reschedule", "expired"]);
            return self.make(kind, place);
        }
        let choices: Vec<_> =
            self.features.iter().filter(|(name, _)| !place.immediate || IMMEDIATE.contains(name)).copied().collect();
        let total: usize = choices.iter().map(|(_, weight)| weight).sum();
        let mut drawn = self.random.below(total);
        let kind = choices
            .iter()
            .find(|(_, weight)| {
                let found = drawn < *weight;
                drawn = drawn.wrapping_sub(*weight);
                found
            })
            .map_or("value", |(name, _)| name);
        self.make(kind, place)
    }

    fn make(&mut self, kind: &str, place: Place) -> String {
        match kind {
            "sleep" => format!("(sleep {})", self.short()),
            "value" => format!("(value v{})", self.random.below(9)),
            "spawn" | "eager" => {
                let number = if place.immediate { 1 + self.random.below(TASKS) } else { TASKS };
                self.task(kind, number, place)
            }
            "await" => match (self.above(place), place.level) {
                (Some(number), _) if self.random.chance(80) => format!("(await t{number})"),
                (_, level) if level <= TASKS => format!("(await a{})", level + self.random.below(TASKS + 1 - level)),
                _ => format!("(await f{})", 1 + self.random.below(2)),
            },
            "awaitfuture" => format!("(await f{})", 1 + self.random.below(2)),
            "run" => {
                let name = self.fresh("u");
                let body = self.body(place.task(place.level));
                format!("(run {name}{body})")
            }
            "loop" => format!("(loop {}{})", 2 + self.random.below(2), self.body(place.deeper())),
            "fail" => format!("(fail e{})", self.random.below(9)),
            "cancel" => match self.random.below(10) {
                0 => format!("(cancel f{}{})", 1 + self.random.below(2), self.message()),
                1 => format!("(cancel a{}{})", self.random.below(4), self.message()),
                _ => format!("(cancel {}{})", self.target(), self.message()),
            },
            "cancelself" if !place.immediate => format!("(cancel self{})", self.message()),
            "uncancel" | "cancelling" => {
                let name = if self.random.chance(40) && !place.immediate { "self".into() } else { self.target() };
                format!("({kind} {name})")
            }
            "state" => format!("(state {})", self.target()),
            "catch" => {
                let after = if self.random.chance(60) { " raise" } else { "" };
                format!("(catch {} {}{after})", self.list(place.deeper()), self.list(place.deeper()))
            }
            "except" | "finally" => {
                format!("({kind} {} {})", self.list(place.deeper()), self.list(place.deeper()))
            }
            "gather" => {
                let mode = self.random.pick(&["plain", "all"]);
                format!("(gather {mode}{})", self.mixed(place))
            }
            "gathering" => {
                let mode = self.random.pick(&["plain", "all"]);
                let lowest = if place.immediate { 1 } else { place.level.min(TASKS) };
                let level = lowest + self.random.below(TASKS + 1 - lowest);
                // Bodies in it must not await what has its name.
                let items = self.mixed(Place { level: level + 1, ..place });
                format!("(gathering a{} {mode}{items})", level.min(TASKS))
            }
            "wait" => {
                let mode = self.random.pick(&["first", "exception", "all"]);
                let names = match self.items(Place { depth: 9, ..place }) {
                    items if items.contains('(') || items.is_empty() => match self.above(place) {
                        Some(number) => format!(" t{number}"),
                        None => " f1 f2".to_owned(),
                    },
                    items => items,
                };
                format!("(wait {mode} {}{names})", if self.random.chance(50) { "-".into() } else { self.limit() })
            }
            "waitfor" => {
                let item = self.awaitable(place, place.deeper());
                let mut limit = self.limit();
                if self.keen && limit == "0" && item.starts_with('(') {
                    // Python starts it, as it makes an eager task of it; here it is never started.
                    limit = "1".to_owned();
                }
                format!("(waitfor {limit} {item})")
            }
            "shield" => format!("(shield {})", self.awaitable(place, place.task(place.level))),
            "completed" => {
                let items = self.items(place);
                format!("(completed {}{items})", if self.random.chance(50) { "-".into() } else { self.limit() })
            }
            "expired" if place.limits > 0 => format!("(expired {})", self.random.below(place.limits)),
            "timeout" | "timeoutat" => {
                let inner = Place { limits: place.limits + 1, ..place.deeper() };
                format!("({kind} {} {})", self.limit(), self.list(inner))
            }
            "reschedule" if place.limits > 0 => {
                format!("(reschedule {} {})", self.random.below(place.limits), self.limit())
            }
            "group" => {
                let name = format!("g{}", 1 + self.random.below(2));
                let mut body = String::new();
                for _ in 0..self.random.below(3) {
                    body.push_str(&self.child(&name, place));
                    body.push(' ');
                }
                body.push_str(self.body(place.deeper()).trim_start());
                format!("(group {name} ({}))", body.trim_end())
            }
            "child" => {
                let name = format!("g{}", 1 + self.random.below(2));
                self.child(&name, place)
            }
            "generate" => {
                let (take, count) = (self.random.below(4), self.random.below(4));
                let lists: Vec<String> = (0..4).map(|_| self.list(place.deeper())).collect();
                format!("(generate {take} {count} {})", lists.join(" "))
            }
            "future" => format!("(future f{})", 1 + self.random.below(2)),
            "set" => format!("(set f{} v{})", 1 + self.random.below(2), self.random.below(9)),
            "callback" => {
                let target =
                    if self.random.chance(30) { format!("f{}", 1 + self.random.below(2)) } else { self.target() };
                let name = format!("k{}", 1 + self.random.below(3));
                format!("(callback {target} {name}{})", self.callback(place))
            }
            "uncallback" => format!("(uncallback {} k{})", self.target(), 1 + self.random.below(3)),
            "soon" => format!("(soon h{}{})", 1 + self.random.below(3), self.callback(place)),
            "later" | "at" => {
                format!("({kind} h{} {}{})", 1 + self.random.below(3), self.random.below(5), self.callback(place))
            }
            "unhandle" => format!("(unhandle h{})", 1 + self.random.below(3)),
            "variable" => match self.random.below(3) {
                0 => format!("(setvar {})", self.random.below(9)),
                1 if !place.immediate => {
                    format!("(withvar {}{})", self.random.below(9), self.body(place.deeper()))
                }
                _ => "(getvar)".to_owned(),
            },
            "lock" => {
                let name = if self.calm { "L1" } else { self.random.pick(&["L0", "L0", "L1", "L2"]) };
                format!("(lock {name}{})", self.body(place.deeper()))
            }
            "acquire" | "release" if self.calm => "(getvar)".to_owned(),
            "acquire" => {
                let head = self.random.pick(&["acquire", "acquire", "release", "locked"]);
                format!("({head} L0)")
            }
            "release" => "(release L0)".to_owned(),
            "permit" => {
                let name = self.random.pick(&["S1", "S2", "B1"]);
                format!("(permit {name}{})", self.body(place.deeper()))
            }
            "obtain" => {
                let head = self.random.pick(&["obtain", "obtain", "restore", "locked"]);
                let name = self.random.pick(&["S1", "S1", "S1", "B1"]);
                format!("({head} {name})")
            }
            "attend" => "(attend E0)".to_owned(),
            "raise" => format!("({} E0)", self.random.pick(&["raise", "raise", "lower"])),
            "put" => format!("(put {} {})", self.queue(), self.random.below(9)),
            "get" => format!("(get {})", self.queue()),
            "join" => format!("(join {})", self.queue()),
            "shutdown" => format!("(shutdown {} {})", self.queue(), self.random.pick(&["now", "later"])),
            "queue" => match self.random.below(3) {
                0 => format!("(putnow {} {})", self.queue(), self.random.below(9)),
                1 => format!("(getnow {})", self.queue()),
                _ => format!("(taskdone {})", self.queue()),
            },
            "condition" => {
                let name = self.random.pick(&["C0", "C1"]);
                match self.random.below(5) {
                    0 | 1 => format!("(cwait {name})"),
                    2 => format!("(cwaitfor {name} {})", self.random.below(4)),
                    _ => format!("(notify {name} {})", self.random.pick(&["1", "2", "all"])),
                }
            }
            "barrier" => {
                let name = self.random.pick(&["M2", "M3"]);
                match self.random.below(9) {
                    0 => format!("(reset {name})"),
                    1 => format!("(abort {name})"),
                    _ => format!("(except ((meet {name})) ())"),
                }
            }
            _ => "(value w)".to_owned(),
        }
    }

    /// One queue of each kind in a program.
    fn queue(&mut self) -> String {
        let kind = self.random.pick(&["Q", "Q", "S", "P"]);
        format!("{kind}{}", self.size)
    }

    fn child(&mut self, group: &str, place: Place) -> String {
        let name = format!("c{}", 1 + self.random.below(3));
        let body = self.body(Place { level: TASKS + 1, ..place.task(TASKS + 1) });
        let kind = if self.random.chance(30) { "kid" } else { "child" };
        format!("({kind} {group} {name}{body})")
    }

    fn callback(&mut self, place: Place) -> String {
        self.body(Place { immediate: true, limits: 0, ..place.deeper() })
    }
}
