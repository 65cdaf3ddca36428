"""Operators' pages of payments: the list, one payment with its refund, differences with Stripe, daily totals."""

from uuid import UUID

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from api.admin.access import audited
from api.admin.payments import actions, queries
from api.admin.payments.schemas import NewRefund, PaymentQuery, TotalsQuery
from api.invoices.queries import read_daily_totals
from api.models.payment import PaymentStatus
from api.pages.admin.confirmation import ask_confirmation, carry_out
from api.pages.admin.listing import build_first_url, build_next_url
from api.pages.admin.payments import words
from api.pages.admin.payments.refund_form import (
    AmountQuery,
    RefundForm,
    describe_refund,
    parse_amount,
)
from api.pages.admin.payments.view_data import PaymentView, read_payment_view
from api.pages.area import Access, Area
from api.pages.context import write_money
from api.pages.forms import Form
from api.pages.notices import add_notice
from api.pages.plan import book_words
from api.paging import PageQuery

area = Area("admin_payments", __name__)


@area.page("/admin/paiements", Access.OPERATOR)
def list_payments() -> str:
    """List payments, the newest first."""
    form = Form.read_query(PaymentQuery)
    with audited("payments.list", "payment") as work:
        found = queries.list_payments(work.session, form.value)
        work.note_seen(each.id for each in found.items)
    return render_template(
        "admin_payments/payments.html",
        form=form,
        payments=found.items,
        words=words,
        choices=[(each.value, words.PAYMENT_STATUSES[each][1]) for each in PaymentStatus],
        first=build_first_url(form),
        next=build_next_url(form, before=found.next),
    )


@area.page("/admin/paiements/<uuid:id>", Access.OPERATOR)
def show_payment(id: UUID) -> str:  # noqa: A002 -- the name in the address
    """Show a payment with everything that happened to it."""
    view = _read_payment(id)
    return render_template(
        "admin_payments/payment.html",
        view=view,
        words=words,
        book=view.book,
        book_words=book_words,
        refund_reasons=words.REFUND_REASONS,
    )


@area.page("/admin/paiements/<uuid:id>/remboursement", Access.PROVEN_ADMIN)
def ask_refund(id: UUID) -> ResponseReturnValue:  # noqa: A002
    """Ask once more before money goes back."""
    wanted, view = Form.read_query(AmountQuery), _read_payment(id)
    cents = None if wanted.errors else parse_amount(wanted.value.amount, view.left)
    if cents is None or not 0 < cents <= view.left:
        return _refuse_amount(view)
    return ask_confirmation(describe_refund(view, cents), RefundForm)


@area.action("/admin/paiements/<uuid:id>/remboursement", Access.PROVEN_ADMIN)
def refund_payment(id: UUID) -> ResponseReturnValue:  # noqa: A002
    """Give money back."""
    view = _read_payment(id)
    cents = request.form.get("cents", 0, type=int)
    if not 0 < cents <= view.left:  # all of it went back since the page was shown
        return _refuse_amount(view)

    def act(wanted: RefundForm) -> str:
        actions.refund_payment(id, NewRefund(amount=wanted.cents, note=wanted.note), wanted.left)
        return f"Stripe est prié de rendre {write_money(wanted.cents)}."

    return carry_out(describe_refund(view, cents), RefundForm, act)


@area.page("/admin/paiements/ecarts", Access.OPERATOR)
def list_differences() -> str:
    """List what the daily comparison with Stripe found, the newest first: both sides of each."""
    form = Form.read_query(PageQuery)
    with audited("payment-differences.list", "payment-difference") as work:
        found = queries.list_differences(work.session, form.value)
    return render_template(
        "admin_payments/differences.html",
        differences=found.items,
        first=build_first_url(form),
        next=build_next_url(form, before=found.next),
    )


@area.page("/admin/paiements/totaux", Access.OPERATOR)
def list_totals() -> str:
    """List daily totals of invoices less credit notes, per plan and VAT line."""
    form = Form.read_query(TotalsQuery)
    first, last = form.value.days
    with audited("invoice-totals.export", "invoice") as work:
        work.changes.update({"first": first.isoformat(), "last": last.isoformat()})
        totals = read_daily_totals(work.session, first, last)
    return render_template(
        "admin_payments/totals.html", form=form, totals=totals, first_day=first, last_day=last
    )


def _read_payment(payment_id: UUID) -> PaymentView:
    with audited("payment.view", "payment", payment_id) as work:
        return read_payment_view(work, payment_id)


def _refuse_amount(view: PaymentView) -> ResponseReturnValue:
    """Lead back to the payment, and say what can go back."""
    text = (
        f"De ce paiement, {words.write_refundable(view.left)}, pas plus : écrivez un montant comme 4,50."
        if view.left
        else "De ce paiement, rien ne peut être rendu : il n’a pas été payé, ou tout l’a déjà été."
    )
    add_notice("problem", text)
    return redirect(url_for("admin_payments.show_payment", id=view.payment.id), 303)
