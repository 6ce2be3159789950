#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Classes and counters of address spaces against the truth of the builder."""
import common

PAGE = 4096


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
    regions = {r["region"]["start"]: r for r in rows}
    at = 0x10000
    for row in rows:
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
    if process["vads"] and process["dtb"]:
        test.equal("%s: page tables" % what,
                   totals["page-table"]["region"]["size"] >= 4 * PAGE, True)


def check(test):
    sections = {s["id"]: s for s in test.manifest["sections"]}
    regions, totals = {}, {}
    for row in test.run("vmmap", "--regions", codes=(0, 3)):
        regions.setdefault(row["process"]["eprocess"], []).append(row)
    for row in test.run("vmmap", codes=(0, 3)):
        totals.setdefault(row["process"]["eprocess"],
                          {})[row["region"]["class"]] = row
    for process in test.manifest["processes"]:
        eprocess = common.addr(process["eprocess"])
        check_process(test, process, regions.pop(eprocess, []),
                      totals.get(eprocess, {}), sections)
    test.equal("other processes", list(regions), [])


common.main(check)
