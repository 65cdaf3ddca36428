"""Facts about ways to a procedure without an appointment: configs/other_ways.yaml."""

from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import Field

from configs.ground.strict_model import IsoDate, Strict
from configs.ground.strict_yaml import load_file
from configs.settings import settings
from configs.world.desk import Procedure, Text

_FILE = Path(__file__).parents[1] / "other_ways.yaml"
Link = Annotated[Text, Field(pattern=r"^https://")]


class Words(Strict):
    """A text in each language of the pages."""

    fr: Text
    en: Text
    ar: Text
    es: Text
    pt: Text
    de: Text
    ru: Text
    zh: Text
    hi: Text


class OtherWay(Words):
    """A fact; `permit`: what of the procedure it is about; `read_on`: when a person read that it is so at its link."""

    procedures: Annotated[frozenset[Procedure], Field(min_length=1)]
    permit: Words | None = None
    link: Link
    source: Text
    to_read: Text
    read_on: IsoDate | None = None


class _OtherWays(Strict):
    ways: tuple[OtherWay, ...]


@lru_cache(maxsize=1)
def load_other_ways(path: Path = _FILE) -> tuple[OtherWay, ...]:
    """Return all facts, also those that nobody has read.

    Raises:
        configs.ground.strict_yaml.ConfigFileError: names everything that is wrong in the file.
    """
    return load_file(path, _OtherWays).ways


def list_other_ways(procedure: Procedure) -> list[OtherWay]:
    """Return the facts about a procedure that may be shown: in production only what a person has read."""
    may_be_unread = settings().app_env != "production"
    return [
        each for each in load_other_ways() if procedure in each.procedures and (each.read_on or may_be_unread)
    ]
