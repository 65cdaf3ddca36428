"""`make chaos`: seeded random faults in its own stack, and an account of every message.

Exit 1 if anything was lost or doubled without leave.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from configs.ground.clock import override_clock
from configs.world.desk import Desk, WatchLevel
from configs.world.prefecture import desks
from deploy.local import processes
from deploy.local.ports import usual
from deploy.local.processes import wait_until
from deploy.local.stack import Stack, running, wait_ready
from deploy.local.state_dir import LOGS
from tests.lab.chaos.books import Book, read_calls, read_looks, read_messages, read_promises, wait_for
from tests.lab.chaos.deliveries import described
from tests.lab.chaos.faults import OFFSET_FILE, faults, save_redis
from tests.lab.chaos.field import Fault, Field
from tests.lab.chaos.inbox import InboxReader
from tests.lab.chaos.journal import OpeningJournal
from tests.lab.chaos.law import read_deletions
from tests.lab.chaos.looks import COPIES, Looks
from tests.lab.chaos.money import read_payments, read_withdrawals
from tests.lab.chaos.outside import OPENED, HealthMonitor, SandboxControl
from tests.lab.chaos.periods import PERIODS, hasty, longest_wait
from tests.lab.chaos.processes import ChaosProcesses, ProofStore, looking_after
from tests.lab.chaos.runner import ChaosRunner, draw_faults
from tests.lab.chaos.shop import Shop
from tests.lab.chaos.subscribers import settle_in
from tests.sample_desk_files import add_people_desks, only

_PATIENCE = 300.0  # seconds until a stack stands, on a machine that does other things too
# Seconds until a book is right: a refund without an answer is asked for again after two minutes, an export that was
# killed is built again after two, the last repetition of a receipt comes after three.
_BOOK_PATIENCE = 240.0
_SHOWN = 10  # differences of each kind that are printed
_SMALL_DISK = "700m"
_MARK = "RDV_CHAOS_NAMESPACE"


def main(arguments: list[str] | None = None) -> int:
    """Run; return 0 when the books are clean, 1 when they are not."""
    given = sys.argv[1:] if arguments is None else arguments
    options = _read_options(given)
    _enter_namespace(given)
    processes.listen()
    os.environ.update(PERIODS)
    print(f"seed {options.seed}: repeat with  make chaos ARGS='--seed {options.seed}'", flush=True)
    try:
        with tempfile.TemporaryDirectory(prefix="rdv-chaos-") as folder, _small_disk(Path(folder)):
            store = ProofStore(Path(folder) / "proofs")
            os.environ.update(store.environment | {OFFSET_FILE: f"{folder}/clock-offset"})
            # the clock of the programs may be stepped, not ours
            with override_clock(partial(datetime.now, UTC)):
                found = _run(Path(folder), store, options)
    except processes.StopRequested:
        print("stopped")
        return 1
    options.to.parent.mkdir(parents=True, exist_ok=True)
    options.to.write_text(json.dumps({"seed": options.seed, **found}, indent=2), "utf-8")
    failures = find_failures(found)
    shown = " · ".join(f"{name}: {value}" for name, value in found.items() if isinstance(value, int | float))
    print("\n".join([*(f"FAILED {each}" for each in failures), shown]))
    return 1 if failures else 0


def _read_options(given: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.lab.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="what chance begins with")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long faults strike (10)")
    waves = "instead of chance: faults of each round, `a,b;c` is a with b, then c"
    parser.add_argument("--waves", type=_read_waves, help=waves)
    parser.add_argument("--to", type=Path, default=Path(".state/chaos.json"), help="where the figures go")
    return parser.parse_args(given)


def _read_waves(text: str) -> list[list[str]]:
    waves = [wave.split(",") for wave in text.split(";")]
    if unknown := {name for wave in waves for name in wave} - faults().keys():
        known = ", ".join(faults())
        raise argparse.ArgumentTypeError(f"no fault {', '.join(sorted(unknown))}: choose of {known}")
    return waves


def _enter_namespace(arguments: Sequence[str]) -> None:
    """Become the same program in a mount namespace of its own, where that is allowed, for a small disk."""
    found = shutil.which("unshare")
    if _MARK in os.environ or not found:
        return
    for how in (["--mount"], ["--user", "--map-root-user", "--mount"]):
        unshare = [found, *how, "--propagation", "private"]
        disk = [*unshare, "mount", "-t", "tmpfs", "none", "/mnt"]
        if subprocess.run(disk, capture_output=True, check=False).returncode == 0:
            command = [*unshare, sys.executable, "-m", "tests.lab.chaos", *arguments]
            os.execve(found, command, {**os.environ, _MARK: "1"})  # noqa: S606 -- no shell is meant


@contextmanager
def _small_disk(folder: Path) -> Iterator[None]:
    """Make a folder a disk of its own while the block lasts; outside a namespace it stays as it is."""
    if _MARK not in os.environ:
        yield
        return
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_SMALL_DISK}", "none", str(folder)]
    subprocess.run(mount, check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], capture_output=True, check=False)


def _run(folder: Path, store: ProofStore, options: argparse.Namespace) -> dict[str, Any]:
    begun = time.monotonic()
    journal = OpeningJournal()

    def edit(text: str) -> str:
        return add_people_desks(only(OPENED, hasty(text), with_people=True), COPIES)

    with (
        running(folder / "stack", usual(any_port=True), print, edit=edit) as stack,
        looking_after(stack),
    ):
        os.environ.update(stack.environment)
        wait_ready(stack, _PATIENCE)
        settle_in(_checked_desks())
        field, watch = _prepare(stack, store, journal, options.seed)
        took = time.monotonic() - begun
        longest = longest_wait(took)
        print(f"all is well after {took:.0f} s: a message may take {longest:.0f} s", flush=True)
        # A machine that does other things too applies payments more slowly, and shall keep up with them.
        for each in (field.shop, field.looks):
            each.start(
                random.Random(f"{options.seed} {type(each).__name__.lower()}"), longest / longest_wait(0)
            )
        runner = ChaosRunner(field, watch, options.seed, longest, partial(print, flush=True))
        try:
            for wave in _choose_waves(options, field):
                runner.play(wave)
            field.looks.stop()
            field.shop.stop()
            return _summarise(runner, field)
        finally:
            logs = options.to.parent / "chaos-logs"  # the state folder goes with us
            shutil.rmtree(logs, ignore_errors=True)
            shutil.copytree(stack.state / LOGS, logs, ignore=shutil.ignore_patterns("*.sock"))


def _prepare(
    stack: Stack, store: ProofStore, journal: OpeningJournal, seed: int
) -> tuple[Field, HealthMonitor]:
    watch, outside = HealthMonitor(stack.ports.api), SandboxControl(stack.ports, journal)
    outside.call_answers("person")
    field = Field(
        stack=stack,
        outside=outside,
        inbox=InboxReader(stack.ports.inbox),
        victims=ChaosProcesses(stack.supervisor.pid, journal),
        journal=journal,
        desks=_checked_desks(),
        engine=sa.create_engine(stack.environment["DATABASE_URL"], poolclass=sa.NullPool),
        store=store,
        shop=Shop(stack.ports),
        looks=Looks(stack.ports.api, [each for each in desks().values() if each.watch is WatchLevel.PEOPLE]),
        redis_snapshot=stack.state.parent / "older-redis",
        rng=random.Random(f"{seed} openings"),
        small_disk=_MARK in os.environ,
    )
    wait_until(watch.is_well, what="health", seconds=_PATIENCE)
    field.shop.open()
    field.looks.open()
    save_redis(stack.state / "redis", field.redis_snapshot)
    return field, watch


def _checked_desks() -> tuple[Desk, ...]:
    return tuple(each for each in desks().values() if each.shows_slots)


def _choose_waves(options: argparse.Namespace, field: Field) -> Iterator[list[Fault]]:
    """Yield the faults of each round until the time is up."""
    known = {name: each for name, each in faults().items() if field.small_disk or not each.needs_disk}
    for name in sorted(faults().keys() - known.keys()):
        print(f"  {name} is left out: this machine gives no mount namespace")
    if options.waves:
        yield from ([known[name] for name in wave if name in known] for wave in options.waves)
        return
    began = time.monotonic()
    for wave in draw_faults(random.Random(f"{options.seed} waves"), list(known.values())):
        if time.monotonic() - began > 60 * options.minutes:
            return
        yield wave


def _summarise(runner: ChaosRunner, field: Field) -> dict[str, Any]:
    """Do all books, print what is wrong, and return every count of the run."""
    engine, inbox, journal, shop = field.engine, field.inbox, field.journal, field.shop
    answered, logs = [str(each) for each in shop.consumers.answered], field.stack.state / LOGS
    readers: dict[str, Callable[[], Book]] = {
        "payments that differ": partial(read_payments, engine, inbox, shop.control, journal),
        "withdrawals that differ": lambda: read_withdrawals(
            engine, shop.control, answered, inbox.mails(), journal
        ),
        "deletions that differ": lambda: read_deletions(
            field.redis(), logs, consumers=shop.consumers, mails=inbox.mails(), journal=journal
        ),
        "promises that are broken": partial(read_promises, engine, runner.bound),
        "messages that differ": partial(read_messages, engine, inbox, journal),
        "calls and pushes that differ": partial(read_calls, engine, inbox),
        "looks that differ": partial(read_looks, engine, field.looks, inbox, journal),
        "proofs lost": runner.proven,
    }
    books = {name: wait_for(read, max(_BOOK_PATIENCE, runner.bound)) for name, read in readers.items()}
    for name, book in books.items():
        for difference in book.differences[:_SHOWN]:
            print(f"{name}: {difference}")
    print(f"shop: {', '.join(f'{name} {count}' for name, count in sorted(shop.acts.items()))}")
    return {**_count_faults(runner, journal), **_count_alerts(runner, field), **_count_books(books)}


def _count_alerts(runner: ChaosRunner, field: Field) -> dict[str, Any]:
    account = runner.account()
    dues = {
        "lost": account.lost,
        "doubled, not allowed": account.doubled,
        "told to strangers": account.strangers,
        "late after an outage": [due for due, _ in account.after_outage],
        "late": [due for due, _ in account.late],
    }
    for what, some in dues.items():
        for slot, (channel, address) in some[:_SHOWN]:
            said = described(field.engine, slot)
            print(f"{what}: {slot[0]} {slot[1]:%d %H:%M} to {channel} {address}: {said}")
    return {
        "slots opened": len(field.journal.openings),
        "messages expected": account.expected,
        **{what: len(some) for what, some in dues.items()},
        "doubled, allowed": len(account.doubled_allowed),
        "worst recovery, s": round(account.worst, 1),
    }


def _count_books(books: dict[str, Book]) -> dict[str, int]:
    counts = sum((book.counts for book in books.values()), Counter[str]())
    return {"cents that differ": 0, **counts, **{name: len(each.differences) for name, each in books.items()}}


def _count_faults(runner: ChaosRunner, journal: OpeningJournal) -> dict[str, Any]:
    struck = [spell for spell in journal.spells if not spell.missed]
    return {
        "kills": len(journal.kills),
        "faults": len(struck),
        "rounds": len(runner.rounds),
        "rounds that were not well in time": sum(not each.well for each in runner.rounds),
        "killed": dict(sorted(Counter(kill.who for kill in journal.kills).items())),
        "struck": dict(sorted(Counter(spell.fault for spell in struck).items())),
        "missed": {spell.fault: spell.missed for spell in journal.spells if spell.missed},
    }


def find_failures(found: dict[str, Any]) -> list[str]:
    """Return, in words, what the run should have proved and did not: one line each."""
    bad = (
        "lost", "late after an outage", "doubled, not allowed", "told to strangers",
        "proofs lost", "payments that differ", "cents that differ", "withdrawals that differ",
        "deletions that differ", "promises that are broken", "messages that differ", "calls and pushes that differ",
        "looks that differ",
        "rounds that were not well in time",
    )  # fmt: skip
    return [f"{name}: {found[name]}, none is allowed" for name in bad if found[name]]


if __name__ == "__main__":
    sys.exit(main())
