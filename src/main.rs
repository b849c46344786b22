//! The `yinxin` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    yinxin::cli::run(std::env::args_os())
}
