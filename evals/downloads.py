"""A finished run as a file: the record, its figures as rows, a block for a model card."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from .models import Run

COLUMNS = ("name", "label", "arm", "value", "low", "high", "n", "method", "unit", "better")
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def as_json(run: Run) -> str:
    """The engine's whole record, as its digest was taken of it."""
    return json.dumps(run.result, ensure_ascii=False, indent=1, sort_keys=True)


def as_csv(run: Run) -> str:
    """The figures, one a row. Texts that a spreadsheet would run as a formula are quoted."""
    out = io.StringIO()
    rows = csv.writer(out)
    rows.writerow(COLUMNS)
    for metric in (run.result or {}).get("metrics", []):
        rows.writerow([_plain(metric[name]) for name in COLUMNS])
    return out.getvalue()


def _plain(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def as_card(run: Run, address: str) -> str:
    """A block for a model card in the form of the Hugging Face ``model-index`` metadata."""
    result = run.result or {}
    metrics = [
        f"      - name: {json.dumps(row['label'] + ' (' + row['arm'] + ')')}\n"
        f"        type: {row['name']}\n"
        f"        value: {row['value']:.4f}\n"
        f"        args: {{low: {row['low']:.4f}, high: {row['high']:.4f}, n: {row['n']}}}"
        for row in result.get("metrics", [])
    ]
    return "\n".join(
        [
            "model-index:",
            f"- name: {json.dumps(result['provenance']['model']['name'])}",
            "  results:",
            f"  - task: {{type: {json.dumps(run.risk)}, name: {json.dumps(run.mitigation)}}}",
            f"    dataset: {{type: safestack, name: {json.dumps(run.spec_digest[:12])}}}",
            f"    source: {{name: Safestack, url: {json.dumps(address)}}}",
            "    metrics:",
            *metrics,
            "",
        ]
    )


FORMATS = {
    "json": ("application/json", "json"),
    "csv": ("text/csv; charset=utf-8", "csv"),
    "card": ("text/yaml; charset=utf-8", "yaml"),
}
