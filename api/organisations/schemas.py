"""Bodies of /api/organisations about the organisation and its members."""

from datetime import datetime, time
from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from api.accounts.schemas import Email
from api.alerts.schemas import Hour
from api.ground.schemas import Answer, Body, Flag, name_rule
from api.models.organisation import MemberRole, OrganisationEnd, OrganisationKind
from api.organisations.business_numbers import siren_number, vat_number
from api.organisations.callers import Right

_Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=10, max_length=2000)]
_Address = Annotated[str, StringConstraints(strip_whitespace=True, min_length=10, max_length=500)]
Siren = Annotated[str, Field(max_length=20, examples=["303 265 045"]), name_rule("siren", siren_number)]
VatNumber = Annotated[
    str, Field(max_length=30, examples=["FR 40 303 265 045"]), name_rule("vat_number", vat_number)
]


class NewOrganisation(Body):
    """What a person says of the organisation that is asked for; `purpose`: whom it helps, and how."""

    name: _Line
    kind: OrganisationKind
    address: _Address
    purpose: _Text
    siren: Siren | None = None
    vat_number: VatNumber | None = None


class OrganisationChange(Body):
    """Changes; what is left out stays."""

    address: _Address | None = None
    vat_number: VatNumber | None = None
    needs_second_factor: Flag | None = None


class Acceptance(Body):
    """The version of the contract that is accepted: the newest."""

    version: Annotated[str, Field(max_length=20, examples=["2026-11-30"])]


class Invitation(Body):
    """An invitation: the account of this address may accept it."""

    email: Email
    role: MemberRole


class MemberChange(Body):
    """Changes of a member; what is left out stays. The hours are the member's own: both, or none for always."""

    role: MemberRole | None = None
    told_from: Hour | None = None
    told_until: Hour | None = None


class OrganisationState(Answer):
    """An organisation as one of its members sees it."""

    id: UUID
    name: str
    kind: OrganisationKind
    siren: str | None
    vat_number: str | None
    address: str
    purpose: str
    is_open: bool
    granted_until: datetime | None
    needs_second_factor: bool
    contract_version: str | None
    contract_accepted_at: datetime | None
    newest_contract: str
    ends_at: datetime | None
    ends_because: OrganisationEnd | None
    end_reason: str | None
    role: MemberRole
    rights: list[Right]
    people: int
    most_people: int
    most_members: int


class MemberAnswer(Answer):
    """A member, or an invitation that nobody accepted yet: `joined_at` is null."""

    id: UUID
    email: str
    role: MemberRole
    joined_at: datetime | None
    created_at: datetime
    told_from: time | None
    told_until: time | None
    is_self: bool


class MemberList(Answer):
    """Members and invitations of an organisation, the oldest first."""

    items: list[MemberAnswer]
