//! The process itself: nobody reads its memory, and a crash leaves no core with keys in it.

use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};
use std::io;

/// Closes memory to everybody but root (also `/proc/self/mem`, and debuggers of the same user), and switches cores off.
pub(super) fn close() -> io::Result<()> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    // Where a service manager has set it already, it may also have forbidden to set it.
    if getrlimit(Resource::Core) != none {
        setrlimit(Resource::Core, none)?;
    }
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}
