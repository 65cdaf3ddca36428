"""`make chaos`: seeded random faults in its own stack, and an account of every message.

Exit 1 if anything was lost or doubled without leave.
"""

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import redis
import sqlalchemy as sa

from api.models.user import Channel
from configs.clock import clock, override_clock
from configs.prefecture import desks
from deploy.chaos import namespace, summary
from deploy.chaos.call_accounts import read_calls, settle_calls
from deploy.chaos.capabilities import Capabilities
from deploy.chaos.deliveries import described
from deploy.chaos.faults import Fault, Field, faults
from deploy.chaos.faults.clocks import OFFSET_FILE
from deploy.chaos.health_monitor import HealthMonitor
from deploy.chaos.inbox import InboxReader
from deploy.chaos.job_accounts import count_job_runs
from deploy.chaos.journal import OpeningJournal
from deploy.chaos.legal_accounts import LegalGround, wait_for_law
from deploy.chaos.message_accounts import wait_for_messages
from deploy.chaos.payment_accounts import wait_for_payments
from deploy.chaos.periods import PERIODS, hasty, longest_wait
from deploy.chaos.processes import ChaosProcesses, until
from deploy.chaos.push_accounts import read_pushes, settle_push
from deploy.chaos.runner import ChaosRunner, draw_faults
from deploy.chaos.s3_stub import S3Stub
from deploy.chaos.sandbox_control import OPENED, SandboxControl
from deploy.chaos.server_restarter import ServerRestarter, looking_after
from deploy.chaos.shop import Shop
from deploy.chaos.snapshots import save_redis
from deploy.chaos.subscribers import PEOPLE, settle_in
from deploy.local import signals
from deploy.local.ports import usual
from deploy.local.stack import Stack, running, wait_ready
from deploy.sample_desk_files import only

_LEAST = 0.8  # of the time, even where enough died before
_PATIENCE = 300.0  # seconds until a stack stands, on a machine that does other things too
_PAYMENTS_PATIENCE = 240.0  # seconds: a refund without an answer is asked for again after a minute or two
_LAW_PATIENCE = 240.0  # seconds: an export that was killed is built again after two minutes
_RECEIPTS_PATIENCE = 180.0  # seconds: the last repetition of a receipt comes after three minutes
_SHOWN = 10  # messages of each kind that are printed in detail


def main(arguments: list[str] | None = None) -> int:
    """Run; return 0 when the books are clean, 1 when they are not."""
    given = sys.argv[1:] if arguments is None else arguments
    options = _options(given)
    namespace.enter(given)
    signals.listen()
    os.environ.update(PERIODS)
    print(f"seed {options.seed}: repeat with  make chaos ARGS='--seed {options.seed}'", flush=True)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="rdv-chaos-") as folder,
            namespace.ground(Path(folder)) as world,
        ):
            store = S3Stub(world.state / "store")
            os.environ.update(store.environment | {OFFSET_FILE: str(world.state / "clock-offset")})
            with override_clock(
                partial(datetime.now, UTC)
            ):  # the clock of the programs may be stepped, not ours
                found = _run(world, store, options)
    except signals.StopRequested:
        print("stopped")
        return 1
    options.to.parent.mkdir(parents=True, exist_ok=True)
    options.to.write_text(json.dumps({"seed": options.seed, **found}, indent=2), "utf-8")
    failures = summary.find_failures(found)
    print("\n".join([*(f"FAILED {each}" for each in failures), summary.line(found)]))
    return 1 if failures else 0


def _options(given: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deploy.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="what chance begins with")  # noqa: S311 -- no secret
    parser.add_argument("--minutes", type=float, default=10.0, help="how long faults strike at most (10)")
    parser.add_argument(
        "--kills", type=int, default=100, help="how many deaths are enough to end a little earlier (100)"
    )
    parser.add_argument(
        "--waves",
        type=_read_waves,
        help="instead of chance: faults of each round, `a,b;c` is a with b, then c",
    )
    parser.add_argument("--to", type=Path, default=Path(".state/chaos.json"), help="where the figures go")
    return parser.parse_args(given)


def _read_waves(text: str) -> list[list[str]]:
    waves = [wave.split(",") for wave in text.split(";")]
    if unknown := {name for wave in waves for name in wave} - faults().keys():
        raise argparse.ArgumentTypeError(
            f"no fault {', '.join(sorted(unknown))}: choose of {', '.join(faults())}"
        )
    return waves


def _run(world: Capabilities, store: S3Stub, options: argparse.Namespace) -> dict[str, Any]:
    begun = time.monotonic()
    journal = OpeningJournal()
    rng = random.Random(f"{options.seed} waves")  # noqa: S311 -- chance, no secret
    with (
        running(world.state / "stack", usual(any_port=True), print, edit=_edit(world)) as stack,
        looking_after(stack) as restarter,
    ):
        os.environ.update(stack.environment)
        wait_ready(stack, _PATIENCE)
        settle_in(desks().values(), clock())
        field, watch = _prepared(stack, restarter, world, store, journal, seed=options.seed)
        longest = longest_wait(time.monotonic() - begun)
        print(
            f"all is well after {time.monotonic() - begun:.0f} s: a message may take {longest:.0f} s",
            flush=True,
        )
        # A machine that does other things too applies payments more slowly, and shall keep up with them.
        slowness = longest / longest_wait(0)
        field.shop.start(random.Random(f"{options.seed} shop"), slowness)  # noqa: S311 -- chance, no secret
        runner = ChaosRunner(field, watch, options.seed, longest, lambda text: print(text, flush=True))
        try:
            for wave in _waves(options, world, rng, journal):
                runner.play(wave)
            field.shop.stop()
            return _summarise(runner, field)
        finally:
            _keep_logs(stack, options.to.parent / "chaos-logs")


def _edit(world: Capabilities) -> Callable[[str], str]:
    """HealthMonitor what slots can be opened at, hastily, one site of it by its name where names can be had."""

    def edit(text: str) -> str:
        hurried = hasty(text)
        return only(OPENED, namespace.replace_host(hurried) if world.names else hurried)

    return edit


def _prepared(
    stack: Stack,
    restarter: ServerRestarter,
    world: Capabilities,
    store: S3Stub,
    journal: OpeningJournal,
    *,
    seed: int,
) -> tuple[Field, HealthMonitor]:
    watch = HealthMonitor(stack.ports.api)
    outside = SandboxControl(stack.ports, journal)
    outside.call_answers("person", keys="1")
    field = Field(
        stack=stack,
        outside=outside,
        inbox=InboxReader(stack.ports.inbox),
        victims=ChaosProcesses(stack.supervisor.pid, journal),
        restarter=restarter,
        journal=journal,
        desks=tuple(desks().values()),
        engine=sa.create_engine(stack.environment["DATABASE_URL"], poolclass=sa.NullPool),
        world=world,
        store=store,
        shop=Shop(stack.ports),
        redis_snapshot=world.state / "older-redis",
        rng=random.Random(f"{seed} openings"),  # noqa: S311 -- chance, no secret
    )
    until(watch.is_well, "all is well before anything is done", _PATIENCE)
    field.shop.open()
    save_redis(stack.state / "redis", field.redis_snapshot)
    return field, watch


def _waves(
    options: argparse.Namespace, world: Capabilities, rng: random.Random, journal: OpeningJournal
) -> Iterator[list[Fault]]:
    """Yield the faults of each round until the time is up and enough has died."""
    known = {
        name: fault for name, fault in faults().items() if not fault.needs or fault.needs in world.allows
    }
    for name in sorted(faults().keys() - known.keys()):
        print(f"  {name} is left out: this machine gives no mount namespace, or not port 53")
    if options.waves:
        yield from ([known[name] for name in wave if name in known] for wave in options.waves)
        return
    began = time.monotonic()
    for wave in draw_faults(rng, list(known.values())):
        minutes, enough = (time.monotonic() - began) / 60, len(journal.kills) >= options.kills
        if minutes > options.minutes or (enough and minutes > _LEAST * options.minutes):
            return
        yield wave


def _summarise(runner: ChaosRunner, field: Field) -> dict[str, Any]:
    payments = wait_for_payments(
        field.engine, field.inbox, field.shop.control, field.journal, max(_PAYMENTS_PATIENCE, runner.bound)
    )
    for difference in payments.differences[:_SHOWN]:
        print(f"payments differ: {difference}")
    law = wait_for_law(_legal_ground(field), max(_LAW_PATIENCE, runner.bound))
    for difference in law.differences[: 2 * _SHOWN]:
        print(f"the law asks for more: {difference}")
    print(f"shop: {', '.join(f'{name} {count}' for name, count in sorted(field.shop.acts.items()))}")
    account, engine = runner.account(), field.engine
    for what, dues in {
        "lost": account.lost,
        "doubled": account.doubled,
        "told to a stranger": account.strangers,
        "late": [due for due, _ in account.late],
        "late after an outage": [due for due, _ in account.after_outage],
    }.items():
        for slot, (channel, address) in dues[:_SHOWN]:
            print(
                f"{what}: {slot[0]} {slot[1]:%d %H:%M} to {channel} {address}: {described(engine, slot, address)}"
            )
    proven = runner.proven()
    for claim in proven.lost[:_SHOWN]:
        print(f"proof lost: {claim.desk_id}, committed at {claim.committed_at:%H:%M:%S}: {claim.key}")
    messages = wait_for_messages(engine, field.inbox, field.journal, max(_RECEIPTS_PATIENCE, runner.bound))
    for difference in messages.differences[:_SHOWN]:
        print(f"messages differ: {difference}")
    wanted = {each.addresses[Channel.SMS] for each in PEOPLE if each.wants_calls and each.enabled}
    calls = settle_calls(read_calls(engine), field.inbox.received, field.inbox.list_called(), wanted)
    for difference in calls.differences[:_SHOWN]:
        print(f"calls differ: {difference}")
    browsers = {each.browser for each in PEOPLE if each.has_browser}
    push = settle_push(read_pushes(engine), field.inbox.received, field.inbox.list_browsers(), browsers)
    for difference in push.differences[:_SHOWN]:
        print(f"push differs: {difference}")
    jobs = count_job_runs(engine, clock(), runner.bound)
    return summary.figures(
        field.journal,
        runner.rounds,
        account,
        proven,
        jobs=jobs,
        payments=payments,
        law=law,
        messages=messages,
        calls=calls,
        push=push,
    )


def _legal_ground(field: Field) -> LegalGround:
    client = redis.Redis.from_url(field.stack.environment["REDIS_URL"], socket_timeout=10)
    return LegalGround(field.engine, client, field.stack.state, field.shop, field.inbox, field.journal)


def _keep_logs(stack: Stack, target: Path) -> None:
    """Keep what the programs said: the state folder goes with us."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(stack.state / "logs", target, ignore=shutil.ignore_patterns("*.sock"))


if __name__ == "__main__":
    sys.exit(main())
