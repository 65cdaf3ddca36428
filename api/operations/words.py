"""Names of incidents in French, the operators' language."""

from api.models.incident import IncidentReason

_NAMES = {
    IncidentReason.CAPTCHA: "captcha",
    IncidentReason.BLOCKED: "site qui nous refuse",
    IncidentReason.RATE_LIMITED: "site qui demande de ralentir",
    IncidentReason.OVERLOADED: "site surchargé",
    IncidentReason.MAINTENANCE: "site en maintenance",
    IncidentReason.CLOSED: "page de rendez-vous fermée",
    IncidentReason.UNREACHABLE: "site qui ne répond plus",
    IncidentReason.UNREADABLE: "page qui n’est plus comprise",
    IncidentReason.UNLINKED: "page sans lien de la préfecture",
    IncidentReason.SILENT: "aucune réponse sûre",
    IncidentReason.HORIZON: "créneaux au-delà de l’horizon",
    IncidentReason.PART_DOWN: "partie du service en panne",
    IncidentReason.PART_DEGRADED: "partie du service qui fonctionne mal",
    IncidentReason.PROVIDER_DOWN: "prestataire d’envoi en panne",
    IncidentReason.OLD_QUEUE: "messages en attente",
    IncidentReason.QUOTA: "quota d’un prestataire atteint",
    IncidentReason.LOW_DELIVERY: "messages qui n’arrivent pas",
    IncidentReason.SPAM_REPORTS: "e-mails signalés comme indésirables",
    IncidentReason.DEAD_LETTERS: "messages abandonnés",
    IncidentReason.SMS_CEILING: "plafond des SMS atteint",
    IncidentReason.MAIL_CEILING: "moitié du plafond des e-mails demandés par des inconnus",
    IncidentReason.FAILURES_RISING: "paiements refusés en hausse",
    IncidentReason.FRAUD_WARNING: "soupçon de fraude",
    IncidentReason.FALSE_ALARMS: "fausses alertes signalées",
    IncidentReason.SELF_CHECK: "contrôle de nuit en échec",
}


def name_incident(reason: IncidentReason) -> str:
    """Return what an incident is called in a list."""
    return _NAMES[reason]
