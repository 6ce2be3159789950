#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""-r dot and -r graphml: well-formed, bounded, and the same views as the rows.

  graph.py VADOSE MKSCENE PROFILES IMAGES
"""
import json
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET

KERNEL = "35A038B1F6E2E8CAF642111E6EC66F571"
NODE = re.compile(r'^\t[ps]\d+ \[shape=\w+, label="(?:[^"\\]|\\.)*"\];$')
EDGE = re.compile(r'^\tp\d+ -- s\d+ \[label="(?:[^"\\]|\\.)*"\];$')
REST = re.compile(r'^(graph vadose \{|\trankdir=LR;|\tnode \[.*\];|'
                  r'\tmore \[shape=note, label="\d+ more .*"\];|\})$')
TREE_NODE = re.compile(r'^\t\tv\d+_[0-9a-f]+ \[fillcolor=\w+, '
                       r'label="(?:[^"\\]|\\.)*"\];$')
TREE_EDGE = re.compile(r'^\t\tv\d+_([0-9a-f]+) -> v\d+_([0-9a-f]+) '
                       r'\[label="[LR]"\];$')
TREE_REST = re.compile(r'^(digraph vadose \{|\tnode \[.*\];|'
                       r'\tsubgraph cluster_\d+ \{|'
                       r'\t\tlabel="(?:[^"\\]|\\.)*";|\t?\})$')
failures = 0


def expect(condition, what):
    global failures
    if not condition:
        failures += 1
        print("FAIL", what)


def check_tree(scene, run):
    """vadtree's picture: a node per row, an edge per child that has a row."""
    rows = [json.loads(line) for line in
            run("ndjson", "vadtree").splitlines()][1:-1]
    rows = [r for r in rows if r["kind"] == "vad_node"]
    owned = {(r["process"]["eprocess"], r["vad"]["node"]) for r in rows}
    edges = sum((r["process"]["eprocess"], r["vad"][side]) in owned
                for r in rows for side in ("left", "right")
                if side in r["vad"])
    lines = run("dot", "vadtree").decode().splitlines()
    for line in lines:
        expect(TREE_NODE.match(line) or TREE_EDGE.match(line) or
               TREE_REST.match(line), "%s: tree: %r" % (scene, line))
    expect(sum(bool(TREE_NODE.match(line)) for line in lines) == len(rows),
           "%s: tree: other nodes than rows" % scene)
    drawn = sum(bool(TREE_EDGE.match(line)) for line in lines)
    expect(drawn == edges and (edges or not rows),
           "%s: tree: %d edges, not %d" % (scene, drawn, edges))
    expect(lines.count("\t}") == len({r["process"]["eprocess"]
                                      for r in rows}),
           "%s: tree: a cluster per process" % scene)


def main():
    vadose, mkscene, profiles, images = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        for scene in ("demo", "hostile/names", "scale",
                      "findings/injected-section"):
            image = os.path.join(folder, "image.raw")
            subprocess.run([mkscene, "-p", profiles, "-k", KERNEL, "-r", image,
                            os.path.join(images, scene + ".scene")], check=True)

            def run(renderer, *what):
                return subprocess.run(
                    [vadose, "-q", "-s", profiles, "-f", image, "-r", renderer,
                     *what], stdout=subprocess.PIPE, check=False).stdout

            plugin = "findings" if "findings" in scene else "sharedmem"
            rows = [json.loads(line) for line in
                    run("ndjson", plugin).splitlines()][1:-1]
            drawn = [r for r in rows if "section" in r and
                     "control_area" in r["section"] and
                     "eprocess" in r.get("process", {}) and
                     "known_good" not in r["section"] and
                     r.get("sharing", {}).get("view_count", 2) > 1]
            dot = run("dot", plugin).decode()
            lines = dot.splitlines()
            for line in lines:
                expect(NODE.match(line) or EDGE.match(line) or REST.match(line),
                       "%s: %r" % (scene, line))
            edges = sum(bool(EDGE.match(line)) for line in lines)
            more = re.search(r'label="(\d+) more', dot)
            left = int(more.group(1)) if more else 0
            expect(edges + left == len(drawn),
                   "%s: %d edges and %d left out of %d rows" %
                   (scene, edges, left, len(drawn)))
            expect(0 < edges <= 400, "%s: %d edges" % (scene, edges))
            root = ET.fromstring(run("graphml", plugin))
            space = "{http://graphml.graphdrawing.org/xmlns}"
            graph = root.find(space + "graph")
            expect(len(graph.findall(space + "edge")) == edges,
                   "%s: GraphML has other edges" % scene)
            nodes = {n.get("id") for n in graph.findall(space + "node")}
            expect(all(e.get("source") in nodes and e.get("target") in nodes
                       for e in graph.findall(space + "edge")),
                   "%s: an edge without its node" % scene)
            check_tree(scene, run)
            os.unlink(image)
    print("graph:", "FAILED" if failures else "ok")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
