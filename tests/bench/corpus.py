"""The mail that is moved: made once from a fixed seed, straight into the Maildirs of the source."""

import os
import random
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

# What else the making depends on; a change of it or of a corpus makes new ones.
SEED = 20261125
VERSION = 2

# Which part of the messages of a corpus with twins are the second of two.
TWINS = 0.01

# Users of a test server: it refuses to serve mail of root.
MAIL_OWNER = (5000, 5000) if os.geteuid() == 0 else None


@dataclass(frozen=True)
class Corpus:
    """Users with equal numbers of messages; sizes in bytes are even between two bounds, or with
    `log` even by their logarithm. Folders beside INBOX are counted with it. With `twins` one message
    in a hundred is as large as the one before, as notifications from one sender are; otherwise no
    two neighbours are of one size."""

    name: str
    users: int
    messages: int
    smallest: int
    largest: int
    folders: int = 1
    log: bool = False
    twins: bool = False

    def user_names(self):
        return [f"{self.name}-{number:04}" for number in range(1, self.users + 1)]


KB, MB = 1000, 1000_000
ONE = Corpus("one", 1, 10_000, 2 * KB, 18 * KB, twins=True)
DISTINCT = Corpus("distinct", 1, 10_000, 2 * KB, 18 * KB)
MANY = Corpus("many", 40, 500, 2 * KB, 18 * KB, twins=True)
FOLDERS = Corpus("folders", 40, 500, 2 * KB, 18 * KB, folders=16, twins=True)
LARGE = Corpus("large", 1, 200, 1 * MB, 25 * MB, log=True)
HUGE = Corpus("huge", 1, 1, 1 << 30, 1 << 30)


def small(messages, pop3=True):
    """One folder of tiny messages, for each measurement of growth its own: it changes them."""
    name = f"small{messages}" if pop3 else f"plain{messages}"
    return Corpus(name, 1, messages, 150, 250)


def crowd(users):
    """Many users with little mail each."""
    return Corpus(f"crowd{users}", users, 20, 1 * KB, 5 * KB)


def make(corpus, mail):
    """Makes the corpus below the directory of all homes, unless it is there whole."""
    mark = mail / f".{corpus.name}"
    made_of = f"{VERSION} {SEED} {corpus}\n"
    if mark.exists() and mark.read_text() == made_of:
        return
    print(f"making corpus {corpus.name}: {corpus.users} x {corpus.messages} messages", flush=True)
    for user in corpus.user_names():
        shutil.rmtree(mail / user, ignore_errors=True)
        _make_user(corpus, user, mail / user)
    mark.write_text(made_of)
    # Before anything is timed.
    os.sync()


def give_up(corpus, mail, among):
    """Moves it to what will be removed, in another directory of the disk."""
    (mail / f".{corpus.name}").unlink()
    for user in corpus.user_names():
        (mail / user).rename(Path(tempfile.mkdtemp(dir=among)) / user)


def _make_user(corpus, user, home):
    maildir = home / "Maildir"
    folders = [maildir] + [maildir / f".Folder{n:02}" for n in range(1, corpus.folders)]
    for folder in folders:
        for part in ("cur", "new", "tmp"):
            (folder / part).mkdir(parents=True)
        if folder != maildir:
            (folder / "maildirfolder").touch()
    numbers = random.Random(f"{SEED} {user}")
    last = [None] * len(folders)
    for number in range(corpus.messages):
        place = number % len(folders)
        # In POP3 order, where doveadm's pop3_migration pairs by size until two neighbours are alike.
        # Servers count line ends as two bytes, so twins have one text, and a rare pair of a size is
        # still among the others: none in DISTINCT, checked for this seed.
        if not (corpus.twins and last[place] and numbers.random() < TWINS):
            size = _size(corpus, numbers)
            while last[place] and size == last[place][0] and corpus.smallest != corpus.largest:
                size = _size(corpus, numbers)
            last[place] = size, numbers.randrange(len(_POOL))
        write_message(folders[place], user, number, *last[place], numbers)
    if MAIL_OWNER:
        for directory, _, names in os.walk(home):
            os.chown(directory, *MAIL_OWNER)
            for name in names:
                os.chown(os.path.join(directory, name), *MAIL_OWNER)


def _size(corpus, numbers):
    if corpus.log:
        return round(corpus.smallest * (corpus.largest / corpus.smallest) ** numbers.random())
    return numbers.randint(corpus.smallest, corpus.largest)


def write_message(folder, user, number, size, at, numbers):
    """Writes a message of about so many bytes, with text from a place in the pool, into cur, named and
    dated as Dovecot does it."""
    when = 1_400_000_000 + number * 3000
    header = _header(user, number, size, numbers)
    missing = max(0, size - len(header) - 1)
    body = _POOL[at : at + missing]
    lines = header.count(b"\n")
    flags = numbers.choices(("S", "", "RS", "FS", "F"), (80, 8, 8, 2, 2))[0]
    partial = folder / "tmp" / str(number)
    with open(partial, "wb") as file:
        file.write(header)
        file.write(body)
        missing -= len(body)
        written, lines = len(header) + len(body), lines + body.count(b"\n")
        while missing > 0:
            body = _POOL[:missing]
            missing -= len(body)
            written, lines = written + len(body), lines + body.count(b"\n")
            file.write(body)
        file.write(b"\n")
    written, lines = written + 1, lines + 1
    os.utime(partial, (when, when))
    name = f"{when}.M{number:06}P1.bench,S={written},W={written + lines}:2,{flags}"
    target = folder / "cur" / name
    os.rename(partial, target)
    return target


def _header(user, number, size, numbers):
    if size < 1000:
        return (
            f"From: a@example.org\nMessage-ID: <{number}.{user}@example.org>\n"
            f"Subject: {numbers.getrandbits(32):08x}\n\n"
        ).encode()
    token = f"{numbers.getrandbits(64):016x}"
    return f"""\
Return-Path: <sender{number % 97}@lists.example.net>
Received: from mx{number % 7}.example.net (mx{number % 7}.example.net [192.0.2.{number % 250}])
\tby mail.example.org (Postfix) with ESMTPS id {token[:12]}
\tfor <{user}@example.org>; Fri, 13 May 2016 10:{number % 60:02}:00 +0000 (UTC)
Date: Fri, 13 May 2016 10:{number % 60:02}:00 +0000
From: Sender {number % 97} <sender{number % 97}@lists.example.net>
To: {user}@example.org
Subject: Message {number} of {user}, {token}
Message-ID: <{token}.{number}@lists.example.net>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

""".encode()


def _pool():
    """Four megabytes of lines of words, of which bodies are pieces."""
    numbers = random.Random(SEED)
    letters = "etaoinshrdlu"
    words = ["".join(numbers.choices(letters, k=numbers.randint(2, 9))) for _ in range(5000)]
    lines = (" ".join(numbers.choices(words, k=10)) + "\n" for _ in range(62_000))
    return "".join(lines).encode()


_POOL = _pool()
