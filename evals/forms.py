"""The Run form, made from the parameters that a mitigation declares."""

from __future__ import annotations

from typing import Any

from django import forms

from . import queries
from .engine.params import Param
from .engine.registry import Mitigation


class RunForm(forms.Form):
    """Risk, target, seed, and a field for each declared parameter."""

    seed = forms.IntegerField(
        min_value=0,
        max_value=2**31 - 1,
        initial=0,
        required=False,
        help_text="the same seed and values give the same numbers",
    )

    def __init__(self, mitigation: Mitigation, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        self.mitigation = mitigation
        self.fields["risk"] = _choice(mitigation.risks)
        self.fields["target"] = _choice((*mitigation.targets, *_endpoints(mitigation)))
        for param in mitigation.params:
            self.fields[param.name] = field(param)
        self.order_fields(["risk", "target", *(param.name for param in mitigation.params)])

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
    label = param.name.replace("_", " ")
    label = label if len(label) == 1 else label.capitalize()
    common = {"help_text": param.help, "initial": param.default, "required": False, "label": label}
    if param.type == "bool":
        return forms.BooleanField(**common)
    if param.type == "choice":
        return forms.ChoiceField(choices=[(c, c) for c in param.choices], **common)
    if param.type == "int":
        return forms.IntegerField(min_value=int(param.low), max_value=int(param.high), **common)
    return forms.FloatField(min_value=param.low, max_value=param.high, **common)


class PortfolioForm(forms.Form):
    """Risks, and what ordinary requests may pay. Empty budgets are no budgets."""

    refusals = forms.FloatField(
        min_value=0,
        max_value=100,
        required=False,
        label="Ordinary requests refused, at most this many points more",
    )
    slower = forms.FloatField(
        min_value=0, max_value=1e6, required=False, label="Slower by at most, in milliseconds"
    )

    def __init__(self, risks: list[str], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["risk"] = forms.MultipleChoiceField(
            choices=[(name, name.replace("-", " ")) for name in risks],
            required=False,
            label="Risks (none chosen: all)",
            widget=forms.CheckboxSelectMultiple,
        )

    def budgets(self) -> tuple[float | None, float | None]:
        """(share of benign requests, milliseconds)."""
        refusals = self.cleaned_data["refusals"]
        return (None if refusals is None else refusals / 100), self.cleaned_data["slower"]
