"""The account of deletions finds former buyers in tables, Redis, logs and mails."""

import json
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis

from api.models.base import engine, session
from api.models.support import SupportRequest
from deploy.chaos.consumers import Buyer, FormerBuyer
from deploy.chaos.deletion_accounts import check_last_mails, find_in_logs, find_in_redis, find_in_tables
from deploy.chaos.inbox import ShopperMail
from deploy.chaos.journal import OpeningJournal

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
EMAIL, ID = "shopper1@shop.example.org", "6a1c7f4e-0000-4000-8000-000000000001"
FORMER = [FormerBuyer(Buyer(EMAIL, "Camille Chaos01", frozenset({ID})), NOON)]
LAST = ShopperMail(EMAIL, NOON, frozenset({"n1"}), "Votre compte est supprimé – RDVPriority", "")
LATER = replace(LAST, notifications=frozenset({"n2"}), received_at=NOON + timedelta(minutes=1))


def test_one_last_mail_and_what_was_on_its_way_are_right() -> None:
    order = replace(LATER, subject="Votre commande est confirmée", received_at=NOON + timedelta(seconds=2))
    receipt = replace(LATER, subject="Accusé de réception de votre rétractation")
    assert check_last_mails(FORMER, [LAST, order, receipt], OpeningJournal()) == []


@pytest.mark.parametrize(
    ("mails", "said"),
    [
        ([], f"{EMAIL}: 0 mails say that the account is deleted"),
        ([LAST, LATER], f"{EMAIL}: 2 mails say that the account is deleted"),
        ([LAST, replace(LATER, subject="Alerte")], f"{EMAIL}: told 'Alerte' after the deletion"),
    ],
)
def test_each_mail_that_is_wrong_is_named(mails: list[ShopperMail], said: str) -> None:
    assert said in check_last_mails(FORMER, mails, OpeningJournal())


@pytest.mark.parametrize("word", [EMAIL, "Camille Chaos01", ID])
def test_a_row_that_names_somebody_is_found(database: str, word: str) -> None:
    assert find_in_tables(engine(), FORMER) == []
    with session() as s:
        s.add(SupportRequest(email="somebody@example.org", message=f"of {word}"))
    assert find_in_tables(engine(), FORMER) == ["table support_requests: 1 rows name a former buyer"]


def test_a_key_that_names_somebody_is_found(redis_server: redis.Redis) -> None:
    redis_server.set(f"count:{ID}", 1, ex=300)  # runs out
    redis_server.set("other", "somebody else")
    assert find_in_redis(redis_server, FORMER) == []
    redis_server.set(f"forever:{ID}", 1)
    redis_server.hset("rq:job:1", mapping={"data": zlib.compress(EMAIL.encode()), "x": "y"})
    redis_server.xadd("feed", {"json": json.dumps({"name": "Camille Chaos01"})})
    assert sorted(find_in_redis(redis_server, FORMER)) == [
        "Redis: feed names a former buyer",
        f"Redis: forever:{ID} names a former buyer",
        "Redis: rq:job:1 names a former buyer",
    ]


def test_a_log_that_names_somebody_is_found(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    for name, text in {
        "api": EMAIL,
        "notifier": "nobody",
        "sandbox": EMAIL,
        "background": "Camille Chaos01",
    }.items():
        (tmp_path / "logs" / f"{name}.log").write_text(text)
    assert find_in_logs(tmp_path, ["Camille Chaos01"]) == [
        "log api.log: names a buyer",
        "log background.log: names a buyer",
    ]
