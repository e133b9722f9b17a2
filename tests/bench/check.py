#!/usr/bin/env python3
"""Whether a client brought everything: the mail of a result against that of its source.

    check.py SOURCE RESULT [--without HEADER]... [--uidls]

SOURCE is a Maildir that a Dovecot serves, RESULT a tree of Maildirs in any layout. Ends with 1 and
says what differs. By itself for the tests; the benchmark imports it.
"""

import argparse
import os
import re
import sys
from collections import Counter
from hashlib import blake2b
from pathlib import Path


def digest(content, without=()):
    """Of a message with line ends as LF, without those headers that a client adds or changes."""
    content = content.replace(b"\r\n", b"\n")
    if without:
        header, end, body = content.partition(b"\n\n")
        names = b"|".join(re.escape(name.encode()) for name in without)
        # A field goes on in lines that begin with a blank.
        field = rb"^(?:" + names + rb"):.*\n(?:[ \t].*\n)*"
        content = re.sub(field, b"", header + b"\n", flags=re.M | re.I) + end + body
    return blake2b(content, digest_size=16).digest()


def messages(tree):
    """The files of all messages in the Maildirs in and below a directory."""
    for directory, _, names in os.walk(tree):
        if os.path.basename(directory) in ("cur", "new"):
            for name in names:
                yield os.path.join(directory, name)


def contents(tree, without=()):
    """How often each content is there."""
    found = Counter()
    for path in messages(tree):
        with open(path, "rb") as file:
            found[digest(file.read(), without)] += 1
    return found


def listed(maildir):
    """UIDVALIDITY of a dovecot-uidlist (version 3), and its messages that have a file:
    (UID, UIDL or None, POP3 position or None, content), by UID."""
    files = {}
    for folder in ("cur", "new"):
        for name in os.listdir(maildir / folder):
            files[name.split(":")[0].split(",")[0]] = maildir / folder / name
    header, *lines = (maildir / "dovecot-uidlist").read_text().splitlines()
    validity = next(int(field[1:]) for field in header.split() if field[0] == "V")
    found = {}
    for line in lines:
        fields, _, name = line.partition(" :")
        uid, *extensions = fields.split()
        values = {field[0]: field[1:] for field in extensions}
        path = files.get(name.split(":")[0].split(",")[0])
        if path is not None:
            content = digest(path.read_bytes())
            found[int(uid)] = (int(uid), values.get("P"), values.get("O"), content)
    return validity, [found[uid] for uid in sorted(found)]


def content_differences(wanted, result, without=()):
    """What is wrong with the messages of a tree, given the contents of the source; nothing if
    none is missing, changed, or there too often."""
    found = contents(result, without)
    differences = []
    if found.total() != wanted.total():
        differences.append(f"{found.total()} messages, not {wanted.total()}")
    if missing := (wanted - found).total():
        differences.append(f"{missing} messages are missing or changed")
    if extra := (found - wanted).total():
        differences.append(f"{extra} messages are none of the source's, or there too often")
    return differences


def uidl_differences(source, result):
    """What is wrong with the UIDs, UIDLs and POP3 positions of an INBOX. The source makes its
    UIDLs as %08Xu%08Xv and lists by UID, so they follow from its own list of UIDs."""
    validity, wanted = listed(source)
    kept, found = listed(result)
    differences = []
    if kept != validity:
        differences.append(f"UIDVALIDITY {kept}, not {validity}")
    expected = [(uid, f"{uid:08x}{validity:08x}", content) for uid, _, _, content in wanted]
    if (wrong := len(set(expected) ^ {(u, p, c) for u, p, _, c in found})) > 0:
        differences.append(f"{wrong} messages with another UID, UIDL or content, or missing")
    order = [int(position) for _, _, position, _ in found if position is not None]
    if order != sorted(order) or len(order) not in (0, len(found)):
        differences.append("the POP3 order is another")
    return differences


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("result", type=Path)
    parser.add_argument(
        "--without", action="append", default=[], metavar="HEADER", help="leave this header out"
    )
    parser.add_argument("--uidls", action="store_true", help="UIDs and UIDLs of INBOX too")
    asked = parser.parse_args()
    wanted = contents(asked.source, asked.without)
    differences = content_differences(wanted, asked.result, asked.without)
    if asked.uidls:
        differences += uidl_differences(asked.source, asked.result)
    for difference in differences:
        print(difference)
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
