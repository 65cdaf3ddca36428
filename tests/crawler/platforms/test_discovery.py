from pathlib import Path

import pytest
from pydantic import ValidationError

from crawler import platforms
from crawler.platforms import example, platform
from tests.crawler.pages import TODAY
from tests.crawler.recordings import PARIS
from tests.in_turn import in_turn

NAMES = sorted(platforms.platforms())


def test_every_file_of_the_folder_is_a_platform() -> None:
    files = {path.stem for path in Path(platforms.__file__).parent.iterdir() if path.stem[0] != "_"}
    assert set(NAMES) == files


@in_turn("name", NAMES)
def test_a_platform_can_begin_a_visit_to_its_own_example(name: str) -> None:
    found = platform(name)
    ask = found.first_request(example(found, TODAY, PARIS))
    assert not found.is_forbidden(ask.url, ask.method)


NEEDY = [name for name in NAMES if platform(name).EXAMPLE_PARAMETERS]


@in_turn("name", NEEDY)
def test_a_parameter_that_is_needed_is_missed_and_a_wrong_one_refused(name: str) -> None:
    found = platform(name)
    for key in found.EXAMPLE_PARAMETERS:
        wrong = {**found.EXAMPLE_PARAMETERS, key: object()}
        with pytest.raises(ValidationError, match=key):
            found.Parameters(**wrong)
    with pytest.raises(ValidationError):
        found.Parameters()
