"""Proofs on their way, as each machine's keeper says it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import redis

from api.health.status_report import read_proofs
from configs.clock import clock
from configs.proof_spool_status import SpoolReport, publish_report
from deploy.status import proofs

World = Callable[..., None]
MINUTE = timedelta(minutes=1)


def said() -> list[str]:
    return [text.plain for text in proofs.lines(read_proofs())]


def report(server: redis.Redis, machine: str = "one", **given: Any) -> None:
    publish_report(
        server, SpoolReport(**{"at": clock(), "machine": machine, "store": "s3://proofs/kept"} | given)
    )


def test_what_is_on_its_way_is_counted_with_its_age_and_where_it_goes(
    world: World, redis_server: redis.Redis
) -> None:
    report(redis_server)
    assert said() == ["0 proofs on the way  store: s3://proofs/kept"]
    report(redis_server, waiting=3, oldest_at=clock() - 5 * MINUTE, unpictured=2)
    assert said() == [
        "3 proofs on the way, the oldest for 5 min · 2 to be pictured  store: s3://proofs/kept",
    ]


def test_what_is_not_well_has_a_line_of_its_own(world: World, redis_server: redis.Redis) -> None:
    report(
        redis_server,
        away_since=clock() - 9 * MINUTE,
        away="PROOFS_URL: no answer in time",
        trouble="12 MB are free",
        given_up=1,
        pictureless=4,
    )
    assert said()[1:] == [
        "the store takes nothing for 9 min: PROOFS_URL: no answer in time",
        "spiders can leave none: 12 MB are free",
        "today 1 given up, 4 without a picture",
    ]


def test_machines_are_told_apart_and_one_that_fell_silent_is_not_believed(
    world: World, redis_server: redis.Redis
) -> None:
    report(redis_server, "one")
    report(redis_server, "two", waiting=1, at=clock() - MINUTE)
    report(redis_server, "three", waiting=9, at=clock() - 2 * MINUTE)
    assert [each.partition("  ")[0] for each in said()] == [
        "one: 0 proofs on the way",
        "two: 1 proof on the way",
    ]


def test_that_nobody_speaks_is_said(world: World) -> None:
    assert said() == ["nobody speaks of them: is `scrapy keep` running?"]
