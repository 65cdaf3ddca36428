"""Operators: people with a role and a second factor; and rows that they look at."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from api.models.audit import AuditEntry
from api.models.base import session
from api.models.notification import Notification, Priority, State
from api.models.user import Channel, Contact, Grant, Role, User
from configs.clock import clock
from configs.plan import PlanName
from tests.api.world import (
    Person,
    add_incident,
    add_payment,
    add_stripe_event,
    desk_state,
    rows,
    wait_for,
)

Operators = Callable[..., "Operator"]


@dataclass(frozen=True)
class Operator:
    """A signed-in operator with a client."""

    client: FlaskClient
    person: Person

    @property
    def id(self) -> UUID:
        return self.person.id

    def ask(self, method: str, path: str, **options: Any) -> TestResponse:
        """Send a request to /api/admin…; the answer is returned whatever it is."""
        return self.client.open(f"/api/admin{path}", method=method, headers=self.person.headers, **options)

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """Return the JSON of a successful GET."""
        answer = self.ask("GET", path, query_string=query)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json or {}
        return found

    def do(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        """Return the JSON of a successful action; empty for 204."""
        answer = self.ask(method, path, **({"json": body} if body else {}))
        assert answer.status_code in (200, 201, 202, 204), answer.text
        found: dict[str, Any] = answer.get_json(silent=True) or {}
        return found


@pytest.fixture
def operator(client: FlaskClient, person: Callable[..., Person]) -> Operators:
    """Make a signed-in operator: `operator(Role.SUPPORT)`, `operator(second_factor=False)`."""

    def make(
        role: Role = Role.ADMIN, email: str = "oscar@example.org", *, second_factor: bool = True
    ) -> Operator:
        made = Operator(client, person(email))
        since = clock() - timedelta(days=1)  # before the login, which has shown it
        confirmed = {"totp_secret": "secret", "totp_confirmed_at": since} if second_factor else {}
        with session() as s:
            s.execute(sa.update(User).where(User.id == made.id).values(role=role, **confirmed))
        return made

    return make


@pytest.fixture
def admin(operator: Operators) -> Operator:
    return operator()


@pytest.fixture
def support(operator: Operators) -> Operator:
    return operator(Role.SUPPORT, "simone@example.org")


def audit(**wanted: Any) -> list[AuditEntry]:
    """Return the audit rows with these values, the oldest first."""
    found = [
        row for row in rows(AuditEntry) if all(getattr(row, name) == value for name, value in wanted.items())
    ]
    return sorted(found, key=lambda row: row.id)


def problem(answer: TestResponse) -> tuple[int, str]:
    """Return status and the last part of the type of a refusal."""
    return answer.status_code, (answer.json or {})["type"].rpartition(":")[2]


def confirm_mailbox(email: str) -> None:
    """Have the owner of an address follow the link of its mail."""
    with session() as s:
        s.execute(sa.update(Contact).where(Contact.address == email).values(verified_at=clock()))


def add_contact(person: Person, channel: Channel, address: str) -> None:
    with session() as s:
        s.add(Contact(user_id=person.id, channel=channel, address=address, verified_at=clock(), enabled=True))


def dead_letter(person: Person, reason: str = "attempts used up: sendgrid answered 500") -> UUID:
    """Write a message that failed for good."""
    now = clock()
    with session() as s:
        contact = s.scalars(sa.select(Contact).where(Contact.user_id == person.id)).first()
        assert contact
        row = Notification(
            user_id=person.id, contact_id=contact.id, channel=contact.channel, kind="verify_email",
            priority=Priority.CRITICAL, dedupe_key=str(uuid4()), state=State.FAILED, reason=reason, attempts=5,
            failed_at=now, next_attempt_at=now, next_nudge_at=now,
        )  # fmt: skip
        s.add(row)
        s.flush()
        return row.id


@dataclass(frozen=True)
class Stage:
    """Rows that each kind of route can be asked about."""

    person: Person
    grant: UUID
    alert: UUID
    letter: UUID
    payment: UUID
    event: str
    incident: int


@pytest.fixture
def stage(person: Callable[..., Person]) -> Stage:
    """Write a user with a grant, an alert, a dead letter and a payment, a desk's state, an event, an incident."""
    camille = person(plan=PlanName.URGENCE_7J)
    confirm_mailbox(camille.email)
    desk_state()
    (grant,) = rows(Grant)
    return Stage(
        camille,
        grant.id,
        wait_for(camille.id),
        dead_letter(camille),
        add_payment(camille.id),
        add_stripe_event(),
        add_incident(),
    )
