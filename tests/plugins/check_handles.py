#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The handles of an image against the truth of its builder: none missing, none
more, each with its object, type, access, attributes and name."""
import re

import common


def expected(handle):
    """What a row must say; a name is compared by its last component."""
    want = {
        "object": common.addr(handle["object"]),
        "type": handle["type"],
        "access": int(handle["access"], 16),
        "attributes": words(handle["attributes"]),
    }
    name = handle["name"] or None
    if handle["type"] == "Process":
        want["target"] = {"pid": int(name.rsplit(" Pid ", 1)[1])}
    elif handle["type"] == "Thread":
        tid, pid = re.fullmatch(r"Tid (\d+) Pid (\d+)", name).groups()
        want["target"] = {"pid": int(pid), "tid": int(tid)}
        name = None
    elif handle["type"] != "File" and name:
        name = name.rsplit("\\", 1)[-1]
    if handle["type"] != "Process":
        want["name"] = name
    return want


def words(attributes):
    names = ("protect_close", "inherit", "audit")
    return [n for i, n in enumerate(names) if attributes >> i & 1]


def shown(row):
    handle = row["handle"]
    name = handle.get("name")
    if handle.get("type") not in ("File", "Process") and name:
        name = name.rsplit("\\", 1)[-1]
    got = {
        "object": handle["object"],
        "type": handle.get("type"),
        "access": common.number(handle["access"]),
        "attributes": handle.get("attributes", []),
    }
    if "target" in handle:
        got["target"] = handle["target"]
    if handle.get("type") != "Process":
        got["name"] = name
    return got


def check(test):
    rows = test.run("handles")
    count = 0
    for process in test.manifest["processes"]:
        if process["hidden"] and not process["handles"]:
            continue
        eprocess = common.addr(process["eprocess"])
        mine = {common.number(r["handle"]["value"]): shown(r) for r in rows
                if r["process"]["eprocess"] == eprocess}
        truth = {int(h["handle"], 16): expected(h)
                 for h in process["handles"]}
        for value in sorted(set(mine) | set(truth)):
            test.equal("PID %d handle 0x%x" % (process["pid"], value),
                       mine.get(value), truth.get(value))
        count += len(truth)
    test.equal("number of handles", len(rows), count)
    some = test.run("handles", "--type", "Section")
    test.equal("only sections", {r["handle"]["type"] for r in some},
               {"Section"})


common.main(check)
