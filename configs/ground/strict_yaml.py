"""Strict reading of a YAML file: nothing is guessed, and errors are refused with file and key."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from yaml import CSafeLoader  # which reads a hundred files ten times faster

Model = TypeVar("Model", bound=BaseModel)
Where = tuple[str | int, ...]


_REWORDED = {  # by pydantic's name of the error
    "extra_forbidden": "is no key here: correct or remove it",
    "missing": "is missing: add it",
    "string_type": "must be a text: write it in quotes",
    **dict.fromkeys(
        ("list_type", "tuple_type", "set_type", "frozen_set_type"), "must be a list: write [one, another]"
    ),
}


class ConfigFileError(ValueError):
    """Files of configs/ are wrong; the text has a line for each problem: file, key, what to do."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class _Loader(CSafeLoader):
    """Reads a plain scalar as a number only if it is written as one, and refuses a key that is written twice.

    YAML 1.1 reads 075 as 61, 12:30 as 750, `no` as false (https://yaml.org/type/int.html): here they are texts.
    """

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 -- PyYAML's own name, filled below

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        found: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.value in found:
                said = "is written twice" if isinstance(key, yaml.ScalarNode) else "is no plain word"
                raise yaml.MarkedYAMLError(problem=f"the key {key.value} {said}", problem_mark=key.start_mark)
            found[key.value] = self.construct_object(value, deep=deep)
        return found


_KINDS = {  # a scalar's tag, its pattern, and the characters that it begins with
    "bool": (r"(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    "null": (r"(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    "int": (r"-?(?:0|[1-9][0-9]{0,17})$", "-0123456789"),
    "float": (r"-?(?:0|[1-9][0-9]{0,17})\.[0-9]{1,18}$", "-0123456789"),
}
for _tag, (_pattern, _first) in _KINDS.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))


@dataclass(eq=False)
class Document:
    """One file's plain data, and what is wrong with it."""

    path: Path
    data: Any = None
    problems: list[str] = field(default_factory=list)

    def refuse(self, where: Where, text: str) -> None:
        """Note a problem at a key."""
        self.problems.append(f"{self.path}: {'.'.join(map(str, where)) or 'file'}: {text}")


def read_document(path: Path) -> Document:
    """Read one YAML file; errors are collected in `problems` and never raised."""
    document = Document(path)
    try:
        found = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 -- a safe loader's own
    except OSError as error:
        document.refuse((), f"cannot be read ({error.strerror}): check the path and its permissions")
    except UnicodeDecodeError as error:
        document.refuse((), f"is not UTF-8 (byte {error.start}): save it as UTF-8")
    except (yaml.YAMLError, RecursionError) as error:
        document.refuse((), f"is not YAML: {' '.join(str(error).split())}")
    else:
        if isinstance(found, dict):
            document.data = found
        else:
            document.refuse((), "is empty or no mapping: write `key: value` lines")
    return document


def load_file(path: Path, model: type[Model]) -> Model:
    """Read a file that is one model.

    Raises:
        ConfigFileError: names everything that is wrong in it.
    """
    document = read_document(path)
    found = check(document, model, document.data) if document.data is not None else None
    if found is None:
        raise ConfigFileError(document.problems)
    return found


def check(document: Document, model: type[Model], data: Any, within: Where = ()) -> Model | None:
    """Build the model from data that stands within the document; note each thing that is wrong with it."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        for problem in error.errors(include_url=False):
            where = tuple(part for part in problem["loc"] if part != "[key]")
            document.refuse((*within, *where), explain_problem(problem["type"], problem["msg"]))
    return None


def explain_problem(kind: str, message: str) -> str:
    """Return pydantic's error text, reworded where its own does not say what to do."""
    return _REWORDED.get(kind, message.removeprefix("Value error, "))
