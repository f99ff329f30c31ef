"""From rounds to figures, and from figures to what they say about the targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .imports import Start
from .rounds import BASELINE, SIDES, Round, Rounds
from .spread import Estimate, Groups, estimate, median


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure may be at most.

    Attributes:
        name: For people.
        limit: In the unit of the figure.
        unit: "" for a ratio, or "ms".
    """

    name: str
    limit: float
    unit: str
    figure: Estimate

    @property
    def verdict(self) -> str:
        """ "met" or "missed" when the whole interval is, else the side its median is on."""
        if self.figure.high <= self.limit:
            return "met"
        if self.figure.low > self.limit:
            return "missed"
        return "probably met" if self.figure.median <= self.limit else "probably missed"


_FIGURES: dict[str, Callable[[Round], float | None]] = {
    "tasks_per_s": lambda one: 1 / one.elapsed_s,
    "elapsed_us": lambda one: one.elapsed_s * 1e6,
    "p50_ms": lambda one: None if one.p50_s is None else one.p50_s * 1e3,
    "p99_ms": lambda one: None if one.p99_s is None else one.p99_s * 1e3,
    "client_us": lambda one: one.client_s * 1e6,
    "worker_us": lambda one: one.worker_s * 1e6,
    "processor_us": lambda one: (one.client_s + one.worker_s) * 1e6,
}
_OF_A_WAIT = ("p50_ms", "p99_ms", "client_us", "worker_us", "processor_us")
#: Which of them say something about which measure: a held worker does not drain.
_OF_MEASURE = {
    "enqueue": ("tasks_per_s", "elapsed_us", "client_us"),
    "drain": ("tasks_per_s", "elapsed_us", "worker_us"),
    "enqueue many": ("tasks_per_s", "elapsed_us", "client_us"),
    "round trip": ("tasks_per_s", "elapsed_us", *_OF_A_WAIT),
    "view": ("tasks_per_s", "elapsed_us", *_OF_A_WAIT),
}


#: The extension itself on Celery's transport, and our transport beside Celery's.
_TARGETS = (
    ("processor time", "kombu", "enqueue", "client_us", 1.05),
    ("processor time", "kombu", "drain", "worker_us", 1.05),
    ("time", "celeriac", "enqueue", "elapsed_us", 1 / 4.5),
    ("time", "celeriac", "enqueue many", "elapsed_us", 1 / 40),
    ("time", "celeriac", "drain", "elapsed_us", 1.0),
    ("time", "celeriac", "round trip", "elapsed_us", 1.0),
)


def of_rounds(rounds: Rounds) -> dict[str, dict[str, Any]]:
    """Return the figures of each measure.

    Returns:
        ``{measure: {figure: {"medians": {side: median}, "ratios": {side: Estimate as dict}}}}``,
        a ratio being that of the rounds of one turn, the side's over plain Celery's.
    """
    return {
        measure: {name: _compared(sides, _FIGURES[name]) for name in _OF_MEASURE[measure]}
        for measure, sides in rounds.items()
    }


def of_imports(measured: Mapping[str, Sequence[tuple[Start, Start]]]) -> dict[str, Any]:
    """Return medians, differences and ratios in milliseconds, of processor time and elapsed."""
    return {
        name: {
            "processor_ms": _added([(a.processor_s, b.processor_s) for a, b in pairs]),
            "elapsed_ms": _added([(a.elapsed_s, b.elapsed_s) for a, b in pairs]),
        }
        for name, pairs in measured.items()
    }


def targets(pools: Mapping[str, Any], imports: Mapping[str, Any]) -> list[Target]:
    """Return the targets that the figures (as the functions above give them) speak of."""
    found = []
    for pool, measures in pools.items():
        for name, side, measure, figure, limit in _TARGETS:
            ratio = Estimate(**measures[measure][figure]["ratios"][side])
            found.append(Target(f"{name} of {measure} ({pool}, {side})", limit, "", ratio))
    if imports:
        added = Estimate(**imports["import"]["elapsed_ms"]["difference"])
        found.append(Target("import after Flask and Celery", 20.0, "ms", added))
    return found


def _compared(
    sides: Mapping[str, list[list[Round]]], figure: Callable[[Round], float | None]
) -> dict[str, Any]:
    values = {
        side: [[value for one in group if (value := figure(one)) is not None] for group in groups]
        for side, groups in sides.items()
    }
    return {
        "medians": {side: median(groups) for side, groups in values.items()},
        "ratios": {
            side: asdict(estimate(_ratios(values[BASELINE], values[side])))
            for side in SIDES
            if side != BASELINE
        },
    }


def _ratios(baseline: Groups, groups: Groups) -> Groups:
    return [
        [b / a for a, b in zip(*pair, strict=True)] for pair in zip(baseline, groups, strict=True)
    ]


def _added(pairs: Sequence[tuple[float, float]]) -> dict[str, Any]:
    return {
        "without": median([[a * 1e3 for a, _ in pairs]]),
        "with": median([[b * 1e3 for _, b in pairs]]),
        "difference": asdict(estimate([[(b - a) * 1e3 for a, b in pairs]])),
        "ratio": asdict(estimate([[b / a for a, b in pairs]])),
    }
