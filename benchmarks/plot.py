"""A small line plot on two logarithmic axes, as SVG."""

import html
import math
import pathlib

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 400, 70, 190, 20, 50
COLOURS = ("#0b6e99", "#c2571a", "#3c7a34", "#7a4b94", "#8a6d00")


def bounds(values):
    low, high = min(values), max(values)
    return (low, high) if high > low else (low / 2, high * 2)


def ticks(low, high):
    """Powers of two from the first within the bounds."""
    first, last = math.ceil(math.log2(low) - 1e-9), math.floor(math.log2(high) + 1e-9)
    return [2.0**power for power in range(first, last + 1)]


def svg(curves, x_title, y_title):
    """`curves`: name -> [(x, y)], both above 0."""
    points = [point for curve in curves.values() for point in curve]
    if not points:
        raise ValueError("nothing to plot")
    (x0, x1), (y0, y1) = bounds([x for x, _ in points]), bounds([y for _, y in points])

    def place(x, y):
        return (LEFT + (WIDTH - LEFT - RIGHT) * math.log(x / x0) / math.log(x1 / x0),
                HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * math.log(y / y0) / math.log(y1 / y0))

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>']
    for x in ticks(x0, x1):
        at, _ = place(x, y0)
        out.append(f'<line x1="{at:.1f}" y1="{TOP}" x2="{at:.1f}" y2="{HEIGHT - BOTTOM}" stroke="#ddd"/>'
                   f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{x:g}</text>')
    for y in ticks(y0, y1):
        _, at = place(x0, y)
        out.append(f'<line x1="{LEFT}" y1="{at:.1f}" x2="{WIDTH - RIGHT}" y2="{at:.1f}" stroke="#ddd"/>'
                   f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{y:g}</text>')
    for number, (name, curve) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in curve))
        row = TOP + 14 + 20 * number
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
                   f'<line x1="{WIDTH - RIGHT + 12}" y1="{row - 4}" x2="{WIDTH - RIGHT + 32}" y2="{row - 4}" stroke="{colour}" stroke-width="2"/>'
                   f'<text x="{WIDTH - RIGHT + 38}" y="{row}">{html.escape(name)}</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 10}" text-anchor="middle">{html.escape(x_title)}</text>'
               f'<text x="16" y="{HEIGHT / 2}" text-anchor="middle" transform="rotate(-90 16 {HEIGHT / 2})">{html.escape(y_title)}</text></svg>')
    return "\n".join(out) + "\n"


def write(path, curves, x_title, y_title):
    pathlib.Path(path).write_text(svg(curves, x_title, y_title), encoding="utf-8")
