"""Strict reading of a YAML file: each key remembers its line, nothing is guessed, errors come all at once."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from inspect import isclass
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

import yaml
from pydantic import BaseModel, ValidationError

try:  # libyaml reads a hundred files ten times faster
    from yaml import CSafeLoader as Loader
except ImportError:  # pragma: no cover - PyYAML built without libyaml
    from yaml import SafeLoader as Loader  # type: ignore[assignment]

Model = TypeVar("Model", bound=BaseModel)
Where = tuple[str | int, ...]

FILLED = "filled by the loader"  # marks a field that the file itself never has
DEEPEST = 20  # levels; our own files have four
_TAG = "tag:yaml.org,2002:"
_LISTS = ("list_type", "tuple_type", "set_type", "frozen_set_type")  # pydantic's names
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")  # int() refuses thousands of digits with a ValueError
_FRACTION = re.compile(r"-?(0|[1-9][0-9]{0,17})\.[0-9]{1,18}")


class ConfigFileError(ValueError):
    """Files of configs/ are wrong; the text has a line for each problem: file, line, key, what to do."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(eq=False)
class Document:
    """One file's plain data, and where each of its keys stands."""

    path: Path
    data: Any = None
    lines: dict[Where, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def refuse(self, where: Where, text: str, line: int | None = None) -> None:
        """Note a problem at a key (its nearest known line)."""
        key = ".".join(map(str, where)) or "file"
        self.problems.append(f"{self.path}:{line or self.line(where)}: {key}: {text}")

    def line(self, where: Where) -> int:
        """Return the line of a key, or of the nearest one around it that exists."""
        around = (where[:length] for length in range(len(where), -1, -1))
        return next((self.lines[outer] for outer in around if outer in self.lines), 1)


def read_document(path: Path) -> Document:
    """Read one YAML file; errors are collected in `problems` and never raised."""
    document = Document(path)
    try:
        text = path.read_text(encoding="utf-8")
        _refuse_depth(text)
        node = yaml.compose(text, Loader=Loader)
    except OSError as error:
        document.refuse((), f"cannot be read ({error.strerror}): check the path and its permissions")
    except UnicodeDecodeError as error:
        document.refuse((), f"is not UTF-8 (byte {error.start}): save it as UTF-8")
    except yaml.YAMLError as error:
        _refuse_syntax(document, error)
    else:
        _Builder(document).build(node)
    return document


def _refuse_depth(text: str) -> None:
    # libyaml's composer recurses in C: ten thousand brackets end the process, not in an exception
    depth = 0
    for event in yaml.parse(text, Loader=Loader):
        depth += isinstance(event, yaml.events.CollectionStartEvent) - isinstance(
            event, yaml.events.CollectionEndEvent
        )
        if depth > DEEPEST:
            mark = cast("yaml.error.Mark", event.start_mark)
            raise yaml.MarkedYAMLError(problem="nested too deeply", problem_mark=mark)


def _refuse_syntax(document: Document, error: yaml.YAMLError) -> None:
    mark = getattr(error, "problem_mark", None)
    text = getattr(error, "problem", None) or str(error).replace("\n", " ")
    document.refuse((), f"is not YAML: {text}", mark.line + 1 if mark else None)


class _Builder:
    """Turns nodes into plain data.

    YAML 1.1 reads 075 as 61, 12:30 as 750, `no` as false: here a plain scalar is a number only if it is
    written as one, and what parsers disagree about is refused (https://yaml.org/type/int.html).
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        self.seen: set[int] = set()

    def build(self, node: yaml.Node | None) -> None:
        if not isinstance(node, yaml.MappingNode):
            self.document.refuse((), "is empty or no mapping: write `key: value` lines")
            return
        self.document.data = self.value(node, ())

    def value(self, node: yaml.Node, where: Where) -> Any:
        self.document.lines.setdefault(where, node.start_mark.line + 1)
        if id(node) in self.seen:  # also what makes an alias to itself end
            self.document.refuse(where, "is an alias (*): write the value out")
            return None
        self.seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            return dict(self.pairs(node, where))
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*where, index)) for index, item in enumerate(node.value)]
        return self.scalar(cast("yaml.ScalarNode", node), where)

    def pairs(self, node: yaml.MappingNode, where: Where) -> Iterator[tuple[str, Any]]:
        known: set[str] = set()
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                self.document.refuse(where, "has a key that is no plain word", line)
            elif key.value in known:
                self.document.refuse((*where, key.value), "is written twice: keep one", line)
            else:
                known.add(key.value)
                self.document.lines[(*where, key.value)] = line
                yield key.value, self.value(value, (*where, key.value))

    def scalar(self, node: yaml.ScalarNode, where: Where) -> Any:
        text = str(node.value)
        if "\0" in text:
            self.document.refuse(where, "holds a NUL byte, which no text may hold")
            return None
        kind = node.tag.removeprefix(_TAG)
        if kind in ("str", "timestamp", "merge", "value"):
            return text
        if not node.style and kind in ("int", "float", "bool", "null"):
            return self.plain(kind, text, where)
        self.document.refuse(where, f"has the tag {node.tag}: write the value without a tag")
        return None

    def plain(self, kind: str, text: str, where: Where) -> Any:
        if kind == "null":
            return None
        if kind == "bool":
            return {"true": True, "false": False}.get(text.lower(), text)
        if kind == "int" and _INTEGER.fullmatch(text):
            return int(text)
        if kind == "float" and _FRACTION.fullmatch(text):
            return float(text)
        self.document.refuse(
            where, f'is a number that YAML parsers read differently: write "{text}" in quotes'
        )
        return None


def check(document: Document, model: type[Model], data: Any, within: Where = ()) -> Model | None:
    """Build the model from data that stands within the document; note each thing that is wrong with it."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        for problem in error.errors(include_url=False):
            where = tuple(part for part in problem["loc"] if part != "[key]")
            document.refuse((*within, *where), _advice(problem["type"], problem["msg"], _owner(model, where)))
    return None


def _owner(model: type[BaseModel], where: Where) -> type[BaseModel]:
    """Find the model that the last key of `where` was meant for."""
    for part in where[:-1]:
        if isinstance(part, str) and part in model.model_fields:
            inner = get_args(model.model_fields[part].annotation)
            model = next((each for each in inner if isclass(each) and issubclass(each, BaseModel)), model)
    return model


def keys_of(model: type[BaseModel]) -> list[str]:
    """Return the keys that a person may write."""
    return sorted(name for name, each in model.model_fields.items() if FILLED not in each.metadata)


def _advice(kind: str, message: str, owner: type[BaseModel]) -> str:
    if kind == "extra_forbidden":
        return f"is no key here; keys: {', '.join(keys_of(owner))}"
    if kind == "missing":
        return "is missing: add it"
    return plainly(kind, message)


def plainly(kind: str, message: str) -> str:
    """Return pydantic's error text, reworded where its own does not say what to write."""
    if kind == "string_type":
        return "must be a text: write it in quotes"
    if kind in _LISTS:
        return "must be a list: write [one, another]"
    return message.removeprefix("Value error, ")
