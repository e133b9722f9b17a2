//! The page, looked at by a browser.

use std::path::{Path, PathBuf};

use super::made::{self, SCRIPT};
use super::report;
use crate::migration::{PASSWORD, Source, Target};
use crate::support::browser::Browser;
use crate::support::corpus;
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::tree::TempTree;
use crate::support::{Layout, report as written};

/// Users that are made, besides the one that is exported.
const MADE: usize = 2000;

/// Four nights: two shards at first, then those that were not done, then all, twice.
fn nights(parent: &Path) -> Vec<PathBuf> {
    let users = |from: usize, to: usize, run| (from..to).map(|n| made::user(n, run)).collect();
    let all = (0..MADE).map(|n| made::user(n, 1));
    let again = all.filter(|it| !it.problems.is_empty()).collect();
    vec![
        made::write(parent, "night1-1", 0, 6 * 3600, users(0, MADE / 2, 0)),
        made::write(parent, "night1-2", 0, 7 * 3600, users(MADE / 2, MADE, 0)),
        made::write(parent, "night2", 24, 3000, again),
        made::write(parent, "night3", 48, 7200, users(0, MADE, 2)),
        made::write(parent, "night4", 72, 5400, users(0, MADE, 3)),
    ]
}

/// The report of a user who really is exported.
fn exported(parent: &Path) -> PathBuf {
    let source = Dovecot::start(DovecotOptions {
        users: vec![("ann".to_owned(), PASSWORD.to_owned())],
        ..DovecotOptions::default()
    });
    let options = corpus::Options::plain(Layout::MaildirPlusPlus);
    corpus::full(&source.mail_dir("ann"), options);
    let dir = parent.join("real");
    let more = ["--report", dir.to_str().expect("scratch paths are ASCII")];
    Target::new().export_ok(&Source::of(&source), "ann", &more);
    dir
}

/// What the script of a test has to say of the page.
const TOOLS: &str = "
    const rows = () => [...document.querySelectorAll('#users-table tbody tr')];
    const cells = place => rows().map(row => row.children[place].textContent);
    const numbers = place => cells(place).map(text => Number(text.replaceAll(',', '')));
    const head = name => [...document.querySelectorAll('#users-table thead button')]
        .find(button => button.textContent === name);
    const shown = () => document.getElementById('users-shown').textContent;
    const trouble = name => [...document.querySelectorAll('.troubles li')]
        .find(item => item.querySelector('h3').textContent.startsWith(name));
    const wide = () => document.documentElement.scrollWidth;";

#[test]
fn a_page_of_two_thousand_users_sorts_filters_and_tells_what_to_do() {
    let scratch = TempTree::new();
    let kept = std::env::var_os("MAILSEED_PAGE_DIR").map(PathBuf::from);
    let dir = kept.as_deref().unwrap_or(scratch.path());
    let mut dirs = nights(scratch.path());
    dirs.push(exported(scratch.path()));
    dirs.push(made::verified(scratch.path(), 80));
    let ann = written::summary(&dirs[5]).remove(0).number("messages");
    let file = dir.join("page.html");
    report(
        &dirs,
        &["--html", file.to_str().expect("scratch paths are ASCII")],
    );

    let mut page = Browser::start();
    page.look("light", "screen", 1280);
    page.open(&file);
    if kept.is_some() {
        pictures(&mut page, dir);
        page.look("light", "screen", 1280);
    }
    page.value(TOOLS);
    assert_eq!(page.text("shown()"), "100 of 2,001 shown");

    sorts(&mut page);
    filters(&mut page, ann);
    tells_what_to_do(&mut page);
    tells_verdicts(&mut page);

    page.value("document.querySelector('#users-more button:last-child').click()");
    assert_eq!(page.text("shown()"), "2,001 of 2,001 shown");
    assert_eq!(page.value("rows().length"), 2001);
    // All names, the hostile ones too, are there as text and nothing else.
    let names = format!("cells(0).filter(name => name === '{SCRIPT}@example.org').length");
    assert_eq!(page.value(&names), 1);
    assert_eq!(page.value("document.scripts.length"), 2);

    for (scheme, media, width) in [("dark", "screen", 390), ("light", "print", 700)] {
        page.look(scheme, media, width);
        let wide = page.value("wide()");
        assert!(wide.as_u64() <= Some(u64::from(width)), "{media}: {wide}");
    }
    assert_eq!(page.complaints, [""; 0]);
    assert_eq!(page.requests, [format!("file://{}", file.display())]);
}

/// By mouse and by keyboard, words and numbers.
fn sorts(page: &mut Browser) {
    page.value("head('Messages').click()");
    let order = "head('Messages').parentElement.getAttribute('aria-sort')";
    assert_eq!(page.text(order), "descending");
    let falls = "numbers(2).every((it, place, all) => !place || all[place - 1] >= it)";
    assert_eq!(page.value(falls), true);
    let most = (0..MADE).map(|n| made::user(n, 3).messages).max();
    assert_eq!(page.value("numbers(2)[0]").as_u64(), most);
    page.value("head('Messages').focus()");
    page.press("Enter", "\r");
    assert_eq!(page.text(order), "ascending");
    let rises = "numbers(2).every((it, place, all) => !place || all[place - 1] <= it)";
    assert_eq!(page.value(rises), true);

    page.value("head('User').click()");
    assert_eq!(
        page.value("document.querySelectorAll('#users-table [aria-sort]').length"),
        1
    );
    let words = "cells(0).every((it, place, all) => !place || all[place - 1].localeCompare(it, 'en', \
                 { numeric: true, sensitivity: 'base' }) <= 0)";
    assert_eq!(page.value(words), true);
    // How long a browser is busy with all rows; on a machine that does other things as well.
    let took = "(() => { const begin = performance.now(); head('Size').click(); wide(); \
                return performance.now() - begin; })()";
    let took = page.value(took).as_f64();
    assert!(took < Some(20_000.0), "{took:?} ms");
}

fn filters(page: &mut Browser, of_ann: u64) {
    page.value("document.getElementById('users-filter').focus()");
    page.type_text("ANN");
    page.until("shown() === '1 shown of 1 found among 2,001'");
    assert_eq!(page.text("cells(0)[0]"), "ann");
    assert_eq!(page.text("cells(1)[0]"), "transparent");
    assert_eq!(page.value("numbers(2)[0]"), of_ann);
    page.type_text(" nobody");
    page.until("shown().startsWith('0 shown of 0 found')");
    page.value("document.getElementById('users-filter').select()");
    page.type_text(" ");
    page.until("shown() === '100 of 2,001 shown'");

    let classes = "[...document.getElementById('users-class').options].map(it => it.text).join()";
    assert_eq!(
        page.text(classes),
        "all (2,001),transparent (1,848),accepted (50),not transparent (102),not done (1)"
    );
    page.value(
        "const classes = document.getElementById('users-class'); classes.value = '1'; \
         classes.dispatchEvent(new Event('change'))",
    );
    assert_eq!(page.text("shown()"), "50 shown of 50 found among 2,001");
    let accepted = "cells(1).every(it => it === 'transparent, but for what is accepted: 2 messages of \
                    INBOX have no UIDL')";
    assert_eq!(page.value(accepted), true);
}

/// A trouble's users are found in the table, and each tells its advice when it is opened.
fn tells_what_to_do(page: &mut Browser) {
    let name = "target cannot hold it";
    let advice = page.text(&format!(
        "trouble('{name}').querySelector('.advice').textContent"
    ));
    assert_eq!(
        advice,
        "use --layout fs, or give it another name with --map"
    );
    page.value(&format!(
        "trouble('{name}').querySelector('button').click()"
    ));
    assert_eq!(page.text("shown()"), "50 shown of 50 found among 2,001");
    page.value("document.querySelector('#users-table .open').focus()");
    page.press("Enter", "\r");
    let open = "document.activeElement.getAttribute('aria-expanded')";
    assert_eq!(page.text(open), "true");
    let told = page.text("rows()[1].textContent");
    let want =
        "unholdable: folder Old.Mail 2019: a dot inside a folder nameWhat to do: use --layout fs";
    assert!(told.contains(want), "{told}");
    assert!(told.contains("/night4/logs/"), "{told}");
    page.press(" ", " ");
    assert_eq!(page.text(open), "false");
    page.value("document.getElementById('users-trouble').click()");
    assert_eq!(page.text("shown()"), "100 of 2,001 shown");

    // The hostile one: its folder, its error and its name are what they are.
    let user = format!("trouble('messages skipped: {SCRIPT}')");
    page.value(&format!("{user}.querySelector('button').click()"));
    assert_eq!(page.text("shown()"), "1 shown of 1 found among 2,001");
    page.value("document.querySelector('#users-table .open').click()");
    let told = page.text("rows()[1].textContent");
    assert!(
        told.contains(&format!("skipped: Lists/{SCRIPT}: UID 41: {SCRIPT}")),
        "{told}"
    );
    page.value("document.getElementById('users-trouble').click()");
}

/// What a verify has found, in the sums and at its users.
fn tells_verdicts(page: &mut Browser) {
    let tile = |name: &str| {
        format!(
            "[...document.querySelectorAll('.tiles div')].find(it => \
             it.querySelector('dt').textContent === '{name}').querySelector('dd').textContent"
        )
    };
    assert_eq!(
        page.text(&tile("Verified")),
        "4transparent; 1 not, 1 could not be looked at, 1,995 never"
    );
    assert!(page.text(&tile("Downloaded again")).starts_with("1,234"));
    for (user, verdict, told) in [
        (0, "transparent, verified", "UTC: transparent".to_owned()),
        (
            1,
            "not transparent: because verify finds 1 difference: keywords of 1 message",
            format!("verify: {SCRIPT}  : keywords (courier): {SCRIPT} became Work"),
        ),
        (
            2,
            &format!("not transparent: because verify: auth: the server said {SCRIPT}"),
            "UTC: not transparent because the login fails".to_owned(),
        ),
    ] {
        page.value("document.getElementById('users-filter').focus()");
        page.value("document.getElementById('users-filter').select()");
        page.type_text(&made::name(user));
        page.until("shown().startsWith('1 shown of 1 found')");
        assert_eq!(page.text("cells(1)[0]"), verdict);
        page.value("document.querySelector('#users-table .open').click()");
        let opened = page.text("rows()[1].textContent");
        assert!(opened.contains(&told), "{opened}");
        page.value("document.querySelector('#users-table .open').click()");
        page.value("document.getElementById('users-filter').select()");
        page.type_text(" ");
        page.until("shown() === '100 of 2,001 shown'");
    }
}

fn pictures(page: &mut Browser, dir: &Path) {
    for width in [1280, 390] {
        for scheme in ["light", "dark"] {
            page.look(scheme, "screen", width);
            page.picture(&dir.join(format!("{scheme}-{width}.png")), 5000);
        }
    }
}
