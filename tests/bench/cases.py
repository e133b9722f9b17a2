"""The rows of the table: what is run against what, and what must come out."""

import functools
import imaplib
import os
import poplib
import random
import shutil
from dataclasses import dataclass

import clients
import corpus as mail
from measure import Contestant, median
from source import PASSWORD, Distance

MB = 1_000_000

# To what the mail grows; the last step of each is left out of a quick run.
MESSAGES = (10_000, 100_000, 1_000_000)
MESSAGES_IMAP = (10_000, 100_000)
USERS = (10, 100, 1000)

# Of rows without a target, of which a median of three says enough.
FEW_ROUNDS = 3


@dataclass
class Row:
    """A line of the table. `ratio` is the median over the rounds of ours / theirs."""

    case: str
    what: str
    ours: float
    peer: str
    theirs: float
    ratio: float
    rounds: int
    # Whether the ratio must be at most this, or at least; None when there is no target.
    limit: float | None
    at_least: bool = False

    def met(self):
        if self.limit is None:
            return None
        return self.ratio >= self.limit if self.at_least else self.ratio <= self.limit


def wall(name):
    return lambda samples: samples[name].wall


def cpu(name):
    return lambda samples: samples[name].cpu


def memory(name):
    return lambda samples: samples[name].memory / MB


class Bench:
    """What a case needs: the programs, the server, and where its rows go."""

    def __init__(self, program, tool, runner, site, report, quick):
        self.program, self.tool, self.runner = program, tool, runner
        self.site, self.report, self.quick = site, report, quick
        self.warmed = set()

    def ours(self, site, users, **options):
        return functools.partial(self._mailseed, site, users, options)

    def _mailseed(self, site, users, options, work):
        return clients.mailseed(self.program, site, users, work, **options)

    def peer(self, client, site, users, **options):
        return lambda work: client(site, users, work, **options)

    def reader(self, users, **options):
        return lambda work: clients.read(self.tool, self.site, users, work, **options)

    def corpus(self, corpus):
        """The users of a corpus, which is there then."""
        mail.make(corpus, self.site.mail)
        return corpus.user_names()

    def warm(self, users, *contestants):
        """One untimed run of each, so that none finds the server's caches colder than another:
        on loopback, wherever the timed runs are. The last one's job."""
        job = None
        for one in contestants:
            key = one.name, users[0]
            if key not in self.warmed:
                self.warmed.add(key)
                _, job = self.runner.run(one.name, one.make)
        return job

    def compare(self, case, what, rounds, ours, peer, theirs, limit=None, at_least=False):
        """A row of the rounds in which both took part."""
        pairs = []
        for samples in rounds:
            try:
                pairs.append((ours(samples), theirs(samples)))
            except KeyError:
                # A slow peer takes no part in later rounds.
                continue
        row = Row(
            case,
            what,
            median([one for one, _ in pairs]),
            peer,
            median([other for _, other in pairs]),
            median([one / other for one, other in pairs]),
            len(pairs),
            limit,
            at_least,
        )
        self.report(row)

    def bound(self, case, what, value, bound, said):
        """A row of one value and what it may be at most."""
        self.report(Row(case, what, value, said, bound, value / bound, 1, 1.0))

    def note(self, case, what, value):
        """A row of one value that nothing is held against."""
        self.report(Row(case, what, value, "", float("nan"), float("nan"), 1, None))


def imap(bench, case="imap"):
    """1 user, 10,000 messages of about 10 KB, IMAP."""
    users = bench.corpus(mail.ONE)
    ours = Contestant("mailseed", bench.ours(bench.site, users))
    mbsync = Contestant("mbsync", bench.peer(clients.mbsync, bench.site, users))
    bench.warm(users, mbsync)
    copy, tree = _copy(bench, ours)
    rounds = bench.runner.in_turn(case, [ours, mbsync, copy])
    bench.compare(case, "wall s", rounds, wall("mailseed"), "mbsync", wall("mbsync"), 0.8)
    bench.compare(case, "CPU s", rounds, cpu("mailseed"), "mbsync", cpu("mbsync"), 0.75)
    bench.compare(case, "memory MB", rounds, memory("mailseed"), "mbsync", memory("mbsync"))
    size = sum(path.stat().st_size for path in tree.glob("cur/*")) / MB
    bench.compare(
        case,
        "speed MB/s",
        rounds,
        lambda samples: size / samples["mailseed"].wall,
        "cp -a",
        lambda samples: size / samples["cp -a"].wall,
        0.6,
        at_least=True,
    )


def _copy(bench, ours):
    """What `cp -a` needs for our result, the disk's part of the work; and the tree that is copied."""
    _, job = bench.runner.run(ours.name, ours.make)
    trees = list(job.results.values())
    return Contestant("cp -a", lambda work: clients.copy(trees, work)), trees[0]


def offlineimap(bench, case="offlineimap"):
    """As `imap`, against offlineimap, once: it is slow."""
    _once(bench, case, clients.offlineimap)


def _once(bench, case, client, **options):
    users = bench.corpus(mail.ONE)
    ours = Contestant("mailseed", bench.ours(bench.site, users, **options))
    theirs = Contestant(client.__name__, bench.peer(client, bench.site, users))
    bench.warm(users, ours)
    rounds = bench.runner.in_turn(case, [ours, theirs], 1)
    bench.compare(case, "wall s", rounds, wall(ours.name), theirs.name, wall(theirs.name))


def imap_sync(bench, case="imap-sync"):
    """As `imap`, each with the syncing that is its own default."""
    users = bench.corpus(mail.ONE)
    ours = Contestant("mailseed", bench.ours(bench.site, users, fsync="batch"))
    mbsync = Contestant("mbsync", bench.peer(clients.mbsync, bench.site, users, fsync="yes"))
    bench.warm(users, ours, mbsync)
    rounds = bench.runner.in_turn(case, [ours, mbsync])
    bench.compare(case, "wall s", rounds, wall("mailseed"), "mbsync", wall("mbsync"), 0.3)


def uidl(bench, case="uidl"):
    """As `imap`, the UIDLs of POP3 kept for a Dovecot."""
    users = bench.corpus(mail.ONE)
    ours = Contestant("mailseed", bench.ours(bench.site, users, pop3=True))
    only_imap = Contestant("mailseed, IMAP only", bench.ours(bench.site, users))
    doveadm = Contestant("doveadm", bench.peer(clients.doveadm, bench.site, users))
    bench.warm(users, ours, only_imap, doveadm)
    rounds = bench.runner.in_turn(case, [ours, only_imap, doveadm])
    bench.compare(case, "wall s", rounds, wall("mailseed"), "doveadm", wall("doveadm"), 0.4)
    bench.compare(case, "CPU s", rounds, cpu("mailseed"), "doveadm", cpu("doveadm"))
    bench.compare(case, "memory MB", rounds, memory("mailseed"), "doveadm", memory("doveadm"))
    bench.compare(
        case,
        "wall s",
        rounds,
        wall("mailseed"),
        only_imap.name,
        wall(only_imap.name),
        1.15,
    )


def uidl_distinct(bench, case="uidl-distinct"):
    """As `uidl`, no two neighbours of one size: what doveadm's pop3_migration does best."""
    users = bench.corpus(mail.DISTINCT)
    ours = Contestant("mailseed", bench.ours(bench.site, users, pop3=True))
    doveadm = Contestant("doveadm", bench.peer(clients.doveadm, bench.site, users))
    bench.warm(users, ours, doveadm)
    rounds = bench.runner.in_turn(case, [ours, doveadm])
    bench.compare(case, "wall s", rounds, wall("mailseed"), "doveadm", wall("doveadm"))


def uidl_sync(bench, case="uidl-sync"):
    """As `uidl`, each with the syncing that is its own default."""
    users = bench.corpus(mail.ONE)
    ours = Contestant("mailseed", bench.ours(bench.site, users, pop3=True, fsync="batch"))
    doveadm = Contestant(
        "doveadm", bench.peer(clients.doveadm, bench.site, users, fsync="optimized")
    )
    bench.warm(users, ours, doveadm)
    rounds = bench.runner.in_turn(case, [ours, doveadm])
    bench.compare(case, "wall s", rounds, wall("mailseed"), "doveadm", wall("doveadm"), 0.3)


def pop3(bench, case="pop3"):
    """As `imap`, over POP3 alone."""
    users = bench.corpus(mail.ONE)
    ours = Contestant("mailseed", bench.ours(bench.site, users, imap=False, pop3=True))
    mpop = Contestant("mpop", bench.peer(clients.mpop, bench.site, users))
    bench.warm(users, mpop)
    copy, _ = _copy(bench, ours)
    rounds = bench.runner.in_turn(case, [ours, mpop, copy])
    bench.compare(case, "wall s", rounds, wall("mailseed"), "mpop", wall("mpop"), 0.3)
    bench.compare(case, "wall s", rounds, wall("mailseed"), "cp -a", wall("cp -a"))
    bench.compare(case, "CPU s", rounds, cpu("mailseed"), "mpop", cpu("mpop"))
    bench.compare(case, "memory MB", rounds, memory("mailseed"), "mpop", memory("mpop"))


def pop3_sync(bench, case="pop3-sync"):
    """As `pop3`, each with the syncing that is its own default."""
    users = bench.corpus(mail.ONE)
    options = {"imap": False, "pop3": True, "fsync": "batch"}
    ours = Contestant("mailseed", bench.ours(bench.site, users, **options))
    mpop = Contestant("mpop", bench.peer(clients.mpop, bench.site, users, syncs=True))
    bench.warm(users, ours, mpop)
    rounds = bench.runner.in_turn(case, [ours, mpop])
    bench.compare(case, "wall s", rounds, wall("mailseed"), "mpop", wall("mpop"), 0.3)


def getmail(bench, case="getmail"):
    """As `pop3`, against getmail, once: it is slow."""
    _once(bench, case, clients.getmail, imap=False, pop3=True)


def fetchmail(bench, case="fetchmail"):
    """As `pop3`, against fetchmail, once: it is slow."""
    _once(bench, case, clients.fetchmail, imap=False, pop3=True)


def users(bench, case="users"):
    """40 users with 500 messages, 8 at once."""
    _many(bench, case, mail.MANY, None, 0.7, 0.4)


def users_50ms(bench, case="users-50ms"):
    """40 users with 500 messages in 16 folders, 8 at once, 50 ms away."""
    _many(bench, case, mail.FOLDERS, 50, 0.3, 0.12)


def _many(bench, case, corpus, distance, mbsync_limit, doveadm_limit):
    users = bench.corpus(corpus)

    def contestants(site):
        return [
            Contestant("mailseed", bench.ours(site, users, jobs=8)),
            Contestant("mailseed, UIDLs", bench.ours(site, users, pop3=True, jobs=8)),
            Contestant("mbsync", bench.peer(clients.mbsync, site, users, jobs=8)),
            Contestant("doveadm", bench.peer(clients.doveadm, site, users, jobs=8)),
        ]

    bench.warm(users, *contestants(bench.site))
    if distance:
        with Distance(bench.tool, bench.site, distance) as far:
            rounds = bench.runner.in_turn(case, contestants(far))
    else:
        near = contestants(bench.site)
        copy, _ = _copy(bench, near[1])
        rounds = bench.runner.in_turn(case, [*near, copy])
        bench.compare(case, "CPU s", rounds, cpu("mailseed, UIDLs"), "cp -a", cpu("cp -a"))
    bench.compare(case, "wall s", rounds, wall("mailseed"), "mbsync", wall("mbsync"), mbsync_limit)
    bench.compare(
        case, "wall s", rounds, wall("mailseed, UIDLs"), "doveadm", wall("doveadm"), doveadm_limit
    )
    bench.compare(case, "CPU s", rounds, cpu("mailseed"), "mbsync", cpu("mbsync"))
    bench.compare(case, "CPU s", rounds, cpu("mailseed, UIDLs"), "doveadm", cpu("doveadm"))
    peak = median([samples["mailseed, UIDLs"].memory / MB for samples in rounds])
    bench.note(case, "memory MB", peak)


def large(bench, case="large"):
    """200 messages of 1 to 25 MB."""
    users = bench.corpus(mail.LARGE)
    ours = Contestant("mailseed", _thrown_away(bench.ours(bench.site, users)))
    mbsync = bench.peer(clients.mbsync, bench.site, users)
    mbsync = Contestant("mbsync", _thrown_away(mbsync))
    bench.warm(users, ours, mbsync)
    rounds = bench.runner.in_turn(case, [ours, mbsync])
    bench.compare(case, "wall s", rounds, wall("mailseed"), "mbsync", wall("mbsync"), 0.6)
    bench.compare(case, "CPU s", rounds, cpu("mailseed"), "mbsync", cpu("mbsync"))
    bench.compare(case, "memory MB", rounds, memory("mailseed"), "mbsync", memory("mbsync"))
    peak = max(samples["mailseed"].memory / MB for samples in rounds)
    bench.bound(case, "memory MB", peak, 18, "16 + 2 x jobs")


def _thrown_away(make):
    """With the result of the run before removed: few files, but gigabytes."""
    before = []

    def made(work):
        for older in before:
            shutil.rmtree(older)
        before[:] = [work]
        return make(work)

    return made


def huge(bench, case="huge"):
    """One message of 1 GiB: memory."""
    users = bench.corpus(mail.HUGE)
    sample, _ = bench.runner.run("mailseed", bench.ours(bench.site, users))
    bench.bound(case, "memory MB", sample.memory / MB, 18, "16 + 2 x jobs")
    bench.note(case, "wall s", sample.wall)


def tls(bench, case="tls"):
    """As `imap`, over TLS, against the TLS of a bare reader and our own work without TLS."""
    users = bench.corpus(mail.ONE)
    ours = Contestant("mailseed, TLS", bench.ours(bench.site, users, tls=True))
    plain = Contestant("mailseed", bench.ours(bench.site, users))
    reader = Contestant("reader, TLS", bench.reader(users, tls=True))
    bench.warm(users, ours, plain, reader)
    rounds = bench.runner.in_turn(case, [ours, plain, reader])

    def theirs(samples):
        return samples["mailseed"].cpu + samples["reader, TLS"].cpu

    bench.compare(
        case, "CPU s", rounds, cpu("mailseed, TLS"), "TLS reader + ours without", theirs, 1.3
    )
    bench.compare(
        case, "wall s", rounds, wall("mailseed, TLS"), "reader, TLS", wall("reader, TLS")
    )


def imap_50ms(bench, case="imap-50ms"):
    """As `imap`, 50 ms away."""
    _imap_far(bench, case, 50, 0.7)


def imap_10ms(bench, case="imap-10ms"):
    """As `imap`, 10 ms away."""
    _imap_far(bench, case, 10, None)


def imap_150ms(bench, case="imap-150ms"):
    """As `imap`, 150 ms away."""
    _imap_far(bench, case, 150, None)


def _imap_far(bench, case, distance, limit):
    users = bench.corpus(mail.ONE)
    near = Contestant("mailseed, loopback", bench.ours(bench.site, users))
    bench.warm(users, near, Contestant("mbsync", bench.peer(clients.mbsync, bench.site, users)))
    with Distance(bench.tool, bench.site, distance) as far:
        ours = Contestant("mailseed", bench.ours(far, users))
        mbsync = Contestant("mbsync", bench.peer(clients.mbsync, far, users))
        few = None if limit else FEW_ROUNDS
        rounds = bench.runner.in_turn(case, [ours, mbsync, near], few)
    bench.compare(case, "wall s", rounds, wall("mailseed"), "mbsync", wall("mbsync"), limit)
    bench.compare(
        case,
        "wall s",
        rounds,
        wall("mailseed"),
        "1.3 x loopback + 10 RTT",
        lambda samples: 1.3 * samples["mailseed, loopback"].wall + 10 * distance / 1000,
        1.0 if limit else None,
    )


def uidl_50ms(bench, case="uidl-50ms"):
    """As `uidl`, 50 ms away; the peer takes minutes, so it runs in two rounds only."""
    users = bench.corpus(mail.ONE)
    near = Contestant("doveadm", bench.peer(clients.doveadm, bench.site, users))
    bench.warm(users, near)
    with Distance(bench.tool, bench.site, 50) as far:
        ours = Contestant("mailseed", bench.ours(far, users, pop3=True))
        doveadm = Contestant("doveadm", bench.peer(clients.doveadm, far, users), rounds=2)
        rounds = bench.runner.in_turn(case, [ours, doveadm])
    bench.compare(case, "wall s", rounds, wall("mailseed"), "doveadm", wall("doveadm"), 0.03)


def uidl_150ms(bench, case="uidl-150ms"):
    """As `uidl`, 150 ms away, ours beside mbsync, which keeps no UIDLs."""
    users = bench.corpus(mail.ONE)
    bench.warm(users, Contestant("mbsync", bench.peer(clients.mbsync, bench.site, users)))
    with Distance(bench.tool, bench.site, 150) as far:
        ours = Contestant("mailseed", bench.ours(far, users, pop3=True))
        mbsync = Contestant("mbsync", bench.peer(clients.mbsync, far, users))
        rounds = bench.runner.in_turn(case, [ours, mbsync], FEW_ROUNDS)
    bench.compare(case, "wall s", rounds, wall("mailseed"), "mbsync", wall("mbsync"))


def pop3_50ms(bench, case="pop3-50ms"):
    """As `pop3`, 50 ms away."""
    users = bench.corpus(mail.ONE)
    bench.warm(users, Contestant("mpop", bench.peer(clients.mpop, bench.site, users)))
    with Distance(bench.tool, bench.site, 50) as far:
        ours = Contestant("mailseed", bench.ours(far, users, imap=False, pop3=True))
        mpop = Contestant("mpop", bench.peer(clients.mpop, far, users))
        rounds = bench.runner.in_turn(case, [ours, mpop])
    bench.compare(case, "wall s", rounds, wall("mailseed"), "mpop", wall("mpop"), 0.3)


def no_op(bench, case="no-op"):
    """As `uidl`, run again when nothing has changed."""
    users = bench.corpus(mail.ONE)
    _no_op(bench, case, users, bench.site)


def no_op_50ms(bench, case="no-op-50ms"):
    """As `no-op`, 50 ms away."""
    users = bench.corpus(mail.ONE)
    with Distance(bench.tool, bench.site, 50) as far:
        _no_op(bench, case, users, far)


def _no_op(bench, case, users, site):
    contestants = []
    for name, near, there in (
        (
            "mailseed",
            bench.ours(bench.site, users, pop3=True),
            bench.ours(site, users, pop3=True),
        ),
        (
            "doveadm",
            bench.peer(clients.doveadm, bench.site, users),
            bench.peer(clients.doveadm, site, users),
        ),
    ):
        _, first = bench.runner.run(name, near)
        contestants.append(Contestant(name, _again(first, there)))
    # The second run may leave other caches behind than the first.
    for one in contestants:
        bench.runner.run(one.name, one.make)
    rounds = bench.runner.in_turn(case, contestants)
    limit = 0.3
    bench.compare(case, "wall s", rounds, wall("mailseed"), "doveadm", wall("doveadm"), limit)
    bench.compare(case, "CPU s", rounds, cpu("mailseed"), "doveadm", cpu("doveadm"))
    ours = median([samples["mailseed"].cpu for samples in rounds])
    bench.bound(case, "CPU s", ours, 0.1, "0.1")


def _again(first, make):
    """The job that `make` gives, on the results of another, which go along from run to run."""
    there = dict(first.results)

    def made(work):
        job = make(work)
        for user, target in job.results.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            there[user].rename(target)
            there[user] = target
        return job

    return made


def growth(bench, case="growth"):
    """Ours with 10,000 to 1,000,000 messages in a folder, UIDLs kept, and 10 to 1,000 users."""
    _growth_of_a_folder(bench, case, MESSAGES, pop3=True)
    _growth_of_users(bench, case)


def growth_imap(bench, case="growth-imap"):
    """As `growth`, 10,000 and 100,000 messages, IMAP only."""
    _growth_of_a_folder(bench, case, MESSAGES_IMAP, pop3=False)


def _steps(steps, quick):
    return steps[:-1] if quick else steps


def _growth_of_a_folder(bench, case, steps, pop3):
    before = None
    for count in _steps(steps, bench.quick):
        corpus = mail.small(count, pop3)
        users = bench.corpus(corpus)
        bench.runner.run("reader", bench.reader(users))
        make = bench.ours(bench.site, users, pop3=pop3)
        first, job = bench.runner.run("mailseed", make)
        make_again = _again(job, make)
        again, job = bench.runner.run("mailseed", make_again, checked=False)
        state = sum(
            file.stat().st_size for file in job.results[users[0]].glob("mailseed.state*")
        )
        _change_a_little(bench, users[0], count)
        delta, _ = bench.runner.run("mailseed", make_again)
        # Changed, it is of no more use; removing it now would slow down what follows.
        mail.give_up(corpus, bench.site.mail, bench.runner.directory)

        label = f"{count} messages: "
        bound = 40 + 100 * count / MB
        for what, sample in (("first run", first), ("no-op", again), ("delta", delta)):
            bench.runner.journal(case, 1, label + what, sample)
            peak = sample.memory / MB
            bench.bound(case, f"{label}{what}, memory MB", peak, bound, "40 + 100 B a message")
            bench.note(case, f"{label}{what}, wall s", sample.wall)
            bench.note(case, f"{label}{what}, CPU s", sample.cpu)
        bench.note(case, f"{label}state MB", state / MB)
        found = {
            "first run, us a message": first.wall / count * 1e6,
            "no-op, us a message": again.wall / count * 1e6,
            "delta, us a message": delta.wall / count * 1e6,
            "first run, CPU us a message": first.cpu / count * 1e6,
            "no-op, CPU us a message": again.cpu / count * 1e6,
            "delta, CPU us a message": delta.cpu / count * 1e6,
            "state, bytes a message": state / count,
        }
        _straight(bench, case, label, found, before)
        before = found


def _growth_of_users(bench, case):
    before = None
    for count in _steps(USERS, bench.quick):
        corpus = mail.crowd(count)
        users = bench.corpus(corpus)
        make = bench.ours(bench.site, users, pop3=True, jobs=8)
        bench.runner.run("mailseed", make)
        first, job = bench.runner.run("mailseed", make)
        make_again = _again(job, make)
        again, job = bench.runner.run("mailseed", make_again, checked=False)
        trees = job.results.values()
        files = (file for tree in trees for file in tree.glob("mailseed.state*"))
        state = sum(file.stat().st_size for file in files)
        label = f"{count} users: "
        for what, sample in (("first run", first), ("no-op", again)):
            bench.runner.journal(case, 1, label + what, sample)
            bench.bound(case, f"{label}{what}, memory MB", sample.memory / MB, 40, "40")
            bench.note(case, f"{label}{what}, wall s", sample.wall)
            bench.note(case, f"{label}{what}, CPU s", sample.cpu)
        bench.note(case, f"{label}state MB", state / MB)
        found = {
            "first run, ms a user": first.wall / count * 1e3,
            "no-op, ms a user": again.wall / count * 1e3,
            "first run, CPU ms a user": first.cpu / count * 1e3,
            "no-op, CPU ms a user": again.cpu / count * 1e3,
            "state, bytes a user": state / count,
        }
        _straight(bench, case, label, found, before)
        before = found


def _straight(bench, case, label, found, before):
    """What one more costs is to be the same with ten times as many. Each is measured once."""
    if before:
        for what, value in found.items():
            row = Row(
                case, label + what, value, "a tenth", before[what], value / before[what], 1, 1.5
            )
            bench.report(row)


def _change_a_little(bench, user, count):
    """One message new, one with another flag, one deleted; the server has seen it."""
    maildir = bench.site.maildir(user)
    gone, flagged = sorted((maildir / "cur").iterdir())[:2]
    gone.unlink()
    # It may be flagged: then it no longer is.
    name, _, flags = flagged.name.partition(":2,")
    flagged.rename(flagged.with_name(f"{name}:2,{'F' if flags == 'S' else 'S'}"))
    new = mail.write_message(maildir, user, count, 200, 0, random.Random(count))
    if mail.MAIL_OWNER:
        os.chown(new, *mail.MAIL_OWNER)
    bench.runner.source_changed(user)
    with imaplib.IMAP4("127.0.0.1", bench.site.imap) as session:
        session.login(user, PASSWORD)
        session.select("INBOX")
    session = poplib.POP3("127.0.0.1", bench.site.pop3)
    session.user(user)
    session.pass_(PASSWORD)
    session.quit()


# In the order of the table.
CASES = {
    "imap": imap,
    "offlineimap": offlineimap,
    "imap-sync": imap_sync,
    "uidl": uidl,
    "uidl-distinct": uidl_distinct,
    "uidl-sync": uidl_sync,
    "pop3": pop3,
    "pop3-sync": pop3_sync,
    "getmail": getmail,
    "fetchmail": fetchmail,
    "users": users,
    "large": large,
    "huge": huge,
    "tls": tls,
    "imap-10ms": imap_10ms,
    "imap-50ms": imap_50ms,
    "imap-150ms": imap_150ms,
    "uidl-50ms": uidl_50ms,
    "uidl-150ms": uidl_150ms,
    "pop3-50ms": pop3_50ms,
    "users-50ms": users_50ms,
    "no-op": no_op,
    "no-op-50ms": no_op_50ms,
    "growth": growth,
    "growth-imap": growth_imap,
}


def corpora(name, quick):
    """The mail that a case moves."""
    small = _steps(MESSAGES, quick)
    of_cases = {
        "uidl-distinct": [mail.DISTINCT],
        "users": [mail.MANY],
        "users-50ms": [mail.FOLDERS],
        "large": [mail.LARGE],
        "huge": [mail.HUGE],
        "growth": [*map(mail.small, small), *map(mail.crowd, _steps(USERS, quick))],
        "growth-imap": [mail.small(count, pop3=False) for count in _steps(MESSAGES_IMAP, quick)],
    }
    return of_cases.get(name, [mail.ONE])
