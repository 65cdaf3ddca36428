"""A step of the drill: its name, where it runs, how it ended."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

Say = Callable[[str], None]


class StepFailed(Exception):
    """Something that deployment relies on does not hold; the text says what."""


class CannotRun(Exception):
    """The machine lacks what a step needs; the text says what, in one line."""


class StepState(StrEnum):
    """How a step ended. `missing`: this machine cannot run it."""

    HELD = "held"
    FAILED = "failed"
    MISSING = "missing"


@dataclass(frozen=True)
class Workplace:
    """The drill's own folder, and where a step prints its lines."""

    folder: Path
    say: Say


@dataclass(frozen=True)
class Step:
    """One step. `run` returns a line of figures."""

    title: str
    run: Callable[[Workplace], str]
    needs_images: bool = False  # environments as in the images are made before it
    is_walled: bool = False  # runs in a namespace with private mounts, and no network but loopback


@dataclass(frozen=True)
class StepResult:
    """How a step ended, after how many seconds, and its line."""

    name: str
    state: StepState
    seconds: float
    text: str
