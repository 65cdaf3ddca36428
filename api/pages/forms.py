"""Forms: the pydantic model of the JSON route, the text that was typed, and errors by field.

A field's name is its name in JSON: `email`, `limits.dateFrom`; `weekdays[]` where it takes several values.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import date, time
from typing import Any, Generic, TypeVar, get_args, get_origin

from flask import request
from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from werkzeug.datastructures import MultiDict

from api.errors import ApiError
from api.pages.error_texts import Texts, write_problem, write_rule
from configs.ground.typed_text import clean_typed, write_day, write_hour

M = TypeVar("M", bound=BaseModel)
_TRUE = ("true", "on", "1")
_REFUSALS = range(400, 429)  # a 429 or 503 has a page of its own


class Form(Generic[M]):
    """A form: `typed` text by field name, `errors` by field name (of the whole form: the name is empty)."""

    def __init__(
        self, model: type[M], typed: Mapping[str, Any] | None = None, texts: Texts | None = None
    ) -> None:
        self.model = model
        self.typed: dict[str, Any] = dict(typed or {})
        self.errors: dict[str, str] = {}
        self.texts = texts or {}
        self._value: M | None = None

    @classmethod
    def read(cls, model: type[M], texts: Texts | None = None) -> "Form[M]":
        """Return the form of this request, validated. `texts` has words of its own for errors by (field, rule)."""
        form = cls(model, texts=texts)
        data = _read_fields(model, request.form, "", form.typed)
        for path in _find_nul(data, ""):  # a model refuses it as a whole
            form.add_error(path, "nul")
        if form.errors:
            return form
        try:
            form._value = model.model_validate(data)
        except ValidationError as error:
            for each in error.errors(include_input=False, include_url=False):
                form.add_error(_join(each["loc"]), each["type"], each.get("ctx"))
        return form

    @classmethod
    def read_query(cls, model: type[M]) -> "Form[M]":
        """Return the filter in this request's address. Where it is not valid, `errors` say so and nothing is chosen."""
        form = cls(model)
        fields = dict(_list_fields(model))
        form.typed = {name: text for name in fields if (text := request.args.get(name, "").strip())}
        given = {name: _read_text(fields[name], text) for name, text in form.typed.items()}
        try:
            form._value = model.model_validate(given)
        except ValidationError as error:
            for each in error.errors(include_input=False, include_url=False):
                form.add_error(_join(each["loc"]), each["type"], each.get("ctx"))
            form._value = model()
        return form

    @property
    def value(self) -> M:
        """What was sent; look at `errors` first."""
        if self._value is None:
            raise ValueError(f"the form has errors: {', '.join(self.errors)}")
        return self._value

    def add_error(self, path: str, rule: str, context: Mapping[str, Any] | None = None) -> None:
        """Note what is wrong with a field, in the page's language; the first error of a field stays."""
        name = self._find_name(path)
        self.errors.setdefault(name, write_rule(name, rule, context or {}, self.texts))

    def refuse(self, error: ApiError, field: str = "") -> None:
        """Note why the service refused the form, beside the fields that it names, otherwise beside `field`.

        Raises:
            api.errors.ApiError: it is no refusal of what was typed.
        """
        if error.status not in _REFUSALS:
            raise error
        for each in error.errors:
            self.add_error(each.path, each.rule)
        if not error.errors:
            self.errors.setdefault(field, write_problem(error.word, self.texts))

    def id_of(self, name: str) -> str:
        """Return the id of a field's element."""
        return "f-" + re.sub(r"[^\w]+", "-", name).strip("-")

    def _find_name(self, path: str) -> str:
        """Return the field that an error's path is about: `weekdays.0` is about `weekdays[]`."""
        names = _list_names(self.model, "")
        parts = path.split(".")
        for length in range(len(parts), 0, -1):
            name = ".".join(parts[:length])
            if found := next((each for each in (name, f"{name}[]") if each in names), None):
                return found
        return ""


def _read_fields(
    model: type[BaseModel], sent: MultiDict[str, str], before: str, typed: dict[str, Any]
) -> dict[str, Any]:
    """Return what was sent as JSON values; text that may be shown again goes to `typed`. Empty fields are left out."""
    data: dict[str, Any] = {}
    for key, field in _list_fields(model):
        name, inner = f"{before}{key}", _find_model(field.annotation)
        if inner is not None:
            if nested := _read_fields(inner, sent, f"{name}.", typed):
                data[key] = nested
            continue
        value = _read_value(field, name, sent)
        if value is not None:
            data[key] = value
        if not _is_secret(key, field.annotation):
            shown = sent.getlist(f"{name}[]") if _is_list(field.annotation) else sent.get(name)
            typed |= {f"{name}[]" if _is_list(field.annotation) else name: shown}
    return data


def _find_nul(value: Any, path: str) -> Iterator[str]:
    """Yield the paths of texts that hold a NUL."""
    if isinstance(value, str):
        yield from [path] if "\0" in value else []
    elif isinstance(value, dict | list):
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        for key, each in parts:
            yield from _find_nul(each, f"{path}.{key}" if path else str(key))


def _read_value(field: FieldInfo, name: str, sent: MultiDict[str, str]) -> Any:
    kinds = _list_kinds(field.annotation)
    if _is_list(field.annotation):
        return [_read_number(each) if int in kinds else each for each in sent.getlist(f"{name}[]") if each]
    text = sent.get(name, "")
    if bool in kinds or get_args(field.annotation) == (True,):
        return text in _TRUE
    return _read_text(field, text) if text else None


def _read_text(field: FieldInfo, text: str) -> Any:
    kinds = _list_kinds(field.annotation)
    if date in kinds or time in kinds:
        return write_day(text) if date in kinds else write_hour(text)
    return _read_number(text) if kinds & {int, float} and str not in kinds else text


def _read_number(text: str) -> Any:
    typed = clean_typed(text).replace(" ", "")
    return int(typed) if re.fullmatch(r"-?\d{1,18}", typed, re.ASCII) else text


def _list_fields(model: type[BaseModel]) -> list[tuple[str, FieldInfo]]:
    return [(field.alias or name, field) for name, field in model.model_fields.items()]


def _list_names(model: type[BaseModel], before: str) -> set[str]:
    names: set[str] = set()
    for key, field in _list_fields(model):
        inner = _find_model(field.annotation)
        name = f"{before}{key}"
        names |= (
            _list_names(inner, f"{name}.") if inner else {f"{name}[]" if _is_list(field.annotation) else name}
        )
    return names


def _list_kinds(annotation: Any) -> set[Any]:
    """Return the types that an annotation is made of: {int, list, NoneType} of `list[int] | None`."""
    parts = [each for each in get_args(annotation) if isinstance(each, type) or get_args(each)]
    return {get_origin(annotation) or annotation}.union(*(_list_kinds(each) for each in parts))


def _is_list(annotation: Any) -> bool:
    return bool(_list_kinds(annotation) & {list, set, tuple, frozenset})


def _find_model(annotation: Any) -> type[BaseModel] | None:
    kinds = (
        each for each in _list_kinds(annotation) if isinstance(each, type) and issubclass(each, BaseModel)
    )
    return None if _is_list(annotation) else next(kinds, None)


def _is_secret(name: str, annotation: Any) -> bool:
    return SecretStr in _list_kinds(annotation) or name in ("code", "challenge", "token", "setup")


def _join(parts: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in parts)
