"""Words of the book of an order: its sums, and what each movement of money was."""

from collections.abc import Mapping

from flask_babel import LazyString, lazy_gettext

from api.billing.queries import Movement, OrderBook
from api.models.book import BookKind

_l = lazy_gettext
_USED = _l("Temps utilisé")
_MOVEMENTS: Mapping[BookKind, LazyString] = {
    BookKind.PAID: _l("Payé"),
    BookKind.UNWATCHED: _l("Temps non surveillé, à rendre"),
    BookKind.ENDED: _USED,
    BookKind.UPGRADED: _USED,
    BookKind.OWED: _l("Remboursement demandé"),
    BookKind.REFUNDED: _l("Remboursé"),
    BookKind.RETURNED: _l("Remboursement qui a échoué"),
    BookKind.DISPUTE_OPENED: _l("Contestation ouverte auprès de la banque"),
    BookKind.DISPUTE_WON: _l("Contestation close : le paiement est maintenu"),
    BookKind.DISPUTE_LOST: _l("Contestation close : la banque a rendu l’argent"),
    BookKind.DISPUTE_CLOSED: _l("Contestation close sans suite"),
}
_RECEIVED: Mapping[BookKind, LazyString] = {  # from another payment
    BookKind.UPGRADED: _l("Reste de la formule précédente, déduit du prix"),
    BookKind.REVIVED: _l("Reste revenu de la formule suivante"),
    BookKind.BORNE: _l("Temps non surveillé, déduit du prix"),
    BookKind.OWED: _l("Remboursement demandé pour une autre commande"),
}
_PASSED: Mapping[BookKind, LazyString] = {  # to another payment
    BookKind.UPGRADED: _l("Reste passé à une formule plus grande"),
    BookKind.REVIVED: _l("Reste rendu à la formule précédente"),
    BookKind.BORNE: _l("Temps non surveillé, déduit du prélèvement suivant"),
    BookKind.OWED: _l("Remboursement demandé sur un paiement précédent"),
}
_ENDINGS: Mapping[tuple[BookKind, str], LazyString] = {
    (BookKind.UNWATCHED, "reclaimed"): _l("Temps non surveillé, qui ne sera pas déduit d’un prélèvement"),
    (BookKind.RETURNED, "bank"): _l("Remboursement que la banque a déjà fait"),
}


def name_movement(found: Movement) -> LazyString:
    """Return what a movement was, seen from its payment."""
    ending = _ENDINGS.get((found.kind, found.ending))
    by_way = _PASSED if found.net > 0 else _RECEIVED if found.net < 0 else _MOVEMENTS
    return ending or by_way.get(found.kind) or _MOVEMENTS[found.kind]


def list_sums(book: OrderBook) -> list[tuple[LazyString, int]]:
    """Return the sums of a book in cents, without those that are empty."""
    held = book.balances
    at_bank = held.disputed + held.lost  # neither used nor left, whatever became of the plan
    sums = [
        (_l("Payé"), book.paid),
        (_l("Déduit du prix"), book.lowered),
        (_l("Formule en cours, pas encore comptée"), -held.unearned - at_bank),
        (_USED, -held.earned - max(at_bank + held.unearned, 0)),
        (_l("Compté dans une autre commande"), book.passed_on),
        (_l("Remboursé"), book.given_back),
        (_l("Contesté, retenu par la banque"), held.disputed),
        (_l("Rendu par la banque après une contestation"), held.lost),
        (_l("Encore dû"), -held.owed),
    ]
    return [(name, cents) for name, cents in sums if cents > 0]
