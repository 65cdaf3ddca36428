"""Helpers for tests of the API: people, plans, seen slots, and the rows that result."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import redis
import sqlalchemy as sa

from api.models.base import engine

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
