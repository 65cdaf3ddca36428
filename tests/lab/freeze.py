"""The product as the outside sees it, as files: compared before and after a change that shall change none of it.

`python -m tests.lab.freeze` prints what differs from tests/lab/frozen, and ends with 1 where something does. `--write`
writes it anew. `--only` takes some of: openapi, schema, messages, help, pages. Frozen figures are in figures.md there:
benches are run side by side, and no file can compare them.
"""

import argparse
import difflib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from pkgutil import iter_modules
from tempfile import TemporaryDirectory

from lxml import html
from PIL import Image, ImageChops, ImageStat

from api.models.user import Channel
from configs.world.languages import MESSAGE_LANGUAGES
from crawler import commands
from deploy.postgres_tools import find_tool
from notifier.content.messages import languages_of, render, speaks
from notifier.content.outgoing_message import RenderedMessage
from notifier.message_kinds import kinds
from tests.lab.bench.servers import servers
from tests.notifier.content.message_samples import SampleSize, list_samples

_FROZEN = Path(__file__).parent / "frozen"
_PICTURES = "pages"
_WIDTH = 320  # of a picture, in pixels: enough to see what moved
_COLOURS = 16
_SAME = 1.5  # mean difference of a pixel, of 255: dates and counters move, layouts differ by more
_UNSEEN = dict.fromkeys(map(ord, "•\u2007\u034f"), " ")  # bullets, and what keeps a preview short
_TELEGRAM = ("delete-webhook", "poll", "set-webhook", "show-webhook")
# pg_dump draws a word of its own for each dump.
_PER_DUMP = re.compile(r"^\\(un)?restrict .*$", re.MULTILINE)
_PROGRAMS = (
    *("api.jobs", "api.migrations", "notifier.workers"),
    *("deploy.backup", "deploy.local", "deploy.metrics", "deploy.status"),
)


def main(arguments: list[str]) -> int:
    """Compare, or write; return 1 where something differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab.freeze", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write what is seen now")
    parser.add_argument("--only", nargs="+", choices=[*_TEXTS, _PICTURES], help="these only")
    options = parser.parse_args(arguments)
    wanted = options.only or [*_TEXTS, _PICTURES]
    differing = 0
    for name in (each for each in _TEXTS if each in wanted):
        file, read = _TEXTS[name]
        differing += _write(file, read()) if options.write else _compare(file, read())
    if _PICTURES in wanted:
        with TemporaryDirectory() as folder:
            _take_pictures(Path(folder))
            differing += _write_pictures(Path(folder)) if options.write else _compare_pictures(Path(folder))
    return int(differing > 0)


def _write(file: str, text: str) -> int:
    _FROZEN.mkdir(exist_ok=True)
    (_FROZEN / file).write_text(text)
    return 0


def _compare(file: str, text: str) -> int:
    before = (_FROZEN / file).read_text().splitlines()
    lines = list(difflib.unified_diff(before, text.splitlines(), f"frozen/{file}", "now", n=1, lineterm=""))
    print("\n".join(lines) if lines else f"{file}: equal")
    return len(lines)


def _read_openapi() -> str:
    code = "import json; from api.app import create_app; print(json.dumps(create_app().test_client().get('/api/openapi.json').json))"
    with servers(lambda _: {}) as made:
        said = _run([sys.executable, "-c", code], made.environment | {"PROGRAM": "api"})
    return json.dumps(json.loads(said.splitlines()[-1]), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _read_schema() -> str:
    """Return the tables with their rights and the rows that migrations put into them."""
    dump = find_tool("pg_dump")
    if dump is None:
        raise SystemExit("no pg_dump: `make setup` installs it with the embedded PostgreSQL")
    with servers(lambda _: {}) as made:
        url = made.environment["DATABASE_URL"].replace("+psycopg2", "")
        dumped = _run(
            [str(dump), "--no-owner", "--inserts", "--exclude-table-data=alembic_version", url], os.environ
        )
    return re.sub(r"\n{2,}", "\n", _PER_DUMP.sub("", dumped))


def _read_messages() -> str:
    said = []
    for kind in sorted(kinds()):
        for channel in sorted(Channel):
            for language in MESSAGE_LANGUAGES:
                if language in languages_of(kind) and speaks(kind, language, channel):
                    made = render(kind, channel, language, list_samples(kind, language, SampleSize.USUAL))
                    said += [f"=== {kind} {channel} {language}", *_list_words(made, channel)]
    return "\n".join(said) + "\n"


def _list_words(made: RenderedMessage, channel: str) -> list[str]:
    """Return what a reader sees, whatever the white space between: of a mail's page its words and its links."""
    page = [made.html]
    if channel == "email":
        found = html.fromstring(made.html)
        page = [" ".join(found.xpath("//body//text()")).translate(_UNSEEN), *found.xpath("//@href")]
    said = [made.subject, made.text, *page, str(made.button or ""), *map(str, made.choices)]
    return [" ".join(each.split()) for each in said]


def _read_help() -> str:
    """Return what `--help` says, of every command."""
    with servers(lambda _: {}) as made:
        asked = [
            *(["flask", "--app", "api.app", each] for each in entry_points(group="flask.commands").names),
            *(["flask", "--app", "api.app", "telegram", each] for each in _TELEGRAM),
            *(["scrapy", each.name] for each in iter_modules(commands.__path__)),
            *([each] for each in _PROGRAMS),
        ]
        said = {
            " ".join(each): _run([sys.executable, "-m", *each, "--help"], made.environment) for each in asked
        }
    return "".join(f"=== {command}\n{text}\n" for command, text in sorted(said.items()))


def _run(command: list[str], environment: "os._Environ[str] | dict[str, str]") -> str:
    wide = {"COLUMNS": "100", "NO_COLOR": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, env={**environment, **wide}, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 2):
        raise SystemExit(f"{' '.join(command)} failed: {done.stderr[-2000:]}")
    return done.stdout


def _take_pictures(folder: Path) -> None:
    """Take a picture of every page, wide, in French; smaller and with fewer colours than it is shown."""
    subprocess.run([sys.executable, "-m", "tests.lab.pictures", "--variants", "wide"], check=False)
    for each in Path(".state/screenshots").glob("*-wide.png"):
        with Image.open(each) as full:
            small = full.convert("RGB").resize((_WIDTH, max(1, full.height * _WIDTH // full.width)))
        small.quantize(_COLOURS).save(folder / each.name.replace("-wide", ""), optimize=True)


def _write_pictures(folder: Path) -> int:
    (_FROZEN / _PICTURES).mkdir(parents=True, exist_ok=True)
    for each in (_FROZEN / _PICTURES).glob("*.png"):
        each.unlink()
    for each in folder.glob("*.png"):
        (_FROZEN / _PICTURES / each.name).write_bytes(each.read_bytes())
    return 0


def _compare_pictures(folder: Path) -> int:
    before = {each.name for each in (_FROZEN / _PICTURES).glob("*.png")}
    now = {each.name for each in folder.glob("*.png")}
    differing = sorted(before ^ now)
    for name in sorted(before & now):
        if not _look_alike(_FROZEN / _PICTURES / name, folder / name):
            differing.append(name)
    print(f"pictures: {len(now)}, differing: {', '.join(differing) or 'none'}")
    return len(differing)


def _look_alike(one: Path, other: Path) -> bool:
    with Image.open(one) as first, Image.open(other) as second:
        if first.size != second.size:
            return False
        apart = ImageStat.Stat(ImageChops.difference(first.convert("L"), second.convert("L")))
        return bool(apart.mean[0] <= _SAME)


_TEXTS: dict[str, tuple[str, Callable[[], str]]] = {
    "openapi": ("openapi.json", _read_openapi),
    "schema": ("schema.sql", _read_schema),
    "messages": ("messages.txt", _read_messages),
    "help": ("help.txt", _read_help),
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
