"""A host whose budget is less than its desks wish: it is never idle, and each desk has its share of it."""

from collections.abc import Callable

import pytest

from configs.plan import PlanName
from deploy.simulation.measured import measured
from deploy.simulation.runner import Course, play
from deploy.simulation.site import SimulatedForm, SimulatedSite
from deploy.simulation.world import SimulatedWorld, desk_id, host_name

HOURS, DESKS, BUDGET = 0.5, 40, 30
FORMS = range(10_000, 10_000 + DESKS)


@pytest.mark.journey
@pytest.mark.usefixtures("database", "redis_server")
@pytest.mark.timeout(400)
def test_no_desk_of_a_full_host_waits_much_longer_than_feasible(settings_env: Callable[..., None]) -> None:
    settings_env(INTERVAL_JITTER="0.05")
    site = SimulatedSite(host_name(0), {number: SimulatedForm(number, (2 * number,)) for number in FORMS})
    waits = {desk_id(number): PlanName.URGENCE_TOTAL for number in FORMS}
    played = play(SimulatedWorld({site.host: site}, waits, BUDGET), Course(HOURS, look=30))
    found = measured(played)
    assert {round(each.share) for each in found} == {3 * DESKS * 60 // BUDGET}
    ratios = sorted((each.achieved or 0) / each.effective for each in found)
    assert ratios[0] > 0.98  # the jitter of each next check differs in every run
    assert ratios[-1] < 1.03
    assert site.busiest <= BUDGET + 3
