"""`scrapy candidates`: the booking pages that operators accepted; --write puts them into the prefectures' files."""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import sqlalchemy as sa
from scrapy.commands import ScrapyCommand

import api.models.all  # noqa: F401 -- a flush resolves foreign keys of tables that are not imported here
from api.models.base import session
from api.models.candidate import Candidate, CandidateState, write_entry
from configs.ground.database import database_url
from configs.ground.strict_yaml import ConfigFileError
from configs.settings import settings
from configs.world.booking_address import parse_booking_address
from configs.world.booking_hosts import find_desk_at
from configs.world.host_rule import load_hosts
from configs.world.prefecture import load_prefectures, reload_desk_files
from crawler.catalogue import check_catalogue
from crawler.commands import OperatorCommand, aligned, show

_HEADINGS = ("DESK", "PLATFORM", "URL")


class Command(OperatorCommand, ScrapyCommand):
    """Lists accepted candidates, or writes them; the files are committed and released by hand."""

    requires_project = True
    SYNTAX = "[--write]"
    SHORT = "List the booking pages that operators accepted; --write: into their prefectures' files"
    ERRORS = (*OperatorCommand.ERRORS, OSError)

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add ours."""
        super().add_options(parser)
        parser.add_argument("--write", action="store_true", help="write them into PREFECTURES_DIR, checked")

    def carry_out(self, args: list[str], opts: argparse.Namespace) -> None:
        """Print the table of what is accepted, or of what was written."""
        if args:
            raise self.make_exit(f"{args[0]!r} is no argument; use --write")
        check_catalogue()
        database_url()
        with session() as rows:
            accepted = sa.select(Candidate).where(Candidate.state == CandidateState.ACCEPTED)
            found = sorted(rows.scalars(accepted.with_for_update()), key=_name)
            if opts.write:
                write_accepted(found)
            lines = [(_name(each), each.platform or "", each.url) for each in found]
        show(aligned([_HEADINGS, *lines]) if lines else "no accepted candidate waits to be written")


def write_accepted(found: Sequence[Candidate]) -> None:
    """Append the entries of these candidates, in their order, to their prefectures' files, and note it in their rows.

    Raises:
        ConfigFileError: an entry does not fit: no file was changed; it names what is wrong.
    """
    addresses = ((each, parse_booking_address(each.url)) for each in found)
    new = [each for each, address in addresses if address and find_desk_at(address) is None]
    folder = settings().prefectures_dir
    groups = groupby(new, key=lambda each: folder / f"{each.prefecture_id}.yaml")
    _replace_files({path: _append(path, entries) for path, entries in groups})
    for each in found:
        each.state = CandidateState.WRITTEN


def _name(each: Candidate) -> str:
    return f"{each.prefecture_id}/{(each.entry or {}).get('slug', '')}"


def _append(path: Path, found: Iterable[Candidate]) -> str:
    """Return a file's text with further entries at its end, which is that of its desks."""
    entries = [
        write_entry(each.entry, each.decided_at.date()) for each in found if each.entry and each.decided_at
    ]
    return f"{path.read_text('utf-8').rstrip()}\n{''.join(entries)}"


def _replace_files(texts: Mapping[Path, str]) -> None:
    """Write files; where they are wrong then, write their former texts again and raise ConfigFileError."""
    former = {path: path.read_text("utf-8") for path in texts}
    try:
        for path, text in texts.items():
            path.write_text(text, "utf-8")
        load_prefectures(settings().prefectures_dir, load_hosts(settings().hosts_file))
        reload_desk_files()
        check_catalogue()
    except (ConfigFileError, OSError):
        for path, text in former.items():
            path.write_text(text, "utf-8")
        reload_desk_files()
        raise
