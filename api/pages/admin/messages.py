"""Operators' pages of messages: all of them, those that failed for good, sending these again; requests to support."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from flask import request, url_for

from api.admin.access import audited
from api.admin.audit import AuditedWork
from api.admin.messages import (
    MOST_REPLAYED,
    Cause,
    DeadLetterQuery,
    MessageQuery,
    Replay,
    count_dead_letters,
    list_causes,
    list_dead_letters,
    list_messages,
    replay_dead_letters,
    search_dead_letters,
)
from api.admin.support import (
    SupportAnswer,
    SupportQuery,
    answer_request,
    end_request,
    list_requests,
    read_request,
)
from api.ground.errors import ApiError, not_found
from api.ground.paging import DAY
from api.models.notification import Notification, State
from api.models.support import SupportRequest
from api.models.user import Channel
from api.pages.admin import cells
from api.pages.admin.area import Confirmation, NotNow, add_action, add_list, area
from api.pages.admin.page_data import (
    Block,
    Cell,
    Column,
    Facts,
    Field,
    Table,
    Text,
    name_field,
    number_field,
    render_page,
)
from api.pages.admin.users import PERSON
from api.pages.admin.words import count
from api.pages.area import Access
from api.pages.forms import Form, Texts
from api.pages.words import CHANNEL_NAMES, STATE_WORDS, describe_state
from configs.ground.logs import mask_text

_REQUEST = "/admin/demandes/<int:id>"
_REQUEST_ENDED = "Cette demande est déjà traitée."
_EMPTY = "Écrivez la réponse."
_REQUEST_TEXTS: Texts = {
    "request-ended": _REQUEST_ENDED,
    ("answer", "missing"): _EMPTY,
    ("answer", "value_error"): _EMPTY,
}
_DEAD = "/admin/messages-echoues"
_CHANNELS = Field("channel", "Canal", [(each.value, CHANNEL_NAMES[each]) for each in Channel])
_KIND = name_field("kind", "Sorte", maxlength="60")
_HOURS = number_field("hours", "Depuis combien d’heures", DAY)
_NOTHING_LEFT = "Plus rien ne correspond : un autre renvoi a déjà pris ces messages."


def _show_reason(message: Notification) -> str:
    return mask_text(message.reason) if message.reason else cells.NOTHING  # a provider may repeat the address


def _show_message(message: Notification) -> Cell:
    account = cells.user_link(message.user_id, hidden=message.id) if message.user_id else "Sans compte"
    provider = f"· {message.provider}" if message.provider else ""
    return cells.lines(
        cells.row(CHANNEL_NAMES[message.channel], cells.code(message.kind)), cells.hint(account, provider)
    )


def _show_attempts(message: Notification) -> Cell:
    unknown = message.unknown_attempts
    return cells.lines(message.attempts, unknown > 0 and cells.hint("dont", unknown, "sans réponse"))


def _show_state(message: Notification) -> Cell:
    tone, text = describe_state(message.channel, message.state)
    due = message.next_attempt_at if message.state is State.PENDING else None
    return cells.lines(
        cells.row(cells.badge(text, tone), cells.hint(message.priority.value)), due and cells.hint(due)
    )


add_list(
    "/admin/messages",
    "list_messages",
    title="Messages",
    lead="Ce qui part vers les gens, sans adresse ni texte. Sans compte choisi : les dernières heures.",
    query=MessageQuery,
    audit=("notifications.list", "notification"),
    read=lambda work, wanted: list_messages(work.session, wanted),
    notes_seen=True,
    filters=(
        _CHANNELS,
        Field("state", "État", [(each.value, STATE_WORDS[each][1]) for each in State]),
        _KIND,
        name_field("userId", "Identifiant du compte", maxlength="36"),
        _HOURS,
    ),
    columns=(
        Column("Écrit", "created_at"),
        Column("Message", _show_message, "head"),
        Column("État", _show_state),
        Column("Cause", _show_reason, "english"),
        Column("Essais", _show_attempts, "number"),
        Column("Accepté", "accepted_at"),
        Column("Arrivé", "delivered_at"),
        Column("Langue", "language"),
    ),
    empty="Aucun message ne correspond.",
)


def _show_cause_replay(cause: Cause, hours: int) -> Cell:
    if not cause.reason:
        return cells.NOTHING
    told_apart = f": {cause.reason}, {CHANNEL_NAMES[cause.channel]}, {cause.kind}"
    chosen = {
        "channel": cause.channel.value,
        "kind": cause.kind,
        "reason": cause.reason[:200],
        "hours": hours,
    }
    return cells.link("Renvoyer ceux-ci", "admin.ask_replay", told_apart, **chosen)


def _list_causes(
    work: AuditedWork, form: Form[DeadLetterQuery], letters: Sequence[Notification]
) -> list[Block]:
    hours = form.value.hours
    columns: tuple[Column[Cause], ...] = (
        Column("Cause", "reason", "head"),
        Column("Canal", lambda each: str(CHANNEL_NAMES[each.channel])),
        Column("Sorte", lambda each: cells.code(each.kind)),
        Column("Messages", "messages", "number"),
        Column("Action", lambda each: _show_cause_replay(each, hours)),
    )
    caption = "Causes des échecs, de tous les canaux et de toutes les sortes"
    blocks: list[Block] = [Table(caption, columns, list_causes(work.session, hours), title="Causes")]
    if letters and not form.errors:
        chosen = {name: form.typed.get(name) for name in ("channel", "kind", "reason")}
        every = cells.second_button(
            "Renvoyer tous ceux de ce filtre", "admin.ask_replay", hours=hours, **chosen
        )
        blocks.append(Text(every))
    return blocks


add_list(
    _DEAD,
    "list_dead_letters",
    title="Messages échoués",
    lead="Messages que plus aucun essai n’attend : le fournisseur les a refusés, ou ses réponses ont manqué trop "
    "longtemps.",
    query=DeadLetterQuery,
    audit=("dead-letters.list", "notification"),
    read=lambda work, wanted: list_dead_letters(work.session, wanted),
    notes_seen=True,
    filters=(_CHANNELS, _KIND, Field("reason", "Cause", attributes={"autocomplete": "off"}), _HOURS),
    search=replace(
        PERSON,
        name="find_dead_letters",
        audit=("dead-letters.search", "notification"),
        find=search_dead_letters,
        empty="Personne n’est trouvé, ou aucun de ses messages n’a échoué.",
    ),
    between=_list_causes,
    columns=(
        Column("Échec", "failed_at"),
        Column("Message", _show_message, "head"),
        Column("Cause", _show_reason, "english"),
        Column("Essais", _show_attempts, "number"),
        Column("Action", lambda each: cells.link("Renvoyer", "admin.ask_replay", each.id, id=each.id)),
    ),
    heading="Messages",
    empty="Aucun message n’a échoué dans ce temps.",
)


def _replay(work: AuditedWork, wanted: Replay) -> str:
    chosen, replayed = replay_dead_letters(work.session, wanted)
    if not chosen:
        raise ApiError(409, "nothing-left", "no dead letter fits: another replay took them")
    work.changes["replayed"] = [str(each) for each in replayed]
    return _write_done(chosen, replayed)


@add_action(f"{_DEAD}/renvoi", "dead-letters.replay", _replay, form=Replay, kind="notification")
def _ask_replay() -> Confirmation:
    """Return what it does to send the messages of this request again. Of several, their number is typed."""
    form = Form.read(Replay) if request.method == "POST" else Form.read_query(Replay)
    if form.errors:  # the value would be a choice of everything
        raise not_found("choice of messages")
    wanted = form.value
    with audited("dead-letters.list", "notification") as work:
        chosen = count_dead_letters(work.session, wanted)
    leaving = count(chosen, "message repart", "messages repartent")
    effects = [
        f"{leaving} aussitôt, avec de nouveaux essais{_describe_filter(wanted)}.",
        "Ce qui a expiré, ou qu’un autre message a déjà annoncé à la même personne, n’est pas envoyé.",
        "Ce qui est peut-être arrivé n’est envoyé que si vous cochez la case.",
    ]
    if not chosen:
        effects = [_NOTHING_LEFT]
    if chosen == MOST_REPLAYED:
        effects.insert(1, f"C’est le plus en une fois : les {chosen} derniers. Recommencez pour les autres.")
    kept: dict[str, Any] = {"channel": wanted.channel, "kind": wanted.kind, "hours": wanted.hours}
    return Confirmation(
        title="Renvoyer ce message ?" if wanted.id else f"Renvoyer {count(chosen, 'message', 'messages')} ?",
        effects=tuple(effects),
        button="Renvoyer",
        back=url_for("admin.list_dead_letters", **kept),
        subject=None if wanted.id else str(chosen),
        subject_label="Pour confirmer, recopiez le nombre de messages",
        hidden=kept | {"id": wanted.id, "reason": wanted.reason},
        fields=(
            Field(
                "unsure",
                "Renvoyer aussi ce qui est peut-être arrivé",
                hint="Son destinataire peut alors le recevoir deux fois.",
                is_box=True,
            ),
        ),
        texts={"nothing-left": _NOTHING_LEFT},
    )


def _describe_filter(wanted: Replay) -> str:
    if wanted.id:
        return ""
    parts = [
        str(CHANNEL_NAMES[wanted.channel]) if wanted.channel else "",
        wanted.kind or "",
        f"« {wanted.reason} »" if wanted.reason else "",
        f"échoués depuis {count(wanted.hours, 'heure', 'heures')}",
    ]
    return f" ({', '.join(each for each in parts if each)})"


def _write_done(chosen: int, replayed: Sequence[UUID]) -> str:
    left = chosen - len(replayed)
    text = f"{count(len(replayed), 'message repart', 'messages repartent')}."
    return f"{text} {count(left, 'reste en échec', 'restent en échec')}." if left else text


def _show_request_state(request: SupportRequest) -> Cell:
    if request.ended_at is None:
        return cells.badge("À traiter", "warn")
    return cells.row(cells.badge("Répondue" if request.answer else "Close", "good"), request.ended_at)


add_list(
    "/admin/demandes",
    "list_requests",
    title="Demandes",
    lead="Ce que les gens écrivent à l’assistance.",
    query=SupportQuery,
    audit=("support.list", "support"),
    read=lambda work, wanted: list_requests(work.session, wanted),
    filters=(Field("open", "État", [("true", "À traiter"), ("false", "Traitées")]),),
    columns=(
        Column("Demande", lambda each: cells.link(f"n° {each.id}", "admin.show_request", id=each.id), "head"),
        Column("Reçue", "created_at"),
        Column("De", lambda each: cells.email(each.email)),
        Column("Compte", lambda each: cells.user_link(each.user_id) if each.user_id else cells.NOTHING),
        Column("État", _show_request_state),
    ),
    empty="Aucune demande.",
)


@area.page(_REQUEST, Access.OPERATOR)
def show_request(id: int) -> str:
    request = _read_request(id)
    facts: list[tuple[Cell, object]] = [
        ("De", cells.email(request.email)),
        (
            "Compte",
            cells.user_link(request.user_id) if request.user_id else "Sans compte : adresse non vérifiée",
        ),
        ("Reçue", request.created_at),
        ("Langue", request.language),
        ("Message", cells.lines(*request.message.split("\n"))),
        ("Réponse", request.answer is not None and cells.lines(*(request.answer or "").split("\n"))),
    ]
    actions = [] if request.ended_at else [
        cells.button("Répondre", "admin.ask_answer_request", id=id),
        cells.second_button("Clore sans réponse", "admin.ask_end_request", id=id),
    ]  # fmt: skip
    block = Facts(facts, _show_request_state(request), [*actions, cells.audit_link(id)])
    return render_page(f"Demande n° {id}", [block], crumb=("admin.list_requests", "Demandes"))


def _read_request(number: int) -> SupportRequest:
    with audited("support.view", "support", number) as work:
        request = read_request(work.session, number)
        work.changes["seen"] = [str(request.user_id)] if request.user_id else []
        return request


def _read_open_request(number: int) -> SupportRequest:
    if (request := _read_request(number)).ended_at:
        raise NotNow(_REQUEST_ENDED)
    return request


@add_action(
    f"{_REQUEST}/reponse", "support.answer", answer_request, form=SupportAnswer, access=Access.PROVEN_OPERATOR
)
def _ask_answer_request(id: int) -> Confirmation:
    request = _read_open_request(id)
    return Confirmation(
        title=f"Répondre à la demande n° {id} ?",
        effects=(
            f"{cells.email(request.email)} la reçoit par e-mail, avec le numéro. La demande est traitée.",
            "Pour la suite, cette personne écrit de nouveau : le message en donne le lien.",
            f"Elle a écrit : « {request.message} »",
        ),
        button="Envoyer la réponse",
        done="La réponse est en route.",
        fields=(Field("answer", f"Réponse (langue de la page : {request.language or 'fr'})", is_long=True),),
        texts=_REQUEST_TEXTS,
    )


@add_action(f"{_REQUEST}/fin", "support.end", end_request, access=Access.PROVEN_OPERATOR)
def _ask_end_request(id: int) -> Confirmation:
    return Confirmation(
        title=f"Clore la demande n° {_read_open_request(id).id} ?",
        effects=("Rien n’est envoyé : la demande n’en demande pas, ou vous avez répondu autrement.",),
        button="Clore",
        done="La demande est close.",
        texts=_REQUEST_TEXTS,
    )
