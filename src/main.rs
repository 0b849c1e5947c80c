//! The program `probewatch`; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    probewatch::cli::main()
}
