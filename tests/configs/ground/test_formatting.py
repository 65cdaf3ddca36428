"""Numbers as a person says them."""

from datetime import timedelta

import pytest

from configs.ground.formatting import format_duration, truncate_line


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (0.44, "0.4 s"), (7, "7 s"), (44.4, "44 s"), (119, "119 s"), (120, "2 min"), (7199, "120 min"),
     (7200, "2 h"), (172_799, "48 h"), (172_800, "2 d"), (8_640_000, "100 d")],
)  # fmt: skip
def test_a_span_is_said_in_one_unit(seconds: float, said: str) -> None:
    assert format_duration(timedelta(seconds=seconds)) == said


def test_a_line_holds_what_can_be_printed_and_is_cut_where_it_is_too_long() -> None:
    assert truncate_line(" a\tb\x1b[2J\r\nc ", 20) == "a b [2J c"
    assert truncate_line("un mot de trop", 6) == "un mot…"
    assert truncate_line("un mot de trop", 7) == "un mot…"
