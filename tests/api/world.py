"""Helpers for tests of the API: people, plans, seen slots, and the rows that result."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import redis
import sqlalchemy as sa

from api.models.base import engine
from api.models.desk import DeskStatus
from configs.ground.clock import clock
from tests.factories import add_alert, add_desk, add_match, see

# Desk files of a small world: bobigny_93 (three desks, one of them stale), melun_77 (one), cergy_95 (none).
PREFECTURES = Path(__file__).parent / "prefectures"


@dataclass
class Door:
    """Calls of the API at the notifier's front door, in order."""

    nudged: list[UUID]
    caught_up: list[UUID]


def reveal_health(folder: Path, settings_env: Callable[..., None]) -> None:
    """Have the desk BOBIGNY bear a name that reveals health; ask for the app before."""
    shutil.copytree(PREFECTURES, folder / "prefectures")
    file = folder / "prefectures" / "bobigny_93.yaml"
    before = 'label: "Titre de séjour : vie privée et familiale"'
    after = "label: Étrangers malades\n    neutral_label: Titre de séjour, guichet spécialisé"
    text = file.read_text(encoding="utf-8")
    assert before in text
    file.write_text(text.replace(before, after), encoding="utf-8")
    settings_env(PREFECTURES_DIR=folder / "prefectures")


def count_more(server: redis.Redis, limit: str, number: int) -> None:
    """Count requests against the limits whose keys are like this, as if so many more had been sent."""
    counters = server.keys(limit)
    assert counters
    for each in counters:
        server.incrby(each, number)


TOWN_HALLS = "bobigny_93/mairies"
_TOWN_HALLS = """\
  - slug: mairies
    label: Mairies sur rendezvousonline.fr
    procedures: [CARTE_IDENTITE, PASSEPORT]
    platform: citopia
    url: {url}
    parameters: {{department_code: "93", reason: both}}
    horizon: 27
    grade: unconfirmed
    source: a test
    date: 2026-11-20
"""


def add_town_halls(
    folder: Path, settings_env: Callable[..., None], url: str = "http://127.77.3.3:8800/"
) -> None:
    """Have a department's town halls in the desk files, by default on a stand-in; ask for the app before."""
    shutil.copytree(PREFECTURES, folder / "prefectures")
    with (folder / "prefectures" / "bobigny_93.yaml").open("a", encoding="utf-8") as file:
        file.write(_TOWN_HALLS.format(url=url))
    settings_env(PREFECTURES_DIR=folder / "prefectures")


def watch_town_halls(minutes: float | None) -> None:
    """Let one of two town halls have answered, and a full round take so many minutes (None: not planned yet)."""
    seen = [["2026-11-20", "2026-11-26", "2026-11-20T09:00:00+00:00"]]
    add_desk(
        TOWN_HALLS, status=DeskStatus.ACTIVE, last_check_at=clock(), last_proven_at=clock(),
        feasible_seconds=None if minutes is None else 60 * minutes, achieved_seconds=61,
        coverage={"aubervilliers-93300-2": seen, "bondy-93140": []},
    )  # fmt: skip


def see_for(user_id: UUID) -> UUID:
    """Return a detection of a slot that an alert of the user wants."""
    detection_id, slots = see("2099-01-05T09:00:00+01:00")
    add_match(add_alert(user_id), detection_id, slots)
    return detection_id


def statements(act: Callable[[], object]) -> int:
    """Return how many statements reach the database while `act` runs."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    sa.event.listen(engine(), "before_cursor_execute", note)
    try:
        act()
    finally:
        sa.event.remove(engine(), "before_cursor_execute", note)
    return len(seen)
