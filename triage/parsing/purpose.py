"""What a message is for: it begins something, answers something, or passes another's words on.

Rule of the room: in doubt it does not answer, because only of an answer are unmarked words taken
for old ones.
"""

import re
from enum import Enum, auto

#: Of a line or a subject no more is looked at.
_LONGEST = 300
#: What a mail server puts before a subject: "[EXTERNAL]", "***SPAM***", "(ext)".
_TAGS = r"\s{0,9}(?:(?:\[[^\[\]]{1,40}\]|\([^()]{1,40}\)|\*{1,5}[^*]{1,40}\*{1,5})\s{0,9}){0,4}"
_COLON = r"\s?(?:\[\d{1,3}\]|\(\d{1,3}\)|\^?\d{1,2})?\s{0,3}[:\uff1a]"
#: How mail programs begin the subject of what they pass on, in a score of languages.
_PASSING_ON = re.compile(
    rf"{_TAGS}(?:fwd?|forward(?:ed)?|wg|weitergeleitet|rv|reenv(?:iado|[ií]o)?|tr|transf(?:éré)?"
    r"|i|inoltra(?:to)?|enc|encaminhad[ao]|reencaminhad[ao]|doorst(?:urd|uren)?|vb|vs|vl|pd|fs"
    r"|tov[aá]bb[ií]t(?:ás|va)?|i̇?lt|[iı]lt|πρθ|пересл"
    rf"|转发|轉寄|转寄|転送|전달|הועבר|إعادة توجيه){_COLON}",
    re.I,
)
_ANSWERING = re.compile(
    rf"{_TAGS}(?:re|aw|antw(?:ort)?|sv|r|rif|ris|res|resp|rép|ref|odp|ynt|απ|отв|vá|bls|atb"
    r"|(?:automatic|auto)[ -]?(?:reply|response)|automatische antwort|out of office"
    r"|réponse automatique|risposta automatica|resp(?:ue|o)sta autom[aá]tica"
    rf"|回复|回覆|答复|返信|답장|回應|השב|رد){_COLON}",
    re.I,
)
#: What is said of a message that was passed on, with the endings that its place in a line asks for.
_PASSED = (
    r"forwarded|fwd|reenviad[oa]|reenviat|weitergeleitete?[nrs]?|transféré|réexpédié|inoltrat[oa]"
    r"|(?:re)?encaminhad[ao]|doorgestuurde?|vidarebefordra(?:t|d|de|n)|videresendte?|välitetyn?"
    r"|välitetty|edelleenlähete(?:tty|tyn)|przekaz(?:ana|anej|ywana|ywanej)|przesłan(?:a|ej)"
    r"|továbbított|iletilen|iletilmiş|yönlendirilen|přeposlan[áé]|preposlan[áe]j?|redirecționat"
    r"|proslijeđen[aeu]|prosleđen[aeu]|пересылаем(?:ое|ого)|пересланн(?:ое|ого)"
    r"|переадресован(?:ное|ного|ого|е)|προωθημένου?"
)
_A_MESSAGE = (
    r"messages?|e-?mails?|mails?|letter|text|conversation|mensaje|correo|missatge|nachricht"
    r"|courriel|messaggio|mensagem|bericht|meddelandet?|brev(?:et)?|besked|meddelelse|melding"
    r"|viesti[n]?|wiadomoś(?:ć|ci)|üzenet|levél|ileti|zpráv[ay]|správ[ay]|mesaj|poruk[aeu]"
    r"|сообщени[ея]|повідомлення|письм[оа]|μήνυμα|μηνύματος"
)
_PASSED_ON = (
    rf"(?:{_PASSED}) (?:{_A_MESSAGE})\b|(?:{_A_MESSAGE}) (?:{_PASSED})\b"
    r"|转发的?邮件|已轉寄的郵件|轉寄郵件|転送(?:された)?メッセージ|전달된 메시지|הודעה שהועברה"
)
_BEGINNING = (
    r"begin(?:ning)?(?: of)?|start(?: of)?(?: på)?|anfang der|beginn der|inicio del|inici del"
    r"|début du|inizio(?: del)?|início da|początek|začátek|začiatok|početak|început|начало"
    r"|початок|αρχή|开始|開始"
)
#: The line a mail program writes over what it passes on; nothing but it stands in the line.
_LINE = re.compile(
    rf"(?:(?:{_BEGINNING}) ?)?(?:{_PASSED_ON})(?: follows)?"
    r"(?: (?:from|by|de|von|por|di|van|av|fra|от) .{1,200})? ?[:\uff1a]?",
    re.I,
)
#: How such a line begins that is drawn, whatever else it says.
_DRAWN = re.compile(rf"(?:(?:{_BEGINNING}) ?)?(?:(?:{_PASSED_ON})|(?:{_PASSED})$)", re.I)
_BY = re.compile(
    r"(?:forwarded (?:by|from)|reenviado por|weitergeleitet von|transféré par|inoltrato da"
    r"|(?:re)?encaminhad[ao] por|doorgestuurd door) ",
    re.I,
)
#: A line that ends with a colon, has few words and these among them stands over such a message.
_AMONG = re.compile(rf"\b(?:{_PASSED_ON})", re.I)
_FEW = 7
#: What such a line is drawn with.
_RULES = " \t*_=-~#+[]{}\u00ab\u00bb\u2012\u2013\u2014\u2015\u2500\u2501\u2550"


class Purpose(Enum):
    """Whether what a message repeats is old to whoever reads it."""

    BEGINS = auto()
    ANSWERS = auto()
    PASSES_ON = auto()


def purpose_of(subject: str, *, names_another: bool = False) -> Purpose:
    """Return what a message is for; the subject outweighs what its headers name.

    Some mail programs name the mail they pass on just as if they answered it.
    """
    if _PASSING_ON.match(subject[:_LONGEST]):
        return Purpose.PASSES_ON
    if names_another or _ANSWERING.match(subject[:_LONGEST]):
        return Purpose.ANSWERS
    return Purpose.BEGINS


def passes_on(line: str) -> bool:
    """Whether this is the line that a mail program writes over what it passes on."""
    line = line[:_LONGEST].strip()
    # The expressions see each blank once, so that no text makes them slow.
    # A line that begins with ">" is marked as old: the marks are no drawing.
    bare = " ".join(line.lstrip(_RULES + "<").rstrip(_RULES + ">").split())
    # One sign and a blank begin an item of a list.
    drawn = len(line) > 1 and not line[:2].strip(f"{_RULES.strip()}<")
    if _BY.match(bare):
        return drawn or any(one.isdigit() for one in bare)
    if _LINE.fullmatch(bare) or (drawn and _DRAWN.match(bare)):
        return True
    return bare.endswith((":", "\uff1a")) and bare.count(" ") < _FEW and bool(_AMONG.search(bare))
