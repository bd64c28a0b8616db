# SPDX-License-Identifier: Apache-2.0
"""The area of the top as bars, one for each unit: gates, flip-flops, memories."""
from xml.sax.saxutils import escape

ROW, LEFT, WIDTH = 18, 230, 620
PARTS = (("gates", "#4878a8"), ("flip-flops", "#e49444"), ("memories", "#85b6b2"))


def svg(title, rows):
    """`rows`: (label, gates, flip-flops, memories) in mm2; the largest fills the width."""
    rows = sorted(rows, key=lambda row: -sum(row[1:]))
    largest = max(sum(row[1:]) for row in rows) or 1
    height = ROW * (len(rows) + 3)
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 90}" height="{height}" font-family="sans-serif" font-size="12">',
             f'<rect width="100%" height="100%" fill="white"/><text x="8" y="{ROW}" font-weight="bold">{escape(title)}</text>']
    for i, (name, colour) in enumerate(PARTS):
        x = LEFT + 110 * i
        lines.append(f'<rect x="{x}" y="{ROW + 8}" width="12" height="12" fill="{colour}"/><text x="{x + 16}" y="{ROW + 18}">{name}</text>')
    for number, (label, *parts) in enumerate(rows):
        y, x = ROW * (number + 2.5), float(LEFT)
        lines.append(f'<text x="{LEFT - 6}" y="{y + 13}" text-anchor="end">{escape(label)}</text>')
        for value, (_, colour) in zip(parts, PARTS):
            length = WIDTH * value / largest
            lines.append(f'<rect x="{x:.1f}" y="{y + 2}" width="{length:.1f}" height="{ROW - 4}" fill="{colour}"/>')
            x += length
        lines.append(f'<text x="{x + 4:.1f}" y="{y + 13}">{sum(parts):.4f}</text>')
    return "\n".join(lines + ["</svg>", ""])
