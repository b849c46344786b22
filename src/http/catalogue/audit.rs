//! The audit's own troubles, and backups.

use super::{Kind, kind};

pub(super) const KINDS: &[Kind] = &[
    kind(
        "audit/rolled-back",
        503,
        ["数据库是旧副本，服务已停止办理", "The database is an old copy; the service is held back"],
        [
            "审计员请运行 yinxin audit verify 查明；若确系恢复，由安全管理员运行 yinxin audit accept-restored 说明原因后继续。",
            "The auditor runs `yinxin audit verify`; where this is a restoration, a security administrator accepts it with `yinxin audit accept-restored` and says why.",
        ],
    ),
    kind(
        "audit/stopped",
        503,
        ["审计记录无法保存，服务已停止办理", "What is done can't be recorded; the service is held back"],
        [
            "请检查审计链首文件及其磁盘，排除故障后重新启动服务。",
            "See to the file of audit heads and its disk, then start the service again.",
        ],
    ),
    kind(
        "audit/nothing-to-accept",
        409,
        ["数据库并非旧副本", "The database is no old copy"],
        ["无需接受，服务可正常运行。", "There is nothing to accept."],
    ),
    kind(
        "backup/no-recipient",
        409,
        ["未配置备份接收方", "No recipient of backups is configured"],
        [
            "请运行 yinxin backup keygen，并将公开部分写入 backup.recipients。",
            "Run `yinxin backup keygen` and put its public line into backup.recipients.",
        ],
    ),
    kind(
        "backup/under-way",
        409,
        ["另一备份正在进行", "Another backup is under way"],
        ["请待其完成后再试。", "Try again when it has ended."],
    ),
];
