"""Bodies of declarations: by the account, and by the form without a login."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, Field

from api.accounts.schemas import Email
from api.billing.schemas import Cancellation
from api.declarations.cancellation_dates import list_days
from api.declarations.typed_text import (
    LONGEST_LINE,
    LONGEST_NAME,
    clean_name,
    clean_reference,
    drop_empty_name,
)
from api.models.declaration import Declaration
from api.schemas import Answer, Body, name_rule
from configs.ground.clock import clock

PERIOD_END = "periodEnd"


def _check_wished(text: str) -> str:
    if text == PERIOD_END:
        return text
    days = list_days(clock())
    if _read_wished(text).on not in days:
        raise ValueError(f"choose a day from {days[0]} to {days[-1]}, or {PERIOD_END}")
    return text


def _read_wished(text: str) -> Cancellation:
    return Cancellation.model_validate({PERIOD_END: True} if text == PERIOD_END else {"on": text})


Name = Annotated[str, Field(max_length=LONGEST_NAME), name_rule("name", clean_name)]
OptionalName = Annotated[
    str, Field(max_length=LONGEST_NAME, examples=["Camille Martin"]), AfterValidator(drop_empty_name)
]
Wished = Annotated[str, name_rule("out_of_range", _check_wished)]
OrderNumber = Annotated[str, Field(max_length=LONGEST_LINE), name_rule("reference", clean_reference)]


class Withdrawal(Body):
    """The order that is withdrawn from. `name`: as the acknowledgement shall show it."""

    payment_id: UUID
    name: OptionalName | None = None


class WithdrawalAnswer(Answer):
    """A withdrawal as it was received. `appliedAt` and `refund` (cents) are null until it has effect, moments later."""

    declaration_id: UUID
    order_number: str
    declared_at: datetime
    applied_at: datetime | None
    refund: int | None
    currency: str

    @classmethod
    def of(cls, row: Declaration) -> Self:
        """Return a withdrawal as its author sees it."""
        return cls(
            declaration_id=row.id,
            order_number=row.reference or "",
            declared_at=row.made_at,
            applied_at=row.applied_at,
            refund=row.refund_cents,
            currency="eur",
        )


class UndoneAnswer(Answer):
    """A subscription that goes on: when it renews next."""

    renews_at: datetime


class LinkedWithdrawal(Body):
    """What the page of the order mail's link asks for; `email` is needed where the account is gone."""

    name: OptionalName | None = None
    email: Email | None = None


class WithdrawalForm(Body):
    """What the form asks for. `declaration`: its id, so that a page that is sent twice declares once."""

    name: Name
    email: Email
    reference: OrderNumber = Field(alias="order")
    declaration: UUID | None = None


class _WishedEnd(Body):
    """`wished`: a day as `2026-11-30`, or `periodEnd`."""

    wished: Wished

    @property
    def choice(self) -> Cancellation:
        """What was wished, as the route asks for it."""
        return _read_wished(self.wished)


class CancellationForm(_WishedEnd):
    """What the form asks for. `declaration` as in a withdrawal."""

    name: Name
    email: Email
    reference: OrderNumber
    declaration: UUID | None = None


class CancellationChoice(_WishedEnd):
    """The last step in the account or by a link: the choice, and the name as the receipt shall show it."""

    name: OptionalName | None = None
