"""`scrapy proof KEY`: a stored page: what it is, what its reader makes of it now, its files."""

import argparse
import json
from contextlib import suppress
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from scrapy.commands import ScrapyCommand
from scrapy.exceptions import UsageError

from configs.ground.object_store import Blobs, StoreAway, proof_blobs
from configs.ground.proofs import Meta, NoProof, body_of, is_key, meta_of, picture_of
from configs.world.desk import zone_of
from configs.world.prefecture import desks
from crawler.classification import classify_page
from crawler.commands import OperatorCommand, show
from crawler.commands.read import describe
from crawler.items import asked_of
from crawler.platforms import example, platform
from crawler.reading import Page, Reading
from crawler.visit_state import visit_of


def read_again(meta: Meta, body: bytes) -> Reading:
    """Return the present reading of a stored page.

    Raises:
        crawler.platforms.UnknownPlatform: the platform is gone.
    """
    reader, asked, desk = platform(meta.platform), meta.asked, desks().get(meta.desk)
    today, zone = date.fromisoformat(asked["today"]), zone_of(meta.time_zone)
    # The desk may be gone, or have another platform now: then the example's parameters are read with.
    known = example(reader, today, zone)
    if desk and desk.platform == meta.platform:
        with suppress(ValidationError):  # its parameters are not whole any more
            known = visit_of(desk)
    visit = replace(known, url=asked["desk"], today=today, zone=zone, turn=asked["visit"])
    return classify_page(reader, Page(meta.url, meta.status, body, visit, asked_of(asked), meta.headers))


class Command(OperatorCommand, ScrapyCommand):
    """Prints one JSON object; with --out writes the page, its picture and that object into a folder."""

    SYNTAX = "KEY [--out FOLDER]"
    SHORT = "Show a stored proof and read it again, as the crawl did (KEY: checks.proof_key)"
    ERRORS = (*OperatorCommand.ERRORS, NoProof, StoreAway)

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add ours."""
        super().add_options(parser)
        parser.add_argument("--out", type=Path, metavar="FOLDER", help="write page and picture there too")

    def carry_out(self, args: list[str], opts: argparse.Namespace) -> None:
        """Print what is stored under a key; exit with 1 where nothing is, with 2 where it is no key."""
        if len(args) != 1 or not is_key(args[0]):
            raise UsageError(f"expected a KEY as checks.proof_key has it, not {' '.join(args) or 'nothing'}")
        try:
            shown = _describe_proof(proof_blobs(), args[0], opts.out)
        except OSError as error:
            raise self.make_exit(f"cannot write {error.filename}: {error.strerror}") from None
        show(json.dumps(shown, ensure_ascii=False, indent=2))


def _describe_proof(blobs: Blobs, key: str, out: Path | None) -> dict[str, Any]:
    """Return what a proof is, and how it reads now; write its files where they are wanted.

    Raises:
        configs.ground.proofs.NoProof, configs.ground.object_store.StoreAway: it cannot be had.
        configs.ground.strict_yaml.ConfigFileError: desk files are wrong.
        OSError: the folder cannot be written.
    """
    meta = meta_of(blobs, key)
    shown: dict[str, Any] = meta.model_dump(mode="json")
    if meta.refused:
        return shown
    body = body_of(blobs, meta)
    shown["reads_now_as"] = describe(read_again(meta, body), zone_of(meta.time_zone))
    if out:
        shown["files"] = [str(path) for path in _write_files(out, meta, body, blobs)]
    return shown


def _write_files(out: Path, meta: Meta, body: bytes, blobs: Blobs) -> list[Path]:
    name = meta.key.rpartition("/")[2]
    files = {f"{name}.{'html' if body.lstrip().startswith(b'<') else 'json'}": body}
    with suppress(NoProof):  # without a browser there is no picture
        files[f"{name}.png"] = picture_of(blobs, meta.key)
    out.mkdir(parents=True, exist_ok=True)
    for file, data in files.items():
        (out / file).write_bytes(data)
    return [out / file for file in files]
