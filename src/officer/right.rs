//! Roles and rights: who may do what, as one table.
//!
//! GB/T 22239 asks for three administrators who check each other (三员分立): no right belongs to two of them, and nobody
//! holds one of these roles beside any other (levels.md "Roles").

use std::collections::BTreeSet;

/// Declares an enum whose members have stable names: in the database, in JSON, in the OpenAPI document.
macro_rules! named {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $member:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$doc])* $member,)+ }

        impl $name {
            /// Every member, in the order of declaration.
            pub const ALL: &'static [$name] = &[$($name::$member,)+];

            /// The stable name.
            pub const fn name(self) -> &'static str {
                match self { $($name::$member => $text,)+ }
            }

            /// Reads a stable name; `None` where it names no member.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some($name::$member),)+ _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str(self.name())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.name())
            }
        }
    };
}
pub(crate) use named;

named! {
    /// What an officer is on duty for.
    Role {
        /// 系统管理员: keys, authorities, makers, backups; sees no audit and makes no officers.
        SystemAdministrator = "system_administrator",
        /// 安全管理员: officers, their roles and their keys; whether a restored service may go on.
        SecurityAdministrator = "security_administrator",
        /// 审计员: reads and exports the audit records.
        Auditor = "auditor",
        /// 印章操作员: applies for seals, makes the approved ones, stamps.
        SealOperator = "seal_operator",
        /// 印章审批员: approves, suspends, resumes, cancels. Never what the same person applied for.
        SealApprover = "seal_approver",
        /// 验证员: verifies without the public limits, and keeps the reports.
        Verifier = "verifier",
        /// 查看员: looks at seals and the register of use.
        Viewer = "viewer",
        /// 监控员: reads how the service is doing, and nothing else; a key for a monitoring program.
        Monitor = "monitor",
    }
}

named! {
    /// One thing that an officer may do.
    Right {
        /// Apply for a seal, or for a change of one.
        SealApply = "seal_apply",
        /// Approve or reject an application.
        SealApprove = "seal_approve",
        /// Have an approved seal made, and issue it.
        SealMake = "seal_make",
        /// Suspend a seal (停用).
        SealSuspend = "seal_suspend",
        /// Resume a suspended or recovered seal (启用).
        SealResume = "seal_resume",
        /// Report a seal lost (挂失).
        SealReportLoss = "seal_report_loss",
        /// Cancel a seal for good (注销).
        SealCancel = "seal_cancel",
        /// Renew a seal (续期): a new one supersedes it.
        SealRenew = "seal_renew",
        /// Look at seals and applications.
        SealRead = "seal_read",
        /// Stamp a document.
        Stamp = "stamp",
        /// Look at the register of use (用印记录).
        StampRead = "stamp_read",
        /// Export the register of use.
        StampExport = "stamp_export",
        /// Register a seal owner (使用主体).
        OwnerRegister = "owner_register",
        /// Register a seal maker (制作主体).
        MakerRegister = "maker_register",
        /// Make, rotate and retire keys and certificates of the service.
        KeyManage = "key_manage",
        /// Look at keys and certificates of the service.
        KeyRead = "key_read",
        /// Make officers, give roles, make and revoke API keys.
        OfficerManage = "officer_manage",
        /// Look at officers and their API keys.
        OfficerRead = "officer_read",
        /// Look at audit records, and have the chain checked.
        AuditRead = "audit_read",
        /// Export audit records.
        AuditExport = "audit_export",
        /// Accept that the service goes on from an older state of the database, and say why.
        RestorationAccept = "restoration_accept",
        /// Take a backup of the whole service, encrypted to a key that lies elsewhere.
        BackupMake = "backup_make",
        /// Verify without the limits that the public has.
        VerifyUnlimited = "verify_unlimited",
        /// Keep reports of verifications, and read them again.
        VerificationRead = "verification_read",
        /// Read metrics, and what is wrong where the service is not ready.
        MetricsRead = "metrics_read",
        /// The same, for who runs the service.
        ServiceRead = "service_read",
    }
}

impl Role {
    /// The rights of the role.
    pub const fn rights(self) -> &'static [Right] {
        use Right::*;
        match self {
            Role::SystemAdministrator => &[KeyManage, KeyRead, MakerRegister, BackupMake, ServiceRead],
            Role::SecurityAdministrator => &[OfficerManage, OfficerRead, RestorationAccept],
            Role::Auditor => &[AuditRead, AuditExport],
            Role::SealOperator => &[
                SealApply,
                SealMake,
                SealReportLoss,
                SealRenew,
                SealRead,
                Stamp,
                StampRead,
                OwnerRegister,
                VerifyUnlimited,
            ],
            Role::SealApprover => &[
                SealApprove,
                SealSuspend,
                SealResume,
                SealReportLoss,
                SealCancel,
                SealRead,
                StampRead,
                StampExport,
            ],
            Role::Verifier => &[VerifyUnlimited, VerificationRead],
            Role::Viewer => &[SealRead, StampRead],
            Role::Monitor => &[MetricsRead],
        }
    }

    /// Whether the role stands apart: who holds it holds no other.
    pub const fn stands_apart(self) -> bool {
        matches!(self, Role::SystemAdministrator | Role::SecurityAdministrator | Role::Auditor)
    }
}

impl Right {
    /// Whether it belongs to an administrator or auditor, who stand apart.
    pub fn is_of_administrators(self) -> bool {
        Role::ALL.iter().any(|role| role.stands_apart() && role.rights().contains(&self))
    }
}

/// The roles of one officer: never empty, and a role that stands apart stands alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles(BTreeSet<Role>);

/// Why a set of roles can't be held by one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RolesError {
    /// No role at all.
    Empty,
    /// This role is held alone or not at all.
    Apart(Role),
}

impl Roles {
    /// Checks that one person may hold these roles together.
    ///
    /// # Errors
    /// [`RolesError`] for no role, and for an administrator or auditor beside anything else.
    pub fn new(roles: impl IntoIterator<Item = Role>) -> Result<Self, RolesError> {
        let roles: BTreeSet<Role> = roles.into_iter().collect();
        match roles.iter().find(|role| role.stands_apart()) {
            Some(&role) if roles.len() > 1 => Err(RolesError::Apart(role)),
            _ if roles.is_empty() => Err(RolesError::Empty),
            _ => Ok(Self(roles)),
        }
    }

    /// Exactly one role.
    pub fn only(role: Role) -> Self {
        Self(BTreeSet::from([role]))
    }

    /// Whether one of the roles gives `right`.
    pub fn give(&self, right: Right) -> bool {
        self.0.iter().any(|role| role.rights().contains(&right))
    }

    /// Whether `role` is among them.
    pub fn include(&self, role: Role) -> bool {
        self.0.contains(&role)
    }

    /// The roles, in the order of [`Role::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = Role> + '_ {
        self.0.iter().copied()
    }

    /// Whether the only role stands apart.
    pub fn stand_apart(&self) -> bool {
        self.0.iter().any(|role| role.stands_apart())
    }
}

impl serde::Serialize for Roles {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_administrators_share_no_right_with_each_other() {
        let apart: Vec<Role> = Role::ALL.iter().copied().filter(|role| role.stands_apart()).collect();
        assert_eq!(apart.len(), 3);
        for (at, one) in apart.iter().enumerate() {
            for other in &apart[at + 1..] {
                let shared: Vec<_> =
                    one.rights().iter().filter(|right| other.rights().contains(right)).collect();
                assert!(shared.is_empty(), "{one} and {other} share {shared:?}");
            }
        }
    }

    #[test]
    fn an_administrator_has_no_right_of_daily_work_and_the_others_none_of_his() {
        for one in Role::ALL.iter().filter(|role| role.stands_apart()) {
            for other in Role::ALL.iter().filter(|role| !role.stands_apart()) {
                assert!(
                    one.rights().iter().all(|right| !other.rights().contains(right)),
                    "{one} and {other}"
                );
            }
        }
    }

    #[test]
    fn every_right_belongs_to_a_role_and_every_name_is_read_back() {
        for right in Right::ALL {
            assert!(Role::ALL.iter().any(|role| role.rights().contains(right)), "{right} belongs to nobody");
            assert_eq!(Right::parse(right.name()), Some(*right));
        }
        for role in Role::ALL {
            assert_eq!(Role::parse(role.name()), Some(*role));
        }
        assert_eq!(Role::parse("superuser"), None);
    }

    #[test]
    fn who_stands_apart_stands_alone() {
        for &one in Role::ALL {
            assert_eq!(Roles::new([one, one]), Ok(Roles::only(one)));
            for &other in Role::ALL.iter().filter(|&&other| other != one) {
                let allowed = !one.stands_apart() && !other.stands_apart();
                assert_eq!(Roles::new([one, other]).is_ok(), allowed, "{one} with {other}");
            }
        }
        assert_eq!(Roles::new([]), Err(RolesError::Empty));
    }
}
