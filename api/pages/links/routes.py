"""Routes of /l: pages behind the links in messages. GET changes nothing, because mail scanners open every link.

The form of a page posts to its address without another token: the path is the secret, and no cookie is read. Mail
programs post there, too (https://www.rfc-editor.org/rfc/rfc8058).
"""

from collections.abc import Callable, Mapping

from flask.typing import ResponseReturnValue
from structlog.contextvars import bind_contextvars
from werkzeug.exceptions import MethodNotAllowed

from api.pages.area import Access
from api.pages.links import (
    account_views,
    answer_views,
    contract_views,
    help_views,
    look_views,
    stop_views,
)
from api.pages.links.area import area
from api.web.doors import Door
from configs.ground.signing import (
    AcknowledgeIncident,
    AnswerAlert,
    CancelOrder,
    ConfirmCancellation,
    ConfirmDeclaration,
    KeepSecondFactor,
    Link,
    LinkRefused,
    MoveReminders,
    OpenPage,
    OpenPortal,
    RefundClosedDesk,
    ReportLook,
    ResetPassword,
    ReturnAddress,
    ShowHelp,
    ShowProof,
    ShowSlots,
    StopAlerts,
    StopGroup,
    TellHowItWent,
    VerifyAddress,
    WithdrawOrder,
    find_kind,
)

__all__ = ["area"]

View = Callable[[str], ResponseReturnValue]  # of a token, which it reads


# By kind of link: what its page shows, what its form does, and what a stranger may try there.
VIEWS: Mapping[type[Link], tuple[View, View | None, Door]] = {
    VerifyAddress: (account_views.ask_verify, account_views.verify, Door.SIGNED),
    ResetPassword: (account_views.ask_password, account_views.choose_password, Door.CHOICE),
    ReturnAddress: (account_views.ask_return, account_views.take_back, Door.SIGNED),
    KeepSecondFactor: (account_views.ask_to_keep_factor, account_views.keep_factor, Door.SIGNED),
    OpenPortal: (contract_views.ask_portal, contract_views.open_portal, Door.SIGNED),
    RefundClosedDesk: (contract_views.ask_refund, contract_views.choose_refund, Door.SIGNED),
    StopGroup: (stop_views.ask_to_stop, stop_views.stop, Door.ONE_CLICK),
    StopAlerts: (stop_views.ask_to_stop, stop_views.stop, Door.ONE_CLICK),
    AnswerAlert: (answer_views.ask_answer, answer_views.answer_alert, Door.SIGNED),
    MoveReminders: (answer_views.ask_reminders, answer_views.set_reminders, Door.SIGNED),
    TellHowItWent: (answer_views.ask_went, answer_views.take_answer, Door.SIGNED),
    AcknowledgeIncident: (account_views.ask_acknowledge, account_views.acknowledge, Door.SIGNED),
    ShowProof: (stop_views.show_proof, None, Door.SIGNED),
    ReportLook: (look_views.ask_look, look_views.take_look, Door.SIGNED),
    ShowHelp: (help_views.ask_help, help_views.change_help, Door.CHOICE),
    OpenPage: (look_views.open_page, None, Door.SIGNED),
    ShowSlots: (stop_views.show_slots, None, Door.SIGNED),
    ConfirmDeclaration: (contract_views.show_declaration, contract_views.confirm_declaration, Door.SIGNED),
    ConfirmCancellation: (contract_views.show_notice, contract_views.answer_notice, Door.SIGNED),
    WithdrawOrder: (contract_views.show_order, contract_views.withdraw, Door.SIGNED),
    CancelOrder: (contract_views.show_contract, contract_views.cancel, Door.SIGNED),
}


@area.page("/<token>", Access.LINK)
def show_link(token: str) -> ResponseReturnValue:
    """Show what a link would do."""
    return _find_views(token)[0](token)


def find_link_door(token: str) -> Door:
    """Return what may be tried by the form of a link."""
    kind = find_kind(token)
    return VIEWS[kind][2] if kind else Door.SIGNED


@area.action("/<token>", Access.LINK, door=find_link_door)
def act(token: str) -> ResponseReturnValue:
    """Do what a link is for."""
    carry_out = _find_views(token)[1]
    if carry_out is None:
        raise MethodNotAllowed(["GET", "HEAD"])
    return carry_out(token)


def _find_views(token: str) -> tuple[View, View | None, Door]:
    """Return the views of a token's kind, which is logged with the request: the token is not."""
    kind = find_kind(token)
    if kind is None:
        raise LinkRefused("forged")
    bind_contextvars(link=kind.__name__)
    return VIEWS[kind]
