"""Draw what routing finds and costs, and print it: ``python -m bench.routing_plot docs/routing.svg``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from math import log10
from pathlib import Path
from typing import NamedTuple, TypeAlias

from bench.routing_model import HOPS, Federation, Question, Sent
from foedus.query.routing.limits import TARGETS_MAX

_SIZE, _SEEDS, _QUESTIONS = 500, 5, 200
_WIDTHS = (2, 4, 8, 12, 16, TARGETS_MAX, 32, 48)
_LEFT, _TOP, _ACROSS, _DOWN = 64, 40, 560, 320
_LEAST = 0.001
_PARTS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_COSTS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Where the axes have their lines; that of messages is logarithmic: what routing costs would else be one corner."""
_ROUTED, _FLOODED = "#0b6e4f", "#a23b00"

Way: TypeAlias = Callable[[Federation, Question], Sent]


class Point(NamedTuple):
    """Parts of what flooding sends and finds: the mean, and the worst seed's recall."""

    label: str
    messages: float
    recall: float
    worst: float


def _measure(federations: Sequence[Federation], label: str, way: Way, questions: Sequence[Sequence[Question]]) -> Point:
    recalls, messages = [], []
    for federation, asked in zip(federations, questions, strict=True):
        full = [federation.flood(question) for question in asked]
        sent = [way(federation, question) for question in asked]
        recalls.append(sum(one.found for one in sent) / sum(one.found for one in full))
        messages.append(sum(one.messages for one in sent) / sum(one.messages for one in full))
    return Point(label, sum(messages) / len(messages), sum(recalls) / len(recalls), min(recalls))


def _x(messages: float) -> float:
    return _LEFT + (log10(messages) - log10(_LEAST)) / -log10(_LEAST) * _ACROSS


def _y(recall: float) -> float:
    return _TOP + (1 - recall) * _DOWN


def _curve(points: Sequence[Point], what: str, colour: str, dash: str) -> list[str]:
    """Return a line through points, each with its number beside it; on hovering, what it found for how much."""
    path = " ".join(f"{_x(point.messages):.1f},{_y(point.recall):.1f}" for point in points)
    line = f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>'
    dots = [
        f'<circle cx="{_x(point.messages):.1f}" cy="{_y(point.recall):.1f}" r="4" fill="{colour}">'
        f"<title>{point.label} {what}: {point.recall:.1%} for {point.messages:.1%}</title></circle>"
        + _text(_x(point.messages) + 7, _beside(point), point.label, anchor="start", colour=colour)
        for point in points
    ]
    return [line, *dots]


def _beside(point: Point) -> float:
    """Return the height of a point's number: below it, or above where the axis is near."""
    below = _y(point.recall) + 14
    return below if below < _y(0) else _y(point.recall) - 8


def _text(x: float, y: float, words: str, *, anchor: str = "middle", colour: str = "#222") -> str:
    """Return words, on a rim of white: lines do not run through them."""
    rim = 'stroke="#fff" stroke-width="4" paint-order="stroke" stroke-linejoin="round"'
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" {rim}>{words}</text>'


def _axes() -> list[str]:
    width, height = _x(0.15) - _x(_LEAST), _y(0.95) - _y(1)
    lines = [f'<rect x="{_x(_LEAST):.1f}" y="{_y(1)}" width="{width:.1f}" height="{height:.1f}" fill="#cfe8dd"/>']
    for part in _PARTS:
        lines += [
            f'<path d="M{_x(_LEAST)} {_y(part):.1f}H{_x(1)}" stroke="#ddd"/>',
            _text(_LEFT - 8, _y(part) + 4, f"{part:.0%}", anchor="end"),
        ]
    for cost in _COSTS:
        lines += [
            f'<path d="M{_x(cost):.1f} {_y(0)}V{_y(1)}" stroke="#ddd"/>',
            _text(_x(cost), _y(0) + 20, f"{cost:.0%}" if cost >= 0.01 else f"{cost:.1%}"),
        ]
    return lines


def _draw(routed: Sequence[Point], flooded: Sequence[Point]) -> str:
    chosen = next(point for point in routed if point.label == str(TARGETS_MAX))
    said = f"{chosen.label} nodes find {chosen.recall:.1%} for {chosen.messages:.1%}"
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 660 430" font-family="sans-serif" font-size="13">',
        "<title>What routing by meaning finds, for how many messages</title>",
        '<rect width="660" height="430" fill="#fff"/>',
        *_axes(),
        *_curve(flooded, "links", _FLOODED, "6 4"),
        *_curve(routed, "nodes", _ROUTED, ""),
        _text(_LEFT + _ACROSS / 2, _y(0) + 44, "messages, of those of flooding (logarithmic)"),
        _text(_LEFT, 24, "of flooding's ten best packets found", anchor="start"),
        _text(_x(_LEAST) + 6, _y(0.905), "target: ≥ 95% for ≤ 15%", anchor="start"),
        _text(_x(_LEAST) + 6, _y(0.83), f"line: routed to 2 … {_WIDTHS[-1]} nodes,", anchor="start", colour=_ROUTED),
        _text(_x(_LEAST) + 6, _y(0.78), said, anchor="start", colour=_ROUTED),
        _text(_x(1) - 6, _y(0.3), f"dashed: flooded over 1 … {HOPS} links", anchor="end", colour=_FLOODED),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def main() -> None:
    federations = [Federation(_SIZE, seed) for seed in range(_SEEDS)]
    questions = [[federation.question() for _ in range(_QUESTIONS)] for federation in federations]
    routed = [
        _measure(federations, str(most), lambda one, asked, most=most: one.route(asked, most), questions)  # type: ignore[misc]
        for most in _WIDTHS
    ]
    flooded = [
        _measure(federations, str(hops), lambda one, asked, hops=hops: one.flood(asked, hops), questions)  # type: ignore[misc]
        for hops in range(1, HOPS + 1)
    ]
    for name, points in (("nodes meant", routed), ("links flooded", flooded)):
        print(f"| {name} | found | worst seed | messages |\n|---|---|---|---|")
        for point in points:
            print(f"| {point.label} | {point.recall:.1%} | {point.worst:.1%} | {point.messages:.1%} |")
    Path(sys.argv[1]).write_text(_draw(routed, flooded), encoding="utf-8")


if __name__ == "__main__":
    main()
