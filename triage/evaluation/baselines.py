"""The plain things a good router must beat: words counted, an encoder left as it is, keywords.

Rule of the room: a baseline learns from the same messages as the router and nothing else.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from triage.classifiers.dataset import Row
from triage.classifiers.training import labelled
from triage.classifiers.wording import compose
from triage.domain import Route, Urgency
from triage.evaluation.routes import Prediction

#: Turns a row into the text a baseline reads: redacted as labelled, or the original.
Reading = Callable[[Row], str]

#: What a person would put into a mail program's filter, first match wins.
KEYWORDS: Mapping[Route, tuple[str, ...]] = {
    Route.URGENT_CLINICAL: (
        "chest pain", "can't breathe", "cannot breathe", "bleeding", "suicid", "overdose", "stroke",
        "unconscious", "seizure", "emergency", "dolor de pecho", "no puedo respirar", "sangr",
    ),
    Route.NOT_FOR_US: ("unsubscribe", "out of office", "undeliver", "click here", "% off"),
    Route.REFILL: ("refill", "renew", "prescription", "pharmacy", "receta"),
    Route.BILLING_DISPUTE: ("bill", "charge", "invoice", "payment", "collections", "factura"),
    Route.INSURANCE_AUTHORIZATION: ("prior auth", "authorization", "insurance", "coverage"),
    Route.REFERRAL: ("referral", "refer me", "referido"),
    Route.RESULTS: ("result", "lab", "x-ray", "mri", "biopsy", "resultado"),
    Route.RECORDS_FORMS: ("form", "records", "letter", "fmla", "immunization", "formulario"),
    Route.RESCHEDULE: ("appointment", "reschedule", "cancel", "cita"),
    Route.CLINICAL_QUESTION: ("pain", "dose", "side effect", "should i", "symptom", "rash"),
}  # fmt: skip


def redacted(row: Row) -> str:
    """Return a row as the router reads it."""
    return labelled(row).text


def original(row: Row) -> str:
    """Return a row with every identifier in it, which no model in the path may read."""
    return compose(row.subject, row.body)


def tfidf(
    train: Sequence[Row], rows: Sequence[Row], *, read: Reading = redacted
) -> list[Prediction]:
    """Return what TF-IDF with logistic regression says."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)
    known = words.fit_transform([read(row) for row in train])
    return _regression(known, train, words.transform([read(row) for row in rows]), C=20.0)


def frozen(
    train: Sequence[Row], rows: Sequence[Row], *, read: Reading = redacted
) -> list[Prediction]:
    """Return what logistic regression says on the mean vectors of the encoder as it came."""
    from triage.encoder.vectors import mean_vectors

    known = mean_vectors([read(row) for row in train])
    return _regression(known, train, mean_vectors([read(row) for row in rows]), C=10.0)


def keywords(rows: Sequence[Row]) -> list[Prediction]:
    """Return what a list of words in the mail program says."""
    said = []
    for row in rows:
        text = original(row).lower()
        hits = [route for route, words in KEYWORDS.items() if any(word in text for word in words)]
        route = hits[0] if hits else Route.GENERAL
        also = frozenset(hits[1:3]) if route is not Route.NOT_FOR_US else frozenset[Route]()
        said.append(Prediction(route, also, _urgency(route), confidence=0.5))
    return said


def _regression(known: Any, train: Sequence[Row], asked: Any, *, C: float) -> list[Prediction]:  # noqa: N803 -- the inverse strength of regularisation is called C.
    """Fit the routes, and beside them each request by itself; answer for `asked`."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.preprocessing import MultiLabelBinarizer

    first = LogisticRegression(C=C, max_iter=3000, class_weight="balanced")
    first.fit(known, [row.route.value for row in train])
    binary = MultiLabelBinarizer(classes=[route.value for route in Route])
    every = OneVsRestClassifier(LogisticRegression(C=C, max_iter=3000, class_weight="balanced"))
    every.fit(known, binary.fit_transform([{row.route.value, *row.also} for row in train]))
    shares, requests = first.predict_proba(asked), every.predict_proba(asked)
    said = []
    for share, request in zip(shares, requests, strict=True):
        route = Route(first.classes_[share.argmax()])
        named = {
            Route(binary.classes[place]) for place in range(len(request)) if request[place] > 0.5
        }
        also = frozenset(named - {route, Route.URGENT_CLINICAL})
        said.append(Prediction(route, also, _urgency(route), confidence=float(share.max())))
    return said


def _urgency(route: Route) -> Urgency:
    return Urgency.EMERGENCY if route is Route.URGENT_CLINICAL else Urgency.ROUTINE
