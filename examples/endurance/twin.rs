//! The twin of this program that records nothing, to measure what recording costs. It serves nothing but scratch data that a
//! bench has marked as such, and this is looked at first.

use crate::{
    daemon::{Program, Start},
    trouble::{Outcome, Trouble},
};
use std::{fs, path::Path, path::PathBuf, process::Command};
use yinxin::app::SCRATCH_MARK;

/// The program.
pub struct Twin(PathBuf);

/// The flag that makes it: of rustc and not a feature of cargo, so that nothing can turn it on by depending on us.
const FLAG: &str = "--cfg yinxin_bench_without_audit";

impl Twin {
    /// Builds it, in a folder of its own below `target`; takes as long as a build from nothing the first time.
    pub async fn build() -> Outcome<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = root.join("target/without-audit");
        let mut cargo = Command::new("cargo");
        cargo.current_dir(root).env("RUSTFLAGS", FLAG).args(["build", "--locked", "--example", "endurance"]);
        let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
        if profile == "release" {
            cargo.arg("--release");
        }
        cargo.arg("--target-dir").arg(&folder);
        eprintln!("building the twin that records nothing: RUSTFLAGS='{FLAG}' cargo build …");
        let built = tokio::task::spawn_blocking(move || cargo.status()).await??;
        if !built.success() {
            return Err(Trouble::failed("the twin could not be built"));
        }
        Ok(Self(folder.join(profile).join("examples/endurance")))
    }

    /// How it is started on this folder, which is marked as scratch data.
    pub fn start(&self, data: &Path) -> Outcome<Start> {
        fs::create_dir_all(data)?;
        fs::write(data.join(SCRATCH_MARK), "nothing here is recorded\n")?;
        Ok(self.on(data))
    }

    /// It does not even begin on a folder without that mark.
    pub async fn refuses_what_is_no_scratch(&self, data: &Path) -> Outcome<()> {
        let said = self.on(data).command(["init"]).await?;
        match said.code {
            0 => Err(Trouble::failed("the build that records nothing served what is no scratch data")),
            _ => Ok(()),
        }
    }

    fn on(&self, data: &Path) -> Start {
        Start { program: Program::Twin(self.0.clone()), ..Start::on(data) }
    }
}
