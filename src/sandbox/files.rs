//! Files and ports, by Landlock: what no rule names is closed.

use super::Plan;
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, NetPort, PathFd, RestrictionStatus, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope, make_bitflags, path_beneath_rules,
};
use std::path::Path;

/// How much of it this kernel has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// Everything that is asked for here.
    Full,
    /// Files, but not all of ports, signals and the rest.
    Part,
}

/// The fence in force.
#[derive(Debug)]
pub struct Fence {
    /// How much of it.
    pub layer: Layer,
    /// Rules hold on inodes, and the kernel may forget that of a process's own directory: this keeps it.
    _own_process: Option<PathFd>,
}

/// What is asked for: the newest that was tried here. A kernel with less gives what it has.
const ABI_TRIED: ABI = ABI::V6;
/// Files of the system that the C library and the runtime read: names and numbers of hosts, shared libraries that it loads
/// for that, how many cores there are. None of them holds a secret.
const SYSTEM: &[&str] = &[
    "/etc/resolv.conf",
    // Where the link of that name leads; the file is replaced, so the directory is named.
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/protocols",
    "/etc/ld.so.cache",
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/dev/null",
    "/dev/urandom",
    "/sys/fs/cgroup",
    "/sys/devices/system/cpu",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys/vm",
    "/proc/sys/kernel",
];
const OWN_PROCESS: &str = "/proc/self";

/// Puts the fence up around this thread and all that it starts.
pub(super) fn fence(plan: &Plan) -> Result<Fence, String> {
    let own_process = PathFd::new(OWN_PROCESS).ok();
    let status = restrict(plan).map_err(|error| error.to_string())?;
    let layer = match status.ruleset {
        RulesetStatus::FullyEnforced => Layer::Full,
        RulesetStatus::PartiallyEnforced => Layer::Part,
        RulesetStatus::NotEnforced => {
            return Err("this kernel has no Landlock, or has it switched off".into());
        }
    };
    Ok(Fence { layer, _own_process: own_process })
}

fn restrict(plan: &Plan) -> Result<RestrictionStatus, RulesetError> {
    let system = SYSTEM.iter().map(Path::new).chain([Path::new(OWN_PROCESS)]);
    let read = system.chain(plan.read.iter().map(AsRef::as_ref));
    let ports = |ports: &[u16], access: AccessNet| -> Vec<_> {
        ports.iter().map(|port| Ok::<_, RulesetError>(NetPort::new(*port, access))).collect()
    };
    Ruleset::default()
        .handle_access(AccessFs::from_all(ABI_TRIED))?
        .handle_access(AccessNet::from_all(ABI_TRIED))?
        .scope(Scope::from_all(ABI_TRIED))?
        .create()?
        .add_rules(path_beneath_rules(read, reading()))?
        .add_rules(path_beneath_rules(&plan.write, writing()))?
        .add_rules(path_beneath_rules(&plan.sockets, make_bitflags!(AccessFs::{MakeSock | RemoveFile})))?
        .add_rules(ports(&plan.bind, AccessNet::BindTcp))?
        .add_rules(ports(&plan.connect, AccessNet::ConnectTcp))?
        .restrict_self()
}

fn reading() -> BitFlags<AccessFs> {
    make_bitflags!(AccessFs::{ReadFile | ReadDir})
}

/// Programs are not run from there, and devices, pipes and links are not made.
fn writing() -> BitFlags<AccessFs> {
    reading()
        | make_bitflags!(AccessFs::{
            WriteFile | Truncate | MakeReg | MakeDir | MakeSock | RemoveFile | RemoveDir | Refer
        })
}
