"""The area of operators' pages, in French: lists and actions are data, which this module makes views of."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from flask import redirect, render_template, request
from flask.typing import ResponseReturnValue
from pydantic import BaseModel

from api.admin.access import audited
from api.ground.schemas import Body
from api.pages.admin.page_data import Field, ListPage, build_list_blocks, render_page
from api.pages.area import Access, Area
from api.pages.cookies import add_notice
from api.pages.forms import INVALID, Form, Texts

M = TypeVar("M", bound=BaseModel)
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
area = Area("admin", __name__)


class NoFields(Body):
    """The form of an action that needs nothing but its confirmation."""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What an action will do, and what its page asks. All texts are French."""

    title: str  # a question that names the subject: "Arrêter le site rdv.example.fr:443 ?"
    effects: tuple[str, ...]  # sentences: what it will do, and to whom
    button: str  # the action, once more: "Arrêter ce site"
    back: str  # address of the subject's page, which shows the result
    subject: str | None = None  # what has to be typed, where the action hurts
    subject_label: str = "Pour confirmer, recopiez"  # the label of its field; the subject follows
    # A text that is another one once the effects are: what another operator did meanwhile is shown before it is undone
    version: str = ""
    fields: tuple[Field, ...] = ()
    typed: dict[str, Any] = field(default_factory=dict)  # what stands in them at first
    hidden: dict[str, Any] = field(default_factory=dict)  # fields that go along as they are
    texts: Texts = field(default_factory=dict)  # for errors and refusals by the service, as of Form


def ask_confirmation(confirmation: Confirmation, model: type[M]) -> str:
    """Return the page of an action."""
    return _render(confirmation, Form(model, confirmation.typed))


def carry_out(confirmation: Confirmation, model: type[M], act: Callable[[M], str]) -> ResponseReturnValue:
    """Act as the form of this request says, and lead back; ask again where it or the service refuses.

    `act` takes the valid fields, does everything in one `audited` block, and returns the sentence that says what was
    done. Its ApiErrors of 400 to 428 are said beside the form.
    """
    form = Form.read(model, confirmation.texts)
    _check_subject(confirmation, form)
    _check_version(confirmation, form)
    done = form.submit(act)
    if done is None:
        return _render(confirmation, form), INVALID
    add_notice("done", done)
    return redirect(confirmation.back, 303)


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


def _render(confirmation: Confirmation, form: Form[M]) -> str:
    return render_template("admin/confirm.html", form=form, confirmation=confirmation)


class NotNow(Exception):
    """Refusal of an action that is not possible any more: the text, and the address of the page to go back to."""

    def __init__(self, text: str, back: str) -> None:
        super().__init__(text)
        self.text, self.back = text, back


def add_list(rule: str, name: str, page: ListPage[Any, Any]) -> None:
    """Declare the view of a list. Its filter is in the address; each view is audited."""

    def show() -> str:
        form = Form.read_query(page.query)
        with audited(*page.audit) as work:
            found = page.read(work, form.value)
            if page.notes_seen:
                work.note_seen(each.id for each in found.items)
            between = page.between(work, form, found.items) if page.between else []
        blocks = build_list_blocks(page, form, found, between)
        return render_page(page.title, blocks, page.lead, page.crumb, form)

    show.__name__ = name
    area.page(rule, Access.OPERATOR)(show)


def add_action(
    rule: str,
    name: str,
    describe: Callable[..., Confirmation],
    act: Callable[..., str],
    *,
    form: type[M] = NoFields,  # type: ignore[assignment] # mypy: a default is of no type variable
    access: Access = Access.ADMIN,
) -> None:
    """Declare an action as two views of one address: one asks once more, its form does it.

    `describe` takes the arguments of the address, `act` the valid form before them.
    """

    def ask(**at: Any) -> ResponseReturnValue:
        return _or_lead_back(lambda: ask_confirmation(describe(**at), form))

    def do(**at: Any) -> ResponseReturnValue:
        return _or_lead_back(lambda: carry_out(describe(**at), form, lambda wanted: act(wanted, **at)))

    ask.__name__, do.__name__ = f"ask_{name}", name
    area.page(rule, access)(ask)
    area.action(rule, access)(do)


def _or_lead_back(answer: Callable[[], ResponseReturnValue]) -> ResponseReturnValue:
    try:
        return answer()
    except NotNow as reason:
        add_notice("problem", reason.text)
        return redirect(reason.back, 303)
