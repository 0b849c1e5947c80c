//! Runs other programs of the machine, found on the PATH, to their end and within a limit.

use std::io::{self, Read};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long a program may take.
const LIMIT: Duration = Duration::from_secs(60);

/// How much of a program's output is read, in bytes.
const OUTPUT_LIMIT: u64 = 64 << 10;

const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// How a program ended.
pub(super) struct Outcome {
    pub(super) is_success: bool,
    pub(super) stdout: String,
    /// Why it failed, in its own words or in those of the system.
    pub(super) problem: String,
}

impl Outcome {
    fn failed(problem: String) -> Self {
        Self { is_success: false, stdout: String::new(), problem }
    }
}

/// Runs a program without input. That it is missing, or takes too long, is a failure, too.
pub(super) fn run(program: &str, arguments: &[&str]) -> Outcome {
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C").env("SYSTEMD_PAGER", "").env("SYSTEMD_COLORS", "0");
    // It needs no token.
    command.env_remove("PROBEWATCH__TELEGRAM__TOKEN");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Outcome::failed(format!("{program} could not be run: {error}")),
    };
    let (stdout, stderr) = (child.stdout.take().map(read), child.stderr.take().map(read));
    let status = match wait(&mut child) {
        Ok(Some(status)) => status,
        Ok(None) => {
            return Outcome::failed(format!("{program} did not end within {} s", LIMIT.as_secs()));
        }
        Err(error) => return Outcome::failed(format!("{program} could not be waited for: {error}")),
    };
    let text = |output: Option<JoinHandle<String>>| output.map(end_of).unwrap_or_default();
    let (stdout, stderr) = (text(stdout), text(stderr));
    let said = stderr.trim().lines().last().unwrap_or_default();
    let problem = match said {
        "" => format!("{program} ended with {status}"),
        said => format!("{program} says: {said}"),
    };
    Outcome { is_success: status.success(), stdout, problem }
}

/// Whether a program ends with success.
pub(super) fn succeeds(program: &str, arguments: &[&str]) -> bool {
    run(program, arguments).is_success
}

fn wait(child: &mut Child) -> io::Result<Option<std::process::ExitStatus>> {
    let deadline = Instant::now() + LIMIT;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        thread::sleep(POLL_INTERVAL);
    }
    let _ = child.kill();
    let _ = child.wait();
    Ok(None)
}

fn read(stream: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.take(OUTPUT_LIMIT).read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// What was read, unless a child that the program left behind still has the stream.
fn end_of(output: JoinHandle<String>) -> String {
    let deadline = Instant::now() + Duration::from_secs(1);
    while !output.is_finished() && Instant::now() < deadline {
        thread::sleep(POLL_INTERVAL);
    }
    if output.is_finished() { output.join().unwrap_or_default() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_fails_says_why() {
        let said = run("sh", &["-c", "echo one; echo two >&2; exit 3"]);
        assert_eq!((said.is_success, said.stdout.as_str()), (false, "one\n"));
        assert_eq!(said.problem, "sh says: two");
        assert_eq!(run("sh", &["-c", "exit 3"]).problem, "sh ended with exit status: 3");
        assert!(run("no-such-program", &[]).problem.starts_with("no-such-program could not be run"));
        assert!(succeeds("sh", &["-c", "sleep 100 & exit 0"]), "a child that stays is not waited for");
    }
}
