#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Classes and counters of address spaces against the truth of the builder."""
import struct

import common

PAGE = 4096
PRESENT, LARGE, FRAMES = 1, 0x80, 0xffffffffff000


def classes_of(vad, sections):
    """The classes that a VAD may be counted in."""
    if vad["type"] == "VadImageMap":
        return {"image"}
    if vad["type"] in ("VadDevicePhysicalMemory", "VadRotatePhysical",
                       "VadAwe"):
        return {"other"}
    if vad["private"]:
        return {"heap", "stack", "peb-teb", "private"}
    kind = sections[vad["section"]]["kind"]
    return {"shareable"} if kind == "pagefile" else {"mapped-file"}


def check_process(test, process, rows, totals, sections):
    columns = test.manifest["vad_columns"]
    what = "PID %d" % process["pid"]
    regions = {r["region"].get("start"): r for r in rows}
    at = 0x10000
    for row in rows:
        if row["region"]["class"] == "page-table":
            continue
        start, end = (int(row["region"][k], 16) for k in ("start", "end"))
        test.equal("%s: %x follows" % (what, start), start, at)
        test.equal("%s: %x size" % (what, start), row["region"]["size"],
                   end - start + 1)
        at = end + 1
    size = {}
    for listed in process["vads"]:
        vad = dict(zip(columns, listed))
        row = regions.get(common.addr(vad["start"]))
        if row is None:
            test.equal("%s VAD %s" % (what, vad["start"]), None, "a region")
            continue
        region = row["region"]
        allowed = classes_of(vad, sections)
        test.equal("%s VAD %s: class %s" % (what, vad["start"],
                                            region["class"]),
                   region["class"] in allowed, True)
        test.equal("%s VAD %s: end" % (what, vad["start"]), region["end"],
                   common.addr(vad["end"]))
        if int(vad["start"], 16) <= int(process["peb"] or "0", 16) <= \
                int(vad["end"], 16):
            test.equal("%s: PEB" % what, region["class"], "peb-teb")
        size[region["class"]] = size.get(region["class"], 0) + region["size"]
        columns_p = test.manifest["page_columns"]
        valid = [p for p in (dict(zip(columns_p, x))
                             for x in process["pages"])
                 if p["state"] in ("shared", "cow", "valid-private") and
                 int(vad["start"], 16) <= int(p["va"], 16) <=
                 int(vad["end"], 16)]
        private = [p for p in valid if p["state"] != "shared"]
        ws = region["ws"]
        test.equal("%s VAD %s: working set" % (what, vad["start"]),
                   ws["total"] >= len(valid) * PAGE, True)
        test.equal("%s VAD %s: private part" % (what, vad["start"]),
                   ws["private"] >= len(private) * PAGE, True)
        test.equal("%s VAD %s: parts" % (what, vad["start"]),
                   ws["private"] + ws["shareable"], ws["total"])
        test.equal("%s VAD %s: shared part" % (what, vad["start"]),
                   ws.get("shared", 0) <= ws["shareable"], True)
    for name, bytes_ in size.items():
        test.equal("%s: size of %s" % (what, name),
                   totals[name]["region"]["size"], bytes_)


def walk(image, dtb):
    """Tables of the user's half, and bytes that they map: from the raw image,
    where the offset is the physical address."""
    count, mapped, todo = 0, 0, [(dtb, 4)]
    while todo:
        table, level = todo.pop()
        image.seek(table)
        count += 1
        for entry in struct.unpack("<512Q", image.read(PAGE))[
                :256 if level == 4 else 512]:
            if not entry & PRESENT:
                continue
            if level > 1 and not entry & LARGE:
                todo.append((entry & FRAMES, level - 1))
            else:
                mapped += PAGE << 9 * (level - 1)
    return count, mapped


def numbers(region):
    return {key: value for key, value in [
        *region.items(),
        *(("ws." + k, v) for k, v in region.get("ws", {}).items())]
            if isinstance(value, int)}


def check_sums(test, image, process, rows, totals, vads, tables):
    """The classes add up the regions, and both what others say."""
    what = "PID %d" % process["pid"]
    counters = {}
    for row in rows:
        region = row["region"]
        mine = counters.setdefault(region["class"], {})
        for key, value in numbers(region).items():
            mine[key] = mine.get(key, 0) + value
    for name, row in totals.items():
        test.equal("%s: sums of %s" % (what, name), numbers(row["region"]),
                   counters.get(name))
    used = [r["region"] for r in rows if "start" in r["region"] and
            r["region"]["class"] not in ("free", "unusable")]
    test.equal("%s: size of its VADs" % what,
               sum(r["size"] for r in used), sum(v["size"] for v in vads))
    test.equal("%s: their commit" % what, sum(r["private"] for r in used),
               sum(v.get("commit", 0) for v in vads) * PAGE)
    count, mapped = walk(image, int(process["dtb"], 16))
    test.equal("%s: working set" % what,
               sum(r["ws"]["total"] for r in used), mapped)
    test.equal("%s: page tables" % what,
               totals["page-table"]["region"]["count"], count)
    # System's tables of the kernel's half are no user's.
    if process["pid"] != 4:
        test.equal("%s: page tables of the PFN database" % what,
                   tables.get(process["pid"]), count * PAGE)


def check(test):
    sections = {s["id"]: s for s in test.manifest["sections"]}
    regions, totals = {}, {}
    for row in test.run("vmmap", "--regions", codes=(0, 3)):
        regions.setdefault(row["process"]["eprocess"], []).append(row)
    for row in test.run("vmmap", codes=(0, 3)):
        totals.setdefault(row["process"]["eprocess"],
                          {})[row["region"]["class"]] = row
    vads, tables = {}, {}
    for row in test.run("vadinfo", codes=(0, 3)):
        vads.setdefault(row["process"]["eprocess"], []).append(row["vad"])
    for row in test.run("memusage", "--owner", "page-table"):
        if "process" in row:
            tables[row["process"]["pid"]] = row["memory"]["size"]
    with open(test.image, "rb") as image:
        for process in test.manifest["processes"]:
            eprocess = common.addr(process["eprocess"])
            rows = regions.pop(eprocess, [])
            if not rows:
                test.equal("regions of PID %d" % process["pid"],
                           process["vads"], [])
                continue
            check_process(test, process, rows, totals[eprocess], sections)
            check_sums(test, image, process, rows, totals[eprocess],
                       vads.get(eprocess, []), tables)
    test.equal("other processes", list(regions), [])


common.main(check)
