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
_PASSED_ON = (
    r"forwarded (?:message|mail|e-?mail|letter)|mensaje reenviado|correo reenviado"
    r"|weitergeleitete (?:nachricht|e-?mail|mail)"
    r"|(?:message|courriel|e-?mail) (?:transféré|réexpédié)|messaggio inoltrato"
    r"|mensagem (?:re)?encaminhada|doorgestuurd bericht|vidarebefordrat (?:meddelande|brev)"
    r"|videresendt (?:besked|meddelelse|melding|e-?mail)|välitetty viesti|edelleenlähetetty viesti"
    r"|przekazana wiadomość|wiadomość przekazana|továbbított (?:üzenet|levél)"
    r"|iletilen ileti|yönlendirilen ileti|přeposlaná zpráva|mesaj redirecționat"
    r"|пересылаемое сообщение|переадресованное сообщение|προωθημένο μήνυμα"
    r"|转发的?邮件|已轉寄的郵件|轉寄郵件|転送メッセージ|전달된 메시지|הודעה שהועברה"
)
_BEGINNING = (
    r"begin(?:ning)?(?: of)?|start(?: of)?(?: på)?|anfang der|beginn der|inicio del|début du"
    r"|inizio(?: del)?|início da|开始|開始"
)
#: The line a mail program writes over what it passes on; nothing but it stands in the line.
_LINE = re.compile(
    rf"(?:(?:{_BEGINNING}) ?)?(?:{_PASSED_ON})(?: follows)?"
    r"(?: (?:from|by|de|von|por|di|van|av|fra|от) .{1,200})? ?[:\uff1a]?",
    re.I,
)
_BY = re.compile(r"(?:forwarded by|reenviado por|weitergeleitet von|transféré par) ", re.I)
#: What such a line is drawn with.
_RULES = " \t*_=-"


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
    # Both expressions see each blank once, so that no text makes them slow.
    bare = " ".join(line.strip(_RULES).split())
    named = line.startswith("--") and _BY.match(bare) is not None
    return named or _LINE.fullmatch(bare) is not None
