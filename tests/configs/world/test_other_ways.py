"""Facts about ways without an appointment: what is shipped, and that production shows none that nobody has read."""

from collections.abc import Callable
from pathlib import Path

import pytest

from configs.ground.strict_yaml import ConfigFileError
from configs.world.desk import Procedure
from configs.world.other_ways import list_other_ways, load_other_ways
from tests.configs.settings.test_settings import PRODUCTION


def test_shipped_facts_are_unread_and_shown_outside_production_only(bare: Callable[..., None]) -> None:
    assert [each for each in load_other_ways() if each.read_on] == []
    assert len(list_other_ways(Procedure.NATURALISATION)) == 2
    bare(**PRODUCTION)
    assert [list_other_ways(each) for each in Procedure if list_other_ways(each)] == []


def test_a_wrong_fact_is_refused_by_file_and_key(tmp_path: Path) -> None:
    file = tmp_path / "ways.yaml"
    file.write_text(
        "ways:\n  - {procedures: [], fr: a, en: b, ar: c, link: 'http://x', source: s, to_read: t}\n"
    )
    with pytest.raises(ConfigFileError) as caught:
        load_other_ways(file)
    assert {"ways.0.procedures", "ways.0.link"} <= {each.split(": ")[1] for each in caught.value.problems}
