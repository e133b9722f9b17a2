"""Runs programs in turn and measures them; a result that is not complete ends the benchmark."""

import itertools
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import check
import clients

# ext4 without a journal does not give out an inode again for a minute after its end, or for six
# where its block is still to be written, and looks past all such at each file it makes: a run soon
# after many files were removed is ten times as slow.
INODES_REST_S = 360


class Incomplete(Exception):
    """A client failed, or left mail out."""


@dataclass(frozen=True)
class Sample:
    """One run: seconds, and the peak memory of its largest process in bytes."""

    wall: float
    cpu: float
    memory: int


@dataclass
class Contestant:
    """A program under a name; `make` gives its job for a fresh directory."""

    name: str
    make: object
    # At most so many rounds, for the slow ones.
    rounds: int = 1000


def median(values):
    values = sorted(values)
    middle = len(values) // 2
    return (values[middle] + values[-middle - 1]) / 2


class Runner:
    """Measures below a directory, in new directories only, which stay until `remove`."""

    def __init__(self, tool, directory, site, rounds, journal):
        self.tool, self.directory, self.site = tool, directory, site
        self.rounds, self.journal = rounds, journal
        self.numbers = itertools.count(1)
        self.wanted = {}

    def run(self, name, make, checked=True):
        """Runs the job that `make` gives for a new directory; its sample and the job."""
        work = self.directory / f"{os.getpid()}-{next(self.numbers)}"
        work.mkdir(parents=True)
        job = make(work)
        owner = clients.owner()
        if owner:
            for directory, _, names in os.walk(work):
                for path in [directory] + [os.path.join(directory, name) for name in names]:
                    shutil.chown(path, owner["user"], owner["group"])
        # What was written before is not to be written while this runs.
        os.sync()
        sample = self._measure(name, job, work, owner)
        if checked:
            self.check(name, job)
        return sample, job

    def _measure(self, name, job, work, owner):
        numbers, log = work / "measured", work / "log"
        environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "LC_ALL": "C.UTF-8",
            "HOME": str(work),
        }
        with open(log, "wb") as output:
            command = [str(self.tool), "run", "--to", str(numbers), "--"]
            # What must be preloaded is for the job, not for what measures it.
            settings = [f"{key}={value}" for key, value in job.environment.items()]
            if settings:
                command += ["env", *settings]
            subprocess.run(
                command + job.argv,
                cwd=work,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
                **owner,
            )
        measured = numbers.read_text().split() if numbers.exists() else []
        if len(measured) != 5 or measured[4] != "0":
            said = log.read_text(errors="replace")[-2000:]
            raise Incomplete(f"{name} failed: {' '.join(job.argv)}\n{said}")
        wall, user, system, kib = map(float, measured[:4])
        return Sample(wall, user + system, int(kib) * 1024)

    def check(self, name, job):
        """Holds each user's mail against the source."""
        for user, tree in job.results.items():
            source = self.site.maildir(user)
            key = user, job.adds
            if key not in self.wanted:
                self.wanted[key] = check.contents(source, job.adds)
            differences = check.content_differences(self.wanted[key], tree, job.adds)
            if job.uidls:
                differences += check.uidl_differences(source, tree)
            if differences:
                raise Incomplete(f"{name}, {user} in {tree}: {'; '.join(differences)}")

    def source_changed(self, user):
        """What was read of a user's source before is no longer true."""
        self.wanted = {key: wanted for key, wanted in self.wanted.items() if key[0] != user}

    def in_turn(self, case, contestants, rounds=None):
        """Runs them all in each round, another one first each time; a dict of samples a round."""
        rounds = min(rounds or self.rounds, self.rounds)
        found = []
        for number in range(rounds):
            taking = [one for one in contestants if number < one.rounds]
            first = number % len(taking)
            samples = {}
            for one in taking[first:] + taking[:first]:
                samples[one.name], _ = self.run(one.name, one.make)
                self.journal(case, number + 1, one.name, samples[one.name])
            found.append(samples)
        return found

    def remove(self):
        """Removes all results; the next timed run waits for the disk."""
        if self.directory.exists():
            shutil.rmtree(self.directory)
            os.sync()
            self._removed().touch()

    def rest(self):
        """Waits until the disk has forgotten what was removed."""
        if self._removed().exists():
            rests = self._removed().stat().st_mtime + INODES_REST_S - time.time()
            time.sleep(max(0, min(rests, INODES_REST_S)))

    def _removed(self) -> Path:
        return self.directory.parent / ".removed"
