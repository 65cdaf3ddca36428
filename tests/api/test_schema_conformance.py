"""Random requests to every operation of the document, as each kind of user: answers keep to the document."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
import redis
import sqlalchemy as sa
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.auth.logins import open_login
from api.models.base import session
from api.models.invoice import Invoice
from api.models.organisation import Beneficiary, Member
from api.models.user import Grant, Role, User
from api.payments.invoices.issuing import issue_due
from api.web.auth import issue_tokens
from configs.world.plan import PlanName
from tests import factories
from tests.api.world import see_for
from tests.clients import People, Person
from tests.fuzz import FUZZ, times
from tests.samples import try_first

pytestmark = [pytest.mark.fuzz, pytest.mark.journey]  # each operation by few requests: test_every_operation
ANONYMOUS = "anonymous"
_NAMES = {"host": "127.77.0.93:8800", "prefecture": "bobigny_93", "slug": "titre-sejour"}  # in paths
# Statuses that a request may get although it is valid: they are about the user, the state of things, or the size of
# the whole body, for which OpenAPI has no word.
FINE = {200, 201, 202, 204, 401, 402, 403, 404, 409, 413, 429}
# Refusals of valid requests that no schema can foresee, with the reason.
UNFORESEEN = {
    "link-forged": "tokens of links are made by us",
    "wrong-code": "codes are made by us",
    "siren": "its last figure is a key",
    "vat_number": "its key, and the SIREN's",
    "guessable": "a password is judged by a dictionary and the address",
    "phone_number": "the numbering plans of all countries change each month",
    "no_sms": "which numbers get an SMS follows from those plans",
    "push_service": "which services are taken is a setting",
    "push_key": "not every text is a point of the curve",
    "time_zone": "the list of IANA changes several times a year",
    "unknown": "prefectures, desks and sites are in the desk files",
    "no_booking_page": "each platform has its own form of addresses",
    "old_terms": "new terms come by a new version",
    "past": "depends on the day",
    "too_far": "depends on the day",
    "excludes_everything": "depends on the day",
    "not_watched": "depends on what is watched now",
    "out_of_order": "compares two fields",
    "same_hours": "compares two fields",
    "not_found": "compares two fields",
    "email: missing": "depends on the sign-in",
    "procedures: missing": "depends on the alert that is changed",
}
# 503 is what health answers where no notifier runs, as here.
DOWN_HERE = {"GET /api/health"}
# What a job makes first: tests/api/privacy/, tests/api/payments/invoices/.
MADE_LATER = {"GET /api/users/export", "GET /api/users/export/file", "GET /api/billing/invoices/{id}"}
# No other operation has an account to ask about then.
LAST = "DELETE /api/users/me"


@dataclass(frozen=True)
class Ground:
    """The app with what its routes can be asked about; `user` is None for requests without a sign-in."""

    app: Flask
    redis: redis.Redis
    role: str
    user: Person | None
    owner: Person  # of the rows that are asked for without a sign-in


@pytest.fixture
def ground_of(
    app: Flask, redis_server: redis.Redis, person: People, settings_env: Callable[..., None]
) -> Callable[[str], Ground]:
    """Make an app for requests of a kind of user: `ground_of("anonymous")`."""

    def make(role: str) -> Ground:
        settings_env(TELEGRAM_BOT_NAME="rdvpriority_bot")
        factories.add_desk()
        owner = person("owner@example.org", plan=PlanName.URGENCE_TOTAL)
        user = None if role == ANONYMOUS else person("one@example.org", plan=PlanName.URGENCE_TOTAL)
        for each in (owner, user or owner):
            factories.add_payment(each.id)
        factories.add_organisation((user or owner).id)
        return Ground(app, redis_server, role, user, owner)

    return make


@pytest.mark.parametrize("role", try_first([Role.USER, ANONYMOUS], 1))
def test_answers_keep_to_the_document(ground_of: Callable[[str], Ground], role: str) -> None:
    ground = ground_of(role)
    failures: list[str] = []
    for operation in _operations(ground.app):
        if FUZZ == 1 and not _may_ask(role, operation):
            continue  # test_every_operation asks what is closed to a role; `make fuzz` does here, too
        try:
            _try(ground, operation)
        except Exception as error:  # noqa: BLE001 -- every operation is tried before the test fails
            failures.append(f"{operation.label}\n{_explain(error)}")
    assert not failures, "\n\n".join(failures)


def _operations(app: Flask) -> Iterator[Any]:
    import schemathesis

    schema: Any = schemathesis.openapi.from_wsgi("/api/openapi.json", app)
    schema.config.generation.update(with_security_parameters=False)
    found = [each.ok() for each in schema.get_all_operations()]
    return iter(sorted(found, key=lambda each: each.label == LAST))


def _explain(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "\n".join(_explain(each) for each in error.exceptions)
    return "\n".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())])


def _try(ground: Ground, operation: Any) -> None:
    """Send valid requests about things that are there and about others, and invalid ones."""
    from schemathesis import GenerationMode
    from schemathesis.checks import CHECKS

    ids = _make_subject(ground, operation.path)
    # The client of tests unpacks no gzip.
    headers = {"Accept-Encoding": "identity"} | _sign_in(ground, operation)
    excluded = [CHECKS.get_one("positive_data_acceptance")]
    if operation.label in DOWN_HERE:
        excluded.append(CHECKS.get_one("not_a_server_error"))
    kinds = [operation.as_strategy(path_parameters=ids)]
    if ids:
        kinds.append(operation.as_strategy())
    if operation.body or operation.query:  # another path is another route
        kinds.append(operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
    is_allowed, statuses = _may_ask(ground.role, operation), set[int]()

    def send(cases: tuple[Any, ...]) -> None:
        for case in cases:
            ground.redis.flushdb()  # rate limits have tests of their own
            # What is too long may be short enough without the blanks at its ends.
            blanks = (
                [CHECKS.get_one("negative_data_rejection")] if _has_blank_ends(case.body, case.query) else []
            )
            answer = case.call_and_validate(
                headers=headers, excluded_checks=excluded + blanks, additional_checks=[_takes_what_is_valid]
            )
            statuses.add(answer.status_code)

    elsewhere = DOWN_HERE | MADE_LATER
    is_answered = is_allowed and operation.method == "get" and operation.label not in elsewhere
    least = 1 if FUZZ == 1 else times(2)
    for examples in (least, times(20)) if is_answered else (least,):  # chance may draw nothing valid
        tried = settings(max_examples=examples, suppress_health_check=list(HealthCheck))
        tried(given(cases=st.tuples(*kinds))(send))()
        if 200 in statuses:
            break
    assert 200 in statuses or not is_answered, statuses


def _has_blank_ends(*values: Any) -> bool:
    """Return whether a text anywhere in them is cut before it is judged."""
    return any(
        each != each.strip()
        if isinstance(each, str)
        else _has_blank_ends(*each.values())
        if isinstance(each, dict)
        else isinstance(each, list) and _has_blank_ends(*each)
        for each in values
    )


def _takes_what_is_valid(_context: object, response: Any, case: Any) -> None:
    """Refuse an answer to a valid request that the schema could have foreseen."""
    if (
        not case.meta.generation.mode.is_positive
        or response.status_code in FINE
        or response.status_code >= 500
    ):
        return
    problem = response.json()
    word = problem["type"].rpartition(":")[2]
    refusals = [(each["path"], each["rule"]) for each in problem.get("errors", ())] or [("", word)]
    left = [each for each in refusals if not {each[1], ": ".join(each)} & UNFORESEEN.keys()]
    assert not left, f"valid, and refused: {response.text}\n{case.as_curl_command()}"


def _may_ask(role: str, operation: Any) -> bool:
    """Return whether a kind of user may use the operation."""
    needs_token = operation.definition.raw.get("security") not in (None, [], [{}, {"bearer": []}])
    return role == Role.USER or (role == ANONYMOUS and not needs_token)


def _sign_in(ground: Ground, operation: Any) -> dict[str, str]:
    """Return the headers of a new login: what the last operation did to user and login is undone."""
    if ground.user is None:
        return {}
    with session() as s:
        user = s.get_one(User, ground.user.id)
        # Who holds the largest plan is quoted nothing.
        held = PlanName.URGENCE_24H if operation.path == "/api/billing/quote" else PlanName.URGENCE_TOTAL
        s.execute(sa.update(Grant).where(Grant.user_id == user.id).values(plan=held))
        change = open_login(s, user, "", from_known_place=True)
    with ground.app.app_context():
        tokens = issue_tokens(user, change.login, str(change.token_id))
    refreshes = operation.definition.raw.get("security") == [{"refresh": []}]
    return {"Authorization": f"Bearer {tokens.refresh if refreshes else tokens.access}"}


def _make_subject(ground: Ground, path: str) -> dict[str, str]:
    """Return the path's parameters: of something that is there, and that the user may see if anybody may."""
    user_id = (ground.user or ground.owner).id
    return {name: _NAMES.get(name) or _make_id(path, name, user_id) for name in re.findall(r"{(\w+)}", path)}


def _make_id(path: str, name: str, user_id: UUID) -> str:
    if path.startswith("/api/prefectures/"):
        return "bobigny_93"
    if path.startswith("/api/organisations/people/"):
        if name == "id":
            mine = factories.one(Member, Member.user_id == user_id).organisation_id
            return str(factories.add_beneficiary(mine))
        return str(factories.add_alert(max(each.user_id for each in factories.rows(Beneficiary))))
    makers: dict[str, Callable[[UUID], object]] = {
        "/alerts/": factories.add_alert,
        "/detections/": see_for,
        "/invoices/": _issue_for,
        "/payments/": factories.add_payment,
    }
    return str(next((make(user_id) for part, make in makers.items() if part in path), user_id))


def _issue_for(user_id: UUID) -> UUID:
    """Return the invoice of a payment of the user."""
    payment_id = factories.add_payment(user_id)
    issue_due(60)
    found: UUID = next(each.id for each in factories.rows(Invoice) if each.payment_id == payment_id)
    return found
