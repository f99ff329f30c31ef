"""What the soak found, as JSON and as text."""

from __future__ import annotations

import json
import platform
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from benchmarks.table import aligned

from .scene import Scene
from .verdict import repeats, runs_of
from .watcher import Sample

_MIB = 1024**2
#: What must be 0.
_MUST_BE_ZERO = ("lost", "stuck", "undeclared repeats")
_LOGGED = {
    "late results refused": "was not stored: this was a late run",
    "late acknowledgements refused": "acknowledgement was refused",
    "tracebacks": "Traceback (most recent call last)",
}


def of(scene: Scene) -> dict[str, Any]:
    """Return all counts of a scene that has been played."""
    runs = runs_of(scene.lines)
    found = repeats(runs, scene.faults.made)
    watcher = scene.watcher
    lost = [id_ for id_ in watcher.open if id_ not in scene.places]
    return {
        "about": {
            "plan": asdict(scene.plan),
            "server": scene.server.product,
            "python": platform.python_version(),
            "versions": {name: version(name) for name in ("flask-celeriac", "celery", "redis")},
            "took_s": round(scene.took_s, 1),
        },
        "counts": {
            "accepted": watcher.accepted,
            "refused at sending": scene.count("refused"),
            "runs": len(runs),
            "faults": len(scene.faults.made),
            "lost": len(lost),
            "stuck": len(watcher.open) - len(lost) + sum(scene.claims.values()),
            "declared repeats": sum(found.declared.values()),
            "undeclared repeats": len(found.undeclared),
            "wrong results": len(watcher.wrong),
            "ends of workers without a fault": sum(not end[3] for end in scene.fleet.ends),
        },
        "outcomes": watcher.outcomes,
        "faults": {
            kind: sum(fault.kind == kind for fault in scene.faults.made)
            for kind in scene.faults.kinds
        },
        "declared": dict(found.declared),
        "again_after_kill_s": _spread(found.again_after_s),
        "send_s": _spread([ln["took_s"] for ln in scene.lines if ln["what"] == "accepted"]),
        "refused_s": _spread([ln["took_s"] for ln in scene.lines if ln["what"] == "refused"]),
        "refused": dict(Counter(ln["error"][:90] for ln in scene.lines if ln["what"] == "refused")),
        "logged": scene.log_lines(_LOGGED),
        "memory_mib": _memory(watcher.samples),
        "details": {
            "lost": [_history(scene, id_) for id_ in lost],
            "stuck": scene.places,
            "claims": scene.claims,
            "undeclared": [[asdict(run) for run in same] for same in found.undeclared],
            "wrong": watcher.wrong,
            "ends": scene.fleet.ends,
            "faults": [asdict(fault) for fault in scene.faults.made],
        },
        "samples": [asdict(sample) for sample in watcher.samples],
    }


def exit_code(found: Mapping[str, Any]) -> int:
    """Return 1 if anything was lost, stuck, or repeated without being declared."""
    return int(any(found["counts"][name] for name in _MUST_BE_ZERO))


def as_json(found: Mapping[str, Any]) -> str:
    """Return all of it."""
    return json.dumps(found, indent=1).replace("Infinity", "null")


def as_text(found: Mapping[str, Any]) -> str:
    """Return the tables for people."""
    return "\n".join(_lines(found))


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    plan = found["about"]["plan"]
    yield f"Soak: seed {plan['seed']}, {plan['minutes']:g} minutes, lease {plan['lease_s']:g} s, "
    yield f"{found['about']['server']}, faults and load end after {found['about']['took_s']} s."
    for title in ("counts", "outcomes", "faults", "declared", "logged"):
        yield ""
        yield from aligned([(title, ""), *((k, str(v)) for k, v in found[title].items())])
    yield ""
    yield from aligned(
        [
            ("seconds", "median", "p99", "most"),
            *_spread_rows(found, {"again after kill -9": "again_after_kill_s"}),
            *_spread_rows(found, {"sending": "send_s", "refused sending": "refused_s"}),
        ]
    )
    yield ""
    rows = [(name, *map(str, sizes)) for name, sizes in found["memory_mib"].items()]
    yield from aligned([("median MiB", "first quarter", "last quarter", "most"), *rows])


def _spread_rows(found: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    for label, name in names.items():
        yield label, *(f"{value:.2f}" for value in found[name].values())


def _spread(values: list[float]) -> dict[str, float]:
    ordered = sorted(values) or [0.0]
    return {
        "median": statistics.median(ordered),
        "p99": ordered[min(int(len(ordered) * 0.99), len(ordered) - 1)],
        "most": ordered[-1],
    }


def _memory(samples: list[Sample]) -> dict[str, list[float]]:
    """Return medians of the first and the last quarter, and the most, of everything sampled."""
    series = {"redis": [sample.server_bytes for sample in samples]}
    for name in samples[0].worker_bytes:
        series[name] = [sample.worker_bytes.get(name, 0) for sample in samples]
    sizes = {name: [one / _MIB for one in values if one] for name, values in series.items()}
    return {name: _three(values) for name, values in sizes.items() if values}


def _three(values: list[float]) -> list[float]:
    quarter = max(len(values) // 4, 1)
    first, last = statistics.median(values[:quarter]), statistics.median(values[-quarter:])
    return [round(one, 1) for one in (first, last, max(values))]


def _history(scene: Scene, id_: str) -> list[dict[str, Any]]:
    return [line for line in scene.lines if line.get("id") == id_]
