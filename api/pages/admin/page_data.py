"""Operators' pages as data: a page is a title and blocks, a list is columns and filters. One template shows them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Generic, Literal, Self, TypeVar

from flask import render_template, request, url_for
from markupsafe import Markup

from api.pages.admin import cells
from api.pages.forms import Form

R = TypeVar("R")
Cell = str | Markup  # a plain text is escaped
Options = Iterable[tuple[Any, Any]]  # (value, text)
YES_NO = (("true", "Oui"), ("false", "Non"))
_PLACES = ("before", "after")  # fields that say where a page of a list begins


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a filter or of a confirmation."""

    name: str
    label: str
    options: Options | Callable[[], Options] | None = None  # of a choice
    blank: str = "Tous"  # its first text, for no choice
    hint: str = ""
    is_required: bool = False
    is_box: bool = False
    is_long: bool = False  # several lines
    attributes: Mapping[str, Any] = field(default_factory=dict)  # as the macro `field` takes them

    @property
    def choices(self) -> Options:
        """The (value, text) pairs of now."""
        return self.options() if callable(self.options) else self.options or ()


def name_field(name: str, label: str, **attributes: Any) -> Field:
    """Return a field for a name or an id, which is written from left to right."""
    return Field(name, label, attributes={"ltr": True, "autocomplete": "off"} | attributes)


def number_field(name: str, label: str, default: object, hint: str = "") -> Field:
    """Return a field for a whole number, with what holds without it."""
    attributes = {"inputmode": "numeric", "autocomplete": "off", "placeholder": str(default)}
    return Field(name, label, hint=hint, attributes=attributes)


@dataclass(frozen=True, slots=True)
class Column(Generic[R]):
    """A column of a table: its head, and what it shows of a row: an attribute, or what a function returns."""

    head: str
    show: str | Callable[[R], object]
    kind: Literal["", "head", "number", "code", "english"] = ""

    def write(self, row: R) -> Cell:
        """Return the cell of a row."""
        return cells.format_cell(attrgetter(self.show)(row) if isinstance(self.show, str) else self.show(row))


@dataclass(frozen=True, slots=True)
class Table(Generic[R]):
    """Rows in columns, or a text where there are none."""

    caption: str
    columns: Sequence[Column[R]]
    rows: Sequence[R]
    empty: str = ""  # nothing is shown at all without rows and a text
    title: str = ""  # a heading above
    kind: str = "table"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is so about one thing, as (name, value) pairs, with its state above and what can be done below."""

    facts: Iterable[tuple[Cell, object]]  # False: the line is left out
    state: Cell = ""
    actions: Iterable[Cell] = ()
    label: str = "État"
    kind: str = "facts"

    @property
    def written(self) -> list[tuple[Cell, Cell]]:
        """Names and cells."""
        return [(name, cells.format_cell(value)) for name, value in self.facts if value is not False]


@dataclass(frozen=True, slots=True)
class Filter:
    """The filter of a list."""

    form: Form[Any]
    fields: Sequence[Field]
    kind: str = "filter"

    @property
    def url(self) -> str:
        """The address without a filter."""
        return url_for(str(request.endpoint), **(request.view_args or {}))


@dataclass(frozen=True, slots=True)
class Pager:
    """Addresses of the first and of the following page, or None."""

    first: str | None
    next: str | None
    kind: str = "pager"


@dataclass(frozen=True, slots=True)
class Text:
    """A heading, a paragraph, or both."""

    text: Cell = ""
    title: str = ""
    kind: str = "text"


@dataclass(frozen=True, slots=True)
class Html:
    """A part with a template of its own: what is no table and no list of facts."""

    html: Markup
    kind: str = "html"

    @classmethod
    def render(cls, template: str, **given: Any) -> Self:
        """Return what a template makes of these values."""
        return cls(Markup(render_template(template, **given)))  # noqa: S704 -- templates escape


Block = Table[Any] | Facts | Filter | Pager | Text | Html


def build_pager(form: Form[Any], place: str, following: object) -> Pager:
    """Return the way to the first page with this filter, and to the one that `following` begins, if any."""
    kept = {name: text for name, text in form.typed.items() if name not in _PLACES}
    first = _build_url(kept) if any(form.typed.get(name) for name in _PLACES) else None
    return Pager(first, None if following is None else _build_url(kept | {place: following}))


def render_page(
    title: str,
    blocks: Sequence[Block],
    lead: Cell = "",
    crumb: tuple[str, str] | None = None,
    form: Form[Any] | None = None,
) -> str:
    """Return a page of blocks. `crumb`: endpoint and text of the page above; `form`: whose errors are summed up."""
    return render_template("admin/page.html", title=title, blocks=blocks, lead=lead, crumb=crumb, form=form)


def _build_url(arguments: Mapping[str, Any]) -> str:
    return url_for(str(request.endpoint), **(request.view_args or {}), **arguments)
