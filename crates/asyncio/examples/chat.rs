//! A chat server: what one member says, all others hear.
//!
//! To see: two tasks for each connection, one that listens and one that talks; a queue between them with room for so much
//! and no more, so that a member who does not read holds up nobody; and an end, by SIGTERM or Ctrl-C, that says goodbye.
//! Without an argument, a few members meet, talk and leave. With an address it serves there: `chat 127.0.0.1:7777`, and in
//! some other terminals `nc 127.0.0.1 7777`.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use asyncio::{Event, Queue, ReadError, Server, StreamReader, StreamWriter};

/// How many lines wait for a member who is slow to read, beside what the sockets hold, before that one is let go.
const MOST_WAITING: usize = 64;
/// How long a line may be, and how long a name.
const MAX_LINE: usize = 1000;
const MAX_NAME: usize = 20;
/// How long the goodbyes may take.
const GRACE: Duration = Duration::from_secs(5);

/// A line for many, which is stored once.
type Line = Rc<str>;

/// What the others have of a connection.
struct Member {
    /// Empty before it has one. Until then it hears nothing of what is said.
    name: String,
    lines: Rc<Queue<Line>>,
    writer: StreamWriter,
}

impl Member {
    /// Never waits: who is too slow loses the connection.
    fn tell(&self, line: &Line) {
        if self.lines.put_nowait(line.clone()).is_err() {
            // Both tasks of that connection meet the end of it, in their own time, and the room hears of it.
            self.writer.transport().abort();
        }
    }
}

/// All connections, in the order of their coming.
#[derive(Default)]
pub(crate) struct Room {
    members: RefCell<BTreeMap<u64, Member>>,
    count: Cell<u64>,
}

impl Room {
    /// Passes a line on to everybody who has a name, but not to `from`.
    fn tell(&self, from: u64, line: &str) {
        let line = Line::from(format!("{line}\n"));
        let members = self.members.borrow();
        members
            .iter()
            .filter(|(id, member)| **id != from && !member.name.is_empty())
            .for_each(|(_, member)| member.tell(&line));
    }

    fn names(&self) -> String {
        let members = self.members.borrow();
        let names: Vec<_> =
            members.values().map(|member| member.name.as_str()).filter(|name| !name.is_empty()).collect();
        names.join(", ")
    }

    /// Says a last thing to everybody. What waits for them is sent before.
    fn close(&self, line: &str) {
        let line = Line::from(format!("{line}\n"));
        for member in self.members.borrow().values() {
            member.tell(&line);
            member.lines.shutdown(false);
        }
    }
}

/// A connection's place in the room, until this is dropped.
struct Seat {
    room: Rc<Room>,
    id: u64,
    name: String,
}

impl Seat {
    fn new(room: &Rc<Room>, writer: &StreamWriter, lines: &Rc<Queue<Line>>) -> Self {
        let id = room.count.get() + 1;
        room.count.set(id);
        let member = Member { name: String::new(), lines: lines.clone(), writer: writer.clone() };
        room.members.borrow_mut().insert(id, member);
        Self { room: room.clone(), id, name: String::new() }
    }

    /// Gives the connection a name. `false`: somebody else has it.
    fn set_name(&mut self, name: &str) -> bool {
        let mut members = self.room.members.borrow_mut();
        if members.values().any(|member| member.name == name) {
            return false;
        }
        if let Some(member) = members.get_mut(&self.id) {
            member.name = name.to_owned();
        }
        self.name = name.to_owned();
        true
    }

    fn tell_others(&self, line: &str) {
        self.room.tell(self.id, line);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let member = self.room.members.borrow_mut().remove(&self.id);
        if !self.name.is_empty() {
            self.tell_others(&format!("* {} has left", self.name));
        }
        // The task that talks ends when it has sent what there is.
        if let Some(member) = member {
            member.lines.shutdown(false);
        }
    }
}

/// Reads a line. `None`: there will be no more.
async fn read_line(reader: &mut StreamReader, lines: &Queue<Line>) -> Option<String> {
    loop {
        match reader.readline().await {
            Ok(line) if line.is_empty() => return None,
            // What is no text, and what would do things to the terminals of others, is left out.
            Ok(line) => return Some(String::from_utf8_lossy(&line).trim().replace(char::is_control, "")),
            Err(ReadError::LimitOverrun(_)) => _ = lines.put(format!("* at most {MAX_LINE} bytes\n").into()).await,
            Err(_) => return None,
        }
    }
}

/// Asks for a name until it gets a good one that is free. `None`: the end came before.
async fn enter(seat: &mut Seat, reader: &mut StreamReader, lines: &Queue<Line>) -> Option<()> {
    lines.put("* your name?\n".into()).await.ok()?;
    loop {
        let name = read_line(reader, lines).await?;
        let is_good = (1..=MAX_NAME).contains(&name.chars().count()) && name.chars().all(char::is_alphanumeric);
        let refusal = if !is_good {
            format!("* a name has letters and digits, at most {MAX_NAME}; your name?\n")
        } else if !seat.set_name(&name) {
            format!("* {name} is taken; your name?\n")
        } else {
            return Some(());
        };
        lines.put(refusal.into()).await.ok()?;
    }
}

/// What a member does: listens to one end, until it comes.
async fn listen(mut seat: Seat, mut reader: StreamReader, lines: Rc<Queue<Line>>) {
    if enter(&mut seat, &mut reader, &lines).await.is_none() {
        return;
    }
    let who = || Line::from(format!("* here are: {}\n", seat.room.names()));
    let _ = lines.put(who()).await;
    seat.tell_others(&format!("* {} is here", seat.name));
    while let Some(line) = read_line(&mut reader, &lines).await {
        match line.as_str() {
            "" => {}
            "/quit" => break,
            "/who" => _ = lines.put(who()).await,
            said => seat.tell_others(&format!("{}: {said}", seat.name)),
        }
        // The others get their turn to send it, however many lines are here already: only who is slow has a full queue.
        asyncio::yield_now().await;
    }
}

/// Sends a member what is in the queue, until that is closed.
async fn talk(writer: StreamWriter, lines: Rc<Queue<Line>>) -> io::Result<()> {
    while let Ok(line) = lines.get().await {
        writer.write(&*line);
        writer.drain().await?;
    }
    Ok(())
}

async fn serve(room: Rc<Room>, reader: StreamReader, writer: StreamWriter) {
    let lines = Rc::new(Queue::new(MOST_WAITING));
    let seat = Seat::new(&room, &writer, &lines);
    let listening = asyncio::create_task(listen(seat, reader, lines.clone()));
    // The talk is over when the listening is and all is sent; when the server ends; or when the connection breaks.
    let talked = talk(writer.clone(), lines).await;
    listening.cancel();
    let _ = listening.join().await;
    if talked.is_ok() {
        writer.close();
        let _ = writer.wait_closed().await;
    }
}

pub(crate) async fn start(address: &str, room: &Rc<Room>) -> io::Result<Server> {
    let room = room.clone();
    let handler = async move |reader: StreamReader, writer: StreamWriter| serve(room.clone(), reader, writer).await;
    asyncio::start_server(handler, address).limit(MAX_LINE).await
}

/// Accepts nobody any more, says goodbye, and waits until all have heard it, or for so long.
pub(crate) async fn shut_down(server: Server, room: &Room) {
    server.close();
    room.close("* the server is going down, goodbye");
    if asyncio::wait_for(server.wait_closed(), GRACE).await.is_err() {
        server.abort_clients();
        server.wait_closed().await;
    }
}

async fn run_until_signal(address: &str) -> io::Result<()> {
    let (room, signalled) = (Rc::new(Room::default()), Rc::new(Event::new()));
    let server = start(address, &room).await?;
    let this_loop = asyncio::get_running_loop();
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let signalled = signalled.clone();
        this_loop.add_signal_handler(signal, move || signalled.set())?;
    }
    println!("listening on {}", server.local_addrs()[0]);
    signalled.wait().await;
    println!("saying goodbye to {}", room.names());
    shut_down(server, &room).await;
    println!("done");
    Ok(())
}

/// A member who says something, and prints what it hears to the end.
async fn visit(server: &Server, name: &'static str, says: &'static str) -> io::Result<()> {
    let (mut reader, writer) = asyncio::open_connection(server.local_addrs()).await?;
    writer.writelines([name, "\n"]);
    let mut lines = reader.lines();
    while let Some(line) = lines.next().await {
        let line = String::from_utf8_lossy(&line?).trim_end().to_owned();
        println!("{name:>5} | {line}");
        if line.starts_with("* here are: ") {
            writer.writelines([says, "\n"]);
        }
    }
    Ok(())
}

async fn demonstrate() -> Result<(), Box<dyn Error>> {
    let room = Rc::new(Room::default());
    let server = start("127.0.0.1:0", &room).await?;
    let ended = asyncio::task_group(async |group| {
        for (name, says) in [("ann", "hello"), ("bob", "hi, anybody here?"), ("cleo", "/quit")] {
            let server = server.clone();
            group.try_create_task(async move { visit(&server, name, says).await });
            asyncio::sleep(Duration::from_millis(50)).await;
        }
        shut_down(server, &room).await;
    });
    Ok(ended.await?)
}

pub(crate) fn main() {
    let result = asyncio::run(async {
        match std::env::args().nth(1) {
            Some(address) => Ok(run_until_signal(&address).await?),
            None => demonstrate().await,
        }
    });
    if let Err(error) = result {
        eprintln!("chat: {error}");
        std::process::exit(1);
    }
}
