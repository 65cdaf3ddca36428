"""French words of the status page: its sections, and the labels of their fields. See api/admin/health/lines.py."""

from datetime import timedelta

from api.admin.health.lines import Words
from api.models.notification import State
from api.pages.admin.words import DESK_STATUSES, INCIDENT_REASONS
from api.pages.message_words import CHANNEL_NAMES, STATE_WORDS
from configs.ground.formatting import format_duration

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
    "failed_refunds": "remboursements échoués", "found": "pages nouvelles", "gaps": "intervalles",
    "given_up": "abandonnés", "held_back": "attendent leur site", "jobs.jobs": "en attente",
    "last": "dernier parcours", "late_declarations": "déclarations pas appliquées",
    "late_files": "factures sans fichier", "latest_seconds": "au plus de",
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
