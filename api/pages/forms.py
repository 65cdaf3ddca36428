"""HTML forms, validated by the pydantic model of the JSON route, with the typed text and an error message by field.

A field's name is its name in JSON: `email`, `limits.dateFrom`; `weekdays[]` where it takes several values.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, time
from typing import Any, Generic, TypeVar, get_args, get_origin

from flask import request
from flask_babel import LazyString, lazy_gettext
from pydantic import BaseModel, SecretStr, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from werkzeug.datastructures import MultiDict

from api.ground.errors import ApiError
from configs.ground.text import clean_typed, normalize_day, normalize_hour

_l = lazy_gettext
INVALID = 422  # the status of a form that is shown again with its errors
Texts = Mapping[tuple[str, str] | str, LazyString]  # by (field, rule), or by the word of a refusal

_RULES: dict[str, LazyString] = {
    "missing": _l("Ce champ est nécessaire."),
    "string_too_short": _l("Il faut au moins %(min_length)s caractères."),
    "too_short": _l("Il faut au moins %(min_length)s caractères."),
    "string_too_long": _l("Il faut au plus %(max_length)s caractères."),
    "too_long": _l("C’est trop long."),
    "email": _l("Cette adresse n’est pas valable. Exemple : camille@exemple.fr"),
    "email_letter": _l(
        "Nos messages n’arrivent pas à une adresse qui a « %(letter)s » avant le @. Vérifiez-la ou donnez-en une"
        " autre."
    ),
    "phone_number": _l("Ce numéro n’est pas valable. Exemple : 06 12 34 56 78"),
    "guessable": _l("Ce mot de passe est facile à deviner : choisissez-en un plus long ou moins courant."),
    "length": _l("Un mot de passe a de 12 à 128 caractères."),
    "out_of_order": _l("Le début doit précéder la fin."),
    "too_far": _l("Cette date est trop éloignée."),
    "date_from_datetime_parsing": _l("Cette date n’est pas valable."),
    "int_parsing": _l("Écrivez un nombre entier."),
    "nul": _l("Un caractère invisible n’est pas permis ici : effacez ce texte, puis écrivez-le de nouveau."),
    "int_type": _l("Écrivez un nombre entier."),
}
_FIELDS: dict[tuple[str, str], LazyString] = {
    ("email", "missing"): _l("Écrivez votre adresse e-mail."),
    ("password", "missing"): _l("Écrivez votre mot de passe."),
    ("code", "missing"): _l("Écrivez le code."),
    ("code", "string_pattern_mismatch"): _l("Ce code n’est pas complet."),
}
_OTHER = _l("Cette valeur n’est pas valable.")
_WORDS: dict[str, LazyString] = {
    "wrong-login": _l("Aucun compte n’a cette adresse et ce mot de passe."),
    "wrong-code": _l("Ce code est faux, ou a déjà servi. Essayez le suivant."),
    "challenge-over": _l("Trop de temps a passé : connectez-vous de nouveau."),
    "wrong-proof": _l("Ce mot de passe ou ce code est faux."),
    "code-needed": _l("Écrivez aussi le code de votre application."),
    "address-taken": _l("Cette adresse appartient à un autre compte."),
    "account-suspended": _l(
        "Votre compte est suspendu : alertes, signalements et commandes sont arrêtés. Vos factures, vos droits et vos"
        " données restent accessibles."
    ),
    "not-found": _l("Ce que vous cherchez n’existe plus."),
}
_REFUSED = _l("Cette demande n’a pas été acceptée.")
_CHANGED = _l(
    "Ceci a changé pendant que vous écriviez. Enregistré maintenant : « %(now)s ». Vous avez choisi : « %(typed)s »."
    " Gardez l’un ou l’autre, puis envoyez de nouveau."
)
_EMPTY = _l("rien")
MADE_FROM = "madeFrom"  # the hidden field with what was stored when the page was made
_VERSION: TypeAdapter[dict[str, list[str]]] = TypeAdapter(dict[str, list[str]])
_LONGEST_VERSION = 20_000  # characters
M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")
_TRUE = ("true", "on", "1")
_REFUSALS = range(400, 429)  # a 429 or 503 has a page of its own


def write_rule(field: str, rule: str, context: Mapping[str, Any], own: Texts) -> str:
    """Return the error message of a field that breaks a rule."""
    text = own.get((field, rule)) or _FIELDS.get((field, rule)) or _RULES.get(rule) or _OTHER
    values = {name: context.get(name, "") for name in ("min_length", "max_length", "letter")}
    return str(text) % values


def write_problem(word: str, own: Texts) -> str:
    """Return why a service refused a request, by the last part of its problem's type."""
    return str(own.get(word) or _WORDS.get(word) or _REFUSED)


class Form(Generic[M]):
    """A form: its `typed` text and its `errors` by field name; an empty name means the whole form.

    `stored`: of a form that changes something, what stands there now, by field; `changed`: the fields that differ.
    """

    def __init__(
        self, model: type[M], typed: Mapping[str, Any] | None = None, texts: Texts | None = None
    ) -> None:
        self.model = model
        self.typed: dict[str, Any] = dict(typed or {})
        self.errors: dict[str, str] = {}
        self.texts = texts or {}
        self.stored: dict[str, Any] = {}
        self.changed: set[str] = set()
        self._value: M | None = None

    @classmethod
    def edit(cls, model: type[M], stored: Mapping[str, Any], texts: Texts | None = None) -> "Form[M]":
        """Return the form that changes what is stored, as `read_change` reads it."""
        form = cls(model, stored, texts)
        form.stored = dict(stored)
        return form

    @classmethod
    def read_change(
        cls,
        model: type[M],
        stored: Mapping[str, Any],
        texts: Texts | None = None,
        describe: Callable[[str, str], str] = lambda _name, value: value,
    ) -> "Form[M]":
        """Return the form of this request; what its page left as it was is as it is `stored` now.

        A field that differs here, and was changed elsewhere since the page was made, has an error with both values.
        The form that is shown then is made from those of now. `describe` returns the words for a field's value.
        """
        sent, made_from = request.form.copy(), _read_version()
        collisions, changed = dict[str, tuple[list[str], list[str]]](), set[str]()
        for name, value in stored.items():
            now, typed, before = _list_texts(value), _list_texts(sent.getlist(name)), made_from.get(name)
            if typed == before:
                sent.setlist(name, now)
            elif typed != now:
                changed.add(name)
                if before is not None and before != now:
                    collisions[name] = now, typed
        form = cls._read(model, sent, texts)
        form.stored, form.changed = dict(stored), changed
        for name in collisions.keys() - form.errors.keys():
            now, typed = collisions[name]
            shown = (", ".join(describe(name, each) for each in found) for found in (now, typed))
            words = zip(("now", "typed"), (each or str(_EMPTY) for each in shown), strict=True)
            form.errors[name] = str(_CHANGED) % dict(words)
        return form

    @property
    def made_from(self) -> str:
        """What the page's hidden field holds: the stored values by field, as JSON."""
        return json.dumps(
            {name: _list_texts(value) for name, value in self.stored.items()}, ensure_ascii=False
        )

    def pick_changed(self) -> M:
        """Return the values with those fields alone set that were changed; an emptied one is None."""
        fields = {field.alias or name: name for name, field in self.model.model_fields.items()}
        names = {fields[name] for name in self.changed}
        return self.model.model_construct(names, **{name: getattr(self.value, name) for name in names})

    @classmethod
    def read(cls, model: type[M], texts: Texts | None = None) -> "Form[M]":
        """Return the form of this request, validated. `texts`: the form's own error messages by (field, rule)."""
        return cls._read(model, request.form, texts)

    @classmethod
    def _read(cls, model: type[M], sent: MultiDict[str, str], texts: Texts | None) -> "Form[M]":
        form = cls(model, texts=texts)
        data = _read_fields(model, sent, "", form.typed)
        for path in _find_nul(data, ""):  # the model's error would name no field
            form.add_error(path, "nul")
        if form.errors:
            return form
        form._validate(data)
        return form

    @classmethod
    def read_query(cls, model: type[M]) -> "Form[M]":
        """Return the filter in this request's address. Where it is not valid, `errors` say so and nothing is chosen."""
        form = cls(model)
        fields = dict(_list_fields(model))
        form.typed = {name: text for name in fields if (text := request.args.get(name, "").strip())}
        given = {name: _read_text(fields[name], text) for name, text in form.typed.items()}
        form._validate(given)
        if form.errors:
            form._value = model()
        return form

    def _validate(self, data: Mapping[str, Any]) -> None:
        try:
            self._value = self.model.model_validate(data)
        except ValidationError as error:
            for each in error.errors(include_input=False, include_url=False):
                self.add_error(".".join(map(str, each["loc"])), each["type"], each.get("ctx"))

    @property
    def value(self) -> M:
        """The validated values. There are none while `errors` has any."""
        if self._value is None:
            raise ValueError(f"the form has errors: {', '.join(self.errors)}")
        return self._value

    def add_error(self, path: str, rule: str, context: Mapping[str, Any] | None = None) -> None:
        """Note what is wrong with a field, in the page's language; the first error of a field stays."""
        name = self._find_name(path)
        self.errors.setdefault(name, write_rule(name, rule, context or {}, self.texts))

    def refuse(self, error: ApiError, field: str = "") -> None:
        """Add the error of a service to the fields that it names, otherwise to `field`.

        Raises:
            ApiError: the error is not about the typed values.
        """
        if error.status not in _REFUSALS:
            raise error
        for each in error.errors:
            self.add_error(each.path, each.rule)
        if not error.errors:
            self.errors.setdefault(field, write_problem(error.word, self.texts))

    def submit(self, act: Callable[[M], T], field: str = "") -> T | None:
        """Call `act` with the values and return its result; None if the form has errors, or `act` refuses it.

        Raises:
            ApiError: `act` failed, and not because of the typed values.
        """
        if self.errors:
            return None
        try:
            return act(self.value)
        except ApiError as error:
            self.refuse(error, field)
            return None

    def id_of(self, name: str) -> str:
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


def read_page_query(model: type[M], limit: int | None = None) -> M:
    """Return the query of the list's page that the address asks for (else the first), with `limit` items."""
    query = Form.read_query(model).value
    default = limit or model().model_dump()["limit"]
    return query.model_copy(update={"limit": default})


def _read_fields(
    model: type[BaseModel], sent: MultiDict[str, str], before: str, typed: dict[str, Any]
) -> dict[str, Any]:
    """Return the sent fields, without empty ones, as JSON values; add texts that may be shown again to `typed`."""
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


def _read_version() -> dict[str, list[str]]:
    """Return what was stored when the page of this form was made; nothing where it does not say so."""
    try:
        return _VERSION.validate_json(request.form.get(MADE_FROM, "")[:_LONGEST_VERSION])
    except ValidationError:
        return {}


def _list_texts(value: Any) -> list[str]:
    """Return a field's value as a browser sends it, without empty texts."""
    if isinstance(value, bool):
        return ["true"] if value else []
    if isinstance(value, time):
        return [f"{value:%H:%M}"]
    if isinstance(value, list | tuple):
        return sorted(text for each in value for text in _list_texts(each))
    text = "" if value is None else str(value).replace("\r\n", "\n").strip()
    return [text] if text else []


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
    text = sent.get(name, "").replace("\r\n", "\n")  # as `maxlength` counted it
    if bool in kinds or get_args(field.annotation) == (True,):
        return text in _TRUE
    return _read_text(field, text) if text else None


def _read_text(field: FieldInfo, text: str) -> Any:
    kinds = _list_kinds(field.annotation)
    if date in kinds or time in kinds:
        return normalize_day(text) if date in kinds else normalize_hour(text)
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
