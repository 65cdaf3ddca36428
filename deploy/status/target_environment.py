"""Target of `make status`: the servers of the environment, or those of the local stack that runs."""

import os
from pathlib import Path

from configs.ground.database import database_url
from configs.settings import SettingMissing
from deploy.local.private_files import read_kept
from deploy.local.state_dir import ENVIRONMENT, folder, is_held


class NothingRuns(RuntimeError):
    """There is nothing to look at; the text says what to start or set."""


def attach() -> Path | None:
    """Take over the variables of the local stack, unless DATABASE_URL is set; return its folder, None elsewhere.

    Raises:
        NothingRuns: no stack holds the state folder, and no server is named.
    """
    state = folder()
    local = read_kept(state / ENVIRONMENT) if is_held(state) else {}
    own = os.environ.get("DATABASE_URL")
    if local and own in (None, local["DATABASE_URL"]):
        os.environ.update(local | {"PROGRAM": "reader"})
        return state
    if os.environ.get("DATABASE_URL_READER"):
        os.environ.setdefault("PROGRAM", "reader")  # a program's container says already which it is
    try:
        database_url()
    except SettingMissing:
        raise NothingRuns(
            f"nothing runs: no stack holds {state} and DATABASE_URL is not set. `make run` starts one here;"
            " in production set DATABASE_URL and REDIS_URL (see .env.example)"
        ) from None
    return None
