"""The command `flask keys`, which shows the age of every key, and which values can be taken out."""

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

import click
from sqlalchemy.exc import DBAPIError

from api.key_report import KeyValue, report_keys
from api.models.base import session
from configs.ground.clock import clock
from configs.ground.database import database_url
from configs.ground.database_errors import is_away
from configs.ground.formatting import pluralize
from configs.ground.logs import set_up_logs
from configs.settings import SettingMissing, SettingsRefused

_TITLES = ("key", "value", "fingerprint", "first seen", "programs", "what to do")


@click.command("keys")
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object.")
def keys_command(*, as_json: bool) -> None:
    """Show the age of every key, which programs have it, and what to do about it."""
    try:
        set_up_logs("api")
        database_url()
        with session() as s:
            values, losses = report_keys(s)
    except (SettingMissing, SettingsRefused) as error:
        raise click.ClickException(str(error)) from None
    except DBAPIError as error:
        if not is_away(error):
            raise
        why = str(error.orig).splitlines()[0]
        raise click.ClickException(f"the database does not answer: {why}") from None
    if as_json:
        keys = [asdict(each) | {"first_seen_at": _write_instant(each.first_seen_at)} for each in values]
        click.echo(json.dumps({"keys": keys, "losses": losses}, ensure_ascii=False))
        return
    _print_table(values)
    for line in losses:
        click.echo(f"taken out too early: {line}")


def _print_table(values: list[KeyValue]) -> None:
    lines = [_TITLES, *(_write_row(each) for each in values)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_TITLES))]
    for line in lines:
        click.echo("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def _write_row(value: KeyValue) -> tuple[str, ...]:
    return (
        value.key,
        str(value.place or "-"),
        value.fingerprint,
        _write_age(value.first_seen_at),
        ", ".join(value.programs) or "-",
        value.advice or value.state.value,
    )


def _write_age(seen: datetime | None) -> str:
    return f"{seen:%Y-%m-%d}, {pluralize((clock() - seen).days, 'day')}" if seen else "-"


def _write_instant(at: Any) -> str | None:
    return at.isoformat() if at else None
