"""Every route of /api/admin is closed to everybody but operators, and leaves a row in the audit."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.logins.service import note_proof
from api.models.audit import ActorKind
from api.models.base import session
from api.models.login import Login
from api.models.user import Role, User
from configs.ground.clock import clock
from tests.api.admin.conftest import Operators, Stage, audit
from tests.api.admin.examples import EXAMPLES, FIRST, HOST
from tests.clients import Operator, People, problem
from tests.factories import BOBIGNY, change, rows


def list_routes(app: Flask) -> Iterator[tuple[str, str]]:
    """Yield (method, rule) of every route of /api/admin."""
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/api/admin"):
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                yield method, rule.rule.removeprefix("/api/admin")


def fill(rule: str, **values: str) -> str:
    """Return a rule's path: each variable by name, or any value of its kind."""

    def value_of(found: re.Match[str]) -> str:
        kind, name = found[1], found[2]
        return values.get(name) or (str(uuid4()) if kind else "anything")

    return re.sub(r"<(uuid:)?(\w+)>", value_of, rule)


def fill_from(stage: Stage, rule: str) -> str:
    prefecture, slug = BOBIGNY.split("/")
    by_noun = {
        "alerts": stage.alert,
        "payments": stage.payment,
        "stripe-events": stage.event,
        "incidents": stage.incident,
    }
    subject = by_noun.get(rule.split("/")[1], stage.person.id)
    return fill(rule, id=str(subject), grant_id=str(stage.grant), prefecture=prefecture, slug=slug, host=HOST)


def test_every_route_has_an_example_here(app: Flask) -> None:
    assert set(list_routes(app)) == set(EXAMPLES)


def test_nobody_gets_in_without_a_token(app: Flask, client: FlaskClient) -> None:
    for method, rule in list_routes(app):
        answer = client.open(f"/api/admin{fill(rule)}", method=method)
        assert (answer.status_code, rule) == (401, rule)
        assert answer.mimetype == "application/problem+json"


def refusals(
    app: Flask, operator: Operator, *methods: str, but: tuple[str, str] | None = None
) -> set[tuple[int, str]]:
    """Return how the routes with these methods (none: all) `but` one refuse a person, whatever the body."""
    return {
        problem(operator.ask(method, fill(rule), **sent))
        for method, rule in list_routes(app)
        for sent in ({}, {"json": {"role": "admin", "reason": "a test", "plan": "URGENCE_7J"}})
        if (not methods or method in methods) and (method, rule) != but
    }


def test_a_user_is_refused_everywhere(app: Flask, operator: Operators) -> None:
    assert refusals(app, operator(Role.USER)) == {(403, "operators-only")}


def test_support_reads_and_acts_nowhere(app: Flask, support: Operator) -> None:
    search = ("POST", "/users/search")  # reads, and is refused for its body only
    methods = ("POST", "PATCH", "DELETE", "PUT")
    assert refusals(app, support, *methods, but=search) == {(403, "admins-only")}
    assert support.do(*search, email="simone@example.org")["items"]
    assert support.get("/desks")["items"]


def test_operators_need_a_second_factor_everywhere(app: Flask, operator: Operators) -> None:
    assert refusals(app, operator(second_factor=False)) == {(403, "second-factor-needed")}
    reader = operator(Role.SUPPORT, "simone@example.org", second_factor=False)
    assert refusals(app, reader, "GET") == {(403, "second-factor-needed")}


def test_a_refused_request_leaves_no_row(app: Flask, support: Operator) -> None:
    refusals(app, support, "POST", "PATCH", "DELETE")
    assert audit() == []


@pytest.mark.parametrize("route", EXAMPLES, ids=" ".join)
def test_every_route_leaves_a_row_in_the_audit(route: tuple[str, str], admin: Operator, stage: Stage) -> None:
    (method, rule), (body, subject, action, subject_id) = route, EXAMPLES[route]
    if rule in FIRST:
        before, sent = FIRST[rule]
        admin.do("POST", fill_from(stage, before), **(sent or {}))
    answer = admin.ask(method, fill_from(stage, rule), **({} if body is None else {"json": body}))
    assert answer.status_code in (200, 201, 202, 204), answer.text
    names = vars(stage) | {"user": stage.person.id, "desk": BOBIGNY}
    (row,) = audit(action=action)
    assert (row.actor_id, row.actor_kind, row.subject_type) == (admin.id, ActorKind.ADMIN, subject)
    assert row.subject_id == (subject_id and subject_id.format(**names))
    assert row.request_id == answer.headers["X-Request-ID"]
    assert stage.person.email not in str(row.changes)
    if method != "GET":
        assert row.changes != {} or rule == "/dead-letters/replay"


def test_the_row_commits_with_the_action_or_not_at_all(
    admin: Operator, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr("api.admin.access.record_audit", fail)
    answer = admin.ask("PATCH", f"/users/{stage.person.id}/role", json={"role": "support"})
    assert answer.status_code == 500
    (user,) = (each for each in rows(User) if each.id == stage.person.id)
    assert user.role is Role.USER
    assert audit() == []


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.ADMIN])
def test_a_login_of_an_operator_ends_after_half_an_hour_without_use(
    role: Role, operator: Operators, person: People
) -> None:
    idle, other = operator(role), person("robin@example.org")
    change(Login, last_used_at=clock() - timedelta(minutes=29))
    assert idle.ask("GET", "/desks").status_code == 200
    change(Login, last_used_at=clock() - timedelta(minutes=31))
    assert idle.ask("GET", "/desks").status_code == 401
    assert other.get("/api/auth/me").status_code == 200


def test_a_login_from_before_the_second_factor_has_to_show_it(
    operator: Operators, settings_env: Callable[..., None]
) -> None:
    stale = operator()
    change(Login, proven_at=clock() - timedelta(days=2))
    assert problem(stale.ask("GET", "/users")) == (403, "recent-proof-needed")
    with session() as s:
        note_proof(s, stale.person.login_id)
    stale.get("/users")


def test_what_touches_money_or_roles_needs_a_recent_proof(admin: Operator, stage: Stage) -> None:
    change(Login, proven_at=clock() - timedelta(minutes=6))
    user = f"/users/{stage.person.id}"
    for method, path, body in (
        ("PATCH", f"{user}/role", {"role": "support"}),
        ("POST", f"{user}/grants", {"plan": "URGENCE_7J"}),
        ("DELETE", f"{user}/grants/{stage.grant}", None),
        ("POST", f"/payments/{stage.payment}/refunds", {"note": "a test"}),
    ):
        answer = admin.ask(method, path, **({"json": body} if body else {}))
        assert problem(answer) == (403, "recent-proof-needed")
    assert audit() == []
    admin.do("POST", f"/hosts/{HOST}/stop", reason="an emergency")


def test_a_role_that_is_taken_away_counts_from_the_next_request(admin: Operator) -> None:
    admin.get("/desks")
    change(User, User.id == admin.id, role=Role.USER)
    assert problem(admin.ask("GET", "/desks")) == (403, "operators-only")


def test_a_preflight_of_the_front_end_needs_no_token(client: FlaskClient) -> None:
    assert client.open("/api/admin/users", method="OPTIONS").status_code == 200
