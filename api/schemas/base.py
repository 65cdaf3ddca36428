"""The border: camelCase outside, snake_case inside."""

from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from configs.strict_model import Strict


class Body(Strict):
    """What comes in: unknown keys and NUL bytes are refused."""

    model_config = ConfigDict(alias_generator=to_camel)


class Answer(BaseModel):
    """What goes out."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        from_attributes=True,
        json_schema_serialization_defaults_required=True,
    )

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON values: instants as ISO 8601 with `Z`, dates as `YYYY-MM-DD`."""
        return self.model_dump(mode="json", by_alias=True)
