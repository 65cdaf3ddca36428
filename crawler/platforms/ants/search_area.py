"""Types of a search area in a desk's YAML: points on the map, and numbers of which a server accepts only some."""

from typing import Annotated

from pydantic import AfterValidator, Field

from configs.ground.strict_model import Strict


class Point(Strict):
    """A point on the map, in degrees (WGS 84)."""

    longitude: Annotated[float, Field(ge=-180, le=180)]
    latitude: Annotated[float, Field(ge=-90, le=90)]


def one_of(*taken: float) -> AfterValidator:
    """Return the validator of a number that must be one of those that the server accepts."""

    def check(value: float) -> float:
        if value not in taken:
            raise ValueError(f"must be one of {', '.join(map(str, taken))}: the server takes no other")
        return value

    return AfterValidator(check)
