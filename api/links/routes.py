"""Routes of /l: pages behind the links in messages. GET changes nothing, because mail scanners open every link.

The form of a page posts to its address without another token: the path is the secret, and no cookie is read. Mail
programs post there, too (https://www.rfc-editor.org/rfc/rfc8058).
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from flask.typing import ResponseReturnValue
from structlog.contextvars import bind_contextvars
from werkzeug.exceptions import MethodNotAllowed

from api.links import (
    account_views,
    answer_views,
    contract_views,
    stop_views,
)
from api.links.blueprint import blueprint
from configs.ground.signed_links import (
    AcknowledgeIncident,
    AnswerAlert,
    CancelOrder,
    ConfirmCancellation,
    ConfirmDeclaration,
    KeepSecondFactor,
    Link,
    MoveReminders,
    OpenPortal,
    RefundClosedDesk,
    ResetPassword,
    ReturnAddress,
    ShowProof,
    StopAlerts,
    StopGroup,
    TellHowItWent,
    VerifyAddress,
    WithdrawOrder,
    find_kind,
)
from configs.ground.signing import LinkRefused

__all__ = ["blueprint"]

View = Callable[[str], ResponseReturnValue]  # of a token, which it reads


class LinkViews(NamedTuple):
    """What a kind of link shows, and what its form does."""

    page: View
    act: View | None


VIEWS: Mapping[type[Link], LinkViews] = {
    VerifyAddress: LinkViews(account_views.ask_verify, account_views.verify),
    ResetPassword: LinkViews(account_views.ask_password, account_views.choose_password),
    ReturnAddress: LinkViews(account_views.ask_return, account_views.take_back),
    KeepSecondFactor: LinkViews(account_views.ask_to_keep_factor, account_views.keep_factor),
    OpenPortal: LinkViews(contract_views.ask_portal, contract_views.open_portal),
    RefundClosedDesk: LinkViews(contract_views.ask_refund, contract_views.choose_refund),
    StopGroup: LinkViews(stop_views.ask_to_stop, stop_views.stop),
    StopAlerts: LinkViews(stop_views.ask_to_stop, stop_views.stop),
    AnswerAlert: LinkViews(answer_views.ask_answer, answer_views.answer_alert),
    MoveReminders: LinkViews(answer_views.ask_reminders, answer_views.set_reminders),
    TellHowItWent: LinkViews(answer_views.ask_went, answer_views.take_answer),
    AcknowledgeIncident: LinkViews(account_views.ask_acknowledge, account_views.acknowledge),
    ShowProof: LinkViews(stop_views.show_proof, None),
    ConfirmDeclaration: LinkViews(contract_views.show_declaration, contract_views.confirm_declaration),
    ConfirmCancellation: LinkViews(contract_views.show_notice, contract_views.answer_notice),
    WithdrawOrder: LinkViews(contract_views.show_order, contract_views.withdraw),
    CancelOrder: LinkViews(contract_views.show_contract, contract_views.cancel),
}


@blueprint.get("/<token>")
def show_link(token: str) -> ResponseReturnValue:
    """Show what a link would do."""
    return _find_views(token).page(token)


@blueprint.post("/<token>")
def act(token: str) -> ResponseReturnValue:
    """Do what a link is for."""
    views = _find_views(token)
    if views.act is None:
        raise MethodNotAllowed(["GET", "HEAD"])
    return views.act(token)


def _find_views(token: str) -> LinkViews:
    """Return the views of a token's kind, which is logged with the request: the token is not."""
    kind = find_kind(token)
    if kind is None:
        raise LinkRefused("forged")
    bind_contextvars(link=kind.__name__)
    return VIEWS[kind]
