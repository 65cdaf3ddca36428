"""The dashboard, to which Checkout leads back, and pages of plans and payments.

These are the current plan, orders, the history, cancelling, and Stripe's portal.
"""

from datetime import date
from typing import Any
from uuid import UUID

from flask import Response, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from api.alerts.schemas import AlertQuery
from api.ground.errors import ApiError, not_found
from api.models.base import read_once
from api.models.declaration import DeclaredBy
from api.pages.alerts.view_data import write_freshness
from api.pages.area import Access, Area, answer_live
from api.pages.choices import list_place_options, list_procedures
from api.pages.context import write_end, write_money
from api.pages.cookies import lead_to
from api.pages.forms import INVALID, Form, read_page_query
from api.pages.plan.declaration_words import CANCELLATION_TEXTS, REFUSALS, WITHDRAWAL_TEXTS
from api.pages.plan.order import (
    BUTTON,
    OrderForm,
    build_order,
    describe_wish,
    find_newest_paid,
    is_settled,
    keep_friend,
    read_order_form,
    read_order_page,
    read_plan_name,
    read_wish,
    read_wish_arguments,
    read_wished_plans,
    refuse_order,
)
from api.pages.plan.view_data import (
    list_sums,
    name_movement,
    read_dashboard,
    read_own_payment,
    read_payments,
    read_plan_page,
)
from api.pages.words import CREDIT_REASONS, PAYMENT_STATUSES, REFUND_REASONS, REFUND_STATUSES
from api.payments.billing import service
from api.payments.billing.queries import find_newest_order
from api.payments.billing.referrals import list_friend_plans, read_friend_token
from api.payments.declarations import service as declarations
from api.payments.declarations.cancellations import read_own_contract
from api.payments.declarations.records import Author
from api.payments.declarations.schemas import CancellationChoice, LinkedWithdrawal
from api.payments.declarations.withdrawals import read_order
from api.payments.invoices.queries import list_payment_invoices
from api.web.auth import current_identity, current_user, current_user_id
from configs.ground.text import choose_page_language
from configs.settings import settings
from configs.world.plan import PlanName, name_plan
from configs.world.prefecture import prefectures
from configs.world.sales_terms import WITHDRAW_PATH

dashboard = Area("dashboard", __name__)
area = Area("plan", __name__)
_CONFLICT = 409


@dashboard.page("/dashboard", Access.PERSONAL)
def show_dashboard() -> str:
    """Show the plan and the alerts; Checkout leads back here."""
    paid, ordered = request.args.get("payment") == "success", read_plan_name()
    view = read_dashboard(read_page_query(AlertQuery), ordered, paid=paid)
    return render_template(
        "dashboard/dashboard.html",
        **view,
        fresh=write_freshness,
        paid=paid,
        payment_is_settled=is_settled(view["payment"]),
        confirmation_url=url_for("plan.show_confirmation", plan=ordered),
        paid_plan=ordered and name_plan(ordered),
    )


@area.page("/formule", Access.PERSONAL)
def show_plan() -> str:
    """Show the plan, what could be ordered, and the newest payments."""
    return render_template(
        "plan/plan.html",
        page=read_plan_page(),
        statuses=PAYMENT_STATUSES,
        wish=read_wish_arguments(),
        wished=read_wished_plans(),
    )


@area.page("/ami/<token>", Access.VISITOR)
def show_friend_link(token: str) -> str:
    """Show what the link of a person gives to an order, which will name it."""
    if not settings().friends:
        raise not_found("page")
    read_friend_token(token)
    keep_friend(token)
    return render_template("friends/friend.html", sold=list_friend_plans())


@area.page("/formule/commande", Access.PERSONAL)
def show_order() -> ResponseReturnValue:
    name = read_plan_name()
    if name is None:
        wish: dict[str, Any] = {**read_wish_arguments()}
        return lead_to("plan.show_plan", **wish)
    return _render_order(Form(OrderForm), name)


@area.page("/formule/commande/guichets", Access.PERSONAL, polled=True)
def show_offer() -> Response:
    """Answer the live part of an order that waits for a check of its desks."""
    wish = read_wish()
    described = describe_wish(wish) if wish else None
    if described is None:
        raise not_found("alert")
    part = render_template("plan/_offer.html", wish=described)
    return answer_live({"offer": part}, stop=not described["is_asked"])


@area.action("/formule/commande", Access.PERSONAL)
def order() -> ResponseReturnValue:
    """Place an order, and lead to Checkout."""
    name, form = read_plan_name(), read_order_form()
    if name is None:
        return lead_to("plan.show_plan")
    if not form.errors:
        if BUTTON not in request.form:
            form.errors[""] = _("Relisez votre commande, puis envoyez-la par le bouton ci-dessous.")
        elif request.form.get("paid", "") != find_newest_paid():
            form.errors[""] = _(
                "Une commande a été payée entre-temps. Voici ce que celle-ci donnerait de plus."
            )
    if form.errors:
        return _render_order(form, name), INVALID
    try:
        return redirect(service.start_checkout(current_user_id(), build_order(form)).checkout_url, 303)
    except ApiError as error:
        return _refuse(form, name, error)


@area.page("/formule/confirmation", Access.PERSONAL, polled=True)
def show_confirmation() -> Response:
    """Answer the live part of the dashboard that waits for a payment."""
    entry = read_once(find_newest_order, current_user_id(), read_plan_name())
    part = render_template("plan/_confirmation.html", entry=entry, zone=current_identity().time_zone)
    return answer_live({"payment": part}, stop=is_settled(entry))


@area.page("/formule/paiements", Access.PERSONAL)
def list_payments() -> str:
    before = request.args.get("before", type=UUID)
    page, account_zone = read_payments(before), current_identity().time_zone
    return render_template("plan/payments.html", page=page, statuses=PAYMENT_STATUSES, zone=account_zone)


@area.page("/formule/paiements/<uuid:id>", Access.PERSONAL)
def show_payment(id: UUID) -> str:
    entry, book = read_own_payment(id)
    return render_template(
        "plan/payment.html",
        entry=entry,
        book=book,
        list_sums=list_sums,
        name_movement=name_movement,
        invoices=read_once(list_payment_invoices, current_user_id(), id),
        zone=current_identity().time_zone,
        statuses=PAYMENT_STATUSES,
        refund_reasons=REFUND_REASONS,
        refund_statuses=REFUND_STATUSES,
        credit_reasons=CREDIT_REASONS,
    )


@area.page("/formule/resiliation", Access.PERSONAL)
def show_cancellation() -> ResponseReturnValue:
    """Show when the subscription can end, and what goes back then; then the choice once more."""
    return _render_cancellation(Form(CancellationChoice))


@area.action("/formule/resiliation", Access.PERSONAL)
def cancel() -> ResponseReturnValue:
    """Give notice that the subscription shall end; sent twice it changes nothing."""
    form = Form.read(CancellationChoice, CANCELLATION_TEXTS)
    if form.errors:
        return _render_cancellation(form, INVALID)
    author = Author(DeclaredBy.ACCOUNT, choose_page_language(current_identity().language), form.value.name)
    try:
        done = declarations.cancel_own(current_user_id(), form.value.choice, author)
    except ApiError as error:
        form.refuse(error, "wished")
        return _render_cancellation(form, error.status)
    ends = write_end(done.ends_at, current_identity().time_zone)
    text = _("Votre résiliation est notifiée. Le contrat prend fin le %(end)s.", end=ends)
    if done.refund:
        text += " " + _("%(amount)s vous sont remboursés à cette date.", amount=write_money(done.refund))
    return lead_to("plan.show_plan", f"{text} {_('Un message le confirme.')}")


@area.action("/formule/resiliation/annulation", Access.PERSONAL)
def undo_cancellation() -> ResponseReturnValue:
    """Let the subscription go on, as long as its end has not come."""
    if declarations.undo_own(current_user_id()):
        return lead_to("plan.show_plan", _("La résiliation est annulée : votre contrat continue."))
    text = _("Il n’y a pas de résiliation à annuler, ou elle a déjà pris effet.")
    return lead_to("plan.show_plan", text, "problem")


@area.page("/formule/retractation/<uuid:id>", Access.PERSONAL)
def show_withdrawal(id: UUID) -> ResponseReturnValue:
    """Show what a withdrawal from an order would give back, or the one that was declared."""
    return _render_withdrawal(id, Form(LinkedWithdrawal))


@area.action("/formule/retractation/<uuid:id>", Access.PERSONAL)
def withdraw(id: UUID) -> ResponseReturnValue:
    """Withdraw from an order; sent twice it changes nothing."""
    form = Form.read(LinkedWithdrawal, WITHDRAWAL_TEXTS)
    if form.errors:
        return _render_withdrawal(id, form, INVALID)
    author = Author(DeclaredBy.ACCOUNT, choose_page_language(current_identity().language), form.value.name)
    try:
        declarations.withdraw_order(id, author, current_user_id())
    except ApiError as error:
        if error.status != _CONFLICT:
            raise
        return _render_withdrawal(id, form, _CONFLICT)
    return lead_to("plan.show_withdrawal", id=id)


@area.action("/formule/portail", Access.PERSONAL)
def open_portal() -> ResponseReturnValue:
    """Lead to Stripe's portal, where cards are changed and invoices found."""
    try:
        return redirect(service.open_portal(current_user()), 303)
    except ApiError as error:
        text = (
            _("Les cartes et les factures s’ouvrent après un premier paiement.")
            if error.status == _CONFLICT
            else _("La page des cartes et factures ne répond pas. Réessayez dans une minute.")
        )
        return lead_to("plan.show_plan", text, "problem")


def _render_order(form: Form[OrderForm], name: PlanName) -> str:
    page = read_order_page(name, read_wish())
    return render_template(
        "plan/order.html",
        form=form,
        page=page,
        button=BUTTON,
        withdraw_path=WITHDRAW_PATH,
        terms_date=date.fromisoformat(page["terms_version"]),
        terms_url=url_for("legal.show_version", name="conditions", version=page["terms_version"]),
        wish_arguments=read_wish_arguments(),
        place_names={each.id: f"{each.name} ({each.department})" for each in prefectures().values()},
        places=list_place_options(),
        procedures=list_procedures(),
    )


def _refuse(form: Form[OrderForm], name: PlanName, error: ApiError) -> ResponseReturnValue:
    if error.word == "already-paid":
        return lead_to("plan.list_payments", _("Une commande vient d’être payée. La voici."), "problem")
    refuse_order(form, error)
    if seconds := error.headers.get("Retry-After"):
        form.errors[""] += " " + _("Réessayez dans %(seconds)s secondes.", seconds=seconds)
    return make_response(_render_order(form, name), error.status, error.headers)


def _render_withdrawal(
    payment_id: UUID, form: Form[LinkedWithdrawal], status: int = 200
) -> ResponseReturnValue:
    state = read_once(read_order, payment_id, current_user_id())
    return render_template("plan/withdrawal.html", state=state, form=form, refusals=REFUSALS), status


def _render_cancellation(form: Form[CancellationChoice], status: int = 200) -> ResponseReturnValue:
    contract = read_once(read_own_contract, current_user_id())
    chosen = contract.find_choice(request.args.get("wished")) if contract and not form.errors else None
    return render_template("plan/cancellation.html", form=form, contract=contract, chosen=chosen), status
