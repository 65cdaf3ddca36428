"""Lines of the status page about health, alarms, messages, jobs, payments and proofs."""

from flask import url_for

from api.health.alarm_overview import AlarmOverview
from api.health.health_checks import PartState
from api.health.job_overview import JobStatus
from api.health.message_overview import MessageOverview, ProviderStatus
from api.health.payment_overview import PaymentOverview
from api.health.process_overview import QueueListener
from api.health.queue_overview import WaitingJobs
from api.health.status_report import HealthFinding
from api.models.incident import IncidentReason
from api.models.job_run import PAYMENTS, JobResult
from api.models.notification import State
from api.pages.admin.status.line import BAD, GOOD, WARN, Line, cut, write_decimal, write_seconds, write_since
from api.pages.admin.words import INCIDENT_REASONS, count
from api.pages.message_words import CHANNEL_NAMES, STATE_WORDS
from configs.matching_queues import MATCHING
from configs.proof_spool_status import SpoolReport

_LATE_JOB, _LATE_MESSAGE = 1.0, 10.0  # seconds; more shows that something is slow
# As RQ names them.
_WORKER_STATES = {"started": "démarre", "idle": "libre", "busy": "occupé", "suspended": "suspendu"}
_ALWAYS = (*MATCHING, PAYMENTS)  # queues that are shown even while nothing waits in them


def list_health_lines(part: list[HealthFinding]) -> list[Line]:
    """Return what does not work, and in one line what does."""
    tones = {PartState.DOWN: BAD, PartState.DEGRADED: WARN}
    lines = [Line(each.name, tones[each.state], each.reason) for each in part if each.state in tones]
    well = [each.name for each in part if each.state is PartState.OK]
    return [*lines, Line(f"En marche : {', '.join(well)}", GOOD)] if well else lines


def list_alarm_lines(part: AlarmOverview) -> list[Line]:
    """Return the alarms without an acknowledgement."""
    if not part.open:
        return [Line("Aucune sans réponse", GOOD)]
    lines = []
    for each in part.open:
        age = f", depuis {write_since(each.told_at)}" if each.told_at else ""
        again = ", répétée" if each.repeated_at else ""
        text = f"{each.id} · {INCIDENT_REASONS[IncidentReason(each.reason)]}{age}{again}"
        url = url_for("admin_incidents.show_incident", id=each.id)
        lines.append(Line(text, BAD, each.subject, url))
    return cut(lines)


def list_message_lines(part: MessageOverview) -> list[Line]:
    """Return the messages of a day, those on the way, and dead letters by reason."""
    states = [
        f"{str(STATE_WORDS[state][1]).lower()} {found}"
        for state in State
        if (found := part.by_state.get(state))
    ]
    lines = [
        Line(f"En 24 h : {', '.join(states) or 'aucun message'}"),
        _write_waiting("message en route", "messages en route", part.on_the_way, part.oldest_seconds),
        _write_waiting(
            "détection à apparier", "détections à apparier", part.unmatched, part.oldest_unmatched_seconds
        ),
    ]
    failed = sum(each.number for each in part.dead)
    lines.append(Line(count(failed, "message échoué", "messages échoués"), BAD if failed else GOOD))
    dead = [
        Line(
            f"{each.number} {CHANNEL_NAMES[each.channel]}, le dernier il y a {write_since(each.newest_at)}",
            detail=each.reason,
        )
        for each in part.dead
    ]
    return lines + cut(dead)


def _write_waiting(one: str, many: str, number: int, oldest: float | None) -> Line:
    if oldest is None:
        return Line(count(number, one, many))
    return Line(
        f"{count(number, one, many)}, l’attente la plus longue : {write_seconds(oldest)}",
        BAD if oldest > _LATE_MESSAGE else WARN,
    )


def list_provider_lines(part: list[ProviderStatus]) -> list[Line]:
    """Return the providers of each channel in the last quarter of an hour."""
    return [_write_provider(each) for each in part]


def _write_provider(each: ProviderStatus) -> Line:
    name = CHANNEL_NAMES[each.channel]
    alone = "".join(
        f" ; {who} laissé en repos {write_seconds(left)}" for who, left in each.left_alone.items()
    )
    if not each.accepted and not each.failed:
        return Line(f"{name} : rien depuis 15 min{alone}", BAD if alone else "")
    again = f", {count(each.again, 'renvoyé', 'renvoyés')}" if each.again else ""
    median = f" ; {each.median_ms:.0f} ms après la page (médiane)" if each.median_ms else ""
    accepted, failed = count(each.accepted, "accepté", "acceptés"), _count_failed(each.failed)
    return Line(f"{name} : {accepted}, {failed}{again}{median}{alone}", BAD if each.failed or alone else GOOD)


def list_queue_lines(part: list[WaitingJobs]) -> list[Line]:
    """Return the queues of jobs; of the minor ones those in which something waits or failed."""
    return [_write_queue(each) for each in part if each.name in _ALWAYS or each.jobs or each.failed]


def _write_queue(each: WaitingJobs) -> Line:
    age = f", depuis {write_decimal(each.oldest_seconds)} s" if each.oldest_seconds is not None else ""
    failed = f", {_count_failed(each.failed)}" if each.failed else ""
    is_late = each.oldest_seconds is not None and each.oldest_seconds > _LATE_JOB
    tone = BAD if is_late or failed else WARN if each.jobs else GOOD
    return Line(f"{each.name} : {each.jobs}{age}{failed}", tone)


def _count_failed(number: int) -> str:
    return count(number, "échoué", "échoués")


def list_run_lines(part: list[JobStatus]) -> list[Line]:
    """Return the background jobs that failed, that are due or under way, and how many are well."""
    told = [_write_run(each) for each in part]
    lines = [each for each in told if each.tone != GOOD]
    well = count(len(told) - len(lines), "tâche de fond à jour", "tâches de fond à jour")
    return [*cut(lines), Line(well, GOOD if len(told) > len(lines) else WARN)]


def _write_run(each: JobStatus) -> Line:
    age = f" il y a {write_since(each.ended_at)}" if each.ended_at else ""
    if each.result is JobResult.FAILED:
        text, tone = f"{each.job} : échouée{age}", BAD
    elif each.counts and each.counts.get("failed"):
        text, tone = f"{each.job} : {each.counts['failed']} en échec{age}", BAD
    else:
        text, tone = f"{each.job} : terminée{age}" if age else each.job, GOOD
    if each.due_at and not each.runs:
        text, tone = f"{text}, due depuis {write_since(each.due_at)}", tone if tone == BAD else WARN
    return Line(text, tone, each.error or "", url_for("admin_job_runs.list_job_runs", job=each.job))


def list_worker_lines(part: list[QueueListener]) -> list[Line]:
    """Return the workers of the queues."""
    return [_write_worker(each) for each in part] or [Line("Aucun : personne n’est averti", BAD)]


def _write_worker(each: QueueListener) -> Line:
    age = f", lancé il y a {write_since(each.since)}" if each.since else ""
    failed = f", {_count_failed(each.failed)}" if each.failed else ""
    state = _WORKER_STATES.get(each.state, each.state)
    text = f"{each.name[:12]} : {state}{age}, {count(each.jobs, 'fait', 'faits')}{failed}"
    return Line(text, WARN if failed else "", ", ".join(each.queues))


def list_payment_lines(part: PaymentOverview) -> list[Line]:
    """Return what waits for Stripe, and what an operator must settle."""
    on_the_way = (
        (part.events, "événement", "événements"),
        (part.commands, "commande à Stripe", "commandes à Stripe"),
    )
    waiting = [count(*each) for each in on_the_way if each[0]]
    lines = [
        Line(
            f"En route : {', '.join(waiting)}" if waiting else "Rien n’attend Stripe",
            WARN if waiting else GOOD,
        )
    ]
    if part.left_alone_seconds:
        wait = write_seconds(part.left_alone_seconds)
        lines.append(Line(f"Stripe ne répond pas : nouvel essai dans {wait}", BAD))
    cases = (
        (part.unknown, "événement d’un objet inconnu", "événements d’objets inconnus", WARN),
        (part.given_up, "événement abandonné : à rejouer", "événements abandonnés : à rejouer", BAD),
        (part.failed_refunds, "remboursement échoué", "remboursements échoués", BAD),
        (part.differences, "différence avec Stripe", "différences avec Stripe", BAD),
        (part.late_declarations, "déclaration pas appliquée", "déclarations pas appliquées", BAD),
        (part.late_files, "facture sans fichier", "factures sans fichier", BAD),
    )
    return lines + [Line(count(number, one, many), tone) for number, one, many, tone in cases if number]


def list_proof_lines(part: list[SpoolReport]) -> list[Line]:
    """Return the proofs on their way to the store, by machine."""
    lines: list[Line] = []
    for each in part:
        oldest = f", la plus ancienne depuis {write_since(each.oldest_at)}" if each.oldest_at else ""
        text = f"{each.machine} : {count(each.waiting, 'preuve en route', 'preuves en route')}{oldest}"
        lines.append(Line(text, WARN if each.waiting else GOOD, each.store))
        if each.away_since:
            lines.append(
                Line(f"Le dépôt ne prend rien depuis {write_since(each.away_since)}", BAD, each.away)
            )
        if each.trouble:
            lines.append(Line("Les robots ne peuvent rien déposer", BAD, each.trouble))
        if each.given_up or each.pictureless:
            given_up = count(each.given_up, "abandonnée", "abandonnées")
            lost = f"Aujourd’hui {given_up}, {each.pictureless} sans image"
            lines.append(Line(lost, BAD if each.given_up else WARN))
    return lines or [Line("Personne n’en parle : `python -m crawler.proofs` tourne-t-il ?", WARN)]
