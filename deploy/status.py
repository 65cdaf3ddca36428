"""`python -m deploy.status`: the state of everything, now. Ends with 1 where something is down."""

import os
import sys
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from api.admin.health.lines import BAD, GOOD, WARN, Words, list_lines
from api.admin.health.status_report import Parts, find_trouble, read_health, read_parts
from configs.ground.clock import clock
from configs.ground.database import database_url
from configs.settings import SettingMissing, SettingsRefused, settings
from deploy.local.state_dir import ENVIRONMENT, folder, is_held, read_kept

_STYLES = {GOOD: "green", WARN: "yellow", BAD: "bold red"}
_LABEL = 9  # columns
_SHOWN = 4  # lines of a list that may be long
_WORDS = Words(
    empty={
        "alarms": "none open",
        "due": "nothing is scheduled",
        "discovery": "no walk yet",
        "hosts": "all asked as usual",
        "lateness": "no desk was checked twice within the hour",
        "newest_check_at": "never",
        "proofs": "nobody speaks of them: does `python -m crawler.proofs` run?",
        "providers": "nothing in 15 min",
        "runs": "none was due lately",
        "spiders": "none speaks: nothing is checked",
        "workers": "none: nobody is told",
    }
)


def ask_all(state: Path | None) -> Parts:
    """Ask every part; of a local stack (`state` is its folder) also its supervisor."""
    if state is None:
        return read_parts(read_health)
    from deploy.local.programs import read_programs  # noqa: PLC0415 -- no image has the supervisor

    return read_parts(read_health, {"programs": partial(read_programs, state)})


def show(console: Console, parts: Parts) -> None:
    """Print all parts, within the console's width."""
    down = find_trouble(parts)
    state = Text(f"DOWN: {', '.join(down)}", "bold red") if down else Text("works", "green")
    head = Table.grid(padding=(0, 2))
    head.add_column(no_wrap=True)
    head.add_column(overflow="fold")
    now = f"{clock():%Y-%m-%d %H:%M:%S} UTC"
    head.add_row(Text.assemble(("RDVPriority", "bold"), f"  {settings().app_env}  {now}"), state)
    console.print(head)
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=_LABEL, style="bold")
    grid.add_column(overflow="fold")
    for name, found in parts.items():
        for number, line in enumerate(list_lines(name, found, _WORDS, _SHOWN)):
            colored = Text(" · ").join(Text(each.text, _STYLES.get(each.tone, "")) for each in line)
            grid.add_row("" if number else name, colored)
    console.print(grid)


def attach() -> Path | None:
    """Take over the variables of the local stack, unless DATABASE_URL is set; return its folder, None elsewhere.

    Raises:
        SettingMissing: no stack holds the state folder, and no server is named.
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
        raise SettingMissing(
            f"nothing runs: no stack holds {state} and DATABASE_URL is not set. `make run` starts one here;"
            " in production set DATABASE_URL and REDIS_URL (see .env.example)"
        ) from None
    return None


def main() -> int:
    """Print the state; return 0 where all works, 1 where a part is down or nothing runs."""
    try:
        parts = ask_all(attach())
    except (SettingMissing, SettingsRefused) as nothing:
        print(nothing)
        return 1
    show(Console(highlight=False), parts)
    return 1 if find_trouble(parts) else 0


if __name__ == "__main__":
    sys.exit(main())
