//! A crawler: it fetches every page that a site links to, many at once, and shows what came of it.
//!
//! The site is a server of its own on this machine, some of whose pages are slow, missing or broken, as on any site. To
//! see: a task group whose tasks add tasks, a semaphore for how many are fetched at once, a timeout for each, and a task
//! that shows the progress meanwhile. Try `crawler`, and `crawler 2000 64` for 2000 pages and 64 at once; Ctrl-C shows
//! what there is so far.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use asyncio::{Semaphore, StreamReader, StreamWriter, TaskGroup};

/// How long one page may take.
const PATIENCE: Duration = Duration::from_millis(600);

// The crawler.

/// How a fetch ended. The order is that of the table.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// The server answered, with this status and reason.
    Answered(String),
    TimedOut,
    Broken,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Outcome::Answered(status) => status,
            Outcome::TimedOut => "timed out",
            Outcome::Broken => "broken off",
        })
    }
}

struct Page {
    path: String,
    outcome: Outcome,
    bytes: usize,
    time: Duration,
}

/// What the tasks of a crawl share.
struct Crawl {
    site: SocketAddr,
    at_once: Semaphore,
    found: RefCell<HashSet<String>>,
    pages: RefCell<Vec<Page>>,
}

/// Fetches a page, and makes tasks for those that it links to.
async fn visit(crawl: Rc<Crawl>, group: TaskGroup, path: String) {
    let permit = crawl.at_once.acquire().await;
    let this_loop = asyncio::get_running_loop();
    let begin = this_loop.time();
    let (outcome, body) = match asyncio::wait_for(fetch(crawl.site, &path), PATIENCE).await {
        Ok(Ok((status, body))) => (Outcome::Answered(status), body),
        Ok(Err(_)) => (Outcome::Broken, String::new()),
        Err(_) => (Outcome::TimedOut, String::new()),
    };
    let time = this_loop.time() - begin;
    drop(permit);
    for link in body.split("<a href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        if crawl.found.borrow_mut().insert(link.to_owned()) {
            group.create_task(visit(crawl.clone(), group.clone(), link.to_owned()));
        }
    }
    crawl.pages.borrow_mut().push(Page { path, outcome, bytes: body.len(), time });
}

/// Asks the site for a page: the status and the text.
async fn fetch(site: SocketAddr, path: &str) -> io::Result<(String, String)> {
    let (mut reader, writer) = asyncio::open_connection(site).await?;
    writer.write(format!("GET {path} HTTP/1.1\r\nHost: {site}\r\nConnection: close\r\n\r\n"));
    writer.drain().await?;
    let head = String::from_utf8_lossy(&reader.readuntil(b"\r\n\r\n").await?).into_owned();
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split_once(' ')).map(|(_, status)| status.to_owned());
    let length = lines.find_map(|line| line.strip_prefix("Content-Length: ")).and_then(|value| value.parse().ok());
    let (Some(status), Some(length)) = (status, length) else { return Err(io::ErrorKind::InvalidData.into()) };
    let body = reader.readexactly(length).await?;
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

/// Shows how far the crawl is until it is cancelled: on a terminal in one line, elsewhere in lines, and fewer of them.
async fn show_progress(crawl: Rc<Crawl>, at_once: usize) {
    let terminal = io::stderr().is_terminal();
    loop {
        asyncio::sleep(Duration::from_millis(if terminal { 50 } else { 500 })).await;
        let (done, found) = (crawl.pages.borrow().len(), crawl.found.borrow().len());
        let at_work = at_once - crawl.at_once.value();
        if terminal {
            let filled = 30 * done / found;
            let bar = format!("{}{}", "━".repeat(filled), "╌".repeat(30 - filled));
            eprint!("\r\x1b[K  {bar}  {done} of {found} pages, {at_work} at work");
        } else {
            eprintln!("{done} of {found} pages, {at_work} at work");
        }
    }
}

async fn crawl(pages: usize, at_once: usize) -> io::Result<()> {
    let server =
        asyncio::start_server(async move |reader, writer| serve(pages, reader, writer).await, ("127.0.0.1", 0));
    let server = server.backlog(1024).await?;
    let crawl = Rc::new(Crawl {
        site: server.local_addrs()[0],
        at_once: Semaphore::new(at_once),
        found: RefCell::new(HashSet::from(["/".to_owned()])),
        pages: RefCell::default(),
    });
    let progress = asyncio::create_task(show_progress(crawl.clone(), at_once));
    let begin = asyncio::get_running_loop().time();
    // It ends when all its tasks have, also those that tasks made; or, by Ctrl-C, with an error.
    let ended = asyncio::catch_cancelled(asyncio::task_group(async |group| {
        group.create_task(visit(crawl.clone(), group.clone(), "/".to_owned()));
    }));
    let ended = ended.await;
    let time = asyncio::get_running_loop().time() - begin;
    progress.cancel();
    if io::stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
    print_table(&crawl, at_once, time);
    if let Err(interrupted) = ended {
        println!("\ninterrupted: {} pages were left", crawl.found.borrow().len() - crawl.pages.borrow().len());
        interrupted.raise().await
    }
    Ok(())
}

// The table.

fn print_table(crawl: &Crawl, at_once: usize, time: Duration) {
    let mut pages = crawl.pages.borrow_mut();
    pages.sort_by_key(|page| page.time);
    let seconds = time.as_secs_f64();
    println!("crawled http://{}/ in {seconds:.2} s, {at_once} pages at once\n", crawl.site);

    let mut by_outcome: BTreeMap<&Outcome, Vec<&Page>> = BTreeMap::new();
    for page in &*pages {
        by_outcome.entry(&page.outcome).or_default().push(page);
    }
    println!("  {:<26}{:>7}{:>12}{:>12}{:>12}", "outcome", "pages", "KiB", "median ms", "slowest ms");
    for (outcome, pages) in &by_outcome {
        print_row(&paint(outcome, &format!("{outcome:<26}")), pages);
    }
    println!("  {}", "─".repeat(69));
    print_row(&format!("{:<26}", "all"), &pages.iter().collect::<Vec<_>>());

    println!("\n  {:.0} pages per second; the slowest that were answered:\n", pages.len() as f64 / seconds);
    let answered = pages.iter().rev().filter(|page| matches!(page.outcome, Outcome::Answered(_)));
    for page in answered.take(5) {
        println!(
            "  {:>6.0} ms  {:<12}{}",
            page.time.as_secs_f64() * 1e3,
            page.path,
            paint(&page.outcome, &page.outcome.to_string())
        );
    }
}

/// `pages` are sorted by time, and there is at least one, unless nothing was fetched at all.
fn print_row(name: &str, pages: &[&Page]) {
    let millis = |page: Option<&&Page>| page.map_or(0.0, |page| page.time.as_secs_f64() * 1e3);
    let kib = pages.iter().map(|page| page.bytes).sum::<usize>() as f64 / 1024.0;
    let (median, slowest) = (millis(pages.get(pages.len() / 2)), millis(pages.last()));
    println!("  {name}{:>7}{kib:>12.1}{median:>12.1}{slowest:>12.1}", pages.len());
}

/// Green for what went well, yellow for what the server refused, red for the rest; plain where nobody sees colours.
fn paint(outcome: &Outcome, text: &str) -> String {
    if !io::stdout().is_terminal() || std::env::var_os("NO_COLOR").is_some() {
        return text.to_owned();
    }
    let colour = match outcome {
        Outcome::Answered(status) if status.starts_with('2') => 32,
        Outcome::Answered(_) => 33,
        Outcome::TimedOut | Outcome::Broken => 31,
    };
    format!("\x1b[{colour}m{text}\x1b[0m")
}

// The site.

/// Answers one request, well or badly.
async fn serve(pages: usize, mut reader: StreamReader, writer: StreamWriter) {
    let Ok(head) = reader.readuntil(b"\r\n\r\n").await else { return };
    let head = String::from_utf8_lossy(&head);
    let path = head.split(' ').nth(1).unwrap_or_default();
    let number = if path == "/" { Some(0) } else { path.strip_prefix("/page/").and_then(|rest| rest.parse().ok()) };
    let Some(number) = number.filter(|number| *number < pages) else {
        return respond(&writer, "404 Not Found", "there is no such page\n").await;
    };
    // Numbers that look like chance, and are the same each time.
    let chance = number.wrapping_mul(2_654_435_761) >> 7;
    asyncio::sleep(Duration::from_millis(5 + (chance % 40) as u64)).await;
    match number % 40 {
        39 => asyncio::sleep(PATIENCE * 100).await,
        13 => return respond(&writer, "500 Internal Server Error", "something went wrong\n").await,
        26 => return writer.write("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\nand here it breaks"),
        7 | 18 | 29 => asyncio::sleep(Duration::from_millis(100 + (chance % 300) as u64)).await,
        _ => {}
    }
    let mut body = format!("<h1>page {number}</h1>\n<p>{}</p>\n", "some text ".repeat(20 + chance % 400));
    let dead = if number % 25 == 9 { "/gone/" } else { "/page/" };
    for link in [number + 1, number + 2, 2 * number + 1, 2 * number + 2].iter().filter(|link| **link < pages) {
        body.push_str(&format!("<a href=\"{}{link}\">{link}</a>\n", if link % 2 == 0 { "/page/" } else { dead }));
    }
    respond(&writer, "200 OK", &body).await;
}

async fn respond(writer: &StreamWriter, status: &str, body: &str) {
    writer.write(format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    let _ = writer.drain().await;
}

/// How many pages the site has, and how many are fetched at once.
fn options() -> Result<(usize, usize), String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.len() > 2 {
        return Err("too many arguments: give the number of pages, and how many to fetch at once".into());
    }
    let number = |index: usize, what: &str, default: usize, most: usize| match arguments.get(index) {
        None => Ok(default),
        Some(text) => match text.parse() {
            Ok(number) if (1..=most).contains(&number) => Ok(number),
            _ => Err(format!("`{text}` is no number of {what}: give one from 1 to {most}")),
        },
    };
    Ok((number(0, "pages", 400, 1_000_000)?, number(1, "pages at once", 16, 500)?))
}

pub(crate) fn main() {
    let result =
        options().and_then(|(pages, at_once)| asyncio::run(crawl(pages, at_once)).map_err(|error| error.to_string()));
    if let Err(error) = result {
        eprintln!("crawler: {error}");
        std::process::exit(1);
    }
}
