"""Bodies and answers about organisations, their members, programs, and the people whom they help."""

import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import Field, StringConstraints

from api.accounts.schemas import Email, NewPassword, Phone
from api.alerts.schemas import Hour
from api.ground.schemas import Answer, Body, Flag, name_rule
from api.models.alert import ClosedBecause
from api.models.notification import State
from api.models.organisation import MemberRole, OrganisationKind, Told
from api.models.organisation_access import KeyScope, WebhookEvent
from api.models.user import Channel
from configs.ground.addresses import is_loopback, receives_sms
from configs.ground.public_addresses import is_public, parse_address
from configs.ground.text import Language
from configs.settings import settings
from configs.world.desk import Text, check_web_address

_SIREN = re.compile(r"[0-9]{9}")
# Other States of the EU: by their form alone (https://ec.europa.eu/taxation_customs/vies/).
_VAT = re.compile(r"(?!FR)[A-Z]{2}[0-9A-Z+*]{8,12}|FR[0-9]{11}")
_DIGITS = 10


def _siren_number(text: str) -> str:
    """Return a SIREN without blanks; its last figure makes the sum of Luhn's rule end in 0."""
    number = re.sub(r"\s", "", text)
    doubled = (int(each) * (1 + place % 2) for place, each in enumerate(reversed(number)) if each.isdecimal())
    if not _SIREN.fullmatch(number) or sum(each // _DIGITS + each % _DIGITS for each in doubled) % _DIGITS:
        raise ValueError("a SIREN has nine figures, of which the last is a key")
    return number


def _vat_number(text: str) -> str:
    """Return a VAT number of the EU without blanks. A French one is FR, a key, the SIREN: BOI-TVA-DECLA-20-10-10."""
    number = re.sub(r"[\s.-]", "", text).upper()
    if not _VAT.fullmatch(number):
        raise ValueError("a VAT number is a country and up to twelve letters and figures: FR 40 303 265 045")
    if number.startswith("FR"):
        siren = _siren_number(number[4:])
        if int(number[2:4]) != (12 + 3 * (int(siren) % 97)) % 97:
            raise ValueError("the key behind FR does not fit the SIREN")
    return number


def _receiver_address(text: str) -> str:
    """Return an address that webhooks may be sent to, as far as that shows before its name is looked up."""
    parts = urlsplit(check_web_address(text))
    host, is_local = parts.hostname or "", settings().loopback_only
    if parts.scheme != "https" and not (is_local and is_loopback(host)):
        raise ValueError("must begin with https://")
    address = parse_address(host)
    if ((address and not is_public(address)) or is_loopback(host)) and not is_local:
        raise ValueError("is not on the public internet")
    return text


def _mobile_number(number: str) -> str:
    """Return a number that we send SMS to."""
    if not receives_sms(number, settings().sms_countries):
        raise ValueError("SMS go to mobile numbers of France, overseas included")
    return number


_Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=10, max_length=2000)]
_Address = Annotated[str, StringConstraints(strip_whitespace=True, min_length=10, max_length=500)]
_Siren = Annotated[str, Field(max_length=20), name_rule("siren", _siren_number)]
_VatNumber = Annotated[str, Field(max_length=30), name_rule("vat_number", _vat_number)]
_Label = Annotated[Text, Field(max_length=120, examples=["Madame D."])]


class NewOrganisation(Body):
    """What a person says of the organisation that is asked for; `purpose`: whom it helps, and how."""

    name: _Line
    kind: OrganisationKind
    address: _Address
    purpose: _Text
    siren: _Siren | None = None
    vat_number: _VatNumber | None = None


class OrganisationChange(Body):
    """Changes; what is left out stays."""

    address: _Address | None = None
    vat_number: _VatNumber | None = None
    needs_second_factor: Flag | None = None


class Acceptance(Body):
    """The version of the contract that is accepted: the newest."""

    version: Annotated[str, Field(max_length=20)]


class Invitation(Body):
    """An invitation: the account of this address may accept it."""

    email: Email
    role: MemberRole


class NewRole(Body):
    """What a member may do from now on."""

    role: MemberRole


class OwnHours(Body):
    """Hours of a member, in which messages about slots come: both, or none for always."""

    told_from: Hour | None = None
    told_until: Hour | None = None


class NewKey(Body):
    """An API key to make: what it is for, and what it may do."""

    name: Annotated[Text, Field(max_length=100)]
    scopes: Annotated[list[KeyScope], Field(min_length=1, max_length=len(KeyScope))]


class NewWebhook(Body):
    """A webhook to make: its address, and the events that are sent there."""

    url: Annotated[str, Field(max_length=500), name_rule("receiver", _receiver_address)]
    events: Annotated[list[WebhookEvent], Field(min_length=1, max_length=len(WebhookEvent))]


class PersonChange(Body):
    """Changes of a person; what is left out stays. A contact that is null goes; another one is invited anew.

    `label`: what members call the person, and alone see. Contacts are the person's own.
    """

    label: _Label | None = None
    language: Language | None = None
    email: Email | None = None
    phone: Annotated[Phone, name_rule("no_sms", _mobile_number)] | None = None
    told: Told | None = None
    caseworker_id: UUID | None = None


class NewPerson(PersonChange):
    """A person to enter.

    `told`: without one both, where the person has a contact; the caseworker is told until the person agrees.
    `caseworkerId`: a member, without one who enters the person.
    """

    language: Language = "fr"


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
    text: Annotated[str, Field(max_length=120)] = ""


class TakeOver(Body):
    """The password of the account that a person makes of the help."""

    password: NewPassword


class OwnAddress(Body):
    """The address of the account that a person wants to make of the help; a mail there confirms it."""

    email: Email
