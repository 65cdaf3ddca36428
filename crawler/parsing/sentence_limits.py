"""Limits of a no-slot sentence: words around it by which it speaks of a part, sets a condition, asks or is quoted.

`Aucun rendez-vous n'est disponible` proves that nothing is free, `… le matin` and `Si aucun …` do not.
"""

import re

from crawler.parsing.normal_form import around_phrase, collapse_whitespace, normalize

WEEKDAY = "(?:(?:lun|mar|mercre|jeu|vendre|same)dis?|dimanches?|(?:mon|tues|wednes|thurs|fri|satur|sun)days?)"
DAYS = (
    rf"{WEEKDAY}|semaines?|mois|periodes?|jours?|journees?|demain|hier|matin(?:ee)?s?|midi|apres.midis?|soir(?:ee)?s?"
    r"|week.?ends?|weeks?|months?|days?|tomorrow|mornings?|afternoons?|evenings?|annees?|trimestres?|vacances|heures?"
    r"|janvier|fevrier|mars|avril|mai|juin|juillet|aout|septembre|octobre|novembre|decembre"
    r"|avant|apres|jusqu'\w+|d'ici"
)
CONDITIONS = (
    r"si|s'ils?|lorsqu\w*|quand|tant qu\w*|des (?:lors )?qu\w*|pourvu qu\w*|(?:au|dans le) cas ou|en cas d\w*"
    r"|a moins d\w*|sous reserve|if|when\w*|unless|once"
)
_PLACES = (
    r"centres?|sites?|lieux?|mairies?|guichets?|agences?|bureaux?|(?:sous.)?prefectures?|antennes?|annexes?|communes?"
    r"|villes?|departements?|etablissements?|salles?|adresses?|arrondissements?|quartiers?|maisons?|etages?|postes?"
    r"|accueils?|offices?|locations?|centers?|counters?|desks?|ici|here"
)
_CHOICES = (
    r"motifs?|demarches?|prestations?|services?|procedures?|categories?|types?|durees?|personnes?|choix|options?"
    r"|criteres?|filtres?|selection\w*|choisi\w*|select\w*|chosen|agents?|conseill\w+|interlocut\w+|langues?|modes?"
    r"|visio\w*|presentiel|telephone|horaires?|dates?|creneaux?|plages?|tranches?|durations?|reasons?|times?"
)
_EXCEPTIONS = (
    r"hormis|sauf|except\w*|hors|en dehors|a l'exception|other than|besides|ailleurs|plutot|concernant|relati(?:f|ve)s?"
    r"|compte tenu|essaye[rz] (?!plus tard|ulterieurement|(?:de|a) nouveau|encore|dans|demain)"
)
_MENTIONS = r"messages?|mentions?|libelles?|signifi\w*|veut dire|affich\w*|appara\w*|means?|says"
_DOUBTS = (
    r"peut.etre|possible qu\w*|faux|vrai|exemples?|ne dites|bientot|(?:an|annee)s? (?:dernier|passe)e?s?"
    r"|perhaps|maybe|examples?"
)
_NARROWS = re.compile(
    rf"\d|\b(?:{DAYS}|{_DOUBTS}|aujourd'hui|today|tonight|{_PLACES}|{_CHOICES}|{CONDITIONS}|{_EXCEPTIONS}|{_MENTIONS})\b"
    r"|\b(?:cet?|cette|ces|this|these|that|those)\b"
)
_WITHIN = (
    r"pour|aux?|a|dans|en|sur|chez|avec|sans|entre|depuis|pendant|durant|lors|parmi|selon|chaque|pres|proche|autour"
    r"|for|at|in|before|after|until|between|during|near"
)
# After the denial, the sentence names a limit: `pour …`, `n'est disponible avec …`.
_LIMITED = re.compile(
    r"^\W*(?:(?:n'(?:est|a|y a)|ne sont|n'ont|is|are) )?"
    r"(?:(?:plus|pas|ete|available|disponibles?|libres?|trouvee?s?|possibles?|ouverte?s?|proposee?s?|restante?s?) ?)*"
    rf"\b(?:{_WITHIN}|les?|la|l'|du|des|de|d'|on|by|with|from)\b"
)
# Before the denial, it names a limit: `Pour une première demande, aucun …`.
_LIMITED_BEFORE = re.compile(
    rf"^\W*(?:{_WITHIN}|on)\b|\b(?:il (?:arrive|se peut)|parfois|souvent|sometimes|often)\b"
)
BY_NOW = r"(?<!y )(?<!')\ba ce jour(?!.la\b)"  # `à ce jour`, neither `il n'y a ce jour …` nor `à ce jour-là`
# Words that look like a limit and are none.
_UNLIMITED = re.compile(
    rf"{BY_NOW}\b|"
    r"\b(?:pour le moment|pour l'instant|a l'heure actuelle|(?:en|a) ce (?:moment|stade)|a present|dans l'immediat"
    r"|actuellement|a (?:noter|savoir)|pour (?:votre )?information|en raison d\W?[^,.]*"
    r"|quel(?:le)?s? que soi\w+ \w+ \w+"
    r"|(?:pour|correspondant a|repondant a) votre (?:demande|recherche)(?: de rendez.vous)?"
    r"|a (?:partir|compter) de cette date|en ligne|sur internet|sur (?:le|notre|ce) site (?:internet|web)"
    r"|a (?:la |vous )?(?:reservation|proposer|prise de rendez.vous)|a venir|at (?:the|this) (?:moment|time)|for now"
    r"|right now|at present|currently|de libres?|encore|malheureusement)\b"
)
_ADVICE = re.compile(
    r"\b(?:merci|veuillez|priere|re?essa\w+|reven\w+|reconnect\w*|rappel\w*|consult\w*|nous vous"
    r"|vous (?:pouvez|etes|serez|recevrez)"
    r"|(?:de )?(?:nouveaux?|nombreux)|please|try again|(?:check|come) back|sorry)\b"
)
_ANOTHER = (
    r"dates?|semaines?|mois|creneaux?|horaires?|centres?|sites?|lieux?|motifs?|mairies?|guichets?|communes?|agences?"
    r"|durees?|periodes?"
)
_OTHER_CHOICE = re.compile(
    r"\b(?:choisi\w*|selectionn\w*|opte[rz]|essaye[rz]|cherche[rz]|change[rz]|modifie[rz]|pick|choose|select|try|change)"
    r"\b[^.!?]*\b(?:autres?|differente?s?|another|other|different|suivante?s?|next)\b"
    rf"|\b(?:change[rz]|modifie[rz]) (?:de|la|le|les|vos|votre) (?:{_ANOTHER}|jours?|criteres?|recherche)\b"
    rf"|\bautres? (?:{_ANOTHER})\b"
)
# A label before the sentence narrows its subject, unless it has no other words than those of _OF_NO_LABEL.
_LABEL = re.compile(r"([^:|>\u2013\u2014]+)(?:[:|>\u2013\u2014]| -)\W*$")
_OF_NO_LABEL = re.compile(
    r"\b(?:infos?|informations?|attention|important|note[rz]?|nb|avis|desole\w*|oups|bonjour|madame|monsieur|messages?"
    r"|resultats?|reponses?|recherches?|disponib\w+|creneaux?|rendez.vous|rdv|calendriers?|plannings?|agendas?|prise"
    r"|reserv\w+|en ligne|etat|statut|status|situation|actuel\w*|malheureusement|alertes?|notice|warning|sorry"
    r"|availab\w+|appointments?|slots?|libres?|votre|vos|nos|notre|les?|la|des?|du|a|of|the|et)\b"
)
_DAYS_OF_A_PART = re.compile(
    rf"\b(?:{WEEKDAY}|matin(?:ee)?s?|apres.midis?|soir(?:ee)?s?|demain|aujourd'hui)\b"
)
_MONTH = "janvier|février|mars|avril|mai|juin|juillet|août|septembre|octobre|novembre|décembre"
_DAY = re.compile(rf"\bsemaine \d|(?<![\w/.])\d{{1,2}}(?:er)?(?: ?[/.-] ?\d{{1,2}}\b| (?:{_MONTH})\b)")
_LONGEST = 100  # characters of a heading
_OPENING = re.compile(r"\b(?:horaires?|ouvert\w*|opening)\b")
_ENDS = re.compile(r"[.!?](?= |$|[\"\u00bb)])")
_MOST, _REACH = 30, 5000  # occurrences, and characters on each side, that are looked at
_OPENED = {"\u00ab": "\u00bb", "\u201c": "\u201d", "\u201e": "\u201d", "\u2039": "\u203a", "(": ")", "[": "]"}


def is_narrowed(text: str, sentence: str, *, asked: str = "") -> bool:
    """Return whether a no-slot sentence is limited, conditional, asked or quoted wherever a text has it.

    Each occurrence is read to the end of its sentence. `asked`: a regular expression of the only thing that was asked
    for; a limit to that is none. A text with more than _MOST occurrences, which no page has, counts as limited.
    """
    around = around_phrase(text, sentence, reach=_REACH, most=_MOST + 1)
    return len(around) > _MOST or all(_is_narrowed_at(before, after, asked) for before, after in around)


def _is_narrowed_at(before: str, after: str, asked: str) -> bool:
    begin, end = _ENDS.split(before)[-1], _ENDS.split(after)[0]
    if after[len(end) :].startswith("?") or _is_quoted(before):
        return True
    if _OTHER_CHOICE.search(after) or re.search(rf"\b(?:{_EXCEPTIONS})\b", end):
        return True
    label = _LABEL.search(_UNLIMITED.sub(" ", begin))
    if label and re.search(r"\w", _OF_NO_LABEL.sub(" ", label[1])):
        return True
    if asked:
        end = re.sub(rf"\bpour (?:ces?|les?|votre) (?:{asked})(?: (?:selectionne|choisi)\w*)?\b", "", end)
    begin, end = _UNLIMITED.sub(" ", begin), _UNLIMITED.sub(" ", _ADVICE.split(end)[0])
    limited = _LIMITED_BEFORE.search(begin) or _LIMITED.search(end)
    return bool(limited or _NARROWS.search(begin) or _NARROWS.search(end))


def names_days(heading: str) -> bool:
    """Return whether a heading limits its part of a page to some days; a heading of opening hours does not."""
    plain = normalize(heading)
    return not _OPENING.search(plain) and (names_date(heading) or _DAYS_OF_A_PART.search(plain) is not None)


def names_date(heading: str) -> bool:
    """Tell whether a heading names a day or a week in any form."""
    return len(heading) <= _LONGEST and _DAY.search(collapse_whitespace(heading).lower()) is not None


def _is_quoted(before: str) -> bool:
    opened = any(before.rfind(mark) > before.rfind(end) for mark, end in _OPENED.items())
    return opened or before.count('"') % 2 == 1 or re.search(r"(?:^|[\s(:>])' ?$", before) is not None
