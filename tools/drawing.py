#!/usr/bin/env python3
"""Writes doc/architecture.svg from doc/architecture.toml.

    tools/drawing.py            writes the drawing
    tools/drawing.py --check    exit 1 if the drawing is not what its source describes

The drawing follows the reader's color scheme, light or dark.
"""

import html
import pathlib
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCE, DRAWING = ROOT / "doc/architecture.toml", ROOT / "doc/architecture.svg"
BOX_HEIGHT, FIRST_LINE, LINE = 56, 24, 18

STYLE = """
  text { font: 14px system-ui, sans-serif; fill: #1f2328; text-anchor: middle }
  .detail { font-size: 12px; fill: #59636e }
  .frame { fill: #f6f8fa; stroke: #d1d9e0 }
  .box { fill: #ffffff; stroke: #59636e }
  .store { fill: #ddf4ff; stroke: #0969da }
  .aws { fill: #fff8c5; stroke: #9a6700 }
  .arrow { fill: none; stroke: #59636e; stroke-width: 1.5 }
  .tip { fill: #59636e }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc }
    .detail { fill: #9198a1 }
    .frame { fill: #151b23; stroke: #3d444d }
    .box { fill: #0d1117; stroke: #9198a1 }
    .store { fill: #121d2f; stroke: #4493f8 }
    .aws { fill: #272115; stroke: #d29922 }
    .arrow { stroke: #9198a1 }
    .tip { fill: #9198a1 }
  }
"""


def text(x, y, content, kind=""):
    return f'<text x="{x}" y="{y}"{kind}>{html.escape(content)}</text>'


def rectangle(kind, x, y, width, height):
    return f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="6"/>'


def box(item):
    x, y, width = item["x"], item["y"], item["width"]
    yield rectangle(item.get("kind", "box"), x, y, width, BOX_HEIGHT)
    for number, line in enumerate(item["lines"]):
        detail = ' class="detail"' if number else ""
        yield text(x + width // 2, y + FIRST_LINE + number * LINE, line, detail)


def arrow(item):
    points = " ".join(f"{x},{y}" for x, y in item["points"])
    dashed = ' stroke-dasharray="5 4"' if item.get("dashed") else ""
    yield f'<polyline class="arrow" points="{points}"{dashed} marker-end="url(#tip)"/>'
    if "at" in item:
        yield text(*item["at"], item["label"], ' class="detail"')


def frame(item):
    yield rectangle("frame", item["x"], item["y"], item["width"], item["height"])
    yield text(item["x"] + item["width"] // 2, item["y"] + 22, item["label"], ' class="detail"')


def drawn(source):
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {source["width"]} {source["height"]}" role="img">',
             f"<title>{html.escape(source['title'])}</title>", f"<style>{STYLE}</style>",
             '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
             'orient="auto">'
             '<path class="tip" d="M0 0 8 4 0 8z"/></marker></defs>']
    for key, draw in (("frame", frame), ("arrow", arrow), ("box", box)):
        for item in source[key]:
            lines.extend(draw(item))
    return "\n".join([*lines, "</svg>", ""])


def main():
    svg = drawn(tomllib.loads(SOURCE.read_text(encoding="utf-8")))
    if "--check" not in sys.argv[1:]:
        DRAWING.write_text(svg, encoding="utf-8")
        return 0
    if DRAWING.exists() and DRAWING.read_text(encoding="utf-8") == svg:
        return 0
    print(f"{DRAWING.name} is not what {SOURCE.name} describes: run tools/drawing.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
