"""Desk files of the tests' own (three desks, two of them on one host), and the due queue's client."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
import time_machine

from configs.desk import Desk
from configs.prefecture import desks
from crawler import due
from crawler.planner import Planner
from tests.crawler.checks import HOST
from tests.crawler.held import _held, held  # noqa: F401 -- fixtures

_FILE = """
name: Essonne
department: "91"
region: Île-de-France
chef_lieu: Évry
site: https://www.essonne.gouv.fr
time_zone: Europe/Paris
tier: 2
hosts:
  127.77.0.91:{port}: {{budget: {budget}, reason: a stand-in}}
desks:
{desks}
"""
_DESK = """
  - slug: {slug}
    label: "Guichet {slug}"
    procedures: [NATURALISATION, TITRE_SEJOUR]
    site: Évry
    platform: ezbooking
    url: http://{host}/booking/create/{form}
    grade: {grade}
    source: test
    date: 2026-11-20
"""
WITHIN = "evry_91"


@pytest.fixture
def client(redis_server: redis.Redis) -> Iterator[redis.Redis]:
    """Give a client of the due queue, as planner and writer have it."""
    with due.connect() as connected:
        yield connected


@pytest.fixture
def desk_files(tmp_path: Path, settings_env: Callable[..., None]) -> Callable[..., dict[str, Desk]]:
    """Write desk files: `desk_files(a="127.77.0.91:8800", …)`, slug → host; return the desks by slug."""

    def write(
        *, grade: str = "confirmed", interval: int | None = None, budget: int = 60, **hosts: str
    ) -> dict[str, Desk]:
        folder = tmp_path / "prefectures"
        folder.mkdir(exist_ok=True)
        extra = f"    interval: {interval}\n" if interval else ""
        entries = [
            _DESK.format(slug=slug, host=host, form=23014 + number, grade=grade) + extra
            for number, (slug, host) in enumerate(hosts.items())
        ]
        port = next(iter(hosts.values())).partition(":")[2]
        text = _FILE.format(desks="".join(entries), port=port, budget=budget)
        (folder / f"{WITHIN}.yaml").write_text(text)
        settings_env(PREFECTURES_DIR=folder)
        return {desk.slug: desk for desk in desks().values()}

    return write


@pytest.fixture
def plan(
    database: str,
    client: redis.Redis,
    desk_files: Callable[..., dict[str, Desk]],
    frozen: time_machine.Traveller,
) -> Planner:
    """Give a planner of three desks of a tier 2 prefecture, a and b on one host; it has not looked yet."""
    desk_files(a=HOST, b=HOST, c="127.77.0.92:8800")
    return Planner(client)
