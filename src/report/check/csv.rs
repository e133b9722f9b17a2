//! `check.csv`.

use std::borrow::Cow;
use std::io::{self, Write};

use super::CheckReport;
use crate::check::{Finding, Server, Top, Uidls, Verdict, class};
use crate::problem::Problem;
use crate::report::files::defused;
use crate::report::{Gathered, ReportDir};
use crate::text::printable;

/// The columns of `check.csv`: others script against them, new ones come last. What is not known is
/// empty.
pub const CHECK_COLUMNS: [&str; 38] = [
    "user",
    "status",
    "verdict",
    "imap",
    "imap_error",
    "imap_software",
    "pop3",
    "pop3_error",
    "pop3_software",
    "folders",
    "messages",
    "bytes",
    "largest_bytes",
    "largest_folder",
    "largest_message",
    "folders_unholdable",
    "folders_unusable",
    "folders_foreign",
    "keywords_lost",
    "pop3_messages",
    "uidls",
    "uidls_faulty",
    "uidls_doubled",
    "uidls_unholdable",
    "top",
    "scheme",
    "scheme_hits",
    "pop3_uidl_format",
    "uidls_kept",
    "uidls_missing",
    "uidls_extra",
    "paired_by",
    "uid_order",
    "max_date_shift_s",
    "seconds",
    "attempts",
    "uidls_elsewhere",
    "folders_elsewhere",
];

const NAME: &str = "check.csv";

impl ReportDir {
    /// Writes `check.csv`, replacing that of an earlier run.
    ///
    /// # Errors
    /// It could not be written (reach Run, kind Target).
    pub fn write_check(&self, report: &Gathered<CheckReport>) -> Result<(), Problem> {
        self.replace(NAME, |out| write(report, out))
            .map_err(|error| self.not_written(NAME, error))
    }
}

fn write(report: &Gathered<CheckReport>, out: &mut dyn Write) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(CHECK_COLUMNS)?;
    for row in report.rows() {
        csv.write_record(row?.checked)?;
    }
    csv.flush()
}

/// The row of `user`.
pub(super) fn row(user: &Finding) -> [Cow<'_, str>; 38] {
    let verdict = Verdict::of(user);
    let [imap, imap_error, imap_software] = login(user.imap.as_ref());
    let [pop3, pop3_error, pop3_software] = login(user.pop3.as_ref());
    let drop = user.maildrop.as_ref();
    let mailbox = &user.mailbox;
    // Without a folder nothing was listed: even an empty mailbox has INBOX.
    let counted = (mailbox.folders > 0).then_some(mailbox);
    let largest = mailbox.largest.as_ref();
    let uidls = mailbox.uidls.as_ref();
    let scheme = uidls.and_then(|uidls| uidls.scheme.as_ref());
    [
        // The name as it is in the user list: --only-failed looks it up there.
        Cow::Borrowed(user.user.as_str()),
        verdict.status.word().into(),
        free(&verdict.to_string()),
        imap,
        imap_error,
        imap_software,
        pop3,
        pop3_error,
        pop3_software,
        number(counted.map(|it| it.folders)),
        number(counted.map(|it| it.messages)),
        number(counted.map(|it| it.bytes)),
        number(largest.map(|it| it.bytes)),
        free(largest.map_or("", |it| &it.folder)),
        largest.map_or("".into(), |it| it.message.as_str().into()),
        number(counted.map(|it| it.unholdable_folders)),
        number(counted.map(|it| it.unusable_folders)),
        number(counted.map(|it| it.foreign_folders)),
        number(counted.map(|it| it.keywords_lost)),
        number(drop.map(|it| it.messages)),
        number(drop.map(|it| it.sound_uidls())),
        number(drop.map(|it| it.faulty)),
        number(drop.map(|it| it.doubled)),
        number(drop.map(|it| it.unholdable)),
        drop.map_or("", |it| match it.top {
            Top::There => "there",
            Top::Missing => "missing",
            Top::Unknown => "",
        })
        .into(),
        scheme.map_or("".into(), |it| it.name.as_str().into()),
        number(scheme.map(|it| it.hits)),
        scheme.and_then(|it| it.dovecot_format).unwrap_or("").into(),
        number(uidls.map(|it| it.kept)),
        number(uidls.map(|it| it.missing)),
        number(uidls.map(|it| it.extra)),
        uidls.map_or("".into(), |it| {
            let stages = it.stages.iter();
            let stages = stages.map(|(stage, count)| format!("{stage}={count}"));
            stages.collect::<Vec<_>>().join(" ").into()
        }),
        uidls
            .and_then(|it| it.in_uid_order)
            .map_or("", |same| if same { "yes" } else { "no" })
            .into(),
        number(uidls.and_then(|it| it.max_date_shift)),
        format!("{:.3}", user.seconds).into(),
        user.attempts.to_string().into(),
        number(uidls.map(Uidls::elsewhere)),
        uidls.map_or("".into(), |it| {
            let folders = it.elsewhere.iter();
            let folders = folders.map(|(folder, count)| format!("{folder}={count}"));
            free(&folders.collect::<Vec<_>>().join("; "))
        }),
    ]
}

/// Whether the login works, else its class; what was said; what the server is.
fn login(server: Option<&Server>) -> [Cow<'_, str>; 3] {
    match server {
        None => ["", "", ""].map(Cow::Borrowed),
        Some(server) => match &server.login {
            Ok(()) => ["ok".into(), "".into(), free(&server.software)],
            Err(problem) => [
                class(problem.kind).into(),
                free(&problem.to_string()),
                "".into(),
            ],
        },
    }
}

fn free(text: &str) -> Cow<'static, str> {
    let text = printable(text);
    defused(&text).into_owned().into()
}

fn number(number: Option<u64>) -> Cow<'static, str> {
    number.map_or("".into(), |number| number.to_string().into())
}
