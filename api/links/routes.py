"""Routes of /l: pages behind the links in messages. GET changes nothing, because mail scanners open every link.

The form of a page posts to its address without another token: the path is the secret, and no cookie is read. Mail
programs post there, too (https://www.rfc-editor.org/rfc/rfc8058).
"""

from collections.abc import Callable, Mapping

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

__all__ = ["blueprint"]

View = Callable[[str], ResponseReturnValue]  # of a token, which it reads


# By kind of link: what its page shows, and what its form does.
VIEWS: Mapping[type[Link], tuple[View, View | None]] = {
    VerifyAddress: (account_views.ask_verify, account_views.verify),
    ResetPassword: (account_views.ask_password, account_views.choose_password),
    ReturnAddress: (account_views.ask_return, account_views.take_back),
    KeepSecondFactor: (account_views.ask_to_keep_factor, account_views.keep_factor),
    OpenPortal: (contract_views.ask_portal, contract_views.open_portal),
    RefundClosedDesk: (contract_views.ask_refund, contract_views.choose_refund),
    StopGroup: (stop_views.ask_to_stop, stop_views.stop),
    StopAlerts: (stop_views.ask_to_stop, stop_views.stop),
    AnswerAlert: (answer_views.ask_answer, answer_views.answer_alert),
    MoveReminders: (answer_views.ask_reminders, answer_views.set_reminders),
    TellHowItWent: (answer_views.ask_went, answer_views.take_answer),
    AcknowledgeIncident: (account_views.ask_acknowledge, account_views.acknowledge),
    ShowProof: (stop_views.show_proof, None),
    ConfirmDeclaration: (contract_views.show_declaration, contract_views.confirm_declaration),
    ConfirmCancellation: (contract_views.show_notice, contract_views.answer_notice),
    WithdrawOrder: (contract_views.show_order, contract_views.withdraw),
    CancelOrder: (contract_views.show_contract, contract_views.cancel),
}


@blueprint.get("/<token>")
def show_link(token: str) -> ResponseReturnValue:
    """Show what a link would do."""
    return _find_views(token)[0](token)


@blueprint.post("/<token>")
def act(token: str) -> ResponseReturnValue:
    """Do what a link is for."""
    _, carry_out = _find_views(token)
    if carry_out is None:
        raise MethodNotAllowed(["GET", "HEAD"])
    return carry_out(token)


def _find_views(token: str) -> tuple[View, View | None]:
    """Return the views of a token's kind, which is logged with the request: the token is not."""
    kind = find_kind(token)
    if kind is None:
        raise LinkRefused("forged")
    bind_contextvars(link=kind.__name__)
    return VIEWS[kind]
