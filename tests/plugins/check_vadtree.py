#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every edge of every VAD tree against the truth of the image's builder."""
import common


def pointer(text):
    return None if not text or int(text, 16) == 0 else common.addr(text)


def check(test):
    columns = test.manifest["vad_columns"]
    rows = {}
    for row in test.run("vadtree"):
        rows.setdefault(row["process"]["eprocess"], []).append(row["vad"])
    for process in test.manifest["processes"]:
        got = rows.pop(common.addr(process["eprocess"]), [])
        truth = [dict(zip(columns, r)) for r in process["vads"]]
        what = "PID %d" % process["pid"]
        edges = {r["node"]: (r.get("left"), r.get("right")) for r in got}
        test.equal(what + ": edges", edges, {
            common.addr(v["vad"]): (pointer(v["left"]), pointer(v["right"]))
            for v in truth})
        test.equal(what + ": order", [r["start"] for r in got],
                   sorted(common.addr(v["start"]) for v in truth))
        level = {r["node"]: r["level"] for r in got}
        for row in got:
            dots, side = ([""] + row["picture"].split(" "))[-2:]
            parent = [n for n, e in edges.items() if row["node"] in e]
            test.equal(what + ": level", row["level"],
                       level[parent[0]] + 1 if parent else 0)
            test.equal(what + ": dots", len(dots), row["level"])
            test.equal(what + ": side", side,
                       ("left", "right")[edges[parent[0]].index(row["node"])]
                       if parent else "root")
    test.equal("other processes", list(rows), [])


common.main(check)
