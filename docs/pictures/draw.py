#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws the pictures of docs/sharing.md from what the program prints about
scenes of images/, so that they show what it says and nothing else.

  draw.py VADOSE MKSCENE SOURCE FOLDER

The test docs-pictures draws them anew and compares.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET

KERNEL = "606FF669409B00F7FC8C61A9C16701291"     # 10.0.19041.3570
CELL, ROW, LEFT, TOP = 22, 30, 190, 56
SPACE = "{http://graphml.graphdrawing.org/xmlns}"
FONT = 'font-family="monospace" font-size="12"'
# What a cell says of one page in one view.
LOOKS = {
    "mapped": ("#4a90d9", "its page table leads to the shared frame"),
    "private": ("#d9534f", "a copy of its own"),
    "rest": ("#ffffff", "nothing yet, or nothing that can be seen"),
}
GRADES = {"hardware": "A", "pfn": "B", "structural": "C", "metadata": "D"}


class Bench:
    def __init__(self, vadose, mkscene, source, folder):
        self.vadose, self.mkscene = vadose, mkscene
        self.source, self.folder = pathlib.Path(source), folder

    def image(self, scene):
        image = os.path.join(self.folder, scene.replace("/", "-") + ".lime")
        if not os.path.exists(image):
            subprocess.run([self.mkscene, "-p", self.source / "profiles",
                            "-k", KERNEL, "-l", image, self.source / "images" /
                            f"{scene}.scene"], check=True)
        return image

    def run(self, scene, *args):
        done = subprocess.run(
            [self.vadose, "-q", "-s", self.source / "profiles", "-f",
             self.image(scene), *args], stdout=subprocess.PIPE, timeout=120)
        if done.returncode not in (0, 3):
            sys.exit(f"{args}: exit {done.returncode}")
        return done.stdout

    def rows(self, scene, kind, *args):
        return [r for r in map(json.loads, self.run(
            scene, "-r", "ndjson", *args).splitlines()) if r["kind"] == kind]


def text(x, y, words, more=""):
    words = words.replace("&", "&amp;").replace("<", "&lt;")
    return f'<text x="{x}" y="{y}" {FONT} {more}>{words}</text>'


def box(x, y, width, height, fill, title="", stroke="#555555"):
    title = f"<title>{title}</title>" if title else ""
    return (f'<rect x="{x}" y="{y}" width="{width}" height="{height}" '
            f'fill="{fill}" stroke="{stroke}">{title}</rect>')


def svg(width, height, title, parts):
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
        f'height="{height}" role="img" aria-label="{title}">',
        box(0, 0, width, height, "#fafafa", stroke="none"), *parts,
        "</svg>\n"])


def pages_picture(bench, name, title):
    """Each view a line, each page of the section a column."""
    which = ["--name", name]
    views = bench.rows("pages", "sharedmem_view", "sharedmem", *which)
    spans = bench.rows("pages", "shared_pages", "sharedmem", "--pages",
                       *which)
    views.sort(key=lambda r: (r["process"]["pid"], r["vad"]["start"]))
    count = max(r["section"]["last_page"] for r in views) + 1
    parts = [text(10, 20, title, 'font-weight="bold"')]
    for page in range(0, count, 4):
        parts.append(text(LEFT + page * CELL, TOP - 8, str(page)))
    for line, view in enumerate(views):
        y = TOP + line * ROW
        parts.append(text(10, y + 16, "%s %d" % (
            view["process"]["name"], view["process"]["pid"])))
        for page in range(view["section"]["first_page"],
                          view["section"]["last_page"] + 1):
            span = next(s["pages"] for s in spans
                        if s["pages"]["first"] <= page <= s["pages"]["last"])
            look = next((kind for kind in ("mapped", "private")
                         if view["process"]["pid"] in
                         span.get(kind + "_pids", [])), "rest")
            parts.append(box(LEFT + page * CELL, y, CELL - 2, ROW - 8,
                             LOOKS[look][0],
                             f"page {page}: {LOOKS[look][1]}"))
    y = TOP + len(views) * ROW + 4
    for label, value in (("evidence", lambda p: GRADES.get(p.get("grade"), "")),
                         ("state", lambda p: p["state"][0].upper())):
        parts.append(text(10, y + 12, label))
        for span in spans:
            for page in range(span["pages"]["first"],
                              span["pages"]["last"] + 1):
                parts.append(text(LEFT + page * CELL + 5, y + 12,
                                  value(span["pages"])))
        y += 20
    x = 10
    for fill, words in LOOKS.values():
        parts += [box(x, y + 4, 14, 14, fill), text(x + 20, y + 16, words)]
        x += 40 + 7.4 * len(words)
    return svg(max(LEFT + count * CELL + 20, int(x)), y + 30, title, parts)


def graph_picture(bench, scene, title, *args):
    """-r graphml in two columns: processes left, sections right."""
    graph = ET.fromstring(bench.run(scene, "-r", "graphml", *args)).find(
        SPACE + "graph")
    nodes = {n.get("id"): {d.get("key"): d.text
                           for d in n.findall(SPACE + "data")}
             for n in graph.findall(SPACE + "node")}
    parts, place, height = [], {}, 0
    for x, kind in ((20, "process"), (520, "section")):
        y = 40
        for name, node in nodes.items():
            if node["kind"] != kind:
                continue
            place[name] = x, y
            parts += [box(x, y, 260, 24, "#ffffff", node.get("detail", "")
                          .replace("&", "&amp;").replace("<", "&lt;")),
                      text(x + 8, y + 16, node["label"][:34])]
            y += 36
        height = max(height, y)
    for edge in graph.findall(SPACE + "edge"):
        label = {d.get("key"): d.text for d in edge.findall(SPACE + "data")}
        (x1, y1), (x2, y2) = place[edge.get("source")], \
            place[edge.get("target")]
        color = "#d9534f" if "EXECUTE" in label["label"] else \
            "#4a90d9" if "WRITE" in label["label"] else "#777777"
        parts.append(f'<line x1="{x1 + 260}" y1="{y1 + 12}" x2="{x2}" '
                     f'y2="{y2 + 12}" stroke="{color}" stroke-width="1.5"/>')
        parts.append(text(x1 + 272, y1 + 10 + (y2 - y1) // 8,
                          label["label"]))
    parts.insert(0, text(10, 20, title, 'font-weight="bold"'))
    return svg(800, height + 10, title, parts)


def main():
    vadose, mkscene, source, folder = sys.argv[1:]
    with tempfile.TemporaryDirectory() as work:
        bench = Bench(os.path.abspath(vadose), os.path.abspath(mkscene),
                      source, work)
        pictures = {
            "copies.svg": pages_picture(
                bench, "*library.dll",
                "An image: who maps its pages, who has copies of them"),
            "offsets.svg": pages_picture(
                bench, "*grown.bin",
                "A file that grew: views that begin elsewhere"),
            "graph.svg": graph_picture(
                bench, "findings/injected-section",
                "-r graphml sharedmem", "sharedmem", "--no-known-good"),
        }
    for name, picture in pictures.items():
        pathlib.Path(folder, name).write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
