"""The plots of docs/performance.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt

JOBPIPE, ALTERNATIVE, BASELINE = "#1f6feb", "#8b949e", "#d0d7de"


def draw(figures: dict[str, Any], folder: Path) -> None:
    """Write a PNG file each for rates, latencies and growth, if their parts were measured."""
    folder.mkdir(parents=True, exist_ok=True)
    if {"ceiling", "pipeline"} <= set(figures):
        _rates(figures, folder / "rates.png")
        _latencies(figures, folder / "latencies.png")
    if {"original", "growth"} <= set(figures):
        _growth(figures, folder / "growth.png")


def _rates(figures: dict[str, Any], file: Path) -> None:
    bars = [
        (f"bare loop,\n{threads} thread{'s' if threads != '1' else ''}", found["jobs_per_second"], BASELINE)
        for threads, found in figures["ceiling"]["threads"].items()
    ]
    bars.append(("jobpipe", figures["pipeline"]["jobs_per_second"]["drain"], JOBPIPE))
    if "drain_before" in figures.get("compared", {}):
        bars.append(("the release\nbefore", figures["compared"]["drain_before"], ALTERNATIVE))
    for part, name in (("celery_redis", "Celery\non Redis"), ("durable", "durable\nfunctions")):
        if "jobs_per_second" in figures.get(part, {}):
            bars.append((name, figures[part]["jobs_per_second"], ALTERNATIVE))
    figure, axes = plt.subplots(figsize=(8, 4))
    for at, (_, rate, colour) in enumerate(bars):
        axes.bar(at, rate["median"], color=colour)
        axes.plot([at] * len(rate["rounds"]), rate["rounds"], "k.", markersize=4)
    axes.set_xticks(range(len(bars)), [name for name, _, _ in bars])
    axes.set_ylabel("jobs per second")
    axes.set_title("A prefilled queue: the median of the rounds (dots)")
    _save(figure, axes, file)


def _latencies(figures: dict[str, Any], file: Path) -> None:
    found = figures["pipeline"]["ms"]
    names = [
        "an empty route (GET /health)",
        "the two AWS calls alone",
        "accept",
        "end to end, polled",
        "end to end, Prefer: wait",
    ]
    bars = [(name, found[name], JOBPIPE if name in {"accept", *names[3:]} else BASELINE) for name in names]
    for part, name in (("celery_redis", "Celery"), ("durable", "durable functions")):
        if "end_to_end_ms" in figures.get(part, {}):
            bars.append((f"{name}, end to end", figures[part]["end_to_end_ms"], ALTERNATIVE))
    figure, axes = plt.subplots(figsize=(8, 4))
    for at, (_, ms, colour) in enumerate(reversed(bars)):
        axes.barh(at, ms["p50"], color=colour)
        axes.plot([ms["p50"], ms["p99"]], [at, at], "k-", linewidth=1)
        axes.plot([ms["p95"], ms["p99"]], [at, at], "k|", markersize=8)
    axes.set_yticks(range(len(bars)), [name for name, _, _ in reversed(bars)])
    axes.set_xlabel("milliseconds: p50 (bar), p95 and p99 (marks)")
    axes.set_title("One request at a time")
    _save(figure, axes, file)


def _growth(figures: dict[str, Any], file: Path) -> None:
    original = {max(1, int(size)): found["p50"] for size, found in figures["original"]["post_ms"].items()}
    size = figures["growth"]["items"]
    figure, axes = plt.subplots(figsize=(8, 4))
    axes.plot(
        list(original), list(original.values()), "o-", color=ALTERNATIVE, label="the synchronous original: POST"
    )
    for name, style in (("POST, Prefer: wait", "s-"), ("POST, accepted", "o-"), ("GET an item", "^-")):
        found = figures["growth"]["operations"][name]
        line = [found["empty_ms"]["p50"], found["large_ms"]["p50"]]
        axes.plot([1, size], line, style, color=JOBPIPE, label=f"jobpipe: {name}")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("items in the table (on the left: empty)")
    axes.set_ylabel("milliseconds, p50")
    axes.set_title("The latency of a request by the size of the table")
    axes.legend()
    _save(figure, axes, file)


def _save(figure: Any, axes: Any, file: Path) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    # Without matplotlib's release in the metadata, the same figures give the same file.
    figure.savefig(file, dpi=110, metadata={"Software": None})
    plt.close(figure)
