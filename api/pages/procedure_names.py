"""Procedures in the words of people, in the page's language."""

from flask_babel import LazyString, lazy_gettext

from configs.world.prefecture import Procedure

_l = lazy_gettext
PROCEDURE_NAMES: dict[Procedure, LazyString] = {
    Procedure.TITRE_SEJOUR: _l("Titre de séjour"),
    Procedure.NATURALISATION: _l("Naturalisation"),
    Procedure.VISA: _l("Visa"),
    Procedure.CARTE_IDENTITE: _l("Carte d’identité"),
    Procedure.PASSEPORT: _l("Passeport"),
    Procedure.PERMIS_CONDUIRE: _l("Permis de conduire"),
    Procedure.CARTE_GRISE: _l("Carte grise"),
    Procedure.AUTRE: _l("Autre démarche"),
}
