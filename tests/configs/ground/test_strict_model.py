"""Input that every strict model refuses."""

from typing import Any

import pytest
from pydantic import Field, ValidationError

from configs.ground.strict_model import Strict


class _Thing(Strict):
    name: str = ""
    names: list[str] = Field(default_factory=list)
    more: dict[str, Any] = Field(default_factory=dict)


@pytest.mark.parametrize(
    "given",
    [{"name": "a\0"}, {"names": ["a", "\0"]}, {"more": {"a": {"b": ["\0"]}}}, {"more": {"\0": 1}}],
)
def test_a_nul_is_refused_wherever_it_stands(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="NUL"):
        _Thing.model_validate(given)


def test_what_nobody_asked_for_is_refused() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        _Thing.model_validate({"nmae": "a"})


def test_depth_is_no_way_to_crash() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert _Thing.model_validate({"more": {"a": deep}}).more["a"] is deep
    with pytest.raises(ValidationError):
        _Thing.model_validate({"name": deep})
