//! tcpdump and tshark, which capture the same frames as the service.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::usage::Usage;

const FILTER: &str = "type mgt subtype probe-req";

/// A program that uses no CPU time for this long has finished its work.
const IDLE: Duration = Duration::from_millis(500);

/// How long a program may take to read the rest, in seconds.
const CATCH_UP_SECONDS: u32 = 60;

/// A program that captures.
pub struct CaptureProgram {
    /// Its name in the tables.
    pub name: &'static str,
    child: Child,
    stderr_lines: JoinHandle<Vec<String>>,
}

/// What tcpdump does with frames.
pub enum Tcpdump {
    /// Writes each at once to a capture file.
    File,
    /// Prints a line for each at once. Without immediate mode it would receive frames up to a second late. In that
    /// mode, the kernel's buffer holds only eight frames of its default snaplen, so a smaller one is set.
    Lines,
}

impl CaptureProgram {
    /// Starts tcpdump and waits until it captures.
    pub fn tcpdump(interface: &str, form: &Tcpdump, output: Stdio) -> Self {
        let mut command = Command::new("tcpdump");
        command.args(["-i", interface, "-Z", "root"]);
        let name = match form {
            Tcpdump::File => {
                command.args(["-U", "-w", "/dev/null"]);
                "`tcpdump -U -w`"
            }
            Tcpdump::Lines => {
                command.args(["-n", "-e", "-l", "--immediate-mode", "-s", "2304"]);
                "`tcpdump -n -e -l --immediate-mode -s 2304`"
            }
        };
        command.arg(FILTER).stdout(output);
        Self::start(name, command, "listening on ")
    }

    /// Starts tshark with the fields that a pipeline needs and waits until it captures. It captures through dumpcap,
    /// which keeps all frames in a file in `folder`.
    pub fn tshark(interface: &str, folder: &Path, output: Stdio) -> Self {
        let mut command = Command::new("tshark");
        command.args(["-n", "-l", "-i", interface, "-f", FILTER, "-T", "fields"]);
        for field in ["frame.time_epoch", "wlan.sa", "wlan.ssid", "radiotap.dbm_antsignal"] {
            command.args(["-e", field]);
        }
        for field in ["wlan_radio.frequency", "wlan.seq", "wlan.fcs.status"] {
            command.args(["-e", field]);
        }
        command.env("TMPDIR", folder).stdout(output);
        Self::start("`tshark -l -T fields`, seven fields, with dumpcap", command, "Capture started")
    }

    /// Starts a program and waits for `marker`, which it prints when it captures.
    fn start(name: &'static str, mut command: Command, marker: &str) -> Self {
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut printed = String::new();
        while !printed.contains(marker) {
            let read = stderr.read_line(&mut printed).unwrap();
            assert!(read > 0, "{name} does not capture: {printed}");
        }
        let stderr_lines = thread::spawn(move || lines(stderr));
        Self { name, child, stderr_lines }
    }

    /// Its standard output, which must be a pipe.
    pub fn take_output(&mut self) -> ChildStdout {
        self.child.stdout.take().unwrap()
    }

    pub fn usage(&self) -> Usage {
        Usage::of(self.child.id())
    }

    /// Waits until it is idle, for at most a minute.
    pub fn wait_until_idle(&self) {
        let mut before = self.usage().cpu;
        for _ in 0..CATCH_UP_SECONDS * 2 {
            thread::sleep(IDLE);
            let now = self.usage().cpu;
            if now == before {
                break;
            }
            before = now;
        }
    }

    /// Interrupts it with SIGINT and returns the counts that it prints at its end.
    pub fn end(mut self) -> Counts {
        let id = libc::pid_t::try_from(self.child.id()).unwrap();
        // SAFETY: a plain system call; the child is not reaped yet, so the id is its own.
        unsafe { libc::kill(id, libc::SIGINT) };
        self.child.wait().unwrap();
        Counts::read(&self.stderr_lines.join().unwrap())
    }
}

/// The packet counts that a program prints at its end.
#[derive(Debug, PartialEq)]
pub struct Counts {
    pub captured: u64,
    pub dropped: u64,
}

impl Counts {
    /// Parses lines such as `600000 packets captured` and `0 packets dropped by kernel`. tshark prints no count of
    /// drops if there were none.
    fn read(lines: &[String]) -> Self {
        let sum = |what: &str| {
            let counts = lines.iter().filter_map(|line| {
                let (count, rest) = line.split_once(" packet")?;
                rest.trim_start_matches('s')
                    .trim_start()
                    .starts_with(what)
                    .then_some(count)?
                    .parse::<u64>()
                    .ok()
            });
            counts.sum()
        };
        Self { captured: sum("captured"), dropped: sum("dropped") }
    }
}

fn lines(stderr: BufReader<ChildStderr>) -> Vec<String> {
    stderr.lines().map_while(Result::ok).map(|line| line.trim().to_owned()).collect()
}

/// A new file for a program's output.
pub fn output_file(path: &Path) -> Stdio {
    File::create(path).unwrap().into()
}

/// The number of lines in a file.
pub fn line_count(path: &Path) -> u64 {
    let mut file = BufReader::with_capacity(1 << 20, File::open(path).unwrap());
    let mut count = 0;
    loop {
        let bytes = file.fill_buf().unwrap();
        if bytes.is_empty() {
            return count;
        }
        count += memchr::memchr_iter(b'\n', bytes).count() as u64;
        let length = bytes.len();
        file.consume(length);
    }
}

#[test]
fn parses_the_counts_of_tcpdump_and_tshark() {
    let read = |text: &str| Counts::read(&text.lines().map(str::to_owned).collect::<Vec<_>>());
    let tcpdump =
        "598618 packets captured\n600000 packets received by filter\n1382 packets dropped by kernel";
    assert_eq!(read(tcpdump), Counts { captured: 598_618, dropped: 1382 });
    let tshark = "Capturing on 'mon0'\n4000 packets dropped from mon0\n1 packet captured";
    assert_eq!(read(tshark), Counts { captured: 1, dropped: 4000 });
}
