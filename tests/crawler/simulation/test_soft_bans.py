"""A site that bans softly, played: it answers everything alike with a page that no rule knows, for forty minutes."""

import pytest
import sqlalchemy as sa

from api.models.base import session
from api.models.check import Check
from api.models.desk import HostState, Outage
from configs.outcome import Outcome
from configs.plan import PlanName
from crawler.hosts.memory import SOFT_BAN
from crawler.simulation.play import Course, play
from crawler.simulation.rules import Rule
from crawler.simulation.site import Form, Site
from crawler.simulation.world import START, World, desk_id, host_name

HOURS = 0.2
STRICT = Rule(8, 60)  # a budget of 12 a minute is too much for it

pytestmark = [pytest.mark.timeout(400), pytest.mark.usefixtures("database", "redis_server")]


def played(*, canaries: bool, refusal: int = 200) -> Site:
    """Play a host of three desks that bans softly, beside one that bears everything; return the first."""
    world = World({}, budget=12, canaries=canaries)
    for place, (rules, forms) in enumerate([((STRICT,), 3), ((), 1)]):
        numbers = [10_000 + 10 * place + each for each in range(forms)]
        site = Site(
            host_name(place), {number: Form(number, (2 * number,)) for number in numbers}, rules, refusal
        )
        world.sites[site.host] = site
        world.waits |= {desk_id(number): PlanName.URGENCE_TOTAL for number in numbers}
    play(world, Course(HOURS, look=30))
    return world.sites[host_name(0)]


def outcomes(banned: Site) -> list[tuple[Outcome, str]]:
    begins = banned.bans[0].begins
    ids = [desk_id(form) for form in banned.forms]
    with session() as rows:
        found = rows.execute(
            sa.select(Check.started_at, Check.outcome, Check.evidence)
            .where(Check.desk_id.in_(ids))
            .order_by(Check.started_at)
        ).all()
    return [(row.outcome, row.evidence) for row in found if (row.started_at - START).total_seconds() > begins]


def test_a_soft_ban_is_found_and_its_host_rests_with_all_its_desks() -> None:
    banned = played(canaries=True)
    met = outcomes(banned)
    first = next(number for number, (outcome, _) in enumerate(met) if outcome is Outcome.BLOCKED)
    assert first <= 6, "each of three desks met it twice at most"
    assert "soft ban: understood by no rule" in met[first][1]
    assert "its canary cannot be read either: understood by no rule" in met[first][1]
    assert banned.refused <= 12, "it went on asking"
    with session() as rows:
        rest = rows.scalars(sa.select(HostState)).one()
        out = set(rows.scalars(sa.select(Outage.desk_id).where(Outage.reason == "blocked")))
    assert (rest.host, rest.rest_reason, rest.rests_in_a_row >= 1) == (banned.host, SOFT_BAN, True)
    assert out == {desk_id(form) for form in banned.forms}


def test_without_canaries_each_desk_goes_on_until_it_pauses_by_itself() -> None:
    alone = played(canaries=False)
    assert Outcome.BLOCKED not in {outcome for outcome, _ in outcomes(alone)}
    refused = alone.refused
    assert refused > 15
