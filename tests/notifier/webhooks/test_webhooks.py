"""Webhooks: what is told, signed, tried again and given up; a receiver verifies by the library of Standard Webhooks."""

import socket
import time
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import redis
import time_machine
from standardwebhooks.webhooks import Webhook as Receiver

from api.models.base import new_id, session
from api.models.notification import Notification
from api.models.organisation import Member, MemberRole, Organisation, OrganisationEnd, OrganisationKind
from api.models.organisation_access import Webhook, WebhookDelivery, WebhookEnd, WebhookEvent
from configs.ground.clock import clock
from notifier import sweep, write_event, write_test_event
from notifier.jobs import deliver_webhooks
from tests.factories import add_beneficiary, add_grant, add_user, change, get, one, remove, rows, save
from tests.in_turn import in_turn
from tests.notifier.conftest import Posts
from tests.notifier.world import DESK, Person, alert, detection, match

SECRET = "whsec_" + b64encode(b"a webhook of tests, 24 by").decode()
START = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)


@pytest.fixture
def organisation(database: str, redis_server: redis.Redis) -> Organisation:
    now = clock()
    return save(
        Organisation(
            id=new_id(), name="Cimade", kind=OrganisationKind.ASSOCIATION, address="64 rue Clisson, Paris",
            purpose="Aide aux personnes étrangères", opened_at=now, granted_until=now + timedelta(days=90),
        )
    )  # fmt: skip


def add_hook(organisation: Organisation, url: str, *events: WebhookEvent) -> Webhook:
    told = [each.value for each in events or WebhookEvent]
    return save(Webhook(id=new_id(), organisation_id=organisation.id, url=url, secret=SECRET, events=told))


def add_person(organisation: Organisation, reference: int | None = None) -> UUID:
    return add_beneficiary(organisation.id, **({"reference": reference} if reference else {}))


def tell(person: UUID, number: int = 1, event: WebhookEvent = WebhookEvent.PERSON_FOUND) -> None:
    with session() as s:
        write_event(s, event, {person: number}, clock())


def verified(posts: Posts, number: int = -1) -> Any:
    headers = {name: str(value) for name, value in posts.headers[number].items()}
    return Receiver(SECRET).verify(posts.bodies[number], headers)


def states() -> list[tuple[int, str | None, bool]]:
    """Return of each event its attempts, the last answer, and whether it waits."""
    made = sorted(rows(WebhookDelivery), key=lambda each: each.created_at)
    return [(each.attempts, each.answer, each.next_attempt_at is not None) for each in made]


def test_a_slot_for_a_person_is_told_by_reference_and_verified(
    organisation: Organisation, posts: Posts
) -> None:
    hook, person = add_hook(organisation, f"{posts.url}/in?a=1"), add_person(organisation, 7)
    add_grant(person)
    alert(Person(person, {}))
    match(str(detection()))
    deliver_webhooks()
    told = verified(posts)
    assert told == {
        "type": "slot.seen",
        "timestamp": told["timestamp"],
        "data": {"deskId": DESK, "reference": 7, "source": "check"},
    }
    assert posts.paths == ["/in?a=1"]
    assert posts.headers[0]["webhook-id"] == str(one(WebhookDelivery).id)
    assert states() == [(1, "200", False)]
    assert b"http" not in posts.bodies[0]
    assert b"Madame" not in posts.bodies[0]
    assert get(Webhook, hook.id).ended_at is None


def test_others_events_and_other_organisations_are_not_told(organisation: Organisation, posts: Posts) -> None:
    add_hook(organisation, posts.url, WebhookEvent.CONSENT_GIVEN)
    tell(add_person(organisation))
    tell(add_user().id)
    assert rows(WebhookDelivery) == []


def test_the_same_is_told_once(organisation: Organisation, posts: Posts) -> None:
    add_hook(organisation, posts.url)
    person = add_person(organisation)
    for number in (1, 1, 2):
        tell(person, number)
    deliver_webhooks()
    assert len(posts.bodies) == 2


def test_a_failing_receiver_is_tried_for_a_day_then_ends(organisation: Organisation, posts: Posts) -> None:
    hook, person = add_hook(organisation, posts.url), add_person(organisation)
    for role in (MemberRole.OWNER, MemberRole.VIEWER):
        member = {"user_id": add_user().id, "role": role, "joined_at": clock()}
        save(Member(organisation_id=organisation.id, **member))
    posts.usual = (500, b"")
    with time_machine.travel(START, tick=False) as now:
        tell(person)
        times = list[timedelta]()
        while (event := one(WebhookDelivery)).next_attempt_at is not None:
            now.move_to(event.next_attempt_at)
            deliver_webhooks()
            times.append(clock() - START)
            verified(posts)
    assert len(posts.bodies) == 8
    assert (times[1], times[-1]) == (timedelta(seconds=5), timedelta(days=1))
    ids = {each["webhook-id"] for each in posts.headers}
    assert len(ids) == 1
    assert get(Webhook, hook.id).ended_because is WebhookEnd.FAILING
    assert states() == [(8, "500", False)]
    told = one(Notification)
    assert (told.params["what"], told.user_id) == (
        "webhook_ended",
        one(Member, Member.role == "owner").user_id,
    )


def test_an_event_that_is_given_up_ends_no_webhook_that_took_others(
    organisation: Organisation, posts: Posts
) -> None:
    hook, person = add_hook(organisation, posts.url), add_person(organisation)
    with time_machine.travel(START, tick=False) as now:
        posts.answers = [(500, b""), (200, b""), (500, b"")]
        for number, attempts in enumerate((7, 0)):
            tell(person, number)
            deliver_webhooks()
            change(WebhookDelivery, WebhookDelivery.delivered_at.is_(None), attempts=attempts or 7)
            now.shift(1)
        now.shift(400)
        deliver_webhooks()
    assert states() == [(8, "500", False), (1, "200", False)]
    assert get(Webhook, hook.id).ended_at is None


def test_410_ends_a_webhook_and_what_waits_for_it(organisation: Organisation, posts: Posts) -> None:
    hook, person = add_hook(organisation, posts.url), add_person(organisation)
    posts.usual = (410, b"")
    for number in range(3):
        tell(person, number)
    deliver_webhooks()
    tell(person, 4)
    assert len(posts.bodies) == 1
    assert get(Webhook, hook.id).ended_because is WebhookEnd.GONE
    assert [waits for _, _, waits in states()] == [False] * 3


@in_turn("ends", ["member", "grant", "abuse"])
def test_nothing_leaves_once_the_webhook_or_the_organisation_ended(
    organisation: Organisation, posts: Posts, ends: str
) -> None:
    remove(Webhook)
    hook = add_hook(organisation, posts.url)
    tell(add_person(organisation))
    if ends == "member":
        change(Webhook, Webhook.id == hook.id, ended_at=clock(), ended_because=WebhookEnd.MEMBER)
    elif ends == "grant":
        change(Organisation, Organisation.id == organisation.id, granted_until=clock())
    else:
        later = clock() + timedelta(days=14)
        change(
            Organisation,
            Organisation.id == organisation.id,
            granted_until=later,
            ends_at=later,
            ends_because=OrganisationEnd.ABUSE,
        )
    deliver_webhooks()
    assert posts.bodies == []
    assert states() == [(0, None, False)]


def test_a_slow_receiver_holds_up_no_other(
    organisation: Organisation, posts: Posts, settings_env: Callable[..., None]
) -> None:
    settings_env(WEBHOOK_TIMEOUT_SECONDS=0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        add_hook(organisation, f"http://127.0.0.1:{silent.getsockname()[1]}/")
        add_hook(organisation, posts.url)
        person = add_person(organisation)
        for number in range(4):
            tell(person, number)
        began = time.monotonic()
        deliver_webhooks()
    assert time.monotonic() - began < 3
    assert len(posts.bodies) == 4
    assert sorted(answer or "" for _, answer, waits in states() if waits) == [
        "",
        "",
        "",
        "no answer: ReadTimeoutError",
    ]


def test_an_owner_s_test_event_is_verified(organisation: Organisation, posts: Posts) -> None:
    hook = add_hook(organisation, posts.url, WebhookEvent.SLOT_SEEN)
    with session() as s:
        write_test_event(s, hook, clock())
    deliver_webhooks()
    assert verified(posts)["type"] == "test"


def test_a_redirect_is_not_followed(organisation: Organisation, posts: Posts) -> None:
    add_hook(organisation, posts.url)
    tell(add_person(organisation))
    posts.usual = (302, b"")
    deliver_webhooks()
    assert states() == [(1, "302", True)]


def test_a_lost_job_is_found_by_the_sweep(
    organisation: Organisation, posts: Posts, queued: Callable[[str], list[tuple[str, list[Any]]]]
) -> None:
    add_hook(organisation, posts.url)
    tell(add_person(organisation))
    sweep.Sweep().turn()
    assert queued("webhooks") == [("notifier.jobs.deliver_webhooks", [])]


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch, settings_env: Callable[..., None]) -> list[str]:
    """Let any address be called, and have every name lead to the addresses of this list."""
    settings_env(APP_ENV="development", ALLOW_LIVE_SITES="1")
    found = list[str]()

    def look_up(host: str, port: Any, *_: Any, **__: Any) -> list[Any]:
        return [(0, socket.SOCK_STREAM, 0, "", (each, port)) for each in found or [host]]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return found


@in_turn(
    "url, addresses, answer",
    [
        ("https://hooks.example/", ["10.0.0.1"], "not on the public internet"),
        ("https://hooks.example/", ["8.8.8.8", "127.0.0.1"], "not on the public internet"),
        ("https://hooks.example/", ["::ffff:169.254.169.254"], "not on the public internet"),
        ("https://[::1]/", [], "not on the public internet"),
        ("https://169.254.169.254/latest/meta-data", [], "not on the public internet"),
        ("http://hooks.example/", ["8.8.8.8"], "https only"),
        ("https://localhost/", ["127.0.0.1"], "not on the public internet"),
    ],
)  # fmt: skip
def test_no_address_leads_into_a_private_network(
    organisation: Organisation, named: list[str], url: str, addresses: list[str], answer: str
) -> None:
    named[:] = addresses
    remove(Webhook)
    add_hook(organisation, url)
    tell(add_person(organisation))
    deliver_webhooks()
    assert answer in str(one(WebhookDelivery).answer)
