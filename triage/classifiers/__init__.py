"""Routes, further routes and urgency are read here from redacted text.

Rule of the room: a classifier accepts only `Redacted`; when it cannot answer it abstains and a
person sorts. To add one: a module beside this file and a row in `BUILTIN`.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from triage.domain import Classification, Redacted


class Classifier(Protocol):
    """Says what a redacted message asks for."""

    #: Name and version of the model, stored with every Classification.
    name: str

    def classify(self, texts: Sequence[Redacted]) -> list[Classification]:
        """Return one Classification per text, same order; raise ClassificationFailed as a whole.

        A text with a withheld body is abstained on.
        """
        ...


#: name -> dotted path of a class taking one settings mapping.
BUILTIN: Mapping[str, str] = {
    "minilm": "triage.classifiers.minilm.MiniLMClassifier",
    "abstain": "triage.classifiers.abstain.AlwaysAbstain",
}
