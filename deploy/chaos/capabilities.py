"""Capabilities of the machine: a private disk that can be full, a private name server that can be silent."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.chaos.dns_server import NameTable


@dataclass(frozen=True)
class Capabilities:
    """The state folder, whether it is a small disk of its own, and the names where they are ours (else None)."""

    state: Path
    small_disk: bool = False
    names: NameTable | None = None

    @property
    def allows(self) -> frozenset[str]:
        """Return what faults may need."""
        return frozenset(({"disk"} if self.small_disk else set()) | ({"names"} if self.names else set()))

    @contextmanager
    def names_hang(self) -> Iterator[None]:
        """Answer no look-up for as long as the block lasts."""
        if self.names is None:
            raise RuntimeError("there is no name server of ours here")
        self.names.silent = True
        try:
            yield
        finally:
            self.names.silent = False

    @contextmanager
    def disk_full(self) -> Iterator[None]:
        """Leave no room under the state folder, whatever is freed meanwhile, for as long as the block lasts."""
        ballast = self.state / "ballast"
        try:
            with ballast.open("wb", buffering=0) as file:
                _fill(file.fileno())
            yield
        finally:
            ballast.unlink(missing_ok=True)


def _fill(descriptor: int) -> None:
    import os  # noqa: PLC0415

    piece = bytes(1 << 20)
    while piece:
        try:
            os.write(descriptor, piece)
        except OSError:
            piece = piece[: len(piece) // 2]
