"""Third-party programs of the package index."""

import os
from pathlib import Path

import pytest

from tests.lab.external_tools import NotToBeHad, installed


@pytest.fixture(scope="module")
def python(request: pytest.FixtureRequest) -> Path:
    """Return the Python that has the module's PROGRAM; where the index is away there is nothing to try, but in CI."""
    try:
        return installed(request.module.PROGRAM)
    except NotToBeHad as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"{request.module.PROGRAM} cannot be had: {error}")
