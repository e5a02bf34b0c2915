"""The search form: the text, how to search, and in which order to browse."""

from __future__ import annotations

from django import forms

from .queries.papers import ORDERINGS
from .search import MAX_CHARACTERS, Mode


class SearchForm(forms.Form):
    """What a search URL may say beside the paper filter."""

    q = forms.CharField(
        required=False,
        strip=True,
        max_length=MAX_CHARACTERS,
        error_messages={
            "max_length": "The text is longer than 20,000 characters. Paste an abstract or less."
        },
    )
    mode = forms.ChoiceField(required=False, choices=[(mode.value, mode.label) for mode in Mode])
    ordering = forms.ChoiceField(required=False, choices=[(name, name) for name in ORDERINGS])
    page = forms.IntegerField(required=False, min_value=1, max_value=10_000)
