#!/usr/bin/env python3
"""The benchmark: mailseed against what others would use, in turn, on one machine.

Run by scripts/bench, which installs and builds what it needs.
"""

import argparse
import csv
import math
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

from cases import CASES, Bench, corpora
from corpus import make
from measure import Incomplete, Runner
from source import Server

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
PEERS = "isync dovecot-core mpop getmail6 fetchmail offlineimap3 libeatmydata1".split()
# What the largest case needs beside what is there already.
FREE_BYTES = 8 << 30


def main():
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measures mailseed against its peers, in turn, and prints a table.",
    )
    parser.add_argument("--rounds", type=int, default=5, help="how often each runs [5]")
    parser.add_argument(
        "--case", action="append", metavar="NAME", choices=CASES, help="only this (repeatable)"
    )
    parser.add_argument("--list", action="store_true", help="what there is to measure")
    parser.add_argument(
        "--prepare",
        action="store_true",
        help="only make the mail that the cases move: nothing is measured, so others may be at work",
    )
    parser.add_argument(
        "--csv", type=Path, metavar="FILE", help="the table as CSV, with every run in FILE.runs"
    )
    parser.add_argument("--quick", action="store_true", help="one round, and growth to a tenth")
    parser.add_argument(
        "--dir",
        type=Path,
        default=REPOSITORY / "target/bench",
        help="where all of it lies [target/bench]; the corpora stay there",
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="leave the results: the next run need not wait for a disk on which much was removed",
    )
    asked = parser.parse_args()
    if asked.list:
        for name, case in CASES.items():
            print(f"{name:12} {case.__doc__.splitlines()[0]}")
        return 0
    # Dovecot's processes and the clients are other users than root.
    os.umask(0o022)
    directory = asked.dir.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    if asked.prepare:
        prepare(asked, directory)
        return 0
    programs = []
    for built in ("mailseed", "examples/bench"):
        target = directory / "bin" / Path(built).name
        target.parent.mkdir(exist_ok=True)
        # A copy: whoever builds meanwhile does not change what is measured.
        shutil.copy2(REPOSITORY / "target/release" / built, target)
        programs.append(target)
    with Report(asked.csv, machine(directory)) as report:
        failed = run(asked, directory, programs, report)
    return 1 if failed else 0


def prepare(asked, directory):
    """Makes all mail of the cases that is not there yet."""
    mail = directory / "mail"
    mail.mkdir(exist_ok=True)
    for name in asked.case or CASES:
        for corpus in corpora(name, asked.quick):
            make(corpus, mail)
    print(f"all mail is there; {shutil.disk_usage(directory).free >> 30} GB are free")


def run(asked, directory, programs, report):
    """Runs the cases; the names of those in which something failed, which end there."""
    failed = []
    program, tool = programs
    server, homes = directory / "server", directory / "mail"
    homes.mkdir(exist_ok=True)
    with Server(server, homes) as site:
        rounds = 1 if asked.quick else asked.rounds
        runner = Runner(tool, directory / "results", site, rounds, report.sample)
        bench = Bench(program, tool, runner, site, report.row, asked.quick)
        try:
            for name in asked.case or CASES:
                # Results stay as long as there is room for them: see Runner.rest.
                if shutil.disk_usage(directory).free < FREE_BYTES:
                    runner.remove()
                runner.rest()
                try:
                    CASES[name](bench)
                except Incomplete as failure:
                    print(f"scripts/bench: {name}: {failure}", file=sys.stderr)
                    failed.append(name)
        finally:
            if not asked.keep:
                runner.remove()
    return failed


def machine(directory):
    """What the figures were measured on, as lines."""
    cpu = next(
        (line.split(":")[1].strip() for line in open("/proc/cpuinfo") if "model name" in line),
        platform.machine(),
    )
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / (1 << 30)
    disk = output("findmnt", "-n", "-o", "FSTYPE,SOURCE,OPTIONS", "-T", str(directory))
    query = ("dpkg-query", "-W", "-f", "${Package} ${Version}, ", *PEERS)
    commit = output("git", "-C", str(REPOSITORY), "describe", "--always", "--dirty")
    return [
        time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        f"{cpu}, {os.cpu_count()} cores, {memory:.0f} GiB, Linux {platform.release()}, "
        f"load {os.getloadavg()[0]:.1f} before",
        f"{disk} ({directory})",
        f"mailseed {commit}, " + output(*query).rstrip(", "),
    ]


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


class Report:
    """The table as it grows, and the same as CSV."""

    COLUMNS = "case what ours peer theirs ratio rounds target verdict".split()

    def __init__(self, path, head):
        self.path, self.head = path, head

    def __enter__(self):
        self.files = []
        for line in self.head:
            print(f"# {line}")
        print(_line(*HEADINGS, ""), flush=True)
        if self.path:
            self.table = self._open(self.path, self.COLUMNS)
            self.runs = self._open(
                self.path.with_name(self.path.name + ".runs"),
                ["case", "round", "program", "wall_s", "cpu_s", "memory_bytes"],
            )
        return self

    def _open(self, path, columns):
        file = open(path, "w", newline="")
        self.files.append(file)
        file.writelines(f"# {line}\n" for line in self.head)
        writer = csv.writer(file)
        writer.writerow(columns)
        return writer

    def __exit__(self, *_):
        for file in self.files:
            file.close()

    def sample(self, case, number, program, sample):
        if self.path:
            self.runs.writerow(
                [case, number, program, sample.wall, f"{sample.cpu:.6f}", sample.memory]
            )

    def row(self, row):
        met = row.met()
        verdict = {None: "", True: "met", False: "NOT MET"}[met]
        target = "" if met is None else ("≥" if row.at_least else "≤") + f" {row.limit:g}"
        figures = number(row.ours), number(row.theirs), row.peer, number(row.ratio)
        print(_line(row.case, row.what, *figures, row.rounds, target, verdict), flush=True)
        if self.path:
            values = [row.case, row.what, f"{row.ours:.6g}", row.peer, number(row.theirs)]
            self.table.writerow(values + [number(row.ratio), row.rounds, target, verdict])
            for file in self.files:
                file.flush()


HEADINGS = "case what ours theirs peer ratio n target".split()


def _line(case, what, ours, theirs, peer, ratio, rounds, target, verdict):
    columns = f"{case:13} {what:44} {ours:>8} {theirs:>8}  {peer:24} {ratio:>7} {rounds:>2} {target:>6}"
    return f"{columns} {verdict}".rstrip()


def number(value):
    """Three digits that count; nothing for none."""
    if math.isnan(value):
        return ""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    sys.exit(main())
