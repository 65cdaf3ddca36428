import json
from dataclasses import replace

import pytest

from configs.world.outcome import Outcome
from crawler.parsing.websocket_frames import CUT_OFF, frames_of, read_unended
from tests.crawler.pages import page

PLACES, END = [{"id": 1, "hours": ["9:00"]}], {"step": "the_end", "failed": 0}


def frames(body: str | bytes) -> list[object]:
    return [json.loads(each.body) for each in frames_of(page(body), "the_end")]


def test_a_file_of_windows_holds_the_same_frames() -> None:
    assert [each.body for each in frames_of(page(b"\xef\xbb\xbf[]\r\nthe_end\r\n"), "the_end")] == [
        b"[]",
        b"the_end",
    ]


@pytest.mark.parametrize("indent", [None, 1, 4])
def test_frames_that_another_tool_indented_or_saved_as_one_array_are_frames_all_the_same(
    indent: int | None,
) -> None:
    each_by_itself = "\n".join(json.dumps(frame, indent=indent) for frame in (PLACES, [], END))
    assert frames(each_by_itself) == [PLACES, [], END]
    assert frames(json.dumps([PLACES, [], END], indent=indent)) == [PLACES, [], END]
    assert frames(json.dumps([END], indent=indent)) == [END]
    assert frames(json.dumps(END, indent=indent)) == [END]


@pytest.mark.parametrize("alone", [PLACES, [PLACES], [], [*PLACES, END], [END, PLACES]])
def test_one_frame_without_the_end_behind_its_lists_stays_one(alone: object) -> None:
    assert frames(json.dumps(alone)) == [alone]


def test_an_answer_without_its_end_is_unreadable_and_one_that_broke_off_unreachable() -> None:
    assert read_unended(page("[]")).outcome is Outcome.UNREADABLE
    broken = read_unended(replace(page("[]"), headers={CUT_OFF.lower(): "the time was up"}))
    assert (broken.outcome, broken.reason) == (
        Outcome.UNREACHABLE,
        "the search did not end: the time was up",
    )
