from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from configs.world.languages import MESSAGE_LANGUAGES
from tests.notifier.content.inbox_samples import join_stack, list_texts, send_samples

if TYPE_CHECKING:
    from deploy.sandbox.running import Running


def test_each_text_is_in_the_inbox_and_what_is_gone_is_changed_there(sandbox: "Running") -> None:
    wanted = ("phone_code", "slot_detected", "slot_gone")
    texts = list(list_texts(wanted))
    assert send_samples(wanted) == len(texts) >= 2 + 4 * len(MESSAGE_LANGUAGES)
    found = sandbox.messages()
    assert Counter(each.channel for each in found) == Counter(channel for _, channel, _ in texts)
    edited = [each for each in found if each.edited_at]
    assert {each.to for each in edited} == {f"@slot_gone_{language}" for language in MESSAGE_LANGUAGES}
    assert all(each.text_before not in (None, each.text) for each in edited)


def test_without_a_stack_there_is_no_inbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIR", str(tmp_path))
    with pytest.raises(SystemExit, match="make run"):
        join_stack()
