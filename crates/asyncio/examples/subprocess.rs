//! Counts words with a pipeline of three programs, `tr | sort | uniq -c`: the text goes in at one end, the counts come out at
//! the other, and what is in between passes by this program. `subprocess FILE` counts the words of a file.

#[cfg(unix)]
mod unix {
    use std::io;
    use std::process;
    use std::time::Duration;

    use asyncio::{PIPE, create_subprocess_exec};

    const TEXT: &str = "The event loop runs the tasks; the tasks run until they wait, and the loop waits for the rest.";

    /// How often each word is in `text`.
    async fn count_words(text: &str) -> io::Result<Vec<(usize, String)>> {
        // Each pipe has one end in a program and the other in the next. Both are closed here once the programs have them.
        let (sort_in, words_out) = io::pipe()?;
        let (uniq_in, sorted_out) = io::pipe()?;
        let mut words = create_subprocess_exec("tr", ["-cs", "A-Za-z", "\n"]).stdin(PIPE).stdout(words_out).await?;
        let sort = create_subprocess_exec("sort", ["-f"]).env("LC_ALL", "C").stdin(sort_in).stdout(sorted_out).await?;
        let mut uniq = create_subprocess_exec("uniq", ["-ci"]).stdin(uniq_in).stdout(PIPE).await?;

        // All three run, so all that goes in comes out, however much it is, if both are done at the same time.
        let (fed, counted) = asyncio::gather((
            {
                let text = text.to_owned();
                async move { words.communicate(Some(text.as_bytes())).await.map(|_| words.returncode()) }
            },
            async move {
                let mut counts = Vec::new();
                while let Some(line) = uniq.stdout().lines().next().await {
                    let line = String::from_utf8(line?).map_err(io::Error::other)?;
                    let Some((count, word)) = line.trim().split_once(' ') else { continue };
                    counts.push((count.parse().map_err(io::Error::other)?, word.to_lowercase()));
                }
                io::Result::Ok((counts, uniq.wait().await?))
            },
        ))
        .await;
        let (codes, counts) = ([fed?.unwrap_or(-1), sort.wait().await?], counted?);
        if codes != [0, 0] || counts.1 != 0 {
            return Err(io::Error::other(format!("the pipeline failed: {codes:?} {}", counts.1)));
        }
        Ok(counts.0)
    }

    /// A program that is not done in time is ended.
    async fn run_briefly() -> io::Result<()> {
        let sleep = create_subprocess_exec("sleep", ["3600"]).await?;
        if asyncio::wait_for(sleep.wait(), Duration::from_millis(20)).await.is_err() {
            sleep.terminate()?;
        }
        println!("sleep ended with {}", sleep.wait().await?);
        Ok(())
    }

    async fn run(file: Option<String>) -> io::Result<()> {
        let text = match file {
            Some(file) => asyncio::to_thread(|| std::fs::read_to_string(file)).await?,
            None => TEXT.to_owned(),
        };
        for (count, word) in count_words(&text).await? {
            println!("{count} {word}");
        }
        run_briefly().await
    }

    pub(crate) fn main() {
        if let Err(error) = asyncio::run(run(std::env::args().nth(1))) {
            eprintln!("subprocess: {error}");
            process::exit(1);
        }
    }
}

#[cfg(unix)]
pub(crate) use unix::main;

#[cfg(not(unix))]
fn main() {
    eprintln!("subprocess: this platform has none of these programs");
}
