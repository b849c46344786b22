//! The `yinxin` command.

fn main() -> std::process::ExitCode {
    yinxin::cli::run(std::env::args_os())
}
