"""All booking systems beside each other under scrapyd: sites that are banned, hang or change hold up no other."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime

import pytest
import sqlalchemy as sa

from api.models.base import session
from api.models.check import Check
from configs.ground.clock import clock
from configs.world.desk import Desk, Outcome, WatchLevel
from configs.world.prefecture import desks
from crawler.catalogue import system_of, systems
from deploy.local.stack import Stack
from deploy.sandbox.platforms import stand_ins
from tests.waiting import until
from tests.whole.conftest import STACK_JOURNEY, get, quiet_stack

pytestmark = STACK_JOURNEY

# Stand-ins that misbehave, one way each: their control API's mode, and the end of a check then.
TROUBLES = {
    "evry-courcouronnes_91/naturalisation": ("block", Outcome.BLOCKED),
    "versailles_78/titre-sejour-remise-keldoc": ("hang_forever", Outcome.UNREACHABLE),
    "melun_77/mairie-sablonnieres": ("layout", Outcome.UNREADABLE),
}


def busy(text: str) -> str:
    """Make all desks due every five seconds: the stand-in of ANTS refuses more than 30 requests a minute."""
    return re.sub(r"interval: \d+", "interval: 5", re.sub(r"budget: \d+", "budget: 60000", text))


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    short = {"HEARTBEAT_SECONDS": "5", "CAPTCHA_PROBE_SECONDS": "2", "HTTP_DEADLINE_SECONDS": "8"}
    with quiet_stack(busy, **short) as made:
        yield made


def ended(since: datetime) -> dict[str, set[Outcome]]:
    """Return the outcomes of the checks that began since then, by desk."""
    with session() as s:
        rows = s.execute(sa.select(Check.desk_id, Check.outcome).where(Check.started_at >= since)).all()
    found: dict[str, set[Outcome]] = {}
    for desk_id, outcome in rows:
        found.setdefault(desk_id, set()).add(outcome)
    return found


def expected(desk: Desk) -> Outcome:
    return Outcome.NO_SLOTS if desk.watch is WatchLevel.FULL else Outcome.CAPTCHA


def check_outcomes(watched: Iterable[Desk], since: datetime) -> None:
    """Wait until every desk had its outcome since then; it may have no other.

    A busy machine may use up a check's deadline: such a check is repeated, and proves nothing about other sites.
    """
    wanted = {desk.id: expected(desk) for desk in watched}
    until(lambda: all(outcome in ended(since).get(desk_id, ()) for desk_id, outcome in wanted.items()))
    met = ended(since)
    assert {desk_id: met[desk_id] - {Outcome.UNREACHABLE} for desk_id in wanted} == {
        desk_id: {outcome} for desk_id, outcome in wanted.items()
    }


def misbehave(stack: Stack, desk_id: str, mode: str) -> None:
    """Set a stand-in's mode."""
    host = desks()[desk_id].host.partition(":")[0]
    code = next(code for code, (_, about) in stand_ins().items() if about.host == host)
    status, answer = get(f"http://127.0.0.1:{stack.ports.inbox}/api/sites/{code}/mode", {"mode": mode})
    assert status == 200, answer


def test_each_system_watches_its_desks_and_no_site_in_trouble_holds_up_another(stack: Stack) -> None:
    watched = {each.id: each for each in desks().values() if each.schedulable}
    assert {system_of(desk) for desk in watched.values()} == set(systems())
    assert TROUBLES.keys() <= watched.keys()
    start = clock()
    check_outcomes(watched.values(), start)

    for desk_id, (mode, _) in TROUBLES.items():
        misbehave(stack, desk_id, mode)
    until(lambda: all(outcome in ended(start).get(desk_id, ()) for desk_id, (_, outcome) in TROUBLES.items()))
    broken = clock()
    hosts = {watched[desk_id].host for desk_id in TROUBLES}
    check_outcomes([desk for desk in watched.values() if desk.host not in hosts], broken)
    met = ended(broken)
    for desk_id, (_, outcome) in TROUBLES.items():
        assert met.get(desk_id, {outcome}) <= {outcome, Outcome.UNREACHABLE}
