#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Section objects of an image against the truth of its builder."""
import collections

import common


def path_of(o):
    if not o["name"]:
        return None
    return o["directory"].rstrip("\\") + "\\" + o["name"]


def holders(manifest):
    """Object -> (PID, handle) of the first process that holds it."""
    first = {}
    for process in sorted(manifest["processes"], key=lambda p: p["pid"]):
        for handle in process["handles"]:
            if handle["type"] == "Section":
                first.setdefault(common.addr(handle["object"]),
                                 (process["pid"], int(handle["handle"], 16)))
    return first


def views(manifest):
    """Control area -> PIDs of the VADs that view it."""
    found = collections.defaultdict(list)
    columns = manifest["vad_columns"]
    for process in manifest["processes"]:
        for row in process["vads"]:
            vad = dict(zip(columns, row))
            if vad["control_area"] and vad["tag"] != "VadS" and \
                    vad["type"] != "VadDevicePhysicalMemory":
                found[common.addr(vad["control_area"])].append(process["pid"])
    return found


def check_views(test):
    """Whatever control area a VAD leads to is there, and its views are counted:
    those of physical memory too."""
    views = collections.Counter(
        r["section"]["control_area"]
        for r in test.run("vadinfo", codes=(0, 3))
        if "control_area" in r.get("section", {}))
    counted = {r["section"]["control_area"]: r["section"]["view_count"]
               for r in test.run("sections", "--all", codes=(0, 3))
               if r["section"].get("view_count")}
    test.equal("views of control areas", counted, dict(views))


def check(test):
    check_views(test)
    manifest = test.manifest
    rows = {r["section"]["object"]: r for r in test.run("sections")}
    first, seen = holders(manifest), views(manifest)
    expected = {}
    for section in manifest["sections"]:
        for o in section["objects"]:
            expected[common.addr(o["va"])] = (section, o)
    for va, (section, o) in sorted(expected.items()):
        row = rows.get(va)
        what = "section object " + va
        if row is None:
            test.equal(what, "missing", "a row")
            continue
        got = row["section"]
        area = common.addr(section["control_area"])
        test.equal(what + ": control area", got["control_area"], area)
        test.equal(what + ": name", got.get("name"), path_of(o))
        test.equal(what + ": backing", got["backing"], section["kind"])
        test.equal(what + ": views", got["view_count"], len(seen[area]))
        pids = sorted(set(seen[area]))
        if got.get("pids_truncated"):
            pids = pids[:len(got["pids"])]
        test.equal(what + ": PIDs", got.get("pids", []), pids)
        holder = row.get("handle")
        test.equal(what + ": holder",
                   (holder["pid"], common.number(holder["value"]))
                   if holder else None, first.get(va))
        test.equal(what + ": in a directory", "directory" in got["found"],
                   bool(o["name"]))
        if o["name"]:
            test.equal(what + ": size", got["size"], section["pages"] * 4096)
    test.equal("objects without truth", sorted(set(rows) - set(expected)), [])
    every = test.run("sections", "--all")
    areas = {r["section"]["control_area"] for r in every}
    test.equal("control areas with views",
               sorted(a for a in seen if a not in areas), [])
    hidden = test.run("sections", "--unmapped")
    test.equal("views of unmapped ones",
               [r["section"]["view_count"] for r in hidden if
                r["section"]["view_count"]], [])


common.main(check)
