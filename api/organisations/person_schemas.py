"""Bodies about the people whom an organisation helps."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field

from api.accounts.schemas import Email, NewPassword, Phone
from api.ground.schemas import Answer, Body
from api.models.alert import ClosedBecause
from api.models.notification import State
from api.models.organisation import Told
from api.models.user import Channel
from configs.ground.text import Language
from configs.world.desk import Text

Label = Annotated[Text, Field(max_length=120, examples=["Madame D."])]


class NewPerson(Body):
    """A person to enter. `label`: what members call the person, and alone see. Contacts are the person's own.

    `told`: without one both, where the person has a contact; the caseworker is told until the person agrees.
    `caseworkerId`: a member, without one who enters the person.
    """

    label: Label | None = None
    language: Language = "fr"
    email: Email | None = None
    phone: Phone | None = None
    told: Told | None = None
    caseworker_id: UUID | None = None


class PersonChange(Body):
    """Changes of a person; what is left out stays. A contact that is null goes; another one is invited anew."""

    label: Label | None = None
    language: Language | None = None
    email: Email | None = None
    phone: Phone | None = None
    told: Told | None = None
    caseworker_id: UUID | None = None


class ConsentState(StrEnum):
    """Whether messages may go to the person's own contacts."""

    NO_CONTACT = "no_contact"
    NOT_ASKED = "not_asked"
    ASKED = "asked"
    GIVEN = "given"
    STOPPED = "stopped"  # the person said no, or stopped


class AlertState(StrEnum):
    """What an alert of a person does."""

    WAITING = "waiting"
    OPEN = "open"  # slots that it announced are open now
    PAUSED = "paused"
    NEEDS_CONSENT = "needs_consent"  # its desk reveals health: the person's own
    NO_WATCH = "no_watch"  # it waits for a desk that can be watched
    FOUND = "found"
    STOPPED = "stopped"


class ToldMessage(Answer):
    """A slot alert about a person: by which channel and to whom, and what became of it."""

    at: datetime
    channel: Channel
    to_person: bool
    state: State


class PersonAlert(Answer):
    """An alert of a person; `desks`: what it waits for, by prefecture and desk; `told`: its newest announcement."""

    id: UUID
    prefecture: str
    desks: list[str]
    state: AlertState
    closed_because: ClosedBecause | None
    announced_at: datetime | None
    told: list[ToldMessage]


class PersonAnswer(Answer):
    """A person as members see one. `endsAt`: when the help ends, where a member ended it."""

    id: UUID
    reference: int
    label: str | None
    language: str
    told: Told
    caseworker_id: UUID | None
    email: str | None
    phone: str | None
    consent: ConsentState
    created_at: datetime
    ends_at: datetime | None
    alerts: list[PersonAlert]


class PeopleFilter(Body):
    """Which people: those with such an alert, or whose reference or label has the text."""

    state: AlertState | None = None
    consent: ConsentState | None = None
    caseworker_id: UUID | None = None
    text: Annotated[str, Field(max_length=120)] | None = None


class PeopleAnswer(Answer):
    """The people of an organisation that a filter chose, by reference."""

    items: list[PersonAnswer]


class TakeOver(Body):
    """The password of the account that a person makes of the help."""

    password: NewPassword


class OwnAddress(Body):
    """The address of the account that a person wants to make of the help; a mail there confirms it."""

    email: Email
