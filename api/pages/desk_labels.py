"""Labels of desks in the language of a page: the files have French ones, most of them of some twenty patterns."""

import re

from flask_babel import gettext
from markupsafe import Markup

from api.ground.translations import mark
from api.web.languages import read_language
from configs.ground.text import FRENCH

_PATTERNS = (
    mark("Passeport et carte d’identité, mairies du département"),
    mark("Passeport et carte d’identité, mairies autour de %(name)s"),
    mark("Mairies sur rendezvousonline.fr, autour de %(name)s"),
    mark("Mairies sur %(name)s"),
    mark("Page de rendez-vous n° %(name)s"),
    mark("Titre de séjour, page n° %(name)s"),
    mark("Titre de séjour, guichet %(name)s"),
    mark("Titre de séjour, vie privée et familiale"),
    mark("Titre de séjour étudiant"),
    mark("Titre de séjour"),
    mark("Premier titre de séjour"),
    mark("Remise de titre de séjour, guichet %(name)s"),
    mark("Remise de titre de séjour"),
    mark("Renouvellement de titre de séjour"),
    mark("Renouvellement d’un titre de séjour"),
    mark("Renouvellement vie privée et familiale"),
    mark("Admission exceptionnelle au séjour"),
    mark("Étrangers, rendez-vous selon le code postal"),
    mark("Naturalisation, page n° %(name)s"),
    mark("Naturalisation par décret"),
    mark("Naturalisation par déclaration"),
    mark("Naturalisation"),
    mark("Permis de conduire, commission médicale"),
    mark("Visite médicale du permis de conduire"),
    mark("Point d’accueil numérique (démarches ANTS)"),
)
_ANY_NAME = re.escape("%(name)s")


def write_label(label: str, site: str | None = None) -> Markup:
    """Return a desk's label with its site; in French, and marked as that, where no pattern has it."""
    place = f" ({site})" if site else ""
    for text in _PATTERNS if read_language() != FRENCH else ():
        if found := re.fullmatch(re.escape(text).replace(_ANY_NAME, "(?P<name>.+)"), label.replace("'", "’")):
            return Markup("<bdi>{}{}</bdi>").format(gettext(text) % found.groupdict(), place)
    return Markup('<bdi lang="fr">{}{}</bdi>').format(label, place)
