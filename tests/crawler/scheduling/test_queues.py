"""Crawl queues: what needs a browser waits in a queue of its own and is served by processes of its own."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
import redis
import time_machine

from configs.ground.clock import clock
from configs.world.prefecture import desks
from crawler.commands.check import push
from crawler.keeper import wanted_processes
from crawler.planner import Planner
from crawler.scheduling import due_queue
from crawler.scheduling.queues import queue_names, queue_of
from deploy.sample_desk_files import desk_entry, prefecture_file

RULES = "    fetch: browser\n    parameters: {available: li.libre, no_slot_text: Plus rien}\n"


@pytest.fixture
def two(tmp_path: Path, settings_env: Callable[..., None]) -> None:
    """Give two desks, one of which needs a browser; an executable file replaces it."""
    page = desk_entry("page", "http://127.77.0.91:8800/booking/create/23014", date(2026, 11, 20))
    script = desk_entry("script", "http://127.77.0.92:8800/rdv", date(2026, 11, 20)) + RULES
    text = prefecture_file(
        tier=1, hosts=[], desks=[page, script.replace("ezbooking", "selectors")], capital="Évry"
    )
    (tmp_path / "evry_91.yaml").write_text(text)
    settings_env(PREFECTURES_DIR=tmp_path, BROWSER_PATH="/bin/sh")


@pytest.mark.usefixtures("two")
def test_each_desk_waits_in_its_own_lane(
    database: str, redis_server: redis.Redis, frozen: time_machine.Traveller
) -> None:
    assert {desk.slug: str(queue_of(desk)) for desk in desks().values()} == {
        "page": "prefenligne",
        "script": "custom-browser",
    }
    assert wanted_processes() == {"custom-browser": 1, "prefenligne": 1}
    with due_queue.connect() as client:
        Planner(client).run_once(clock())
        sizes = {queue: size for queue in queue_names() if (size := due_queue.size(client, queue))}
    assert sizes == {"custom-browser": 1, "prefenligne": 1}
    assert push([desks()["evry_91/script"]]) == {"custom-browser": 1}


@pytest.mark.usefixtures("two")
def test_without_a_browser_its_desks_wait_nowhere_and_no_process_is_wanted(
    settings_env: Callable[..., None],
) -> None:
    settings_env(BROWSER_PATH="/nowhere/chromium")
    assert wanted_processes() == {"prefenligne": 1}
    assert desks()["evry_91/script"].unwatched_because == (
        "its page needs a browser: BROWSER_PATH names /nowhere/chromium, which is no program that can be run"
    )
