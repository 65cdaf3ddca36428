"""Bodies that several nouns share: their base classes, a plan, and problem details (RFC 9457).

JSON has camelCase keys; the attributes are in snake_case.
"""

from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Annotated, Any, LiteralString, Self, TypeVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from configs.ground.strict_model import Strict
from configs.world.plan import Plan, PlanName

_NO_NUL = r"^[^\x00]*$"
_RESTRICTED = {"enum", "const", "pattern"}  # a text with one of these holds no NUL anyway
_DRAWN_BY_FORMAT = {"date", "date-time", "uuid"}
T = TypeVar("T")


# Of a strict integer: 3.0 is one too, as in JSON schemas
INTEGRAL = BeforeValidator(
    lambda value: int(value) if isinstance(value, float) and value.is_integer() else value
)
Flag = Annotated[bool, Field(strict=True)]


class Body(Strict):
    """Body of a request; unknown keys and NUL bytes are refused, which its JSON schema says too."""

    model_config = ConfigDict(alias_generator=to_camel)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        made = handler(core_schema)
        for field in handler.resolve_ref_schema(made).get("properties", {}).values():
            _forbid_nul(field)
        return made

    @classmethod
    def model_json_schema(cls, *arguments: Any, **options: Any) -> dict[str, Any]:
        """Return the JSON schema; flask-openapi3 asks for that of a query at each request."""
        if arguments or options:
            return super().model_json_schema(*arguments, **options)
        return _build_schema(cls)


@cache
def _build_schema(kind: type[Body]) -> dict[str, Any]:
    return BaseModel.model_json_schema.__func__(kind)  # type: ignore[attr-defined,no-any-return]


def _forbid_nul(schema: JsonSchemaValue) -> None:
    """Add the pattern to each text of a field's JSON schema that has no stricter rule."""
    free = not schema.keys() & _RESTRICTED and schema.get("format") not in _DRAWN_BY_FORMAT
    if schema.get("type") == "string" and free:
        schema["pattern"] = _NO_NUL
    for each in (*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else ())):
        _forbid_nul(each)


def clean_text(clean: Callable[[str], str]) -> BeforeValidator:
    """Return a validator that cleans a text before it is checked; other values are left to the check."""
    return BeforeValidator(lambda value: clean(value) if isinstance(value, str) else value)


def name_rule(name: LiteralString, check: Callable[[T], T]) -> AfterValidator:
    """Return a validator whose refusals have this `rule`, with the text of the ValueError that `check` raises."""

    def run(value: T) -> T:
        try:
            return check(value)
        except ValueError as error:
            raise PydanticCustomError(name, "{why}", {"why": str(error)}) from None

    return AfterValidator(run)


class Answer(BaseModel):
    """Body of a response."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        from_attributes=True,
        json_schema_serialization_defaults_required=True,
    )

    @classmethod
    def of_row(cls, row: object, **other: Any) -> Self:
        """Return the answer with the attributes of a row that are named like its fields, unless `other` has them."""
        names = cls.model_fields.keys() - other.keys()
        return cls(**{name: getattr(row, name) for name in names}, **other)

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON values: instants as ISO 8601 with `Z`, dates as `YYYY-MM-DD`."""
        return self.model_dump(mode="json", by_alias=True)

    def as_bytes(self) -> bytes:
        """Return the same as JSON text."""
        return self.model_dump_json(by_alias=True).encode()


class IdPath(BaseModel):
    """A route's path that names one row by its id."""

    id: UUID


class PlanAnswer(Answer):
    """One plan: price in cents, times in seconds; `alerts` is null where no fixed number limits it."""

    plan: PlanName
    amount: int
    currency: str
    duration_seconds: int | None
    recurring: bool
    alerts: int | None
    interval_seconds: int | None
    channels: list[str]

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """Return a plan of plans.yaml as an answer."""
        return cls.of_row(
            plan,
            plan=plan.name,
            amount=plan.price_cents,
            channels=sorted(plan.channels),
        )


class LostPlan(Answer):
    """A plan that a deleted account loses. `renews`: as a subscription.

    In cents, of what its time left cost: `amount` is lost, `refund` is paid back, as a cancellation waits.
    """

    plan: PlanName
    ends_at: datetime
    amount: int
    refund: int
    currency: str
    renews: bool


class FieldError(Answer):
    """What is wrong with one field of the request."""

    path: str = Field(examples=["limits.weekdays.0"])
    rule: str = Field(examples=["less_than_equal"])
    detail: str = Field(examples=["Input should be less than or equal to 7"])


class Problem(Answer):
    """An error. `type` never changes, so programs may compare it; `detail` says what to do."""

    type: str = Field(examples=["tag:rdvpriority.fr,2026:problem:invalid"])
    title: str
    status: int
    detail: str
    request_id: str | None = None
    errors: list[FieldError] | None = None
    plans: list[PlanAnswer] | None = None
    lost: list[LostPlan] | None = Field(None, description="What the account's deletion would end")
    available_from: datetime | None = Field(None, description="From when the same request makes sense")

    def as_json(self) -> dict[str, Any]:
        """Return it without empty members."""
        # Not exclude_none, which would apply to the plans too, where null means that there is no limit.
        return {name: value for name, value in super().as_json().items() if value is not None}
