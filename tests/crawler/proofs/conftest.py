"""A spool and a store of a test's own, both folders."""

from collections.abc import Callable
from pathlib import Path

import pytest

from configs.blobs import Blobs, proof_blobs
from crawler.proofs.spool import Spool, spool


@pytest.fixture
def source(tmp_path: Path, settings_env: Callable[..., None]) -> Spool:
    """Give an empty spool; `blobs` lies beside it."""
    settings_env(STATE_DIR=tmp_path / "state", PROOFS_SECONDS="0.01")
    return spool()


@pytest.fixture
def blobs(source: Spool) -> Blobs:
    return proof_blobs()
