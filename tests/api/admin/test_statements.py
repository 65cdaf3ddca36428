"""Lists for operators take the same few statements for one row as for many."""

from collections.abc import Callable

import pytest

from configs.plan import PlanName
from tests.api.admin.conftest import Operator, dead_letter
from tests.api.world import Person, match, see, statements, wait_for

# The first statements of each read the operator and the login; the last one writes the row of the audit.
BOUNDS = {
    "/users": 4, "/users/{user}": 7, "/users/{user}/grants": 5, "/alerts": 5, "/alerts/{alert}": 11, "/desks": 5,
    "/desks/bobigny_93/titre-sejour": 5, "/hosts": 5, "/checks": 4, "/detections": 6, "/notifications": 4,
    "/dead-letters": 4, "/job-runs": 4, "/queues": 3, "/audit": 4, "/settings": 3,
}  # fmt: skip


def grow(person: Person, number: int) -> str:
    """Give a person so many alerts, detections, grants and dead letters; return the last alert."""
    for _ in range(number):
        alert = wait_for(person.id)
        detection, slots = see("2026-12-01", "2026-12-02")
        match(alert, detection, slots)
        dead_letter(person)
        person.holds(PlanName.URGENCE_7J)
    return str(alert)


@pytest.mark.parametrize("path", BOUNDS)
def test_a_list_takes_as_many_statements_for_many_rows_as_for_one(
    path: str, admin: Operator, person: Callable[..., Person]
) -> None:
    camille = person()
    counts = []
    for number in (1, 5):
        alert = grow(camille, number)
        asked = path.format(user=camille.id, alert=alert)
        counts.append(statements(lambda asked=asked: admin.get(asked)))  # type: ignore[misc]
    assert counts[0] == counts[1]
    assert counts[1] <= BOUNDS[path]
