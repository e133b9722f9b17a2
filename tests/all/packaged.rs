//! The Debian package of `scripts/package`: installed in a bare Debian, run, removed.

use std::path::Path;
use std::process::Command;

use crate::support::tree::TempTree;

fn script(arguments: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/package");
    let out = Command::new(script)
        .args(arguments)
        .output()
        .expect("a script");
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(
        out.status.success(),
        "scripts/package {arguments:?}: {said}"
    );
    String::from_utf8(out.stdout).expect("UTF-8")
}

#[test]
fn the_package_installs_runs_and_leaves_nothing_behind() {
    let dir = TempTree::new();
    let out = dir.path().to_str().expect("a plain path");
    let built = script(&["--binary", env!("CARGO_BIN_EXE_mailseed"), "--out", out]);
    let tried = script(&["--try", built.trim_end()]);
    let lines: Vec<&str> = tried.lines().collect();
    assert_eq!(lines[0], concat!("mailseed ", env!("CARGO_PKG_VERSION")));
    assert_eq!(lines[1], "A migration from beginning to end");
    for file in [
        "/usr/bin/mailseed",
        "/usr/share/man/man1/mailseed.1.gz",
        "/usr/share/man/man1/mailseed-export.1.gz",
        "/usr/share/man/man7/mailseed-runbook.7.gz",
        "/usr/share/bash-completion/completions/mailseed",
        "/usr/share/zsh/vendor-completions/_mailseed",
        "/usr/share/fish/vendor_completions.d/mailseed.fish",
        "/usr/share/doc/mailseed/copyright",
        "/usr/share/doc/mailseed/examples/mailseed.toml",
        "/lib/systemd/system/mailseed.service",
        "/lib/systemd/system/mailseed.timer",
    ] {
        assert!(
            lines.contains(&file),
            "{file} is not in the package:\n{tried}"
        );
    }
}
