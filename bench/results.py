"""The page of results: a table made of stored records, and plain words about what failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from evals import summary as summary_of
from evals.engine import registry

Record = dict[str, Any]
MINUTES, GIGABYTES = 5, 3  # that a default run may take
HEAD = """# What was measured

Made by `make bench-evals` from the records in `fixtures/runs`; not written by hand. Each row is
one run with the default specification and seed 0. Attack success stands undefended and then
under the mitigation's main arm, each with its 95 % interval; the difference is paired, on the
same prompts. The price is what else changed under that arm. *Adaptive* is the success of an
attacker who knows the mitigation; of several such attacks the one that succeeds most. Runs on
two cores were first runs; some of those on one, all older, may have shared the answers of an
undefended arm. The victims are small models made to have the risk (see
[evaluating](evaluating.md)): figures say what a mitigation does to these, not how often large
models fail.
"""
COLUMNS = ("mitigation", "target", "verdict", "without", "with", "difference", "adaptive",
           "price", "minutes")  # fmt: skip


def page(records: Sequence[Record], failed: dict[str, str]) -> str:
    """The whole page as Markdown."""
    stacks = [row for row in records if row["spec"].get("stack")]
    records = [row for row in records if row not in stacks]
    parts = [HEAD, summary(records), table(records), *remarks(records), *stacked(stacks)]
    if failed:
        rows = "\n".join(f"- `{slug}`: {reason}" for slug, reason in sorted(failed.items()))
        parts.append(f"## Runs that failed\n\n{rows}\n")
    return "\n".join(parts)


def minutes(record: Record) -> float:
    """How long the run took."""
    return float(record["provenance"]["duration_s"]) / 60


def gigabytes(record: Record) -> float:
    """The most memory that the run held."""
    return float(record["provenance"].get("peak_memory_mb", 0)) * 1024**2 / 1e9


def summary(records: Sequence[Record]) -> str:
    """How many, in which verdicts, in how long, on what."""
    verdicts = Counter(row["validity"]["verdict"] for row in records)
    said = ", ".join(f"{n} {verdict}" for verdict, n in verdicts.most_common())
    total, longest = sum(map(minutes, records)), max(map(minutes, records), default=0)
    made = sorted({f"{p['platform']}, {p['threads']} of {p['cpu_count']} cores"
                   for p in (row["provenance"] for row in records)})  # fmt: skip
    within = sum(minutes(row) <= MINUTES and gigabytes(row) <= GIGABYTES for row in records)
    return (
        f"{len(records)} mitigations: {said or 'none'}. All together {total:.0f} minutes, "
        f"the longest {longest:.1f}, the largest {max(map(gigabytes, records), default=0):.1f} "
        f"GB, on {'; '.join(made) or 'nothing yet'}. Within {MINUTES} minutes and {GIGABYTES} "
        f"GB: {within} of {len(records)}.\n"
    )


def table(records: Sequence[Record]) -> str:
    """One row a record."""
    rows = [COLUMNS, ("---",) * len(COLUMNS), *map(_row, records)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def _row(record: Record) -> tuple[str, ...]:
    gap, spec = primary(record), record["spec"]
    before, after = (
        figure(metric(record, gap["metric"], gap[side])) for side in ("baseline", "arm")
    )
    return (
        f"{registry.get_mitigation(spec['mitigation']).name} ({gap['arm']})",
        spec["target"],
        f"**{record['validity']['verdict']}**",
        before,
        after,
        difference(gap),
        _adaptive(record, gap),
        _price(record, gap),
        f"{minutes(record):.1f}",
    )


def primary(record: Record) -> Record:
    """The comparison that the run is about."""
    found: Record = next(row for row in record["comparisons"] if row["primary"])
    return found


def metric(record: Record, name: str, arm: str) -> Record | None:
    """A figure of an arm, where there is one."""
    rows = record["metrics"]
    return next((row for row in rows if (row["name"], row["arm"]) == (name, arm)), None)


def figure(row: Record | None) -> str:
    """A value with its interval, in its unit."""
    if row is None:
        return ""
    if row["unit"] == "share":
        return f"{row['value']:.0%} [{100 * row['low']:.0f}, {100 * row['high']:.0f}]"
    return f"{row['value']:.3g} [{row['low']:.3g}, {row['high']:.3g}] {row['unit']}"


def difference(gap: Record) -> str:
    """A paired difference in points, with its interval."""
    low, high = 100 * gap["low"], 100 * gap["high"]
    return f"{100 * gap['difference']:+.0f} [{low:+.0f}, {high:+.0f}]"


def _adaptive(record: Record, gap: Record) -> str:
    """The adaptive attack that succeeds most under the main arm."""
    rows = [
        row
        for row in record["metrics"]
        if row["arm"] == gap["arm"] and row["unit"] == "share" and summary_of.adaptive(row)
    ]
    if not rows and registry.get_mitigation(record["spec"]["mitigation"]).static_only:
        return "static attacks only"
    return figure(max(rows, key=lambda row: row["value"], default=None))


def _price(record: Record, gap: Record) -> str:
    """What the other measures did: from the baseline to the main arm, largest changes first."""
    found = []
    for row in record["metrics"]:
        attack = row["name"].startswith(("attack", "non-refusal"))
        if row["arm"] == gap["arm"] and not attack and row["name"] != gap["metric"]:
            before = metric(record, row["name"], gap["baseline"])
            if before:
                found.append(f"{row['label'].lower()}: {_bare(before)} → {_bare(row)}")
    return "; ".join(found[:4])


def _bare(row: Record) -> str:
    return f"{row['value']:.0%}" if row["unit"] == "share" else f"{row['value']:.3g} {row['unit']}"


def stacked(records: Sequence[Record]) -> list[str]:
    """What two mitigations do together, and whether their effects add up."""
    return [f"## {_both(row)}\n\n{_together(row)}\n" for row in records]


def _both(record: Record) -> str:
    names = [registry.get_mitigation(record["spec"][part]).name for part in ("mitigation", "stack")]
    return " with ".join([names[0], names[1].lower()])


def _together(record: Record) -> str:
    gap, shown = primary(record), []
    for arm in (gap["baseline"], gap["arm"], "second", "both"):
        shown.append(f"{arm} {figure(metric(record, gap['metric'], arm))}")
    notes = "\n".join(f"- {note}" for note in record["notes"][:2])
    return f"Attack success: {'; '.join(shown)}; {minutes(record):.1f} minutes.\n\n{notes}"


def remarks(records: Sequence[Record]) -> list[str]:
    """What a reader should not overlook: what could not be measured, helped nothing, or harmed."""
    sound = [row for row in records if row["validity"]["verdict"] == "measurable"]
    groups = {
        "Not measurable, and why": [
            f"`{row['spec']['mitigation']}`: {row['validity']['reason']}"
            for row in records
            if row not in sound
        ],
        "No effect shown (the interval of the difference holds 0)": [
            f"`{row['spec']['mitigation']}`: {difference(primary(row))}"
            for row in sound
            if primary(row)["low"] <= 0 <= primary(row)["high"]
        ],
        "Made it worse": [
            f"`{row['spec']['mitigation']}`: {difference(primary(row))}"
            for row in sound
            if primary(row)["low"] > 0
        ],
    }
    return [
        f"## {title}\n\n" + "\n".join(f"- {line}" for line in lines) + "\n"
        for title, lines in groups.items()
        if lines
    ]
