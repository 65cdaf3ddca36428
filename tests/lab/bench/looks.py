"""Looks: from the API's 202 to told, beside a check's page read to told on the same stack; ten thousand presses at once."""

import asyncio
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median
from typing import Any

import sqlalchemy as sa

from api.accounts.passwords import hash_password
from api.models.report import Reporter
from configs.ground.clock import clock
from deploy.local.processes import StartFailed, wait_until
from deploy.local.stack import Stack
from tests.factories import add_user, save
from tests.lab.bench import latency
from tests.lab.bench.figures import Effort, Figure, Say, median_ratio
from tests.lab.bench.open_loop import LoadGenerator, build_request
from tests.lab.bench.people import Crowd

_DESK, _DESKS = "nanterre_92/titre-sejour-premiere-demande", 450  # with a number from 0 on
_LOOKERS, _PASSWORD = 150, "a password of the benchmark"
_RATE = 5  # looks a second
_STORED, _LIMITED = 202, 429
_PATIENCE = 120.0  # seconds
_TOLD = """
SELECT r.id::text, min(n.committed_at), min(n.accepted_at) FROM reports r
JOIN notifications n ON n.params->>'detection_id' = r.opening_id::text
WHERE r.id = ANY(CAST(:ids AS uuid[])) AND n.accepted_at IS NOT NULL GROUP BY r.id"""
_JUDGED = "SELECT id FROM reports WHERE id = ANY(CAST(:ids AS uuid[])) AND state <> 'waiting'"


@dataclass
class _Lookers:
    """A stack with desks that people watch, and the tokens of people who look."""

    stack: Stack
    engine: sa.Engine
    tokens: list[str] = field(default_factory=list)
    pressed: int = 0
    statuses: Counter[int] = field(default_factory=Counter)  # of the last answers

    async def sign_in(self) -> None:
        """Write one who waits at each desk, and trusted people, whose looks are told at once; sign these in."""
        Crowd("watcher", 1, f"NULL, NULL, '{_DESK}-' || k - 1", each=_DESKS).write(self.engine)
        load, hashed, old = LoadGenerator(self.stack.ports.api), hash_password(_PASSWORD), timedelta(days=20)
        logins = [{"email": f"looker{who}@example.org", "password": _PASSWORD} for who in range(_LOOKERS)]
        for who, login in enumerate(logins):
            made = add_user(login["email"], password_hash=hashed, created_at=clock() - old)
            save(Reporter(user_id=made.id, named_at=clock()))
            reply = await load.ask(self._post("/api/auth/login", who, "", **login), 0)
            self.tokens.append(json.loads(reply.body)["token"])
        await load.close()

    async def look(self, many: int, rate: float) -> dict[str, datetime]:
        """Press so often, each time by another person at another desk; return when each 202 came, by its id."""
        load, begun = LoadGenerator(self.stack.ports.api, _PATIENCE), clock()
        replies = await load.run_open((self._press() for _ in range(many)), rate, many / rate)
        await load.close()
        self.statuses = Counter(each.status for each in replies)
        at = [begun + timedelta(seconds=number / rate + each.seconds) for number, each in enumerate(replies)]
        stored = [(reply, when) for reply, when in zip(replies, at, strict=True) if reply.status == _STORED]
        return {json.loads(reply.body)["id"]: when for reply, when in stored}

    def read_told(self, stored: Mapping[str, datetime]) -> list[latency.Ledger]:
        """Return how long looks took from their 202 until they were committed and accepted, in milliseconds."""
        wait_until(lambda: len(self.read(_TOLD, stored)) >= len(stored), what="mails", seconds=_PATIENCE)
        rows, unit = self.read(_TOLD, stored), timedelta(milliseconds=1)
        return [
            {"committed": (one - stored[key]) / unit, "accepted": (other - stored[key]) / unit}
            for key, one, other in rows
        ]

    def read(self, query: str, ids: Iterable[str]) -> Sequence[Any]:
        """Return what a query says about some reports."""
        with self.engine.connect() as connection:
            return connection.execute(sa.text(query), {"ids": list(ids)}).all()

    def _press(self) -> bytes:
        self.pressed += 1
        who, desk = self.pressed % _LOOKERS, f"{_DESK}-{self.pressed % _DESKS}"
        return self._post("/api/reports", who, self.tokens[who], deskId=desk, kind="slots")

    def _post(self, path: str, who: int, token: str, **body: Any) -> bytes:
        return build_request(path, address=f"10.1.{who}.7", token=token, body=json.dumps(body).encode())


def run(effort: Effort, say: Say) -> list[Figure]:
    """Measure checks and looks in turns; then the presses at once."""
    os.environ |= {"BCRYPT_COST": "4", "EMAIL_PER_HOUR": "36000", "PROXY_HOPS": "1"}
    with latency.run_stack(say, latency.hasty, people_desks=_DESKS) as stack:
        latency.seed_by_mail_only(stack)
        lookers = _Lookers(stack, sa.create_engine(stack.environment["DATABASE_URL"]))
        asyncio.run(lookers.sign_in())

        def look() -> list[latency.Ledger]:
            return lookers.read_told(asyncio.run(lookers.look(effort.of(100, 10), _RATE)))

        latency.measure(stack, effort.of(5, 1))
        look()
        found = effort.run_in_turns(checks=lambda: latency.measure(stack, effort.of(40, 3)), looks=look)
        return [*_compare(found, say), *_press_at_once(lookers, effort.of(10_000, 500), say)]


def _compare(found: Mapping[str, Sequence[Sequence[latency.Ledger]]], say: Say) -> Iterator[Figure]:
    told: dict[str, list[float]] = {}
    for name, since in (("checks", "page read"), ("looks", "202")):
        commits, told[name] = (
            [median(each[stage] for each in ledgers) for ledgers in found[name]]
            for stage in ("committed", "accepted")
        )
        say(f"{name}, {since} → told: {', '.join(f'{each:.0f}' for each in told[name])} ms")
        yield Figure(f"{name}, {since} → told, p50 ms", median(told[name]))
        yield Figure(f"of it until the commit, {name}", median_ratio(commits, told[name]))
    ratio = median_ratio(told["looks"], told["checks"])
    yield Figure(f"looks ÷ checks, p50, at {_RATE} looks a second", ratio, "≤ 2")


def _press_at_once(lookers: _Lookers, many: int, say: Say) -> Iterator[Figure]:
    """Press so often within one second: what was answered by a 202 is in the table, and judged."""
    stored = asyncio.run(lookers.look(many, many))

    def count_lost() -> int:
        return len(stored) - len(lookers.read(_JUDGED, stored))

    with suppress(StartFailed):
        wait_until(lambda: not count_lost(), what="the loop", seconds=_PATIENCE)
    refused = lookers.statuses[_LIMITED]
    say(f"{many} presses at once, by status: {dict(lookers.statuses)}")
    yield Figure(f"of {many} presses at once, stored", len(stored))
    yield Figure("refused by a limit", refused)
    yield Figure("neither", many - len(stored) - refused, "≤ 0")
    yield Figure("lost after their 202, or never judged", count_lost(), "≤ 0")
