"""Secrets of a local stack: drawn once, whole, for their owner alone."""

import stat
from pathlib import Path

import pytest

from deploy.local.private_files import kept_secret, write_private


def test_a_secret_is_drawn_once_and_kept_for_its_owner(tmp_path: Path) -> None:
    first = kept_secret(tmp_path / "deep" / "secret", "sandbox-")
    assert first.startswith("sandbox-")
    assert len(first) > 40
    assert kept_secret(tmp_path / "deep" / "secret", "sandbox-") == first
    assert stat.S_IMODE((tmp_path / "deep" / "secret").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "deep").stat().st_mode) == 0o700


def test_a_disk_that_was_full_leaves_no_empty_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_given: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", full)
        with pytest.raises(OSError, match="No space"):
            kept_secret(tmp_path / "secret")
    assert len(kept_secret(tmp_path / "secret")) > 40


def test_a_file_that_everybody_could_read_becomes_its_owners(tmp_path: Path) -> None:
    path = tmp_path / "conf"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, "new")
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
