"""Words of operators' pages of users, in French."""

from api.models.user import Role
from api.pages.error_texts import Texts

ROLES: dict[Role, str] = {
    Role.USER: "Utilisateur",
    Role.SUPPORT: "Assistance (consulte)",
    Role.ADMIN: "Administrateur (agit)",
}
GRANT_SOURCES: dict[str, str] = {
    "admin": "donnée par un opérateur",
    "payment": "payée",
    "credit": "temps non surveillé, rendu",
    "revived": "reprise après une rétractation",
    "grace": "en attendant un paiement",
}
SEARCH_TEXTS: Texts = {
    ("email", "missing"): "Écrivez l’adresse.",
    ("email", "email"): "Écrivez l’adresse entière.",
}
