//! System calls, by seccomp: no programs, no children, no debuggers, and none of the kernel's rooms that a daemon like this
//! has no business in and where holes were found again and again.
//!
//! What is forbidden is listed, rather than what is allowed: a C library that takes to a new call must not stop a service
//! that stamps. The systemd unit and the container's profile list what is allowed; the two lie one over the other.

use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter_all_threads,
};
use std::collections::BTreeMap;

type Rules = BTreeMap<c_long, Vec<SeccompRule>>;

/// Forbidden altogether, by what they would be good for.
const FORBIDDEN: &[c_long] = &[
    // Other programs.
    libc::SYS_execve,
    libc::SYS_execveat,
    // Other processes' memory and fate.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    // Mounts, roots and namespaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    // The kernel itself: modules, another kernel, its programs, its log, its clock, its limits.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_lookup_dcookie,
    libc::SYS_nfsservctl,
    libc::SYS_vhangup,
    // Its keys.
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    // Rooms where holes were found again and again. Nothing here rides on them: tokio waits with epoll.
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_fanotify_init,
    libc::SYS_remap_file_pages,
    libc::SYS_personality,
    libc::SYS_memfd_create,
    libc::SYS_memfd_secret,
    libc::SYS_mbind,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    libc::SYS_set_mempolicy,
    // Who it is.
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setgroups,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_capset,
    // Special files.
    libc::SYS_mknodat,
];

#[cfg(target_arch = "x86_64")]
const FORBIDDEN_HERE: &[c_long] = &[
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_mknod,
    libc::SYS_kexec_file_load,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_uselib,
    libc::SYS_ustat,
    libc::SYS_sysfs,
    libc::SYS__sysctl,
];
#[cfg(not(target_arch = "x86_64"))]
const FORBIDDEN_HERE: &[c_long] = &[];

/// The marks of the x32 calls: the same kernel by other numbers, for which the marks of this architecture stand as well.
#[cfg(target_arch = "x86_64")]
const X32: std::ops::RangeInclusive<c_long> = 0x4000_0000..=0x4000_0000 + 547;

/// Installs both filters, for every thread.
pub(super) fn forbid() -> Result<(), String> {
    for filter in filters()? {
        apply_filter_all_threads(&filter).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// The filters in order: first what is answered as unknown to the kernel, then what is answered as not permitted.
fn filters() -> Result<[BpfProgram; 2], String> {
    let wrong = |error: BackendError| error.to_string();
    let target: TargetArch = std::env::consts::ARCH.try_into().map_err(wrong)?;
    let compile = |rules: Rules, error: i32| {
        let no = SeccompAction::Errno(error.unsigned_abs());
        SeccompFilter::new(rules, SeccompAction::Allow, no, target)?.try_into()
    };
    let unknown = compile(unknown(), libc::ENOSYS).map_err(wrong)?;
    let forbidden = forbidden().and_then(|rules| compile(rules, libc::EPERM)).map_err(wrong)?;
    Ok([unknown, forbidden])
}

/// `clone3` has its flags in memory, where no filter looks; told that the kernel is too old for it, the C library starts
/// threads with `clone`. On x86-64, the x32 numbers.
fn unknown() -> Rules {
    let mut rules = Rules::from([(libc::SYS_clone3, vec![])]);
    #[cfg(target_arch = "x86_64")]
    rules.extend(X32.map(|number| (number, vec![])));
    rules
}

fn forbidden() -> Result<Rules, BackendError> {
    let mut rules: Rules =
        FORBIDDEN.iter().chain(FORBIDDEN_HERE).map(|number| (*number, Vec::new())).collect();
    rules.extend([
        // Threads, but no children, and no namespaces.
        (libc::SYS_clone, vec![rule([masked(0, libc::CLONE_THREAD as u64, 0)?])?]),
        // No memory that is written and then run.
        (libc::SYS_mmap, vec![rule([masked(2, WRITE_AND_RUN, WRITE_AND_RUN)?])?]),
        (libc::SYS_mprotect, vec![rule([masked(2, libc::PROT_EXEC as u64, libc::PROT_EXEC as u64)?])?]),
        (libc::SYS_pkey_mprotect, vec![rule([masked(2, libc::PROT_EXEC as u64, libc::PROT_EXEC as u64)?])?]),
        (libc::SYS_shmat, vec![rule([masked(2, SHM_EXEC, SHM_EXEC)?])?]),
        // Networks and neighbours, and the kernel's list of its own addresses; no raw packets, no rare protocols.
        (libc::SYS_socket, vec![families()?]),
        (libc::SYS_socketpair, vec![families()?]),
        // What would undo the closing of the memory.
        (libc::SYS_prctl, vec![first(libc::PR_SET_DUMPABLE)?, first(libc::PR_SET_PTRACER)?]),
        // Typing for somebody else at his terminal.
        (libc::SYS_ioctl, vec![second(TIOCSTI)?, second(TIOCLINUX)?]),
    ]);
    Ok(rules)
}

const WRITE_AND_RUN: u64 = (libc::PROT_WRITE | libc::PROT_EXEC) as u64;
const SHM_EXEC: u64 = 0o100_000;
const TIOCLINUX: u64 = 0x541C;
/// The C libraries give it different types.
const TIOCSTI: u64 = 0x5412;

/// Every family but these.
fn families() -> Result<SeccompRule, BackendError> {
    let allowed = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];
    let none_of: Result<Vec<_>, _> = allowed.iter().map(|family| differs(0, *family as u64)).collect();
    SeccompRule::new(none_of?)
}

fn rule(conditions: [SeccompCondition; 1]) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(conditions.into())
}

/// The calls whose argument, under this mask, is that value.
fn masked(argument: u8, mask: u64, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(mask), value)
}

fn differs(argument: u8, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, value)
}

fn first(value: i32) -> Result<SeccompRule, BackendError> {
    rule([SeccompCondition::new(
        0,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::Eq,
        u64::from(value.unsigned_abs()),
    )?])
}

fn second(value: u64) -> Result<SeccompRule, BackendError> {
    rule([SeccompCondition::new(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)?])
}
