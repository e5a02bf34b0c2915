"""The Run form, made from the parameters that a mitigation declares."""

from __future__ import annotations

from typing import Any

from django import forms

from . import queries
from .engine.params import Param
from .engine.registry import Mitigation


class RunForm(forms.Form):
    """Risk, target, seed, and a field for each declared parameter."""

    seed = forms.IntegerField(min_value=0, max_value=2**31 - 1, initial=0, required=False)

    def __init__(self, mitigation: Mitigation, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.mitigation = mitigation
        self.fields["risk"] = _choice(mitigation.risks)
        self.fields["target"] = _choice((*mitigation.targets, *_endpoints(mitigation)))
        for param in mitigation.params:
            self.fields[param.name] = field(param)

    def wanted(self) -> dict[str, Any]:
        """The cleaned form as arguments of ``operations.request_run``."""
        data = {k: v for k, v in self.cleaned_data.items() if v not in (None, "")}
        params = {p.name: data[p.name] for p in self.mitigation.params if p.name in data}
        return {
            "mitigation": self.mitigation.slug,
            "risk": data.get("risk", ""),
            "target": data.get("target", ""),
            "seed": data.get("seed", 0),
            "params": params,
        }


def _endpoints(mitigation: Mitigation) -> list[str]:
    """The registered endpoints, for a mitigation that needs no more than they give."""
    return queries.endpoints() if mitigation.needs == "text" else []


def _choice(names: tuple[str, ...]) -> forms.ChoiceField:
    return forms.ChoiceField(
        choices=[(name, name.replace("-", " ")) for name in names], initial=names[0], required=False
    )


def field(param: Param) -> forms.Field:
    """The form field of one declared parameter."""
    common = {"help_text": param.help, "initial": param.default, "required": False}
    if param.type == "bool":
        return forms.BooleanField(**common)
    if param.type == "choice":
        return forms.ChoiceField(choices=[(c, c) for c in param.choices], **common)
    if param.type == "int":
        return forms.IntegerField(min_value=int(param.low), max_value=int(param.high), **common)
    return forms.FloatField(min_value=param.low, max_value=param.high, **common)
