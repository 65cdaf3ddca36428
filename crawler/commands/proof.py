"""`scrapy proof KEY`: a stored page: what it is, what its reader makes of it now, its files."""

import argparse
import json
from pathlib import Path
from typing import Any, ClassVar

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import UsageError

from configs.ground.object_store import Blobs, StoreAway, proof_blobs
from configs.ground.proofs import Meta, NoProof, body_of, is_key, meta_of, picture_of
from configs.ground.strict_yaml import ConfigFileError
from configs.settings import SettingsRefused
from configs.world.desk import zone_of
from crawler.cli.tables import show


class Command(ScrapyCommand):
    """Prints one JSON object; with --out writes the page, its picture and that object into a folder."""

    requires_crawler_process = False
    default_settings: ClassVar[dict[str, Any]] = {"LOG_ENABLED": False}

    def syntax(self) -> str:
        """Return the arguments."""
        return "KEY [--out FOLDER]"

    def short_desc(self) -> str:
        """Say in one line what it does."""
        return "Show a stored proof and read it again, as the crawl did (KEY: checks.proof_key)"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add ours."""
        super().add_options(parser)
        parser.add_argument("--out", type=Path, metavar="FOLDER", help="write page and picture there too")

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """Print what is stored under a key; exit with 1 where nothing is, with 2 where it is no key."""
        if len(args) != 1 or not is_key(args[0]):
            raise UsageError(f"expected a KEY as checks.proof_key has it, not {' '.join(args) or 'nothing'}")
        try:
            shown = _describe_proof(proof_blobs(), args[0], opts.out)
        except (NoProof, StoreAway, SettingsRefused, ConfigFileError) as error:
            raise SystemExit(f"scrapy proof: {error}") from None
        except OSError as error:
            raise SystemExit(f"scrapy proof: cannot write {error.filename}: {error.strerror}") from None
        show(json.dumps(shown, ensure_ascii=False, indent=2))


def _describe_proof(blobs: Blobs, key: str, out: Path | None) -> dict[str, Any]:
    """Return what a proof is, and how it reads now; write its files where they are wanted.

    Raises:
        configs.ground.proofs.NoProof, configs.ground.object_store.StoreAway: it cannot be had.
        configs.ground.strict_yaml.ConfigFileError: desk files are wrong.
        OSError: the folder cannot be written.
    """
    from crawler.commands.read import describe  # noqa: PLC0415 -- scrapy loads every command's file for any command
    from crawler.proofs.replay import read_again  # noqa: PLC0415

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
    out.mkdir(parents=True, exist_ok=True)
    name = meta.key.rpartition("/")[2]
    page = out / f"{name}.{'html' if body.lstrip().startswith(b'<') else 'json'}"
    page.write_bytes(body)
    try:
        picture = picture_of(blobs, meta.key)
    except NoProof:
        return [page]
    (out / f"{name}.png").write_bytes(picture)
    return [page, out / f"{name}.png"]
