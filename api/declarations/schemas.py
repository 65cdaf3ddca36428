"""Bodies of declarations: by the account, and by the form without a login."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field

from api.accounts.schemas import Email
from api.billing.schemas import Cancellation
from api.declarations.typed_text import (
    LONGEST_LINE,
    LONGEST_NAME,
    clean_name,
    clean_reference,
    drop_empty_name,
)
from api.declarations.wished_end import check_wished, read_wished
from api.schemas import Answer, Body, name_rule

Name = Annotated[str, Field(max_length=LONGEST_NAME), name_rule("name", clean_name)]
OptionalName = Annotated[
    str, Field(max_length=LONGEST_NAME, examples=["Camille Martin"]), AfterValidator(drop_empty_name)
]
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


class UndoneAnswer(Answer):
    """A subscription that goes on: when it renews next."""

    renews_at: datetime


class WithdrawalForm(Body):
    """What the form asks for. `declaration`: its id, so that a page that is sent twice declares once."""

    name: Name
    email: Email
    order: OrderNumber
    declaration: UUID | None = None


class LinkedWithdrawal(Body):
    """What the page of the order mail's link asks for; `email` is needed where the account is gone."""

    name: OptionalName | None = None
    email: Email | None = None


class CancellationForm(Body):
    """What the form asks for. `wished`: a day as `2026-11-30`, or `periodEnd`; `declaration` as in a withdrawal."""

    name: Name
    email: Email
    reference: OrderNumber
    wished: Annotated[str, name_rule("out_of_range", check_wished)]
    declaration: UUID | None = None

    @property
    def choice(self) -> Cancellation:
        """What was wished, as the account asks for it."""
        return read_wished(self.wished)


class CancellationChoice(Body):
    """The last step in the account or by a link: the choice, and the name as the receipt shall show it."""

    wished: Annotated[str, name_rule("out_of_range", check_wished)]
    name: OptionalName | None = None

    @property
    def choice(self) -> Cancellation:
        """What was wished, as the route asks for it."""
        return read_wished(self.wished)
