from typing import Annotated

import pytest
from pydantic import ValidationError

from configs.ground.strict_model import Strict
from crawler.platforms.ants.search import Point, one_of


class Search(Strict):
    radius: Annotated[float, one_of(0.99, 5, 10)]


@pytest.mark.parametrize("point", [(180.1, 0), (-181, 0), (0, 90.5), (0, -91), (float("nan"), 0)])
def test_a_point_lies_on_the_map(point: tuple[float, float]) -> None:
    assert Point(longitude=-180, latitude=90).latitude == 90
    with pytest.raises(ValidationError):
        Point(longitude=point[0], latitude=point[1])


def test_a_number_that_a_server_does_not_take_is_refused_by_those_that_it_does() -> None:
    assert [Search(radius=each).radius for each in (0.99, 10)] == [0.99, 10]
    with pytest.raises(ValidationError, match=r"must be one of 0\.99, 5, 10: the server takes no other"):
        Search(radius=1)
