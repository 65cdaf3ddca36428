"""10,000 receipts of mails at once: until the webhook took them, until they are applied, and alerts meanwhile."""

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import sqlalchemy as sa

from configs.clock import clock
from deploy.bench.figures import Effort, Figure, Say, at_most, below, percentile
from deploy.bench.notifier_stack import CROWD_DESK, NotifierStack, run_notifier
from deploy.bench.open_loop import LoadGenerator, build_request
from deploy.bench.people import Crowd
from deploy.local.private_files import kept_secret
from deploy.sandbox.receipts.signatures import sign_events

_HOOK = "/api/hooks/sendgrid"
_CALL, _AT_ONCE, _OK = 100, 8, 200  # events of a call; connections
_APART = 0.1  # seconds between two alerts
_SENT = sa.text("SELECT id, provider_id FROM notifications WHERE state = 'sent' ORDER BY id")


def run(effort: Effort, say: Say) -> list[Figure]:
    """Tell a crowd without receipts, then send them all; alerts are measured alone and meanwhile, in turns."""
    people, turns, singles = effort.of(10_000, 60), effort.of(3, 1), effort.of(40, 3)
    alone, beside, taken, applied = list[float](), list[float](), list[float](), list[float]()
    with run_notifier() as stack:
        stack.set_receipts("sendgrid", "lost")
        Crowd("crowd", people, f"NULL, NULL, '{CROWD_DESK}'").write(stack.engine)
        Crowd("single", turns * singles * 20, "NULL, NULL, 'single_91/desk-'||n").write(stack.engine)
        desks = (f"single_91/desk-{number}" for number in range(1, turns * singles * 20 + 1))
        for _ in range(turns):
            stack.wait_sent([stack.detect(CROWD_DESK)])
            calls = _build_calls(stack)
            alone += _read_delays(stack, [next(desks) for _ in range(singles)], lambda: True)
            began = time.monotonic()
            seconds, found = _post_beside(stack, calls, desks)
            taken.append(seconds)
            beside += found
            stack.wait_applied()
            applied.append(time.monotonic() - began)
            say(f"{people} receipts taken in {taken[-1]:.1f} s, applied after {applied[-1]:.1f} s")
    ratio = percentile(beside, 50) / percentile(alone, 50)
    return [
        Figure(f"{people} receipts, until all were taken, s", percentile(taken, 50), below(10)),
        Figure(f"{people} receipts, until all were applied, s", percentile(applied, 50)),
        Figure("page read → accepted, alone, p50 ms", percentile(alone, 50) * 1000),
        Figure("page read → accepted, beside receipts, p50 ms", percentile(beside, 50) * 1000),
        Figure("page read → accepted beside receipts ÷ alone, p50", ratio, at_most(1.1)),
    ]


def _post_beside(
    stack: NotifierStack, calls: Sequence[bytes], desks: Iterable[str]
) -> tuple[float, list[float]]:
    """Post all calls while slots open; return how many seconds that took, and those of the alerts meanwhile."""
    with ThreadPoolExecutor(1) as hands:
        posting = hands.submit(asyncio.run, _post(stack, calls))
        delays = _read_delays(stack, desks, lambda: not posting.done() or stack.has_receipts())
        return posting.result(), delays


def _build_calls(stack: NotifierStack) -> list[bytes]:
    """Return the calls of the webhook that confirm all that is sent, signed as SendGrid does."""
    with stack.engine.connect() as connection:
        sent = connection.execute(_SENT).all()
    secret = kept_secret(stack.state / "secrets" / "SENDGRID_RECEIPT_SECRET", "sandbox-")
    return [_build_call(sent[start : start + _CALL], secret) for start in range(0, len(sent), _CALL)]


def _build_call(sent: Sequence[sa.Row[UUID, str]], secret: str) -> bytes:
    at = int(clock().timestamp())
    events = [
        {
            "event": "delivered", "email": "someone@example.org", "timestamp": at, "sg_event_id": f"bench-{key}",
            "sg_message_id": f"{provider_id}.recvd-1", "notification_id": str(key),
        }
        for key, provider_id in sent
    ]  # fmt: skip
    body = json.dumps(events).encode()
    headers = sign_events(secret, body, at)
    del headers["Content-Type"]
    return build_request(_HOOK, address="127.0.0.1", body=body, headers=headers)


async def _post(stack: NotifierStack, calls: Sequence[bytes]) -> float:
    """Post all calls; return how many seconds that took."""
    began, load = time.monotonic(), LoadGenerator(stack.ports.api)
    replies = await load.run_all(calls, _AT_ONCE)
    seconds = time.monotonic() - began
    await load.close()
    if wrong := [each for each in replies if each.status != _OK]:
        raise RuntimeError(f"{len(wrong)} calls were not taken: {wrong[0].status} {wrong[0].body!r}")
    return seconds


def _read_delays(stack: NotifierStack, desks: Iterable[str], goes_on: Callable[[], bool]) -> list[float]:
    """Let slots open at desks, one after the other; return the seconds until each alert was accepted."""
    found = []
    for desk_id in desks:
        found.append(stack.detect(desk_id))
        time.sleep(_APART)
        if not goes_on():
            break
    return stack.wait_sent(found)
