"""The area of operators' pages, in French: lists and actions are data, which this module makes views of."""

from collections.abc import Callable
from typing import Any, TypeVar

from flask import redirect
from flask.typing import ResponseReturnValue
from pydantic import BaseModel

from api.admin.access import audited
from api.pages.admin.confirmation import Confirmation, NoFields, ask_confirmation, carry_out
from api.pages.admin.page_data import ListPage, build_list_blocks, render_page
from api.pages.area import Access, Area
from api.pages.forms import Form
from api.pages.notices import add_notice

M = TypeVar("M", bound=BaseModel)
area = Area("admin", __name__)


class NotNow(Exception):
    """Refusal of an action that is not possible any more: the text, and the address of the page to go back to."""

    def __init__(self, text: str, back: str) -> None:
        super().__init__(text)
        self.text, self.back = text, back


def add_list(rule: str, name: str, page: ListPage[Any, Any]) -> None:
    """Declare the view of a list. Its filter stands in the address; each view is audited."""

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
