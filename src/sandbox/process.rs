//! The process itself: nobody reads its memory, and a crash leaves no core with keys in it.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use std::io;

/// Closes memory to everybody but root (also `/proc/self/mem`, and debuggers of the same user), and switches cores off.
pub(super) fn close() -> io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}
