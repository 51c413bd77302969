"""Figures people look at, as small SVG pictures that any browser and any forge shows."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from triage.domain import Share

#: Step of confidence, and the share that was right in it.
Curve = Sequence[tuple[float, Share]]

_SIZE, _EDGE = 360, 48
_COLOURS = ("#0b5cad", "#b3541e", "#3c7a3f", "#6d3fa0")


def reliability_plot(curves: Mapping[str, Curve]) -> str:
    """Return an SVG: confidence against share of right routes, with exact 95 % intervals.

    A curve on the diagonal means what it says; below it is too sure of itself.
    """
    whole = _SIZE + 2 * _EDGE
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {whole} {whole + 24}" role="img" '
        'font-family="sans-serif" font-size="12">',
        "<title>Confidence against the share of right routes</title>",
        f'<rect width="{whole}" height="{whole + 24}" fill="#fff"/>',
        _line((0, 0), (1, 1), "#888", dashed=True),
    ]
    for tick in range(0, 11, 2):
        parts += _tick(tick / 10)
    parts.append(_label(0.5, -0.115, "confidence", "middle"))
    parts.append(_label(-0.115, 1.045, "share right", "start"))
    for place, (name, curve) in enumerate(curves.items()):
        parts += _curve(name, curve, _COLOURS[place % len(_COLOURS)], place)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _curve(name: str, curve: Curve, colour: str, place: int) -> list[str]:
    shown = [(mean, share) for mean, share in curve if share.of]
    parts = []
    for mean, share in shown:
        low, high = share.interval()
        parts.append(_line((mean, low), (mean, high), colour))
        x, y = _at(mean, share.value)
        parts.append(f'<circle cx="{x}" cy="{y}" r="3.5" fill="{colour}"/>')
    for (x, one), (far, other) in pairwise(shown):
        parts.append(_line((x, one.value), (far, other.value), colour))
    x, y = _at(0.03, 0.97 - 0.055 * place)
    parts.append(f'<circle cx="{x}" cy="{y - 4}" r="4" fill="{colour}"/>')
    parts.append(f'<text x="{x + 10}" y="{y}" fill="#222">{name}</text>')
    return parts


def _at(x: float, y: float) -> tuple[float, float]:
    return round(_EDGE + x * _SIZE, 1), round(_EDGE + (1 - y) * _SIZE, 1)


def _line(
    one: tuple[float, float], other: tuple[float, float], colour: str, *, dashed: bool = False
) -> str:
    (left, top), (right, bottom) = _at(*one), _at(*other)
    dashes = ' stroke-dasharray="4 4"' if dashed else ""
    return (
        f'<line x1="{left}" y1="{top}" x2="{right}" y2="{bottom}" stroke="{colour}" '
        f'stroke-width="1.5"{dashes}/>'
    )


def _tick(value: float) -> list[str]:
    return [
        _line((value, 0), (value, 1), "#eee"),
        _line((0, value), (1, value), "#eee"),
        _label(value, -0.05, f"{value:.1f}", "middle"),
        _label(-0.02, value - 0.01, f"{value:.1f}", "end"),
    ]


def _label(x: float, y: float, text: str, anchor: str) -> str:
    left, top = _at(x, y)
    return f'<text x="{left}" y="{top}" text-anchor="{anchor}" fill="#222">{text}</text>'
