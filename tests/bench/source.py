"""The server that is moved from, and how far away it is."""

import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

HERE = Path(__file__).resolve().parent
SERVER = HERE.parent.parent / "scripts" / "server-dovecot"
PASSWORD = "secret"


@dataclass(frozen=True)
class Site:
    """A server as its clients see it."""

    imap: int
    pop3: int
    imaps: int
    authority: Path
    # The homes of its users, and where its sockets are.
    mail: Path
    run: Path

    def maildir(self, user):
        return self.mail / user / "Maildir"


class Server:
    """A Dovecot with all corpora, until the end of a `with`."""

    def __init__(self, directory, mail):
        self.directory, self.mail = directory, mail

    def __enter__(self):
        home = f"{self.mail}/%u"
        command = [SERVER, "start", self.directory, "--any-password", "--home", home]
        subprocess.run(command, check=True)
        ports = dict(line.split("=") for line in (self.directory / "ports").read_text().split())
        return Site(
            imap=int(ports["IMAP_PORT"]),
            pop3=int(ports["POP3_PORT"]),
            imaps=int(ports["IMAPS_PORT"]),
            authority=self.directory / "ca.pem",
            mail=self.mail,
            run=self.directory / "run",
        )

    def __exit__(self, *_):
        subprocess.run([SERVER, "stop", self.directory], check=True)


class Distance:
    """The same server a round trip of so many milliseconds away, until the end of a `with`."""

    def __init__(self, tool, site, milliseconds):
        self.tool, self.site, self.milliseconds = tool, site, milliseconds
        self.lines = []

    def __enter__(self):
        return replace(self.site, imap=self._line(self.site.imap), pop3=self._line(self.site.pop3))

    def _line(self, port):
        command = [self.tool, "proxy", "127.0.0.1", str(port), "--rtt", str(self.milliseconds)]
        line = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lines.append(line)
        return int(line.stdout.readline())

    def __exit__(self, *_):
        for line in self.lines:
            # It ends with its standard input.
            line.stdin.close()
            line.wait()
            line.stdout.close()
