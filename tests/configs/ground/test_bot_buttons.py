"""Data of the bot's buttons: what is written is read again, fits into 64 bytes, and nothing else is read."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.ground.bot_buttons import (
    ALL,
    BACK,
    MOST_BYTES,
    AlertButton,
    AnswerButton,
    BotButton,
    read_button,
    shorten_id,
    write_alert_button,
    write_answer_button,
)

ANSWERS = ["found", "too_late", "nothing_there", "stopped", BACK]
WRONG = [
    "", "a", "a:f", "a:f:", "a:x:AAAAAAAAAAAAAAAAAAAAAA", "a:f:AAAAAAAAAAAAAAAAAAAAA", "a:f:AAAAAAAAAAAAAAAAAAAAAAA",
    "a:f:AAAAAAAAAAAAAAAAAAAAAA:", "a:f:AAAAAAAAAAAAAAAAAAAAAA:x", "a:f:AAAAAAAAAAAAAAAAAAAAAA\n", "d:f:*", "d:p:",
    "d:p:**", "l:FR", "l:fra", "l:", "A:f:AAAAAAAAAAAAAAAAAAAAAA", "a:f:AAAAAAAAAAAAAAAAAAAAA\u0661", "\0",
]  # fmt: skip


@pytest.mark.parametrize("answer", ANSWERS)
@given(key=st.uuids(), match=st.uuids() | st.sampled_from([None, ALL]))
def test_an_answer_is_read_as_it_was_written(answer: str, key: UUID, match: UUID | str | None) -> None:
    data = write_answer_button(answer, shorten_id(key), match)
    assert read_button(data) == AnswerButton(answer, key, match)
    assert len(data.encode()) <= MOST_BYTES


@pytest.mark.parametrize("action", ["pause", "resume", "stop"])
@given(alert=st.uuids() | st.just(ALL))
def test_an_action_is_read_as_it_was_written(action: str, alert: UUID | str) -> None:
    data = write_alert_button(action, alert)
    assert read_button(data) == AlertButton(action, alert)
    assert len(data.encode()) <= MOST_BYTES


@pytest.mark.parametrize("data", WRONG)
def test_other_data_says_nothing(data: str) -> None:
    assert read_button(data) is None


@given(st.text(max_size=80))
def test_any_text_is_read_without_an_error(data: str) -> None:
    read: BotButton | None = read_button(data)
    assert read is None or data.startswith(("a:", "d:", "l:"))
