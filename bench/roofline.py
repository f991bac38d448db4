"""Draws a roofline of the layers that `biggan bench --json` reports.

usage: roofline.py REPORT.json PEAK BANDWIDTH OUT.svg

REPORT is what `peers.py --json` or `biggan bench --json` wrote, PEAK the machine's GFLOP/s (cores
times `go test ./backend/cpu/kernel -bench Gemm`, or better an assembly loop of multiplications),
BANDWIDTH its GB/s from memory. A point is a kind of layer, as large as its share of the time:
GFLOP/s that were done over the operations for each byte of weights and maps.
"""

import json
import math
import sys

WIDTH, HEIGHT, MARGIN = 760, 460, 60
COLOURS = ["#1b6ca8", "#c8553d", "#2a9d5c", "#8e5ea2", "#b8860b", "#3cb4b4", "#d46a9f", "#555555", "#7a9e3b", "#a0522d", "#4169e1", "#888888"]


def main():
    report, peak, bandwidth, out = sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
    with open(report) as f:
        document = json.load(f)
    document = document.get("bench", {}).get("biggan", document)
    layers = [l for l in document["layers"] if l["gflops_done"] > 0 and l["mb"] > 0]
    points = [(l["gflops_done"] * l["ms"] / l["mb"], l["gflops_done"], l) for l in layers]
    low, high = 0.1, max(10 * peak / bandwidth, *(2 * p[0] for p in points))
    bottom, top = 1.0, 2 * peak

    def x(v):
        return MARGIN + (WIDTH - 2 * MARGIN) * math.log(v / low) / math.log(high / low)

    def y(v):
        return HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * math.log(max(v, bottom) / bottom) / math.log(top / bottom)

    def text(px, py, s, anchor="start", size=11):
        return f'<text x="{px:.1f}" y="{py:.1f}" font-size="{size}" text-anchor="{anchor}" fill="#333">{s}</text>'

    def line(a, b, c, d, colour="#ddd", width=1):
        return f'<line x1="{a:.1f}" y1="{b:.1f}" x2="{c:.1f}" y2="{d:.1f}" stroke="{colour}" stroke-width="{width}"/>'

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH + 260}" height="{HEIGHT}" font-family="sans-serif">', f'<rect width="{WIDTH + 260}" height="{HEIGHT}" fill="#fff"/>']
    for e in range(-1, 5):
        for value, axis in ((10.0**e, "x"), (10.0**e, "y")):
            if axis == "x" and low <= value <= high:
                parts += [line(x(value), MARGIN, x(value), HEIGHT - MARGIN), text(x(value), HEIGHT - MARGIN + 16, f"{value:g}", "middle")]
            if axis == "y" and bottom <= value <= top:
                parts += [line(MARGIN, y(value), WIDTH - MARGIN, y(value)), text(MARGIN - 6, y(value) + 4, f"{value:g}", "end")]
    ridge = peak / bandwidth
    parts += [line(x(low), y(low * bandwidth), x(ridge), y(peak), "#333", 2), line(x(ridge), y(peak), x(high), y(peak), "#333", 2)]
    parts += [text(x(high), y(peak) - 6, f"{peak:.0f} GFLOP/s", "end"), text(x(low) + 6, y(low * bandwidth * 1.6) - 6, f"{bandwidth:.0f} GB/s")]
    total = sum(l["ms"] for l in layers)
    for i, (intensity, rate, l) in enumerate(points):
        radius = 3 + 16 * math.sqrt(l["ms"] / total)
        colour = COLOURS[i % len(COLOURS)]
        parts.append(f'<circle cx="{x(intensity):.1f}" cy="{y(rate):.1f}" r="{radius:.1f}" fill="{colour}" fill-opacity="0.6"/>')
        parts.append(f'<circle cx="{WIDTH + 4}" cy="{MARGIN + 20 * i}" r="6" fill="{colour}"/>' + text(WIDTH + 16, MARGIN + 4 + 20 * i, f"{l['kind']}, {l['method']}: {l['ms']:.1f} ms"))
    parts += [text(WIDTH / 2, HEIGHT - 14, "operations for each byte of weights and maps", "middle", 12), text(MARGIN, MARGIN - 24, f"{document['model'].split('/')[-1]}, {document['precision']}, batch {document['batch']}: GFLOP/s done", size=13)]
    with open(out, "w") as f:
        f.write("\n".join([*parts, "</svg>\n"]))


main()
