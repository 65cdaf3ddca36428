"""`python -m deploy.keys FOLDER [KEY] [--now]`: which step of docs/keys.md is due for each key; with KEY takes it.

FOLDER has the secrets' files. A step is refused while programs or people still need the one before. Nothing is
restarted: what a step leaves to do is printed.
"""

import argparse
import os
import secrets
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from api.models.base import session
from api.models.key_renewal import KEY_PERIOD, KeyValue, count_stale_rows, list_present_keys
from configs.ground.clock import clock
from configs.ground.signing import LINK_SECONDS, name_key
from configs.programs.startup import exit_on_config_error
from configs.settings import settings
from configs.settings.value_types import split_words

_RESTART = "restart all programs: python3 deploy/release.py RELEASE"
# For how long an old value is needed after the new one writes
_NEEDED: dict[str, Callable[[], timedelta]] = {
    "jwt_secret": lambda: settings().jwt_expires_in,
    "link_key": lambda: timedelta(seconds=LINK_SECONDS),
    "data_keys": timedelta,
    "lookup_key": lambda: timedelta(days=1),
    "scrapyd_password": timedelta,
    "telegram_webhook_secret": timedelta,
}
# What follows the restart, by key and step
_THEN = {
    ("data_keys", 2): "flask rekey",
    ("lookup_key", 2): "flask rekey",
    ("lookup_key", 3): "flask rekey, which deletes the old hashes",
    ("telegram_webhook_secret", 2): "python -m notifier.telegram_bot set-webhook",
}


@dataclass(frozen=True, slots=True)
class Step:
    """The next step of a key: from when on it is due, or why that is not known yet."""

    number: int
    due_at: datetime | None
    waits_for: str = ""


def find_step(setting: str, values: Sequence[str], present: Sequence[KeyValue]) -> Step:
    """Return the next step of a key whose file has these values, and whose programs began with `present`."""
    first_seen = {each.name: each.first_seen_at for each in present}
    names = [name_key(each) for each in values]
    if len(names) == 1:
        since = first_seen.get(names[0])
        return Step(1, since + KEY_PERIOD if since else None, "" if since else "no program began with it yet")
    is_swapped = first_seen.get(names[0], clock()) > first_seen.get(names[1], clock())
    new = names[0] if is_swapped else names[1]
    having = {each.program: each for each in present if each.name == new}
    programs = {each.program for each in present}
    missing = sorted(
        name for name in programs if name not in having or (is_swapped and not having[name].writes_since)
    )
    number = 3 if is_swapped else 2
    if missing or not having:
        return Step(
            number, None, f"{', '.join(missing) or 'no program'} began before the last step: {_RESTART}"
        )
    if not is_swapped:
        return Step(2, max(each.first_seen_at for each in having.values()))
    due_at = max(each.writes_since for each in having.values() if each.writes_since) + _NEEDED[setting]()
    return Step(3, due_at, _find_rest(setting))


def _find_rest(setting: str) -> str:
    if setting not in {"data_keys", "lookup_key"}:
        return ""
    with session() as s:
        encrypted, hashed = count_stale_rows(s)
    rest = encrypted if setting == "data_keys" else hashed
    return f"{rest} rows need the old value: flask rekey" if rest else ""


def take_step(file: Path, setting: str, values: Sequence[str], step: Step) -> str:
    """Write the values that a step leaves; return what is to be done then."""
    after = {1: [*values, secrets.token_urlsafe(48)], 2: values[::-1], 3: values[:1]}[step.number]
    half = file.with_name(f".{file.name}.new")  # a full disk leaves no half secret
    half.touch(mode=0o600)
    half.write_text(",".join(after) + "\n")
    kept = file.stat()
    os.chown(half, kept.st_uid, kept.st_gid)  # root runs this, and programs read it
    half.chmod(kept.st_mode & 0o777)
    half.replace(file)
    return "; then ".join(filter(None, (_RESTART, _THEN.get((setting, step.number)))))


def _describe(step: Step) -> str:
    if step.waits_for:
        return f"step {step.number} waits: {step.waits_for}"
    assert step.due_at is not None  # noqa: S101 -- by find_step
    return f"step {step.number} {_say_due(step.due_at)}"


def _say_due(at: datetime) -> str:
    return f"is due {'since' if at <= clock() else 'on'} {at:%Y-%m-%d}"


def _list_others(present: Sequence[KeyValue]) -> list[str]:
    """Return what is due of keys that a provider or a server gives."""
    seen: dict[str, datetime] = {}
    for each in present:
        if each.setting not in _NEEDED:
            seen[each.setting] = min(seen.get(each.setting, each.first_seen_at), each.first_seen_at)
    return [f"{name}: by hand, {_say_due(at + KEY_PERIOD)}" for name, at in sorted(seen.items())]


@exit_on_config_error("deploy.keys")
def main(given: list[str] | None = None) -> int:
    """Print what is due, or take a step; return 1 where it is refused."""
    parser = argparse.ArgumentParser(prog="python -m deploy.keys", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("key", nargs="?", choices=_NEEDED, metavar="KEY", help=", ".join(_NEEDED))
    parser.add_argument(
        "--now", action="store_true", help="begin although its year is not over: it was known"
    )
    options = parser.parse_args(given)
    with session() as s:
        present = list_present_keys(s)
    for setting in [options.key] if options.key else _NEEDED:
        file = options.folder / setting
        values = split_words(file.read_text("utf-8")) if file.exists() else ()
        if not values and not options.key:
            continue
        if not 1 <= len(values) <= 2:  # noqa: PLR2004 -- old and new
            print(f"{setting}: its file has {len(values)} values: one or two are expected")
            continue
        step = find_step(setting, values, [each for each in present if each.setting == setting])
        print(f"{setting}: {_describe(step)}")
        if options.key:
            is_early = step.due_at is None or step.due_at > clock()
            if (is_early or step.waits_for) and not (options.now and step.number == 1):
                print("refused: it is too early")
                return 1
            print(f"step {step.number} is written; {take_step(file, setting, values, step)}")
    if not options.key:
        print(*_list_others(present), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
