"""Refusals of a mail that are about its address: replies of mail servers, and SendGrid's bounces.

A server names its reason by an enhanced code, in words, or both: https://www.rfc-editor.org/rfc/rfc3463
"""

import re

# Mailbox, domain or spelling of the address, and a mailbox that is switched off. 5.1.0 says nothing, 5.1.7 and 5.1.8
# speak of the sender: https://www.iana.org/assignments/smtp-enhanced-status-codes/
_DEAD = {"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"}
_NO_CODES = {"", "5.0.0"}  # 5.0.0: "other undefined status"
_ENHANCED = re.compile(r"(?:\d{3}[ -])?([245]\.\d{1,3}\.\d{1,3})(?=\s|$)")
# What else words speak of, in English, French and German, whatever code stands beside them: a full mailbox, rates (as
# beside Gmail's 5.2.1), what passes, and us: our domain, server, contract or mail. Then the address may be well.
_OTHER = re.compile(
    r"\bfull\b|quota|storage|exceeded|plein|satur|\bvoll\b|überfüllt|speicher|kontingent"
    r"|\brates?\b|\blimit|\btoo (?:many|much|fast)\b|volume|fréquen"
    r"|tempor|provisoire|momentan|vorübergehend|zeitweil|again|réessay|later\b|lookup fail|servfail|\bdns\b"
    r"|relay|sender|expéditeur|absender|authenti|password|mot de passe|passwort|v[eé]rif|sandbox|permitted|allowed"
    r"|autoris|erlaubt|contract|contrat|vertrag|licen[cs]"
    r"|poli[ct]|richtlinie|spam|junk|pourriel|black.?list|block.?list|liste noire|gesperrt|r[eé]putation",
    re.IGNORECASE,
)
# Words of servers that give no code. Who is disabled, suspended, unavailable or denied may as well be we.
_MAILBOX = "(?:user|mailbox|recipient|addressee|(?:recipient|e-?mail) address)"
_NO_MAILBOX = re.compile(
    rf"\b(?:no such|unknown|non-?existent) (?:{_MAILBOX}|address)\b|\binvalid {_MAILBOX}\b"
    rf"|\b{_MAILBOX} (?:is )?(?:unknown|not found|disabled|inactive)\b"
    rf"|\b{_MAILBOX} do(?:es)?(?: not|n.?t) exist\b|\buser does(?: not|n.?t) have an? [\w.-]+ account\b"
    r"|\b(?:utilisateur|destinataire|adresse) inconnue?\b|\bbo[iî]te(?: aux lettres)? inexistante\b"
    r"|\b(?:benutzer|empfänger|adresse) unbekannt\b|\bpostfach existiert nicht\b",
    re.IGNORECASE,
)


def find_enhanced_code(words: str) -> str:
    """Return the enhanced code that a reply begins with, also behind its three figures; empty for none."""
    found = _ENHANCED.match(words)
    return found[1] if found else ""


def is_dead_address(words: str, code: str = "") -> bool:
    """Return whether a refusal for good says that its address takes no mail at all.

    `code` is an enhanced one that came beside the words, believed where these speak of nothing else. Without any code
    they decide.
    """
    if code in _NO_CODES:
        code = find_enhanced_code(words)
    if _OTHER.search(words):
        return False
    if code not in _NO_CODES:
        return code in _DEAD
    return bool(_NO_MAILBOX.search(words))
