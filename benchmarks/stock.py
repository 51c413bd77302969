"""What a user would put together: Presidio, Hugging Face pipelines, fp32, a message at a time.

The heads are not trained: their answers mean nothing, their time is that of trained ones. The
tagger's head is drawn to one side, so that it marks one token in twelve, about as many as there
are to mark, and the handling of finds costs the stock side no more than it would.
"""

import time
from typing import Any

from triage.encoder.base import LAYERS
from triage.encoder.base import folder as base_folder

#: Share of tokens that the tagger's head marks, measured on a sample.
MARKED = 1 / 12


class StockRedactor:
    """Presidio's analyzer with its default recognisers and a token classifier beside them."""

    def __init__(self, sample: str, *, layers: int = LAYERS) -> None:
        import torch
        from presidio_analyzer import AnalyzerEngine, EntityRecognizer, RecognizerResult
        from presidio_analyzer.nlp_engine import SpacyNlpEngine
        from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline

        base, labels = str(base_folder()), ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
        torch.manual_seed(7)
        network = AutoModelForTokenClassification.from_pretrained(
            base, num_hidden_layers=layers, id2label=dict(enumerate(labels))
        )
        tokenizer = AutoTokenizer.from_pretrained(base)
        with torch.inference_mode():
            (logits,) = network(**tokenizer(sample, return_tensors="pt")).logits
            lead = logits[:, 1:].amax(1) - logits[:, 0]
            network.classifier.bias[0] += lead.quantile(1 - MARKED)
        tagger: Any = pipeline(
            "token-classification",
            model=network,
            tokenizer=tokenizer,
            aggregation_strategy="simple",
        )
        self.encoder_seconds = 0.0
        side = self

        class Reader(EntityRecognizer):  # type: ignore[misc]  # Presidio is untyped.
            def load(self) -> None:
                pass

            def analyze(self, text: str, entities: Any, nlp_artifacts: Any = None) -> list[Any]:
                del entities, nlp_artifacts
                began = time.perf_counter()
                found = tagger(text)
                side.encoder_seconds += time.perf_counter() - began
                return [
                    RecognizerResult("PERSON", each["start"], each["end"], float(each["score"]))
                    for each in found
                ]

        class Blank(SpacyNlpEngine):  # type: ignore[misc]  # Presidio is untyped.
            def __init__(self) -> None:
                import spacy

                super().__init__(models=[{"lang_code": "en", "model_name": "blank"}])
                self.nlp = {"en": spacy.blank("en")}

            def load(self) -> None:
                pass

        self._analyzer = AnalyzerEngine(nlp_engine=Blank())
        self._analyzer.registry.add_recognizer(Reader(supported_entities=["PERSON"]))

    def find(self, text: str) -> list[Any]:
        found: list[Any] = self._analyzer.analyze(text=text, language="en")
        return found


class StockClassifier:
    """Hugging Face's text classification pipeline."""

    def __init__(self) -> None:
        from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

        base = str(base_folder())
        self._pipeline: Any = pipeline(
            "text-classification",
            model=AutoModelForSequenceClassification.from_pretrained(base, num_labels=11),
            tokenizer=AutoTokenizer.from_pretrained(base),
            truncation=True,
        )

    def route(self, text: str) -> str:
        (route,) = self._pipeline(text)
        return str(route["label"])
