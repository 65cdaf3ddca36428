"""`make release-check`: a release from the last version to the work tree under load, and back; everything is counted.

Exit 1 if a request failed, or anything was lost or doubled; 2 if it could not be tried.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from configs.clock import clock
from configs.prefecture import desks
from deploy.chaos.accounting import DeliveryAccount, settle
from deploy.chaos.deliveries import deliveries
from deploy.chaos.health_monitor import HealthMonitor
from deploy.chaos.inbox import InboxReader
from deploy.chaos.journal import OpeningJournal
from deploy.chaos.payment_accounts import wait_for_payments
from deploy.chaos.processes import until
from deploy.chaos.sandbox_control import SandboxControl
from deploy.chaos.shop import BUYERS, RETRIES, Shop
from deploy.chaos.shop_api import PASSWORD
from deploy.chaos.subscribers import SHOPPERS
from deploy.local import signals
from deploy.local.processes import StartFailed
from deploy.release import accounts
from deploy.release.front import NginxMissing
from deploy.release.load import RequestLoad
from deploy.release.order import release, roll_back, serve
from deploy.release.programs import ask_version
from deploy.release.stage import ReleaseStage, staged
from deploy.release.versions import NoVersion, check_out, find_last_release, work_tree
from deploy.release.world import OPEN_SECONDS, ReleaseWorld

_VISITORS = tuple(f"visitor{number}{SHOPPERS}" for number in range(20))
_START_SECONDS = 150.0
_SHOWN = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Try it; return the exit code."""
    options = _parse(sys.argv[1:] if arguments is None else arguments)
    signals.listen()
    signal.signal(signal.SIGALRM, signal.getsignal(signal.SIGTERM))
    signal.setitimer(signal.ITIMER_REAL, 60 * options.minutes)
    try:
        with tempfile.TemporaryDirectory(prefix="rdv-release-") as folder:
            try:
                found = _run(Path(folder), options)
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
                _keep_logs(Path(folder), options.to.parent / "release-logs")
    except signals.StopRequested:
        print(f"stopped, or not done within {options.minutes:g} minutes")
        return 1
    except (NginxMissing, NoVersion, StartFailed, TimeoutError) as failure:
        print(f"it could not be tried: {failure}", file=sys.stderr)
        return 2
    options.to.parent.mkdir(parents=True, exist_ok=True)
    options.to.write_text(json.dumps(found, indent=2), "utf-8")
    print("\n".join(f"FAILED {each}" for each in found["failures"]) or "nothing was lost, doubled or refused")
    return 1 if found["failures"] else 0


def _parse(given: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deploy.release", description=__doc__)
    parser.add_argument(
        "--from", dest="ref", help="the older version (the newest tag, else the parent commit)"
    )
    parser.add_argument("--rate", type=float, default=10.0, help="requests a second (10)")
    parser.add_argument("--minutes", type=float, default=6.0, help="how long it may take at most (6)")
    parser.add_argument("--to", type=Path, default=Path(".state/release.json"), help="where the figures go")
    return parser.parse_args(given)


def _run(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    old, new = check_out(options.ref or find_last_release(), folder / "old"), work_tree()
    print(f"from {old.name} to {new.name}, with {options.rate:g} requests a second", flush=True)
    with staged(folder, old, new) as stage:
        os.environ.update(stage.new.environment)
        people = {"password": PASSWORD, "buyers": BUYERS, "visitors": _VISITORS}
        ask_version(old, "write_people.py", people, stage.old.environment)
        health, inbox = HealthMonitor(stage.ports.api), InboxReader(stage.ports.inbox)
        until(health.is_well, "all is well before anything is done", _START_SECONDS)
        return _release_under_load(stage, inbox, options.rate)


def _release_under_load(stage: ReleaseStage, inbox: InboxReader, rate: float) -> dict[str, Any]:
    journal, since = OpeningJournal(), clock()
    shop = Shop(stage.ports)
    shop.control.webhook(retry_seconds=RETRIES)
    rng = random.Random("a release")  # noqa: S311 -- chance, no secret
    world = ReleaseWorld(SandboxControl(stage.ports, journal), journal, shop, tuple(desks().values()), rng)
    load = RequestLoad(stage.front, _VISITORS, PASSWORD, rate)
    with load.running(), world.running():
        serve(stage, "the old version")
        release(stage)
        serve(stage, "the new version")
        roll_back(stage)
        serve(stage, "the old version again")
    engine = sa.create_engine(stage.database_url, poolclass=sa.NullPool)
    checks = accounts.count_checks(accounts.read_checks(engine, since))
    messages = _settle(engine, inbox, journal)
    payments = wait_for_payments(engine, inbox, shop.control, journal, OPEN_SECONDS)
    due = load.written["made"] - load.written["ended"]
    figures = accounts.summarise(
        load.answers, (due, load.count_alerts()), checks, messages, payments,
        purchases=world.purchases, errors=world.errors, ended=stage.running.ended,
    )  # fmt: skip
    print(f"\n{accounts.render(figures, stage.steps)}\n")
    details = [
        *accounts.count_requests(load.answers, stage.steps),
        *(f"check: {count} ended as {outcome}" for outcome, count in checks.failed.items()),
        *(f"checked twice at once: {each}" for each in checks.doubled[:_SHOWN]),
        *(f"lost: {due}" for due in messages.lost[:_SHOWN]),
        *(f"doubled: {due}" for due in messages.doubled[:_SHOWN]),
        *world.errors[:_SHOWN],
        *payments.differences[:_SHOWN],
        *stage.running.ended,
    ]
    print("\n".join(details))
    return {
        "from": stage.old.version.name,
        "figures": figures,
        "steps": {step.name: round(step.seconds, 1) for step in stage.steps},
        "details": details,
        "failures": accounts.find_failures(figures, stage.broken),
    }


def _settle(engine: sa.Engine, inbox: InboxReader, journal: OpeningJournal) -> DeliveryAccount:
    """Wait until every slot that is open was told, as long as a message may take, then hold the books."""
    end = time.monotonic() + OPEN_SECONDS
    while time.monotonic() < end:
        found = deliveries(engine, inbox.messages(), journal)
        if not settle(journal, found, clock(), 0.0).lost:
            break
        time.sleep(1)
    return settle(journal, deliveries(engine, inbox.messages(), journal), clock(), OPEN_SECONDS)


def _keep_logs(folder: Path, target: Path) -> None:
    """Keep what the programs said: the folder goes with us."""
    shutil.rmtree(target, ignore_errors=True)
    if (folder / "logs").exists():
        shutil.copytree(folder / "logs", target)


if __name__ == "__main__":
    sys.exit(main())
