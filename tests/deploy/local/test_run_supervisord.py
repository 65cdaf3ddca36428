"""supervisord must outlive a disk that has no room for its log."""

import sys
from pathlib import Path

import pytest
from supervisor.loggers import StreamHandler

from deploy.local.run_supervisord import Lossy

FULL = Path("/dev/full")  # every write fails with ENOSPC: https://man7.org/linux/man-pages/man4/full.4.html


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
def test_what_cannot_be_written_is_lost_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    with FULL.open("wb", buffering=0) as full:
        with pytest.raises(OSError, match="No space"):
            full.write(b"x")
        stream = Lossy(full.fileno())
        monkeypatch.setattr(sys, "stderr", stream)
        StreamHandler(stream).emit("no record")  # what supervisor cannot log, it prints
        assert stream.write("exited: worker") == 14


def test_what_can_be_written_is_written_at_once(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        Lossy(log.fileno()).write("exited: worker")
        assert (tmp_path / "log").read_text() == "exited: worker"
