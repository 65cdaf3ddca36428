"""Operators: people with a role and a second factor; and rows that they look at."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
import time_machine

from api.models.audit import AuditEntry
from api.models.notification import State
from api.models.user import Contact, Grant, Role
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.clients import Operator, People, Person
from tests.factories import (
    add_alert,
    add_desk,
    add_incident,
    add_message,
    add_payment,
    add_stripe_event,
    change,
    give_role,
    rows,
)

Operators = Callable[..., "Operator"]


@pytest.fixture
def operator(frozen: time_machine.Traveller, person: People) -> Operators:
    """Make a signed-in operator: `operator(Role.SUPPORT)`, `operator(second_factor=False)`."""

    def make(
        role: Role = Role.ADMIN, email: str = "oscar@example.org", *, second_factor: bool = True
    ) -> Operator:
        made = Operator(person(email))
        give_role(made.id, role, second_factor=second_factor)
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
    return rows(AuditEntry, *(getattr(AuditEntry, name) == value for name, value in wanted.items()))


def dead_letter(person: Person, reason: str = "attempts used up: sendgrid answered 500") -> UUID:
    """Write a message that failed for good."""
    contact = rows(Contact, Contact.user_id == person.id)[0]
    ended = {"state": State.FAILED, "reason": reason, "attempts": 5, "failed_at": clock()}
    known = {"contact_id": contact.id, "channel": contact.channel, "kind": "verify_email"}
    return add_message(person.id, **known, **ended)


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
def stage(person: People) -> Stage:
    """Write a user with a grant, an alert, a dead letter and a payment, a desk's state, an event, an incident."""
    camille = person(plan=PlanName.URGENCE_7J)
    change(Contact, Contact.address == camille.email, verified_at=clock())
    add_desk()
    (grant,) = rows(Grant)
    return Stage(
        camille,
        grant.id,
        add_alert(camille.id),
        dead_letter(camille),
        add_payment(camille.id),
        add_stripe_event(),
        add_incident(),
    )
