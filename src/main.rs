//! The `yinxin` command.

fn main() {}
