"""`python -m deploy.local run|demo`: a whole stack with its sandbox, and its live feed."""

import argparse
import sys

from deploy.local import processes


def main(arguments: list[str] | None = None) -> int:
    """Run a stack; return the exit code: 0 stopped or demo done, 1 demo without an alert, 2 it does not run."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    parser.add_argument("what", choices=("run", "demo"))
    parser.add_argument("--any-port", action="store_true", help="take free ports instead of the usual ones")
    options = parser.parse_args(arguments)
    processes.listen()
    try:
        # Half a second of imports: a Ctrl-C in it is no traceback either.
        from deploy.local.terminal_ui import show  # noqa: PLC0415

        return show(options.what, any_port=options.any_port)
    except processes.StopRequested:
        print("stopped")
        return 0


if __name__ == "__main__":
    sys.exit(main())
