"""Operators' page of the status: the screen of `make status`, live."""

import time
from datetime import timedelta
from threading import Lock
from typing import Any

import structlog
from flask import Response, current_app, render_template, url_for

from api.admin.access import audited
from api.admin.health.lines import BAD, Line, Piece, Words, list_lines
from api.admin.health.live_report import get_health
from api.admin.health.status_report import Parts, find_trouble, read_parts
from api.models.desk import DeskStatus
from api.models.notification import State
from api.pages.admin.area import area
from api.pages.admin.incidents import find_place
from api.pages.admin.words import DESK_STATUSES, INCIDENT_REASONS
from api.pages.area import Access, answer_live
from api.pages.words import CHANNEL_NAMES, STATE_WORDS
from configs.ground.clock import clock
from configs.ground.text import format_duration
from configs.settings import settings

TITLES = {
    "health": "Santé",
    "alarms": "Alarmes",
    "desks": "Guichets",
    "hosts": "Sites",
    "outages": "Interruptions",
    "due": "Files des guichets",
    "lateness": "Ponctualité",
    "messages": "Messages",
    "providers": "Fournisseurs",
    "jobs": "Files de travaux",
    "runs": "Tâches de fond",
    "payments": "Paiements",
    "proofs": "Preuves",
    "discovery": "Découverte",
    "spiders": "Robots",
    "workers": "Exécutants",
}
_LABELS = {
    "accepted": "acceptés", "achieved_seconds": "tenu", "again": "renvoyés",
    "away_since": "le dépôt ne prend rien depuis", "bounced": "refusés", "by_state": "en 24 h",
    "by_status": "par état", "checks": "vérifications", "commands": "commandes à Stripe",
    "cut": "interrompu faute de temps", "dead": "échoués", "desks": "guichets",
    "detections_last_hour": "détections en une heure", "differences": "différences avec Stripe", "drifts": "déplacés",
    "due_at": "due depuis", "ended_at": "terminé", "events": "événements de Stripe", "failed": "échoués",
    "failed_refunds": "remboursements que rien ne paiera", "late_refunds": "remboursements à faire sous trois jours",
    "found": "pages nouvelles", "gaps": "intervalles",
    "given_up": "abandonnés", "held_back": "attendent leur site", "jobs.jobs": "en attente",
    "last": "dernier parcours", "late_declarations": "déclarations pas appliquées",
    "late_files": "factures sans fichier", "ledger_unread": "livre de Stripe non lu", "latest_seconds": "au plus de",
    "left_alone_seconds": "Stripe ne répond pas, nouvel essai dans", "median": "intervalle tenu ÷ souhaité, médiane",
    "median_ms": "médiane depuis la page, en ms", "memory_mb": "mémoire, en Mo", "newest_at": "dernier",
    "newest_check_at": "dernière vérification", "number": "messages", "oldest_at": "depuis",
    "oldest_command_seconds": "la plus ancienne depuis", "oldest_seconds": "le plus ancien depuis",
    "oldest_unmatched_seconds": "la plus ancienne depuis", "on_the_way": "en route",
    "open_desks": "guichets avec un créneau", "open_slots": "créneaux ouverts", "overdue": "en retard",
    "p50_seconds": "retard médian", "p95_seconds": "retard, 95e centile", "pace": "rythme", "pages": "pages",
    "pictureless": "sans image", "pushed": "demandés", "ratio": "tenu ÷ souhaité", "reduced": "débit réduit",
    "repeated_at": "répétée", "resting": "au repos", "rests_in_a_row": "repos de suite", "running": "en cours",
    "runs.runs": "en cours", "share": "débit", "since": "depuis", "started": "lancé depuis", "started_at": "commencé",
    "stopped": "arrêtés", "told_at": "signalée", "troubles": "à voir", "unknown": "événements d’objets inconnus",
    "unmatched": "détections à apparier", "unpictured": "à photographier", "unwatched": "hors surveillance",
    "waiting": "en route", "waiting_alerts": "alertes en attente", "watched": "vérifiés",
    "wished_seconds": "souhaité", "workers.jobs": "faits", "worst": "au pire",
}  # fmt: skip
_EMPTY = {
    "alarms": "Aucune sans réponse",
    "due": "Rien n’est planifié",
    "discovery": "Pas encore de parcours",
    "hosts": "Tous consultés comme prévu",
    "lateness": "Aucun guichet n’a été vérifié deux fois en une heure",
    "newest_check_at": "jamais",
    "outages": "Aucune",
    "proofs": "Personne n’en parle : `python -m crawler.proofs` tourne-t-il ?",
    "providers": "rien depuis 15 min",
    "spiders": "Aucun ne répond : rien n’est vérifié",
    "workers": "Aucun : personne n’est averti",
}
_SHOWN = 6  # lines of a list that may be long
# What a program wrote, in English.
_DETAILS = frozenset({"away", "detail", "error", "store", "subject", "trouble"})
log = structlog.get_logger(__name__)
_READING = Lock()
_GOOD_FOR = 4.0  # seconds, less than the page waits before it asks again


def _write_time(time: timedelta) -> str:
    return format_duration(time).replace(" d", " j").replace(".", ",")


def _write_number(number: float) -> str:
    return str(number) if number == int(number) else f"{number:.2f}".replace(".", ",")


def build_words() -> Words:
    """Return the words, those for people's channels and states in the language of the request."""
    return Words(
        labels=_LABELS,
        values={
            **INCIDENT_REASONS,
            **{status.value: text for status, (_, text) in DESK_STATUSES.items()},
            **{channel.value: str(text) for channel, text in CHANNEL_NAMES.items()},
            **{state.value: str(STATE_WORDS[state][1]).lower() for state in State},
            "UNPLANNED": "Pas encore planifié", "started": "démarre", "idle": "libre", "busy": "occupé",
            "suspended": "suspendu", "waiting": "en attente", "serving": "en service", "ending": "s’arrête",
            "done": "réussie", "failed": "échec", "down": "en panne", "degraded": "dégradé", "ok": "en marche",
        },
        empty=_EMPTY,
        sign=" : ",
        ago="il y a {}",
        left="encore {}",
        more="et {} de plus",
        none="rien",
        share="{:.0f} %",
        well="En ordre : {}",
        away="Ne répond pas : {}",
        write_time=_write_time,
        write_number=_write_number,
    )  # fmt: skip


def _build_piece(part: str, piece: Piece, line: Line) -> dict[str, Any]:
    """Return a piece of a line with its link, which leads to the thing; of an alarm to where it is dealt with."""
    is_detail = piece.field in _DETAILS or (part, piece.field) == ("health", "reason")
    url = _find_url(part, piece.field, piece.value)
    values = {each.field: each.value for each in line}
    if part == "alarms" and piece.field in ("subject", "reason"):
        url = find_place(values["reason"], values["subject"])
    elif (part, piece.field) == ("health", "name"):
        url = find_place("", piece.value)
    return {"text": piece.text, "tone": piece.tone, "is_detail": is_detail, "url": url}


def _find_url(part: str, field: str, value: Any) -> str | None:
    if field in ("desk", "desks"):
        desk = value[0] if isinstance(value, list) else value
        return url_for("admin.show_desk", id=desk) if isinstance(desk, str) else None
    if field == "by_status" and value not in DeskStatus.__members__:
        return None
    leads = {
        "by_status": ("admin.list_desks", "status"),
        "host": ("admin.show_host", "host"),
        "id": ("admin.show_incident", "id"),
    } | ({"job": ("admin.list_jobs", "job")} if part == "runs" else {})
    endpoint, name = leads.get(field, (None, ""))
    return url_for(endpoint, **{name: value}) if endpoint else None


def build_view(parts: Parts) -> dict[str, Any]:
    """Return what is shown of the parts. One that is away, or cannot be written, hides no other."""
    words = build_words()
    return {
        "at": clock(),
        "environment": settings().app_env,
        "down": find_trouble(parts),  # what does not work, as programs name it
        "sections": [
            {"title": title, "lines": _show(name, parts[name], words)} for name, title in TITLES.items()
        ],
    }


def _show(part: str, found: Any, words: Words) -> list[list[dict[str, Any]]]:
    try:
        lines: list[Line] = list_lines(part, found, words, _SHOWN)
        return [[_build_piece(part, piece, line) for piece in line] for line in lines]
    except Exception as error:
        log.exception("a part of the status cannot be shown: `make status` shows it", part=part)
        text = f"Ne peut pas être affiché, voyez `make status` : {type(error).__name__}"
        return [[{"text": text, "tone": BAD, "is_detail": False, "url": None}]]


@area.page("/admin", Access.OPERATOR)
def show_status() -> str:
    with audited("status.view", "status"):
        pass  # no connection is held while the parts are asked
    return render_template("admin/status.html", view=_read_status())


@area.page("/admin/en-direct", Access.OPERATOR, polled=True)
def show_live() -> Response:
    """Answer the same parts as JSON for the page that is open, whose view was audited."""
    return answer_live({"status": render_template("admin/_status.html", view=_read_status())})


def _read_status() -> dict[str, Any]:
    # It takes most of a process's database connections: who comes meanwhile waits for what is found.
    with _READING:
        read_at, parts = current_app.extensions.get("admin-status", (0.0, {}))
        if not parts or time.monotonic() - read_at > _GOOD_FOR:
            parts = read_parts(get_health().read_findings)
            current_app.extensions["admin-status"] = time.monotonic(), parts
    return build_view(parts)
