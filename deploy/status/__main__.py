"""`python -m deploy.status [--json]`: the state of everything, now. Ends with 1 where something is down."""

import argparse
import json
import os
import sys
from pathlib import Path

from rich.console import Console

from api.admin.health.status_report import find_trouble
from configs.ground.database import database_url
from configs.settings import SettingMissing, SettingsRefused
from deploy.local.state_dir import ENVIRONMENT, folder, is_held, read_kept
from deploy.status.screen import as_json, ask_all, show


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


def main(arguments: list[str] | None = None) -> int:
    """Print the state; return 0 where all works, 1 where a part is down or nothing runs."""
    parser = argparse.ArgumentParser(prog="python -m deploy.status", description=__doc__)
    parser.add_argument("--json", action="store_true", help="for programs: one JSON object")
    options = parser.parse_args(arguments)
    try:
        state = attach()
    except (NothingRuns, SettingsRefused) as nothing:
        print(json.dumps({"works": False, "why": str(nothing)}) if options.json else str(nothing))
        return 1
    parts = ask_all(state)
    if options.json:
        print(json.dumps(as_json(parts), ensure_ascii=False))
    else:
        show(Console(highlight=False), parts)
    return 1 if find_trouble(parts) else 0


if __name__ == "__main__":
    sys.exit(main())
