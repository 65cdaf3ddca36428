"""`make bench`: measures, prints a table, writes .state/bench.json. Ratios count: these machines are noisy.

A part is a function of its own module that takes an effort and returns figures; it stands in PARTS and nowhere else.
"""

import argparse
import os
import sys
import traceback
from pathlib import Path

from rich.console import Console

from tests.lab.bench import crawl, crowd, delay, idle, lateness, looks, payments, reads, restore, wishes
from tests.lab.bench.figures import Effort, Figure, Part, forget, keep, show

PARTS: dict[str, tuple[str, Part]] = {
    "crawl": ("the full path beside bare aiohttp, bare Scrapy and urlwatch", crawl.run),
    "lateness": ("lateness: due → request", lateness.run),
    "delay": ("page read → provider accepted, one alert by e-mail", delay.run),
    "crowd": ("one detection, a crowd told by e-mail", crowd.run),
    "mix": ("a crowd by e-mail, Telegram and SMS at the allowed rates", crowd.run_mix),
    "latency": ("crowds by Telegram and SMS, by providers that answer late", crowd.run_latency),
    "payments": ("payments: the webhook, paid → told, many events beside alerts", payments.run),
    "looks": ("looks: 202 → told, beside page read → told; presses at once", looks.run),
    "reads": ("reads of the API on a million detections", reads.run),
    "restore": ("a database restored from its encrypted backup", restore.run),
    "wishes": ("the wishes of the shipped desk files, as the API answers them", wishes.run),
    "idle": ("the whole stack, idle", idle.run),
}


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, write; return 1 where a part failed (a goal that is missed is a figure like others)."""
    options = _options(arguments)
    os.environ.setdefault("DISCOVERY", "0")  # a walk at a stack's start is no part of any figure
    os.environ.setdefault("LOG_FORMAT", "json")  # as on a server; a console's lines take longer to write
    console = Console(highlight=False)
    figures: dict[str, list[Figure]] = {}
    failed = []
    for name in options.only or PARTS:
        title, part = PARTS[name]
        console.print(f"[bold]{title}[/]")
        environment = dict(os.environ)
        try:
            figures[title] = part(Effort(options.quick), lambda text: console.print(f"  {text}", style="dim"))
        except Exception:  # noqa: BLE001 -- the other parts' figures are not lost for it
            failed.append(name)
            console.print(traceback.format_exc(), markup=False)
        finally:
            os.environ.clear()
            os.environ.update(environment)
            forget()
    command = " ".join(["make bench", *([f"ARGS='{' '.join(sys.argv[1:])}'"] if sys.argv[1:] else [])])
    show(command, figures)
    keep(options.to, command, figures)
    console.print(f"written to {options.to}" + (f"; failed: {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.lab.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shortly: to see that it works")
    parser.add_argument("--only", nargs="*", choices=list(PARTS), metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--to", type=Path, default=Path(".state/bench.json"), help="where the figures go")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
