"""`python -m deploy.status [--json]`: the state of everything, now. Ends with 1 where something is down."""

import argparse
import json
import sys

from rich.console import Console

from api.admin.health.status_report import find_trouble
from configs.settings import SettingsRefused
from deploy.status.screen import as_json, ask_all, show
from deploy.status.target_environment import NothingRuns, attach


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
