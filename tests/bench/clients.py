"""How each program is told to do the job: ours and theirs."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from source import PASSWORD

# Preloaded for the peers that sync each message and cannot be told otherwise.
EATMYDATA = "libeatmydata.so"


@dataclass
class Job:
    """A command, and where the mail of each user is afterwards."""

    argv: list
    results: dict
    environment: dict = field(default_factory=dict)
    # The headers that it adds to messages or writes anew.
    adds: tuple = ()
    # The target's INBOX has a dovecot-uidlist with UIDs and UIDLs.
    uidls: bool = False


def _write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    # Several clients refuse to read passwords that others can read.
    path.chmod(0o600)
    return str(path)


def _maildir(path):
    for part in ("cur", "new", "tmp"):
        (path / part).mkdir(parents=True)
    return path


def _one_by_one(paths, work, jobs, command):
    """The command with each path as its argument {}: alone, or so many at once."""
    if len(paths) == 1:
        return [part.replace("{}", paths[0]) for part in command]
    listed = _write(work / "list", "\n".join(paths) + "\n")
    return ["xargs", "-a", listed, "-P", str(jobs), "-I", "{}", *command]


def mailseed(
    program, site, users, work, *, imap=True, pop3=False, tls=False, fsync="never", jobs=1
):
    """Ours."""
    rows = "".join(f"{user},{PASSWORD}\n" for user in users)
    argv = [str(program), "export", "--users", _write(work / "users.csv", "user,password\n" + rows)]
    if tls:
        argv += ["--imap", f"imaps://localhost:{site.imaps}", "--tls-ca", str(site.authority)]
    elif imap:
        argv += ["--imap", f"imap+plain://127.0.0.1:{site.imap}"]
    if pop3:
        argv += ["--pop3", f"pop3+plain://127.0.0.1:{site.pop3}"]
    argv += ["--maildir", f"{work}/{{user}}/Maildir", "--fsync", fsync]
    argv += ["-j", str(jobs), "--progress", "none"]
    results = {user: work / user / "Maildir" for user in users}
    return Job(argv, results, uidls=imap and pop3)


def mbsync(site, users, work, *, fsync="no", jobs=1):
    """isync: IMAP only."""
    configurations = []
    for user in users:
        _maildir(work / user / "INBOX")
        text = f"""\
FSync {fsync}

IMAPAccount source
Host 127.0.0.1
Port {site.imap}
User {user}
Pass {PASSWORD}
SSLType None
AuthMechs LOGIN

IMAPStore far
Account source

MaildirStore near
Path {work}/{user}/
Inbox {work}/{user}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Sync Pull
Create Near
CopyArrivalDate yes
SyncState *
"""
        configurations.append(_write(work / f"{user}.mbsyncrc", text))
    command = ["mbsync", "-aq", "-c", "{}"]
    argv = _one_by_one(configurations, work, jobs, command)
    results = {user: work / user for user in users}
    return Job(argv, results, adds=("X-TUID",))


def doveadm(site, users, work, *, pop3=True, fsync="never", jobs=1):
    """Dovecot's own migration, with its plugin for UIDLs."""
    configurations = []
    for user in users:
        text = f"""\
base_dir = {site.run}
state_dir = {work}
log_path = /dev/stderr
first_valid_uid = 1
mail_location = maildir:{work}/{user}/Maildir
mail_fsync = {fsync}
mail_prefetch_count = 20
imapc_host = 127.0.0.1
imapc_port = {site.imap}
imapc_user = {user}
imapc_password = {PASSWORD}
imapc_features = rfc822.size fetch-headers
namespace inbox {{
  inbox = yes
  separator = /
  prefix =
}}
"""
        if pop3:
            text += f"""\
pop3c_host = 127.0.0.1
pop3c_port = {site.pop3}
pop3c_user = {user}
pop3c_password = {PASSWORD}
namespace pop3 {{
  prefix = POP3-MIGRATION-NS/
  separator = /
  location = pop3c:
  inbox = no
  list = no
  hidden = yes
}}
mail_plugins = pop3_migration
plugin {{
  pop3_migration_mailbox = POP3-MIGRATION-NS/INBOX
}}
"""
        configurations.append(_write(work / f"{user}.conf", text))
    command = ["doveadm", "-c", "{}", "backup", "-R", "imapc:"]
    argv = _one_by_one(configurations, work, jobs, command)
    results = {user: work / user / "Maildir" for user in users}
    return Job(argv, results, {"USER": "bench"}, uidls=pop3)


def offlineimap(site, users, work):
    """One user, IMAP."""
    (user,) = users
    text = f"""\
[general]
accounts = a
metadata = {work}/metadata
ui = quiet
fsync = false

[Account a]
localrepository = near
remoterepository = far

[Repository near]
type = Maildir
localfolders = {work}/mail

[Repository far]
type = IMAP
remotehost = 127.0.0.1
remoteport = {site.imap}
remoteuser = {user}
remotepass = {PASSWORD}
ssl = no
starttls = no
readonly = True
"""
    argv = ["offlineimap", "-o", "-c", _write(work / "offlineimaprc", text)]
    return Job(argv, {user: work / "mail"})


def mpop(site, users, work, *, syncs=False):
    """One user, POP3; pipelines. It syncs each message, unless that is taken from it."""
    (user,) = users
    text = f"""\
account default
host 127.0.0.1
port {site.pop3}
user {user}
password {PASSWORD}
auth user
tls off
keep on
received_header off
uidls_file {work}/uidls
delivery maildir {_maildir(work / "mail")}
"""
    argv = ["mpop", "-q", "-C", _write(work / "mpoprc", text)]
    return Job(argv, {user: work / "mail"}, {} if syncs else {"LD_PRELOAD": EATMYDATA})


def getmail(site, users, work):
    """One user, POP3."""
    (user,) = users
    text = f"""\
[retriever]
type = SimplePOP3Retriever
server = 127.0.0.1
port = {site.pop3}
username = {user}
password = {PASSWORD}

[destination]
type = Maildir
path = {_maildir(work / "mail")}/

[options]
delete = false
delivered_to = false
received = false
verbose = 0
"""
    _write(work / "getmailrc", text)
    argv = ["getmail", "--getmaildir", str(work)]
    return Job(argv, {user: work / "mail"}, {"LD_PRELOAD": EATMYDATA}, adds=("Return-Path",))


def fetchmail(site, users, work):
    """One user, POP3; hands each message to a program, of which this is about the cheapest."""
    (user,) = users
    mail = _maildir(work / "mail")
    deliver = work / "deliver"
    _write(deliver, f'#!/bin/sh\nexec cat >"$(mktemp {mail}/new/XXXXXXXXXXXX)"\n')
    deliver.chmod(0o700)
    text = f"""\
set no bouncemail
set invisible
poll 127.0.0.1 service {site.pop3} protocol pop3 uidl auth password
  user "{user}" password "{PASSWORD}" sslproto ''
  keep fetchall no rewrite no dropdelivered no dropstatus no mimedecode pass8bits
  mda "{deliver}"
"""
    argv = ["fetchmail", "-s", "-f", _write(work / "fetchmailrc", text)]
    return Job(argv, {user: mail}, {"FETCHMAILHOME": str(work)})


def copy(trees, work):
    """What the disk alone costs: cp of a result, the Maildirs of all users."""
    (work / "copy").mkdir()
    homes = [Path(tree).parent for tree in trees]
    results = {home.name: work / "copy" / home.name / "Maildir" for home in homes}
    return Job(["cp", "-a", *map(str, homes), str(work / "copy")], results)


def read(tool, site, users, work, *, tls=False):
    """What the network alone costs: all bytes read and thrown away."""
    (user,) = users
    argv = [str(tool), "read", str(site.imaps if tls else site.imap), user, PASSWORD]
    if tls:
        argv += ["--tls", str(site.authority)]
    return Job(argv, {})


def owner():
    """Who runs the clients: not root, which getmail refuses."""
    if os.geteuid() != 0:
        return {}
    return {"user": "nobody", "group": "nogroup", "extra_groups": []}
