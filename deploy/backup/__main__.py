"""`python -m deploy.backup`: makes backups of PostgreSQL, lists and checks them, and restores to a second."""

import argparse
import os
import sys
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Event

import psycopg2
import structlog

from configs.ground.logs import set_up_logs
from configs.ground.object_store import StoreAway, backup_blobs
from configs.ground.text import format_duration
from configs.programs.startup import exit_on_config_error
from configs.programs.worker_processes import on_stop_signals
from deploy.backup import BackupError
from deploy.backup.database import connect, format_lsn, read_server
from deploy.backup.encryption import decrypt_stream, make_key, read_identities, read_recipients
from deploy.backup.manifest import Kind, Manifest, read_catalogue
from deploy.backup.object_stream import read_parts
from deploy.backup.restore import restore
from deploy.backup.restore_plan import Range, find_ranges, make_plan
from deploy.backup.service import BackupService, check_store, wait_for_log
from deploy.backup.snapshot import Store, take_backup
from deploy.backup.wal_archive import read_archives

log = structlog.get_logger(__name__)


@exit_on_config_error("the backup program")
def main(given: list[str] | None = None) -> int:
    """Run a command; return its exit code.

    Raises:
        SystemExit: it failed; the text says why, in one line.
    """
    options = _make_parser().parse_args(given)
    set_up_logs("backup")
    act: Callable[[argparse.Namespace], int] = options.act
    try:
        return act(options)
    except (BackupError, StoreAway, psycopg2.Error, OSError) as error:
        raise SystemExit(f"{options.command} failed: {str(error).strip()}") from None


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.backup", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    def add(name: str, act: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.set_defaults(act=act)
        return made

    add("run", _run, "stream the log and make what is due, until stopped")
    add("base", _take(Kind.BASE), "make a base backup now (beside `run`, which stores its log)")
    add("dump", _take(Kind.DUMP), "make a dump now")
    add("list", _list, "show what the store holds")
    add("check", _check, "look whether what is stored is there, whole and encrypted")
    add("key", _print_key, "draw a key pair; keep the private key away from the server")
    back = add("restore", _restore, "make a data folder as it was at a second")
    back.add_argument("--into", type=Path, required=True, help="the data folder, empty or not there yet")
    back.add_argument("--key", type=Path, required=True, help="a file with the private key")
    back.add_argument(
        "--to", type=_instant, help="2026-11-22T09:00:03Z; the newest moment where it is left out"
    )
    back.add_argument("--base", help="name of the base backup (the newest before --to)")
    back.add_argument(
        "--timeline", type=int, help="of the log, where an earlier restore left one behind (the newest)"
    )
    fetch = add("fetch", _fetch, "write a dump or a list of proofs to standard output, decrypted")
    fetch.add_argument("name", help="as `list` shows it: dump/20261122T020000Z-0a1b2c")
    fetch.add_argument("--key", type=Path, required=True, help="a file with the private key")
    return parser


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
        in_utc = found.astimezone(UTC)
    except (OverflowError, ValueError):
        raise argparse.ArgumentTypeError(f"{text!r} is no instant: write 2026-11-22T09:00:03Z") from None
    if found.tzinfo is None:
        raise argparse.ArgumentTypeError("needs its zone: 2026-11-22T09:00:03Z or …+01:00")
    return in_utc


def _open_store() -> Store:
    return Store(backup_blobs(), read_recipients())


def _run(_: argparse.Namespace) -> int:
    stopped = Event()
    on_stop_signals(stopped.set)
    service = BackupService(_open_store(), stopped)
    if held := service.run():
        log.warning("stops without waiting longer: what is half done does not count", held_by=held)
        os._exit(1)  # Python would wait for the thread that the store holds
    return 1 if service.has_failed else 0


def _take(kind: Kind) -> Callable[[argparse.Namespace], int]:
    def act(_: argparse.Namespace) -> int:
        stopped = Event()
        on_stop_signals(stopped.set)
        wait = partial(wait_for_log, stopped=stopped)
        print(_describe(take_backup(_open_store(), kind, wait, stopped)))
        return 0

    return act


def _check(_: argparse.Namespace) -> int:
    with closing(connect()) as sql:
        troubles = check_store(sql, _open_store(), read_server(sql))
    print("\n".join(troubles) or "everything is there, whole and encrypted")
    return 1 if troubles else 0


def _list(_: argparse.Namespace) -> int:
    blobs = backup_blobs()
    bases: list[Manifest] = []
    for kind in Kind:
        found = read_catalogue(blobs, kind)
        print("\n".join(_describe(each) for each in found.complete) or f"{kind}: none")
        for name in found.damaged:
            print(f"{kind}/{name}  DAMAGED: its manifest cannot be read")
        for name in found.unfinished:
            print(f"{kind}/{name}  not complete")
        bases = found.complete if kind is Kind.BASE else bases
    for system, archive in read_archives(blobs).items():
        newest = max(archive.chunks, default=0)
        ranges = [_describe_range(each, newest) for each in find_ranges(bases, archive)]
        print("\n".join(f"cluster {system}: {each} can be restored" for each in ranges or ["nothing"]))
    return 0


def _describe_range(each: Range, newest: int) -> str:
    how = "" if each.timeline == newest else f" (--timeline {each.timeline})"
    return f"any second from {each.begin:%Y-%m-%d %H:%M:%S} to {each.end:%Y-%m-%d %H:%M:%S} UTC{how}"


def _describe(manifest: Manifest) -> str:
    took = format_duration(manifest.finished_at - manifest.started_at)
    return (
        f"{manifest.folder}  {manifest.bytes / 1e6:.1f} MB in {took}, revision {manifest.revision},"
        f" log from {format_lsn(manifest.start_lsn)} of timeline {manifest.timeline}"
    )


def _print_key(_: argparse.Namespace) -> int:
    private, public = make_key()
    print(f"# public key, for BACKUP_RECIPIENTS: {public}\n{private}")
    return 0


def _restore(options: argparse.Namespace) -> int:
    blobs, identities = backup_blobs(), read_identities(options.key)
    plan = make_plan(blobs, identities, options.to, options.base, options.timeline)
    begun = time.monotonic()
    size, log_bytes, is_compared = restore(blobs, identities, plan, options.into)
    compared = "" if is_compared else "not "
    print(
        f"restored in {time.monotonic() - begun:.1f} s: {size / 1e6:.0f} MB and {log_bytes / 1e6:.0f} MB of log;"
        f" its files were {compared}compared with the server's checksums."
        f" Start PostgreSQL on {options.into}: it takes writes once the log is replayed."
    )
    return 0


def _fetch(options: argparse.Namespace) -> int:
    blobs, identities = backup_blobs(), read_identities(options.key)
    kind, _, name = options.name.partition("/")
    complete = read_catalogue(blobs, Kind(kind)).complete if kind in list(Kind) else []
    named = [each for each in complete if each.name == name]
    if not named:
        raise BackupError(f"the store holds no complete {options.name}: `list` shows what it holds")
    decrypt_stream(read_parts(blobs, named[0]), sys.stdout.buffer.write, identities, named[0].folder)
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
