"""One stack holds its folder; others see that it is held."""

from pathlib import Path

import pytest

from deploy.local.state_dir import AlreadyRunning, StateUnusable, alone, is_held


def test_a_folder_is_held_by_one_and_free_afterwards(tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert not is_held(state)
    with alone(state):
        assert is_held(state)
        with pytest.raises(AlreadyRunning, match="in use by process"), alone(state):
            pass
    assert not is_held(state)
    with alone(state):
        pass


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateUnusable, match="set STATE_DIR"), alone(tmp_path / "file" / "state"):
        pass
