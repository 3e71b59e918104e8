"""Draw what routing finds and costs, and print it: ``python -m bench.routing_plot docs/routing.svg``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

from bench.routing_model import HOPS, Federation, Question, Sent
from foedus.query.routing.limits import TARGETS_MAX

_SIZE, _SEEDS, _QUESTIONS = 500, 5, 200
_WIDTHS = (2, 4, 8, 12, 16, TARGETS_MAX, 32, 48)
_LEFT, _TOP, _ACROSS, _DOWN = 64, 40, 560, 320
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
    return _LEFT + messages * _ACROSS


def _y(recall: float) -> float:
    return _TOP + (1 - recall) * _DOWN


def _curve(points: Sequence[Point], colour: str, dash: str) -> list[str]:
    path = " ".join(f"{_x(point.messages):.1f},{_y(point.recall):.1f}" for point in points)
    line = f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>'
    dots = [
        f'<circle cx="{_x(point.messages):.1f}" cy="{_y(point.recall):.1f}" r="4" fill="{colour}">'
        f"<title>{point.label}: {point.recall:.1%} for {point.messages:.1%}</title></circle>"
        for point in points
    ]
    return [line, *dots]


def _text(x: float, y: float, words: str, *, anchor: str = "middle", colour: str = "#222") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{words}</text>'


def _axes() -> list[str]:
    lines = [
        f'<rect x="{_x(0)}" y="{_y(1)}" width="{_x(0.15) - _x(0):.1f}" height="{_y(0.95) - _y(1):.1f}" fill="#cfe8dd"/>'
    ]
    for tenth in range(0, 11, 2):
        part = tenth / 10
        lines += [
            f'<path d="M{_x(0)} {_y(part):.1f}H{_x(1)}M{_x(part):.1f} {_y(0)}V{_y(1)}" stroke="#ddd"/>',
            _text(_LEFT - 8, _y(part) + 4, f"{part:.0%}", anchor="end"),
            _text(_x(part), _y(0) + 20, f"{part:.0%}"),
        ]
    return lines


def _draw(routed: Sequence[Point], flooded: Sequence[Point]) -> str:
    chosen = next(point for point in routed if point.label == str(TARGETS_MAX))
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 660 420" font-family="sans-serif" font-size="13">',
        "<title>What routing by meaning finds, for how many messages</title>",
        '<rect width="660" height="420" fill="#fff"/>',
        *_axes(),
        *_curve(flooded, _FLOODED, "6 4"),
        *_curve(routed, _ROUTED, ""),
        _text(_x(0.5), _y(0) + 42, "messages, of those of flooding"),
        _text(_LEFT, 24, "of flooding's ten best packets found", anchor="start"),
        _text(_x(0.16), _y(0.96), "target: ≥ 95% for ≤ 15%", anchor="start"),
        _text(_x(0.5), _y(0.75), f"line: routed to 2 … {_WIDTHS[-1]} nodes;", anchor="start", colour=_ROUTED),
        _text(
            _x(0.5),
            _y(0.7),
            f"{chosen.label} find {chosen.recall:.1%} for {chosen.messages:.1%}",
            anchor="start",
            colour=_ROUTED,
        ),
        _text(_x(0.5), _y(0.6), f"dashed: flooded over 1 … {HOPS} links", anchor="start", colour=_FLOODED),
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
