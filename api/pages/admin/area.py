"""The area of operators' pages, in French: lists and actions are data, which this module makes views of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from pydantic import BaseModel

from api.admin.access import audited
from api.admin.audit import AuditedWork, shorten_search
from api.ground.paging import Found
from api.ground.schemas import Body
from api.pages.admin.page_data import (
    Block,
    Cell,
    Column,
    Field,
    Filter,
    Html,
    Table,
    build_pager,
    render_page,
)
from api.pages.area import Access, Area
from api.pages.cookies import Kind, add_notice
from api.pages.forms import INVALID, Form, Texts

M = TypeVar("M", bound=BaseModel)
Q = TypeVar("Q", bound=BaseModel)
_TYPED = "typed"  # the name of the field in which the subject is typed
_VERSION = "version"  # the name of the hidden field with what the page showed
_CHANGED = "Entre-temps, cela a changé. Relisez ce qui va se passer, puis confirmez de nouveau."
REASON = Field(
    "reason",
    "Raison",
    hint="Pour les autres opérateurs, sans nom de personne : « la préfecture nous a écrit ».",
    is_required=True,
    attributes={"maxlength": "200"},
)
Describe = Callable[..., "Confirmation"]  # takes the arguments of the address
area = Area("admin", __name__)


class NoFields(Body):
    """The form of an action that needs nothing but its confirmation."""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What an action will do, and what its page asks. All texts are French."""

    title: str  # a question that names the subject: "Arrêter le site rdv.example.fr:443 ?"
    effects: tuple[str, ...]  # sentences: what it will do, and to whom
    button: str  # the action, once more: "Arrêter ce site"
    done: str = ""  # the sentence behind it, where it does not depend on what was done
    back: str = ""  # address of the subject's page, which shows the result: the one above the action's own
    subject: str | None = None  # what has to be typed, where the action hurts
    subject_label: str = "Pour confirmer, recopiez"  # the label of its field; the subject follows
    # A text that is another one once the effects are: what another operator did meanwhile is shown before it is undone
    version: str = ""
    fields: tuple[Field, ...] = ()
    typed: dict[str, Any] = field(default_factory=dict)  # what stands in them at first
    hidden: dict[str, Any] = field(default_factory=dict)  # fields that go along as they are
    texts: Texts = field(default_factory=dict)  # for errors and refusals by the service, as of Form


def _check_subject(confirmation: Confirmation, form: Form[M]) -> None:
    if confirmation.subject is None:
        return
    typed = request.form.get(_TYPED, "").strip()
    form.typed[_TYPED] = typed
    if typed != confirmation.subject:
        form.errors[_TYPED] = "Ce n’est pas le même texte : recopiez-le exactement."


def _check_version(confirmation: Confirmation, form: Form[M]) -> None:
    if request.form.get(_VERSION, confirmation.version) != confirmation.version:
        form.errors[""] = _CHANGED


class NotNow(Exception):
    """Refusal of an action that is not possible any more: the text, and the address of the page to go back to."""

    def __init__(self, text: str, back: str = "") -> None:
        super().__init__(text)
        self.text, self.back = text, back


def _lead_back(kind: Kind, text: str, back: str) -> ResponseReturnValue:
    add_notice(kind, text)
    return redirect(back or _find_page_above(), 303)


def _find_page_above() -> str:
    return request.path.rpartition("/")[0]


@dataclass(frozen=True, slots=True)
class Search:
    """A search above a list. Its text is in the body: logs keep URLs."""

    name: str  # of its view
    model: type[BaseModel]  # with `wanted`
    audit: tuple[str, str]
    find: Callable[[Any, str], Sequence[Any]]  # takes the session and the text
    label: str
    hint: str
    texts: Texts
    empty: str = ""  # in place of the list's own word

    def render(self, form: Form[Any]) -> Block:
        """Return its form."""
        url = url_for(f"admin.{self.name}")
        return Html.render("admin/_search.html", form=form, url=url, label=self.label, hint=self.hint)

    def answer(self, form: Form[Any]) -> Sequence[Any]:
        """Return what is found; the audit notes what was searched, shortened where that is a person's."""
        if form.errors:
            return ()
        with audited(*self.audit) as work:
            found = self.find(work.session, form.value.wanted)
            work.changes["searched"] = shorten_search(form.value.wanted)
            work.note_seen(each.id for each in found)
        return found


def add_list(
    rule: str,
    name: str,
    *,
    title: str,
    query: type[Q],
    audit: tuple[str, str],  # action and kind of subject
    read: Callable[[AuditedWork, Q], Found[Any]],
    columns: Sequence[Column[Any]],
    filters: Sequence[Field] = (),
    empty: str = "Rien ne correspond à ce choix.",
    lead: Cell = "",
    crumb: tuple[str, str] | None = None,  # endpoint and text of the page above
    heading: str = "",  # above the table
    above: Callable[[], list[Block]] | None = None,  # all else
    search: Search | None = None,
    between: Callable[[AuditedWork, Form[Q], Sequence[Any]], list[Block]] | None = None,  # filter and table
    notes_seen: bool = False,  # the rows are people's: the audit notes which ones were shown
) -> None:
    """Declare the view of a list. Its filter is in the address; each view is audited."""

    def show() -> str:
        form = Form.read_query(query)
        with audited(*audit) as work:
            found = read(work, form.value)
            if notes_seen:
                work.note_seen(each.id for each in found.items)
            more = between(work, form, found.items) if between else []
        place = "after" if "after" in query.model_fields else "before"
        blocks: list[Block] = [
            *(above() if above else []),
            *([search.render(Form(search.model))] if search else []),
            *([Filter(form, filters)] if filters else []),
            *more,
            Table(title, columns, found.items, empty, heading),
            build_pager(form, place, found.next),
        ]
        return render_page(title, blocks, lead, crumb, form)

    show.__name__ = name
    area.page(rule, Access.OPERATOR)(show)
    if search:
        area.action(f"{rule}/recherche", Access.OPERATOR)(_build_search(search, name, title, columns, empty))


def _build_search(
    search: Search, listed: str, title: str, columns: Sequence[Column[Any]], empty: str
) -> Callable[[], ResponseReturnValue]:
    def find() -> ResponseReturnValue:
        form = Form.read(search.model, search.texts)
        blocks = [search.render(form), Table(title, columns, search.answer(form), search.empty or empty)]
        return render_page(
            title, blocks, "", (f"admin.{listed}", title), form
        ), INVALID if form.errors else 200

    find.__name__ = search.name
    return find


def add_action(
    rule: str,
    audit: str,  # the action
    act: Callable[..., object],
    *,
    form: type[M] = NoFields,  # type: ignore[assignment] # mypy: a default is of no type variable
    access: Access = Access.ADMIN,
    kind: str = "",  # of the subject, where it is not the action's first word
) -> Callable[[Describe], Describe]:
    """Declare an action as two views of an address: `ask_…`, which the function describes, and the one of its form.

    `act` takes the audited work, the arguments of the address, and the valid form where that has fields. It returns
    changes for the audit, or the sentence that says what was done. Its ApiErrors of 400 to 428 are said beside it.
    """
    kind = kind or audit.partition(".")[0]

    def carry_out(wanted: BaseModel, at: Mapping[str, Any]) -> str:
        filled = () if form is NoFields else (wanted,)
        with audited(audit, kind, at.get(kind, at.get("id"))) as work:
            found = act(work, *at.values(), *filled)
            if isinstance(found, dict):
                work.changes.update(found)
        return found if isinstance(found, str) else ""

    def declare(describe: Describe) -> Describe:
        def answer(at: Mapping[str, Any], *, acts: bool) -> ResponseReturnValue:
            try:
                asked = describe(**at)
            except NotNow as reason:
                return _lead_back("problem", reason.text, reason.back)
            if not acts:
                return _render(asked, Form(form, asked.typed))
            filled = Form.read(form, asked.texts)
            _check_subject(asked, filled)
            _check_version(asked, filled)
            done = filled.submit(lambda wanted: carry_out(wanted, at))
            if done is None:
                return _render(asked, filled), INVALID
            return _lead_back("done", done or asked.done, asked.back)

        def ask(**at: Any) -> ResponseReturnValue:
            return answer(at, acts=False)

        def do(**at: Any) -> ResponseReturnValue:
            return answer(at, acts=True)

        ask.__name__ = describe.__name__.lstrip("_")
        do.__name__ = ask.__name__.removeprefix("ask_")
        area.page(rule, access)(ask)
        area.action(rule, access)(do)
        return describe

    return declare


def _render(confirmation: Confirmation, form: Form[Any]) -> str:
    back = confirmation.back or _find_page_above()
    return render_template("admin/confirm.html", form=form, confirmation=confirmation, back=back)
