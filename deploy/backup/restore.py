"""Restoring: a data folder of PostgreSQL from a base backup and the log after it, as it was at one second.

The log lies apart, and what leads PostgreSQL to it is written last: what a restore that was killed leaves behind lacks
its log, and does not start.
"""

import os
import re
import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from subprocess import DEVNULL, PIPE, run

import structlog
from pyrage.x25519 import Identity

from configs.ground.object_store import Blobs
from deploy.backup import BackupError
from deploy.backup.database import parse_lsn, run_tool
from deploy.backup.encryption import decrypt_stream
from deploy.backup.manifest import Manifest
from deploy.backup.object_stream import read_parts
from deploy.backup.restore_plan import Plan
from deploy.backup.wal_archive import write_segments

_LOG = "restored_wal"
_CONFIGURATION = "postgresql.auto.conf"
_OF_RECOVERY = ("recovery_", "restore_command", "# written by a restore")
_LABEL = re.compile(
    r"^START WAL LOCATION: ([0-9A-F]+/[0-9A-F]+) .*^START TIMELINE: (\d+)$", re.DOTALL | re.MULTILINE
)
# Beside the log itself: PostgreSQL copies what it replays, and keeps max_wal_size (1 GB) of it.
_REPLAYED = 1 << 30
_DEBIAN = "/usr/lib/postgresql/{}/bin"  # its packages put this program on no PATH

log = structlog.get_logger(__name__)


def restore(blobs: Blobs, identities: Sequence[Identity], plan: Plan, into: Path) -> tuple[int, int, bool]:
    """Make a data folder. PostgreSQL, started on it, replays the log up to the wished instant and takes writes then.

    Return the bytes of its files, those of its log, and whether pg_verifybackup compared the files.

    Raises:
        BackupError: the folder is in use, the disk too small, or what is stored is damaged; the folder is left empty.
        OSError: the folder cannot be written.
        configs.ground.object_store.StoreAway: the store does not answer.
    """
    _prepare(into, plan)
    try:
        log.info("the base backup is unpacked", name=plan.base.name, of=str(plan.base.finished_at))
        _unpack(blobs, identities, plan.base, into)
        _check_identity(into, plan.base)
        is_compared = _verify(into, plan.base)
        size = sum(path.lstat().st_size for path in into.rglob("*"))
        log_bytes = _fetch_log(blobs, identities, plan, into / _LOG)
        os.sync()
        _configure(into, plan)
        os.sync()
    except BaseException:
        for path in into.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        raise
    return size, log_bytes, is_compared


def _prepare(into: Path, plan: Plan) -> None:
    into.mkdir(parents=True, exist_ok=True, mode=0o700)
    if any(into.iterdir()):
        raise BackupError(f"{into} is not empty, and a restore overwrites nothing: move what is there away")
    log_bytes = sum(chunk.length for _, chunks in plan.log for chunk in chunks)
    needed = plan.base.database_bytes + log_bytes + min(log_bytes, _REPLAYED)
    if (free := shutil.disk_usage(into).free) < needed:
        raise BackupError(
            f"{into} has {free >> 20} MB free, {needed >> 20} MB are needed: name a folder on a larger disk"
        )
    into.chmod(0o700)


def _fetch_log(blobs: Blobs, identities: Sequence[Identity], plan: Plan, folder: Path) -> int:
    folder.mkdir()
    written = 0
    for timeline, chunks in plan.log:
        log.info("the log is fetched", timeline=timeline, chunks=len(chunks))
        written += write_segments(blobs, chunks, timeline, identities, folder)
    for timeline, content in plan.histories.items():
        (folder / f"{timeline:08X}.history").write_bytes(content)
    return written


def _unpack(blobs: Blobs, identities: Sequence[Identity], base: Manifest, into: Path) -> None:
    command = ["tar", "--extract", "--gzip", "--no-same-owner", "--file", "-", "--directory", str(into)]

    def describe() -> str:
        return f"the base backup cannot be unpacked, with {shutil.disk_usage(into).free >> 20} MB free "

    with run_tool(command, describe=describe, stdin=PIPE, stdout=DEVNULL) as tar:
        assert tar.stdin  # noqa: S101 -- for the type: it is a pipe
        with suppress(BrokenPipeError):  # tar ended: its exit code says why
            decrypt_stream(read_parts(blobs, base), tar.stdin.write, identities, base.folder)
            tar.stdin.close()


def _check_identity(into: Path, base: Manifest) -> None:
    """Refuse another base backup than the manifest describes: who may write to the store may have exchanged them.

    Raises:
        BackupError: it is another cluster's, or begins elsewhere in the log.
    """
    try:
        system = int.from_bytes((into / "global" / "pg_control").read_bytes()[:8], sys.byteorder)
        label = _LABEL.search((into / "backup_label").read_text("utf-8"))
    except FileNotFoundError as error:
        raise BackupError(f"{base.folder} is no base backup: it lacks {Path(error.filename).name}") from None
    is_own = (
        label and int(label[2]) == base.timeline and base.start_lsn <= parse_lsn(label[1]) <= base.stop_lsn
    )
    if not is_own or system != int(base.system):
        raise BackupError(
            f"{base.folder} is another base backup than its manifest says: take another by --base"
        )


def _verify(into: Path, base: Manifest) -> bool:
    """Have PostgreSQL compare each file with the checksums that the server gave it; return whether it did.

    Raises:
        BackupError: a file differs.
    """
    program = _find_verifier(base.server // 10_000)
    if program is None:
        log.warning("pg_verifybackup of the server's version is not installed: the files are not compared")
        return False
    done = run([program, "--no-parse-wal", str(into)], capture_output=True, text=True, check=False)
    if done.returncode:
        said = " ".join(done.stderr.split())[-600:]
        raise BackupError(f"pg_verifybackup refuses the base backup: {said}")
    return True


def _find_verifier(major: int) -> str | None:
    """Return PostgreSQL's program where it is of this major version; an older one cannot read the list of files.

    The embedded wheel's crashes, and is on no PATH.
    """
    for path in (None, _DEBIAN.format(major)):
        program = shutil.which("pg_verifybackup", path=path)
        if program:
            said = run([program, "--version"], capture_output=True, text=True, check=False).stdout
            if re.search(rf"\) {major}\b", said):
                return program
    return None


def _configure(into: Path, plan: Plan) -> None:
    """Write what recovery needs; paths are relative to the data folder, which another container may mount elsewhere."""
    lines = [
        "# written by a restore",
        f"restore_command = 'cp {_LOG}/%f \"%p\"'",
        f"recovery_end_command = 'rm -rf {_LOG}'",
        f"recovery_target_timeline = '{plan.timeline}'",
        "recovery_target_action = 'promote'",
    ]
    if plan.to:
        lines.append(f"recovery_target_time = '{plan.to.isoformat()}'")
    file = into / _CONFIGURATION
    before = file.read_text("utf-8").splitlines() if file.exists() else []
    kept = [line for line in before if not line.startswith(_OF_RECOVERY)]  # an earlier restore's
    file.write_text("\n".join([*kept, *lines]) + "\n", "utf-8")
    (into / "recovery.signal").touch()
