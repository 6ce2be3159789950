#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""-r dot and -r graphml: well-formed, bounded, the same views as the rows, and
what is left out is said. Where Graphviz is installed, it draws them too.

  graph.py VADOSE MKSCENE PROFILES IMAGES
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET

KERNEL = "35A038B1F6E2E8CAF642111E6EC66F571"
SPACE = "{http://graphml.graphdrawing.org/xmlns}"
# graphviz.org/doc/info/lang.html, as far as it is needed here.
TOKEN = re.compile(r'\s*("(?:[^"\\\n]|\\.)*"|--|[A-Za-z_][A-Za-z_0-9]*|'
                   r'[-0-9.]+|[{}\[\]=,;])')
TREE_NODE = re.compile(r'^\t\tv\d+_[0-9a-f]+ \[fillcolor=\w+, '
                       r'label="(?:[^"\\]|\\.)*"\];$')
TREE_EDGE = re.compile(r'^\t\tv\d+_([0-9a-f]+) -> v\d+_([0-9a-f]+) '
                       r'\[label="[LR]"\];$')
TREE_REST = re.compile(r'^(digraph vadose \{|\tnode \[.*\];|'
                       r'\tsubgraph cluster_\d+ \{|'
                       r'\t\tlabel="(?:[^"\\]|\\.)*";|\t?\})$')
failures = 0


def expect(condition, *what):
    global failures
    if not condition:
        failures += 1
        print("FAIL", " ".join(map(str, what))[:400])


class Dot:
    """graph ID { stmt; ... } of nodes, edges and attributes."""

    def __init__(self, text):
        self.nodes, self.edges, self.defaults = {}, [], {}
        tokens, at = [], 0
        while at < len(text.rstrip()):
            match = TOKEN.match(text, at)
            if not match:
                raise ValueError("no token: %r" % text[at:at + 60])
            tokens.append(match.group(1))
            at = match.end()
        assert tokens[:1] == ["graph"] and tokens[2] == "{" and \
            tokens[-1] == "}", tokens[:3]
        self.tokens = tokens[3:-1]
        while self.tokens:
            self.statement()

    def take(self, *allowed):
        token = self.tokens.pop(0)
        if allowed and token not in allowed:
            raise ValueError("%r instead of %r" % (token, allowed))
        return token

    def attributes(self):
        found = {}
        if self.tokens[0] != "[":
            return found
        self.take("[")
        while self.tokens[0] != "]":
            name = self.take()
            self.take("=")
            value = self.take()
            found[name] = re.sub(
                r"\\(.)", lambda m: " " if m.group(1) == "n" else m.group(1),
                value[1:-1]) if value[0] == '"' else value
            if self.tokens[0] == ",":
                self.take(",")
        self.take("]")
        return found

    def statement(self):
        name = self.take()
        if self.tokens[0] == "=":
            self.take("=")
            self.defaults[name] = self.take()
        elif self.tokens[0] == "--":
            self.take("--")
            self.edges.append((name, self.take(), self.attributes()))
        elif name in ("node", "edge"):
            self.attributes()
        else:
            self.nodes[name] = self.attributes()
        self.take(";")


class Graph:
    def __init__(self, run, *what):
        text = run("dot", *what)
        self.dot = Dot(text.decode())
        expect(b"\x1b" not in text and b"\r" not in text, what, "controls")
        root = ET.fromstring(run("graphml", *what))
        graph = root.find(SPACE + "graph")
        self.nodes = {n.get("id"): self.data(n)
                      for n in graph.findall(SPACE + "node")}
        self.edges = [(e.get("source"), e.get("target"), self.data(e))
                      for e in graph.findall(SPACE + "edge")]
        self.about = {k: int(v) for k, v in self.data(graph).items()}
        self.compare(what)

    @staticmethod
    def data(element):
        return {d.get("key"): d.text for d in element.findall(SPACE + "data")}

    def compare(self, what):
        """Both draw the same, within bounds, and say what is left out."""
        named = {n for n in self.dot.nodes if n not in ("more", "quiet")}
        expect(named == set(self.nodes), what, "nodes differ")
        expect([e[:2] for e in self.dot.edges] == [e[:2] for e in self.edges],
               what, "edges differ")
        expect(all(a in self.nodes and b in self.nodes
                   for a, b, _ in self.edges), what, "an edge without nodes")
        counts = [sum(n["kind"] == kind for n in self.nodes.values())
                  for kind in ("process", "section", "finding")]
        expect(counts[0] <= 40 and counts[1] <= 24 and counts[2] <= 40 and
               len(self.edges) <= 80, what, counts, len(self.edges))
        cut = self.about["left_out"], self.about["nodes_left_out"]
        more = self.dot.nodes.get("more", {"label": "0 nodes and 0 edges"})
        expect("%d nodes and %d edges" % (cut[1], cut[0]) in more["label"],
               what, cut, more)
        quiet = self.dot.nodes.get("quiet", {"label": "0 0 0"})["label"]
        expect([self.about[k] for k in ("alone", "known", "images")] ==
               [int(n) for n in re.findall(r"\d+", quiet)], what, quiet)
        for name, node in self.dot.nodes.items():
            expect(len(node["label"]) <= 120 and "shape" in node, name, node)


def check_views(run, what, rows):
    """Each row is drawn, or counted."""
    graph = Graph(run, *what)
    known = sum("known_good" in r["section"] for r in rows)
    alone = sum("known_good" not in r["section"] and
                r["sharing"]["view_count"] < 2 for r in rows)
    expect((graph.about["known"], graph.about["alone"]) == (known, alone),
           what, graph.about, known, alone)
    expect(len(graph.edges) + graph.about["left_out"] + graph.about["images"]
           == len(rows) - known - alone, what, len(rows), graph.about)
    others = [r for r in rows if "known_good" not in r["section"] and
              r["sharing"]["view_count"] > 1 and
              "control_area" in r["section"] and
              r["section"]["backing"] != "image"]
    expect(bool(others) == bool(graph.about["images"]) or
           len(rows) == len(others) + known + alone, what, graph.about)
    drawn = {(graph.nodes[a].get("address"), graph.nodes[b]["address"],
              d["start"]) for a, b, d in graph.edges}
    expect(drawn <= {(r.get("process", {}).get("eprocess"),
                      r["section"]["control_area"],
                      r["vad"]["start"]) for r in rows
                     if "control_area" in r["section"] and "vad" in r},
           what, "made up")
    spaces = [d["label"] for d in graph.nodes.values()
                 if d["kind"] == "process" and "address" not in d]
    expect(all(label.startswith("kernel: ") for label in spaces), spaces)
    return graph


def check_scene(run, rows_of, scene):
    rows = rows_of("sharedmem")
    graph = check_views(run, ["sharedmem"], rows)
    expect(graph.edges, scene, "nothing is drawn")
    expect(not any(d.get("label", "").endswith(".dll")
                   for d in graph.nodes.values()), scene, "images")
    shared = [r for r in rows if r["sharing"]["view_count"] > 1 and
              r["section"]["backing"] != "image" and
              "known_good" not in r["section"] and
              "control_area" in r["section"]]
    # One process: it is part of whatever is drawn.
    one = shared[len(shared) // 2]["process"]
    what = ["sharedmem", "--pid", str(one["pid"])]
    graph = check_views(run, what, rows_of(*what))
    me = [n for n, d in graph.nodes.items()
          if d.get("address") == one["eprocess"]]
    expect(len(me) == 1 and all(
        any(e[0] == me[0] and e[1] == n for e in graph.edges)
        for n, d in graph.nodes.items() if d["kind"] == "section"),
        scene, what, "sections without it")
    # One section: all of its views, as far as there is room.
    area = max(shared, key=lambda r: r["sharing"]["view_count"])["section"]
    what = ["sharedmem", "--address", area["control_area"]]
    graph = check_views(run, what, rows_of(*what))
    expect([d["address"] for d in graph.nodes.values()
            if d["kind"] == "section"] == [area["control_area"]], what)
    drawn = len(graph.edges)
    expect(drawn == min(drawn + graph.about["left_out"], 80) or
           sum(d["kind"] == "process" for d in graph.nodes.values()) == 40,
           what, drawn, graph.about)


def check_kernel(run, rows_of):
    """Views of kernel space have boxes of their own."""
    what = ["sharedmem", "--sources", "vad,system,cache"]
    graph = check_views(run, what, rows_of(*what))
    spaces = {r["view"]["space"] for r in rows_of(*what)} - {"process"}
    labels = [d["label"] for d in graph.nodes.values()
              if d["label"].startswith("kernel: ")]
    expect(spaces and labels, what, spaces, labels)


def check_findings(run, rows_of, scene):
    rows = rows_of("findings")
    graph = Graph(run, "findings")
    found = [d for d in graph.nodes.values() if d["kind"] == "finding"]
    expect(rows and len(found) == min(len(rows), 40), scene, len(found))
    for row in rows[:40]:
        label = "%s (%s)" % (row["rule"]["id"], row["severity"])
        expect(label in [d["label"] for d in found], scene, label)
    linked = {(graph.nodes[a]["label"], graph.nodes[b].get("address"))
              for a, b, _ in graph.edges}
    for row in rows[:40]:
        if "eprocess" in row.get("process", {}):
            expect(("%s (%s)" % (row["rule"]["id"], row["severity"]),
                    row["process"]["eprocess"]) in linked, scene, row["id"])


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
                      "sources/all", "findings/injected-section",
                      "findings/hidden-process"):
            image = os.path.join(folder, "image.raw")
            subprocess.run([mkscene, "-p", profiles, "-k", KERNEL, "-r", image,
                            os.path.join(images, scene + ".scene")], check=True)

            def run(renderer, *what):
                return subprocess.run(
                    [vadose, "-q", "-s", profiles, "-f", image, "-r", renderer,
                     *what], stdout=subprocess.PIPE, check=False).stdout

            def rows_of(*what):
                return [r for r in map(json.loads,
                                       run("ndjson", *what).splitlines())
                        if r["kind"] in ("sharedmem_view", "finding")]

            if "findings" in scene:
                check_findings(run, rows_of, scene)
            elif scene == "sources/all":
                check_kernel(run, rows_of)
            elif scene == "scale":      # bounded, however much there is
                check_views(run, ["sharedmem"], rows_of("sharedmem"))
                os.unlink(image)
                continue
            else:
                check_scene(run, rows_of, scene)
            check_tree(scene, run)
            if shutil.which("dot"):
                drawn = subprocess.run(["dot", "-Tsvg"], capture_output=True,
                                       input=run("dot", "sharedmem"))
                expect(drawn.returncode == 0 and not drawn.stderr,
                       drawn.stderr)
                ET.fromstring(drawn.stdout)
            os.unlink(image)
    print("graph:", "FAILED" if failures else "ok")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
