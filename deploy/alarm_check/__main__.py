"""`make alarms`: the rules, the configurations and the board, checked by Prometheus' own programs.

Exit 1 if something does not hold; 2 if it could not be tried.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from deploy.alarm_check.files import CheckFailed, check_files
from deploy.alarm_check.tools import ToolMissing, find_tools
from deploy.local import signals
from deploy.local.processes import StartFailed


def main(arguments: Sequence[str] | None = None) -> int:
    """Check; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m deploy.alarm_check", description=__doc__)
    parser.add_argument("--files", action="store_true", help="leave out the stack and its Prometheus")
    parser.add_argument(
        "--tools", type=Path, default=Path(".state/prometheus"), help="where packages are unpacked"
    )
    options = parser.parse_args(sys.argv[1:] if arguments is None else arguments)
    signals.listen()
    begun = time.monotonic()
    try:
        tools = find_tools(options.tools.resolve())
        print(check_files(tools), flush=True)
        if not options.files:
            from deploy.alarm_check.live import check_live  # noqa: PLC0415 -- seconds of imports

            print(check_live(tools, _say), flush=True)
    except CheckFailed as failure:
        print(f"FAILED {failure}", file=sys.stderr)
        return 1
    except (ToolMissing, StartFailed) as failure:
        print(f"it could not be tried: {failure}", file=sys.stderr)
        return 2
    except signals.StopRequested:
        print("stopped")
        return 1
    print(f"all holds, after {time.monotonic() - begun:.0f} s")
    return 0


def _say(text: str) -> None:
    print(f"  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
