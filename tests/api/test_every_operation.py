"""Every operation of the API: asked by those who must not have it, and with many rows; new routes are covered by themselves."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from uuid import UUID

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings

from api.ground import cache
from api.models.invoice import Invoice
from api.models.login import Login
from api.models.notification import State
from api.models.organisation import Member, Organisation
from api.models.user import Channel, User
from api.payments.invoices.issuing import issue_due
from api.web.openapi import build_document
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests import factories
from tests.api.alerts.test_notifications import write_notice
from tests.api.world import see_for, statements
from tests.clients import People, Person
from tests.fuzz import times
from tests.in_turn import in_turn

_METHODS = ("get", "post", "put", "patch", "delete")
_NOBODY = str(UUID(int=1))
# Routes whose subject anybody may name: a prefecture is public.
_PUBLIC_IDS = ("/api/prefectures/",)


def _operations(app: Flask) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in build_document(app)["paths"].items():  # type: ignore[arg-type] # a Flask of flask_openapi3
        for method in _METHODS:
            if method in item:
                yield method, path, item[method]


def _ask(client: FlaskClient, method: str, path: str, headers: dict[str, str], subject: str = _NOBODY) -> int:
    body: dict[str, Any] | None = None if method in ("get", "delete") else {}
    path = re.sub(r"{\w+}", subject, path)
    return client.open(path, method=method.upper(), json=body, headers=headers).status_code


def _needs_token(operation: dict[str, Any]) -> bool:
    security = operation.get("security") or []
    return bool(security) and {} not in security


def test_nothing_that_needs_a_token_is_answered_without_one(app: Flask, client: FlaskClient) -> None:
    answers = {
        f"{method} {path}": _ask(client, method, path, {})
        for method, path, operation in _operations(app)
        if _needs_token(operation)
    }
    assert len(answers) > 10
    assert set(answers.values()) == {401}, {name: code for name, code in answers.items() if code != 401}


@pytest.fixture
def another_s(person: People) -> list[str]:
    """Return ids of everything that a user may own; another user asks for them."""
    owner = person("owner@example.org", plan=PlanName.URGENCE_TOTAL)
    factories.add_desk()
    detection_id, slots = factories.see("2099-01-05T09:00:00+01:00")
    alert_id = factories.add_alert(owner.id)
    match_id = factories.add_match(alert_id, detection_id, slots)
    payment_id = factories.add_payment(owner.id)
    issue_due(60)
    helped = factories.add_beneficiary(factories.add_organisation(owner.id).id)
    made = [helped, factories.add_alert(helped)]
    made += [factories.rows(record)[0].id for record in (Login, Invoice, Organisation, Member)]
    made += [write_notice(owner.id), factories.add_contact(owner.id, Channel.PUSH).id]
    return [str(each) for each in (owner.id, alert_id, detection_id, match_id, payment_id, *made)]


def test_nobody_reaches_what_is_another_user_s(
    app: Flask, person: People, another_s: list[str], redis_server: redis.Redis
) -> None:
    """With bodies that the document calls valid, so that nothing is refused before its owner is looked at."""
    stranger = person("stranger@example.org", plan=PlanName.URGENCE_TOTAL)
    factories.add_organisation(stranger.id)
    import schemathesis

    schema: Any = schemathesis.openapi.from_wsgi("/api/openapi.json", app)
    asked: dict[str, set[int]] = {}
    for each in schema.get_all_operations():
        operation = each.ok()
        if "{" in operation.path and not operation.path.startswith(_PUBLIC_IDS):
            redis_server.flushdb()  # rate limits have tests of their own
            asked[operation.label] = _ask_with_valid_bodies(operation, another_s, stranger.headers)
    assert len(asked) > 4
    # The schema does not hold all rules about bodies: such a body may be refused first.
    assert all(codes & {403, 404} and codes <= {403, 404, 422} for codes in asked.values()), asked


# By list of what is one's own: how an item of it is written.
LISTS: dict[str, Callable[[UUID], UUID]] = {
    "/api/detections": see_for,
    "/api/alerts": factories.add_alert,
    "/api/notifications": factories.add_message,
    "/api/notices": write_notice,
    "/api/billing/history": factories.add_payment,
}


@pytest.mark.usefixtures("frozen")
@in_turn("path", LISTS)
def test_each_list_goes_on_page_by_page_the_newest_first_and_shows_nothing_of_somebody_else(
    person: People, path: str
) -> None:
    """All items are of one instant."""
    factories.remove(User)
    camille, robin = person(), person("robin@example.org")
    newest_first = [str(LISTS[path](camille.id)) for _ in range(5)][::-1]
    pages: list[list[str]] = []
    before: dict[str, Any] | None = {}
    while before is not None:
        page = camille.get(path, limit=2, **before).json
        pages.append([each["id"] for each in page["items"]])
        assert robin.get(path, **before).json["items"] == []
        before = {"before": page["next"]} if page["next"] else None
    assert pages == [newest_first[:2], newest_first[2:4], newest_first[4:]]


def _ask_with_valid_bodies(operation: Any, ids: list[str], headers: dict[str, str]) -> set[int]:
    codes: set[int] = set()
    names = re.findall(r"{(\w+)}", operation.path)

    @settings(max_examples=times(2), suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(path_parameters=dict.fromkeys(names, ids[0])))
    def ask(case: Any) -> None:
        for value in ids:
            case.path_parameters = dict.fromkeys(names, value)
            codes.add(case.call(headers=headers).status_code)

    ask()
    return codes


# Health and status look at every part of the product, on connections of their own: tests/api/health/.
# An export is begun by the first request, and its file is in a store: tests/api/privacy/.
APART = {
    "/api/health", "/api/users/export", "/api/users/export/file",
}  # fmt: skip
# What a route must be asked.
QUERIES = {
    "quote": "?plan=URGENCE_TOTAL",
    **dict.fromkeys(("map", "calendar.ics", "outlook"), "?procedure=TITRE_SEJOUR"),
}


def grow(person: Person, number: int) -> dict[str, object]:
    """Write so many alerts, detections and payments; return the ids that paths name, of the last ones."""
    for _ in range(number):
        alert, (detection, slots) = factories.add_alert(person.id), factories.see("2026-12-01", "2026-12-02")
        told = {"state": State.FAILED, "reason": "refused", "failed_at": clock()}
        factories.add_message(person.id, factories.add_match(alert, detection, slots), **told)
        factories.add_payment(person.id)
        issue_due(60)
        helped = factories.add_beneficiary(factories.one(Organisation).id)
        factories.add_match(factories.add_alert(helped), detection, slots)
    invoice = factories.rows(Invoice)[0].id
    made = {"alerts": alert, "detections": detection, "invoices": invoice, "people": helped}
    return made | {"prefectures": "bobigny_93"}


def list_paths(app: Flask, ids: dict[str, object]) -> list[str]:
    """Return the address of each GET route of the API, with the id of the noun before it."""
    rules = {rule.rule for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())}
    served = [each for each in sorted(rules - APART) if each.startswith("/api/")]
    filled = [re.sub(r"(\w+)/<[^>]+>", lambda found: f"{found[1]}/{ids[found[1]]}", each) for each in served]
    return [f"{each}{QUERIES.get(each.rpartition('/')[2], '')}" for each in filled]


def ask(person: Person, url: str) -> None:
    answer = person.get(url)
    assert answer.status_code in (200, 202), answer.text  # 202: the file of an invoice is being made


def count_each(person: Person, ids: dict[str, object], redis_server: redis.Redis) -> dict[str, int]:
    """Return the number of statements of each route, none of which finds an answer that was kept."""
    found = {}
    for path in list_paths(person.app, ids):
        redis_server.flushdb()
        cache._open_cache.cache_clear()  # the process keeps answers, too
        found[re.sub(r"[\w-]{36}", "id", path)] = statements(partial(ask, person, path))
    return found


def test_routes_take_as_many_statements_however_many_rows_there_are(
    person: People, settings_env: Callable[..., None], redis_server: redis.Redis
) -> None:
    settings_env(PUBLIC_DELAY_SECONDS="0")
    camille = person()
    factories.add_organisation(camille.id)
    few = count_each(camille, grow(camille, 1), redis_server)
    assert len(few) > 25
    assert count_each(camille, grow(camille, 9), redis_server) == few
