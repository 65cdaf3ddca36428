"""Notices of desks that became watchable: once each, after a check looked for slots."""

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
import yaml

from api.models.alert import Alert
from api.models.base import session
from api.models.desk import DeskState
from api.models.discovery import DriftReason
from configs.world.outcome import Outcome
from configs.world.prefecture import reload_desk_files
from crawler.incidents import moved_pages
from tests.crawler.incidents.incidents_world import HOUR, NOW, checked, desk, person, told, waits
from tests.factories import change, get

pytestmark = pytest.mark.usefixtures("three_desks")
A = {"desk_id": "evry_91/a"}
BY_PROCEDURE = {"prefecture_id": "evry_91", "procedure": "NATURALISATION"}


def keeps(*targets: dict[str, str]) -> UUID:
    """Let somebody keep an alert until it can be watched; return it."""
    alert = waits(person(), *targets)
    change(Alert, Alert.id == alert, enabled=False, awaits_watch=True)
    return alert


def still_kept(alert: UUID) -> bool:
    return get(Alert, alert).awaits_watch


@pytest.mark.parametrize("target", [A, BY_PROCEDURE], ids=["desk", "procedure"])
def test_it_is_told_once_when_slots_were_looked_for(target: dict[str, str]) -> None:
    alert = keeps(target)
    desk("a")
    assert told(NOW) == []
    checked("a", (Outcome.NO_SLOTS, NOW))
    (row,) = told(NOW)
    assert (row.kind, row.params) == ("desk_watchable", {"alert": str(alert), "desks": ["evry_91/a"]})
    assert not still_kept(alert)
    assert told(NOW + HOUR) == []


@pytest.mark.parametrize(
    "outcomes",
    [[Outcome.CAPTCHA], [Outcome.CLOSED], [Outcome.UNREADABLE], [Outcome.NO_SLOTS, Outcome.CLOSED]],
)
def test_what_proves_nothing_or_is_closed_since_is_not_told(outcomes: list[Outcome]) -> None:
    alert = keeps(A)
    checked("a", *zip(outcomes, [NOW - HOUR, NOW][-len(outcomes) :], strict=True))
    assert "desk_watchable" not in {each.kind for each in told(NOW)}
    assert still_kept(alert)


def test_a_desk_whose_page_has_moved_is_not_watchable_until_it_is_found() -> None:
    alert = keeps(A)
    checked("a", (Outcome.NO_SLOTS, NOW))
    with session() as rows:
        moved_pages.open_drifts(rows, [(A["desk_id"], DriftReason.UNLINKED, "no longer linked")], NOW)
    assert told(NOW) == []
    assert still_kept(alert)
    with session() as rows:
        moved_pages.end_drifts(rows, [A["desk_id"]], NOW)
    assert [row.kind for row in told(NOW + HOUR)] == ["desk_watchable"]


def test_a_department_is_told_when_its_round_is_short_enough(
    tmp_path: Path, settings_env: Callable[..., None]
) -> None:
    file = tmp_path / "prefectures" / "evry_91.yaml"
    entry = yaml.safe_load(file.read_text())
    department = {"slug": "mairies", "platform": "citopia", "url": "http://127.77.3.3:8800/"}
    parameters = {"department_code": "91", "reason": "both"}
    entry["desks"].append(entry["desks"][0] | department | {"parameters": parameters})
    file.write_text(yaml.safe_dump(entry))
    settings_env(PREFECTURES_DIR=file.parent)
    reload_desk_files()
    keeps({"desk_id": "evry_91/mairies"})
    checked("mairies", (Outcome.NO_SLOTS, NOW))
    for seconds, kinds in ((None, []), (901, []), (900, ["desk_watchable"])):
        change(DeskState, DeskState.id == "evry_91/mairies", feasible_seconds=seconds)
        assert [each.kind for each in told(NOW)] == kinds
