"""View data of sending dead letters again: which ones are meant, what it does, and what it did, in French."""

from typing import Annotated, Any
from uuid import UUID

from flask import url_for
from pydantic import Field

from api.admin.access import audited
from api.admin.system.queries import count_dead_letters
from api.admin.system.schemas import DAY, MONTH, MOST_REPLAYED, Kind, Part, Replay, Replayed
from api.models.user import Channel
from api.pages.admin.confirmation import Confirmation
from api.pages.admin.words import count
from api.pages.error_texts import Texts
from api.pages.message_words import CHANNEL_NAMES
from api.schemas import Body

_TEXTS: Texts = {"nothing-left": "Plus rien ne correspond : un autre renvoi a déjà pris ces messages."}


class ReplayForm(Body):
    """Which dead letters to send again: one by its `id`, or those of a filter. `unsure`: also what may have arrived."""

    id: UUID | None = None
    channel: Channel | None = None
    kind: Kind | None = None
    reason: Part | None = None
    hours: Annotated[int, Field(ge=1, le=MONTH)] = DAY
    unsure: bool = False


def build_replay(wanted: ReplayForm) -> Replay:
    """Return what the service is asked for."""
    return Replay(
        ids=[wanted.id] if wanted.id else [],
        channel=wanted.channel,
        kind=wanted.kind,
        reason=wanted.reason,
        hours=wanted.hours,
        most=MOST_REPLAYED,
        unsure=wanted.unsure,
    )


def describe_replay(wanted: ReplayForm) -> Confirmation:
    """Return what it does to send these messages again. Of several, their number is typed."""
    with audited("dead-letters.list", "notification") as work:
        number = count_dead_letters(work.session, build_replay(wanted))
    leaving = count(number, "message repart", "messages repartent")
    effects = [
        f"{leaving} aussitôt, avec de nouveaux essais{_describe_filter(wanted)}.",
        "Ce qui a expiré, ou qu’un autre message a déjà annoncé à la même personne, n’est pas envoyé.",
        "Ce qui est peut-être arrivé n’est envoyé que si vous cochez la case.",
    ]
    if not number:
        effects = [str(_TEXTS["nothing-left"])]
    if number == MOST_REPLAYED:
        effects.insert(1, f"C’est le plus en une fois : les {number} derniers. Recommencez pour les autres.")
    return Confirmation(
        title="Renvoyer ce message ?" if wanted.id else f"Renvoyer {count(number, 'message', 'messages')} ?",
        effects=tuple(effects),
        button="Renvoyer",
        back=url_for("admin_dead_letters.list_dead_letters", **_keep_filter(wanted)),
        subject=None if wanted.id else str(number),
        subject_label="Pour confirmer, recopiez le nombre de messages",
        template="admin_dead_letters/replay.html",
        texts=_TEXTS,
    )


def describe_done(done: Replayed) -> str:
    """Return the sentence that says what a replay did."""
    left = done.chosen - len(done.replayed)
    text = f"{count(len(done.replayed), 'message repart', 'messages repartent')}."
    return f"{text} {count(left, 'reste en échec', 'restent en échec')}." if left else text


def _describe_filter(wanted: ReplayForm) -> str:
    if wanted.id:
        return ""
    parts = [
        str(CHANNEL_NAMES[wanted.channel]) if wanted.channel else "",
        wanted.kind or "",
        f"« {wanted.reason} »" if wanted.reason else "",
        f"échoués depuis {count(wanted.hours, 'heure', 'heures')}",
    ]
    return f" ({', '.join(each for each in parts if each)})"


def _keep_filter(wanted: ReplayForm) -> dict[str, Any]:
    return {"channel": wanted.channel, "kind": wanted.kind, "hours": wanted.hours}
