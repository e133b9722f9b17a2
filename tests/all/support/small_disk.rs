//! A disk that is soon full.

use std::path::Path;
use std::process::Command;

use super::tree::TempTree;

/// A file system of a size of its own, gone when dropped.
#[derive(Debug)]
pub struct SmallDisk(TempTree);

impl SmallDisk {
    /// A disk of such a size, as mount writes it: `1m`.
    pub fn new(size: &str) -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "only root can mount the small file system that this test fills: run it as root"
        );
        let disk = Self(TempTree::new());
        disk.mount(&[
            "-t",
            "tmpfs",
            "-o",
            &format!("size={size},mode=755"),
            "tmpfs",
        ]);
        disk
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Makes it larger or smaller.
    pub fn resize(&self, size: &str) {
        self.mount(&["-o", &format!("remount,size={size}")]);
    }

    /// Runs mount(8) on it.
    pub fn mount(&self, arguments: &[&str]) {
        let mounted = Command::new("mount")
            .args(arguments)
            .arg(self.path())
            .output();
        let mounted = mounted.expect("mount is there");
        assert!(
            mounted.status.success(),
            "{}",
            String::from_utf8_lossy(&mounted.stderr)
        );
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.path()).status();
    }
}
