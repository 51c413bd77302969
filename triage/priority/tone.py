"""How a message sounds: angry, threatening to leave or to complain, pleading; English and Spanish.

Rule of the room: a tone is a sign on the case for whoever answers. It raises nothing and lowers
nothing, and no rule of danger reads it: despair that may mean self-harm is theirs
(`redflags/mind_and_safety.yaml`).
"""

import re
from collections.abc import Iterator, Mapping

from triage.domain import Mark, Message
from triage.priority.words import fold, stem, visible

#: `~` stands for up to three words. Accents, capitals and endings do not count.
TONES: Mapping[Mark, tuple[str, ...]] = {
    Mark.ANGRY: (
        *("i am ~ furious", "im ~ furious", "just furious", "i am ~ livid", "im ~ livid"),
        *("outrageous", "outraged", "unacceptable", "not acceptable", "ridiculous", "appalling"),
        *("appalled", "disgusted with", "disgraceful", "disgrace", "incompetent", "incompetence"),
        *("unprofessional", "fed up", "sick and tired", "sick of this", "sick of you"),
        *("sick of your", "sick of calling", "sick of waiting", "last straw", "shame on you"),
        *("how dare you", "pissed off", "had it with", "highway robbery", "bleeding me dry"),
        *("i am ~ angry", "im ~ angry", "i am ~ mad at you", "im ~ mad at you", "is garbage"),
        *("i am ~ upset with", "im ~ upset with", "worst clinic", "worst office"),
        *("worst practice", "worst service", "trying to kill me", "not paying one cent"),
        *("i pay one cent", "want an apology", "expect an apology", "want the manager"),
        *("like a criminal", "like some criminal", "minutes on hold", "hours on hold"),
        *("third time i", "fourth time i", "fifth time i", "3rd time i", "4th time i"),
        *("third time asking", "fourth time asking", "3rd time asking", "4th time asking"),
        *("third request", "fourth request", "3rd request", "4th request", "for the third time"),
        *("for the fourth time", "for the fifth time", "for the sixth time", "third email"),
        *("fourth email", "you people keep", "you people nearly", "you people are going"),
        *("are you people", "do you people", "can you people", "inaceptable", "indignado"),
        *("estoy ~ furioso", "estoy ~ furiosa", "indignada", "indignante", "estoy ~ harto"),
        *("estoy ~ harta", "harto de que", "harta de que", "estoy ~ enojado", "estoy ~ enojada"),
        *("estoy ~ molesto", "estoy ~ molesta", "es el colmo", "vergonzoso", "una vergüenza"),
        *("falta de respeto", "pésimo servicio", "pésima atención", "incompetente", "ya basta"),
        *("ridículo", "ridícula", "tercera vez que", "cuarta vez que", "quinta vez que"),
        *("cómo es posible que", "no voy a pagar", "me van a matar", "un abuso", "un robo"),
    ),
    Mark.THREATENS: (
        *("sue you", "going to sue", "will sue", "suing you", "take legal action"),
        *("taking legal action", "hear from my lawyer", "hear from my attorney", "get a lawyer"),
        *("hearing from my lawyer", "hearing from my attorney", "call ~ my lawyer"),
        *("file ~ complaint", "filing ~ complaint", "formal complaint", "make ~ complaint"),
        *("complaint about your", "complaint about the", "have a complaint", "want to complain"),
        *("complain to the", "complaint with the", "or i file with", "ill file with"),
        *("report you", "reporting you", "report this to", "better business", "medical board"),
        *("attorney general", "go elsewhere", "going elsewhere", "take my business"),
        *("find another doctor", "find another practice", "find another clinic"),
        *("find another office", "find a new doctor", "switch doctors", "switching doctors"),
        *("switching practices", "switching clinics", "leaving your practice", "bad review"),
        *("leave your practice", "leaving this practice", "leave this practice"),
        *("changing doctors", "dispute it with my bank", "one star"),
        *("voy a demandar", "vamos a demandar", "demandarlos", "los demando", "acción legal"),
        *("acciones legales", "con mi abogado", "con mi abogada", "con un abogado"),
        *("poner ~ queja", "presentar ~ queja", "queja formal", "voy a denunciar"),
        *("denunciarlos", "poner ~ denuncia", "voy a reportar", "reportarlos"),
        *("cambiar de clínica", "cambiar de médico", "cambiar de doctor", "voy a otra clínica"),
        *("cambiarme de clínica", "cambiarme de médico", "cambiarme de doctor"),
        *("buscar otro doctor", "buscar otro médico", "buscar otra doctora"),
        *("buscar otra clínica",),
    ),
    Mark.PLEADS: (
        *("i am begging", "im begging", "begging you", "i beg you", "i beg of you", "desperate"),
        *("desperately", "please please", "please help me", "please help us", "wits end"),
        *("end of my rope", "what else to do", "where else to turn", "can someone please help"),
        *("nobody will help", "no one will help", "i am in tears", "im in tears"),
        *("pleading with you", "se lo ruego", "les ruego", "le ruego", "se los ruego"),
        *("les suplico", "le suplico", "se lo suplico", "se los suplico", "desesperado"),
        *("desesperada", "por favor por favor", "no sé qué más hacer", "ya no sé qué hacer"),
        *("por lo que más quiera", "ayúdenme por favor", "por favor ayúdenme"),
        *("no sé a quién acudir",),
    ),
}
#: What takes a tone back when it stands in the three words before it.
_NOT = frozenset(
    (
        *("not", "no", "never", "isnt", "wasnt", "dont", "didnt", "arent", "without", "hardly"),
        *("would", "wont", "nor", "nunca", "sin", "ni", "neither", "cant"),
    )
)
_READ = 20_000
_TOKEN = re.compile(r"[^\W_]+(?:['’ʼ`´][^\W_]+)*|[.!?…]")


def tones(message: Message) -> frozenset[Mark]:
    """Return how subject and newest words sound."""
    text = visible(f"{message.subject.reveal()} .\n{message.body.reveal()}"[:_READ])
    plain = " ".join(_read(text))
    return frozenset(mark for mark, shape in _SHAPES.items() if _sounds(shape, plain))


def _read(text: str) -> Iterator[str]:
    for found in _TOKEN.findall(text):
        yield stem(fold(found)) if found[0].isalnum() else "."


def _sounds(shape: re.Pattern[str], plain: str) -> bool:
    for found in shape.finditer(plain):
        sentence = plain[: found.start()].rpartition(".")[2]
        if _NOT.isdisjoint(sentence.split()[-3:]):
            return True
    return False


def _shape(phrases: tuple[str, ...]) -> re.Pattern[str]:
    """Return one pattern for all phrases over words that `_read` made."""
    made = {
        " ".join(word if word == "~" else stem(fold(word)) for word in one.split())
        for one in phrases
    }
    between = rf"(?:(?!(?:{'|'.join(sorted(_NOT))}) )\w+ ){{0,3}}"
    ways = (re.escape(one).replace(r"\~\ ", "~ ").replace("~ ", between) for one in made)
    return re.compile(rf"(?<!\S)(?:{'|'.join(sorted(ways))})(?!\S)")


_SHAPES = {mark: _shape(phrases) for mark, phrases in TONES.items()}
