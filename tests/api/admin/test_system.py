"""Messages, queues, settings and the status as operators see them; dead letters that they replay."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import redis
import sqlalchemy as sa
from rq import Queue

import notifier
from api.admin.health.figures import READS
from api.models.base import session
from api.models.notification import Notification, State
from configs.ground.clock import clock
from configs.settings import Settings, settings
from tests.api.admin.conftest import Stage, audit, dead_letter
from tests.api.world import Door
from tests.clients import Operator, People, problem
from tests.factories import add_desk, change, get, rows

_ID = UUID(int=1)


def listed(operator: Operator, path: str, **query: Any) -> list[str]:
    return [each["id"] for each in operator.get(path, **query)["items"]]


def test_messages_are_listed_without_address_and_contents(support: Operator, stage: Stage) -> None:
    change(Notification, reason="refused: <camille@example.org> is unknown")
    (shown,) = support.get("/notifications", userId=str(stage.person.id))["items"]
    assert (shown["id"], shown["state"], shown["kind"]) == (str(stage.letter), "failed", "verify_email")
    assert shown["reason"] == "refused: <***@example.org> is unknown"
    assert not {"params", "address", "contactId"} & set(shown)


def test_messages_are_found_by_user_channel_kind_and_state(
    admin: Operator, stage: Stage, person: People
) -> None:
    other = dead_letter(person("robin@example.org"))
    mine = str(stage.letter)
    assert listed(admin, "/notifications") == [str(other), mine]
    assert listed(admin, "/notifications", userId=str(stage.person.id)) == [mine]
    assert listed(admin, "/notifications", limit=1, before=str(other)) == [mine]
    assert listed(admin, "/notifications", state="failed", channel="email", kind="verify_email") == [
        str(other),
        mine,
    ]
    for nothing in ({"state": "sent"}, {"channel": "sms"}, {"kind": "slot_detected"}):
        assert listed(admin, "/notifications", **nothing) == []


def test_dead_letters_are_listed_by_reason_and_age_and_paged(admin: Operator, stage: Stage) -> None:
    newer = dead_letter(stage.person, "blocked: 550")
    assert listed(admin, "/dead-letters") == [str(newer), str(stage.letter)]
    assert listed(admin, "/dead-letters", reason="answered 500") == [str(stage.letter)]
    assert listed(admin, "/dead-letters", reason="%") == []
    page = admin.get("/dead-letters", limit=1)
    assert listed(admin, "/dead-letters", before=page["next"]) == [str(stage.letter)]
    change(Notification, failed_at=clock() - timedelta(hours=25))
    assert listed(admin, "/dead-letters") == []
    assert len(listed(admin, "/dead-letters", hours=26)) == 2


def test_pages_of_dead_letters_go_on_after_the_last_one_was_replayed(admin: Operator, stage: Stage) -> None:
    oldest_first = [str(stage.letter), *(str(dead_letter(stage.person)) for _ in range(3))]
    page = admin.get("/dead-letters", limit=2)
    admin.do("POST", "/dead-letters/replay", ids=[each["id"] for each in page["items"]])
    assert listed(admin, "/dead-letters", limit=2, before=page["next"]) == oldest_first[1::-1]


@pytest.mark.parametrize("before", ["1", "-", f"{10**17}-{_ID.hex}", f"-1-{_ID.hex}", f"0-{_ID}"])
def test_a_place_in_the_dead_letters_that_cannot_be_is_refused(admin: Operator, before: str) -> None:
    answer = admin.ask("GET", "/dead-letters", query_string={"before": before})
    assert problem(answer) == (422, "invalid")


def test_messages_to_addresses_without_an_account_are_listed_too(admin: Operator, door: Door) -> None:
    with session() as s:
        (letter,) = notifier.notify_address(s, "help@example.org", "operations", {"request": 1}, "support:1")
        failed = {"state": State.FAILED, "reason": "refused", "failed_at": clock()}
        s.execute(sa.update(Notification).where(Notification.id == letter).values(failed))
    for path in ("/notifications", "/dead-letters"):
        (shown,) = admin.get(path)["items"]
        assert (shown["id"], shown["userId"]) == (str(letter), None)
    assert admin.do("POST", "/dead-letters/replay", ids=[str(letter)])["replayed"] == [str(letter)]


def test_a_dead_letter_is_replayed_once(admin: Operator, stage: Stage, door: Door) -> None:
    done = admin.do("POST", "/dead-letters/replay", ids=[str(stage.letter)])
    assert done == {"chosen": 1, "replayed": [str(stage.letter)]}
    assert get(Notification, stage.letter).state is State.PENDING
    assert door.nudged == [stage.letter]
    assert admin.do("POST", "/dead-letters/replay", ids=[str(stage.letter)])["replayed"] == []
    first, second = audit(action="dead-letters.replay")
    assert (first.changes, second.changes) == ({"replayed": [str(stage.letter)]}, {"replayed": []})


def test_dead_letters_are_replayed_by_choice(admin: Operator, stage: Stage) -> None:
    unsure = dead_letter(stage.person, "unknown: twilio did not answer")
    chosen = admin.do("POST", "/dead-letters/replay", reason="twilio")
    assert chosen == {"chosen": 1, "replayed": []}
    assert admin.do("POST", "/dead-letters/replay", reason="twilio", unsure=True)["replayed"] == [str(unsure)]
    assert get(Notification, stage.letter).state is State.FAILED
    assert admin.do("POST", "/dead-letters/replay", channel="sms")["chosen"] == 0
    assert admin.do("POST", "/dead-letters/replay", most=1)["replayed"] == [str(stage.letter)]


def test_a_named_dead_letter_is_replayed_however_old_it_is(admin: Operator, stage: Stage) -> None:
    change(Notification, failed_at=clock() - timedelta(days=60))
    assert admin.do("POST", "/dead-letters/replay", most=5)["chosen"] == 0
    assert admin.do("POST", "/dead-letters/replay", ids=[str(stage.letter)])["chosen"] == 1


@pytest.mark.parametrize(
    "body", [{"ids": ["1"]}, {"ids": [str(uuid4())] * 1001}, {"most": 0}, {"unsure": "yes"}, {"all": True}]
)
def test_a_replay_is_bounded(admin: Operator, stage: Stage, body: dict[str, Any]) -> None:
    assert problem(admin.ask("POST", "/dead-letters/replay", json=body)) == (422, "invalid")
    assert get(Notification, stage.letter).state is State.FAILED


def test_nothing_leaves_where_the_replay_fails(
    admin: Operator, stage: Stage, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr("api.admin.access.record_audit", fail)
    assert admin.ask("POST", "/dead-letters/replay", json={"most": 5}).status_code == 500
    assert (get(Notification, stage.letter).state, door.nudged) == (State.FAILED, [])


def test_queues_are_shown(admin: Operator, redis_server: redis.Redis) -> None:
    notifier.detection_seen(uuid4())
    found = {each["name"]: each for each in admin.get("/queues")["jobs"]}
    assert found["critical"]["jobs"] == Queue("critical", connection=redis_server).count == 1
    assert admin.get("/queues")["due"] == []


def test_queues_are_unavailable_without_redis(admin: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise redis.ConnectionError("connection refused")

    monkeypatch.setattr("api.admin.system.queries.read_jobs", away)
    answer = admin.ask("GET", "/queues")
    assert problem(answer) == (503, "unavailable")
    assert answer.headers["Retry-After"] == "5"


SECRET = "correcthorsebatterystaple-correcthorse"


def test_settings_show_no_secret(admin: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = [name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)]
    kept = settings()
    values = {
        name: getattr(kept, name) for name in ("database_url", "redis_url", "jwt_secret") if name in secrets
    }
    proxies = f"http://user:{SECRET}@proxy.example:8080"
    monkeypatch.setenv("PROXY_LIST", proxies)
    monkeypatch.setenv("STRIPE_SECRET_KEY", SECRET)
    monkeypatch.setenv("SENDGRID_API_KEY", SECRET)
    settings.cache_clear()
    answer = admin.ask("GET", "/settings")
    found = {each["name"]: each for each in (answer.json or {})["items"]}
    assert set(found) == {name.upper() for name in Settings.model_fields}
    assert SECRET not in answer.text
    for value in values.values():
        assert value.get_secret_value() not in answer.text
    for name in [*secrets, "proxy_list"]:
        assert (found[name.upper()]["value"], found[name.upper()]["isSecret"]) == (None, True), name
    assert found["STRIPE_SECRET_KEY"]["isSet"] is True
    assert (found["PORT"]["value"], found["PORT"]["isSecret"]) == ("4000", False)


def test_the_status_shows_what_make_status_shows(support: Operator) -> None:
    add_desk(last_check_at=clock(), wished_seconds=60.0, achieved_seconds=90.0)
    shown = support.get("/status")
    assert (shown["environment"], shown["works"]) == ("test", False)
    assert {"scrapyd", "planner"} <= set(shown["down"])
    assert {"health", "desks", "hosts", "due", "jobs", "messages", "workers"} <= set(shown["parts"])
    assert shown["parts"]["desks"]["pace"]["achievedSeconds"] == 90.0
    assert shown["parts"]["desks"]["newestCheckAt"].endswith("Z")
    assert shown["at"].endswith("Z")


def test_a_part_of_the_status_that_is_down_hides_no_other(
    admin: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise redis.ConnectionError("connection refused")

    monkeypatch.setitem(READS, "due", away)
    shown = admin.get("/status")
    assert shown["parts"]["due"] == {"down": "connection refused"}
    assert "due" in shown["down"]
    assert shown["parts"]["desks"]["watched"] > 0


def test_a_message_that_left_is_not_replayed(admin: Operator, stage: Stage) -> None:
    change(Notification, state=State.SENT, accepted_at=clock(), reason=None, failed_at=None)
    assert admin.do("POST", "/dead-letters/replay", ids=[str(stage.letter)])["chosen"] == 0
    assert [row.state for row in rows(Notification)] == [State.SENT]
