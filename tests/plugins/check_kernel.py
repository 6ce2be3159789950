#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""modules, ca and malfind against the truth of the image's builder."""
import common

number, addr = common.number, common.addr


def check_modules(test):
    """The kernel's modules in order of load."""
    got = [(r["module"]["name"], r["module"]["path"],
            number(r["module"]["base"]), r["module"]["size"])
           for r in test.run("modules")
           if r["module"].get("source", "PsLoadedModuleList") ==
           "PsLoadedModuleList"]
    want = [(m["name"], m["path"], int(m["base"], 16), int(m["size"], 16))
            for m in test.manifest["kernel"]["modules"]]
    test.equal("modules", got, want)


def views_of(manifest):
    """Control area -> {(PID, start, end)} of its VADs; those of device memory."""
    views, devices = {}, set()
    for process in manifest["processes"]:
        for row in process["vads"]:
            vad = dict(zip(manifest["vad_columns"], row))
            if vad["type"] == "VadDevicePhysicalMemory":
                devices.add(addr(vad["control_area"]))
            if vad["control_area"] and vad["first_proto"]:
                views.setdefault(addr(vad["control_area"]), set()).add(
                    (process["pid"], addr(vad["start"]), addr(vad["end"])))
    return views, devices


def check_ca(test):
    """Segment, subsections with their prototype PTEs, and every view."""
    areas = {}
    for row in test.run("ca", codes=(0, 3)):
        areas.setdefault(row["section"]["control_area"], []).append(row)
    views, devices = views_of(test.manifest)
    for section in test.manifest["sections"]:
        area = addr(section["control_area"])
        rows = areas.get(area, [])
        if not rows:
            # What no view and no name leads to is not on ca's list.
            test.equal("views of " + area, views.get(area), None)
            rows = test.run("ca", "--address", area, codes=(0, 3))
        what = "control area " + area
        facts = rows[0]["section"]
        test.equal(what + ": segment", facts["segment"],
                   addr(section["segment"]))
        test.equal(what + ": backing", facts["backing"],
                   "physical" if area in devices else section["kind"])
        test.equal(what + ": file object", facts.get("file_object"),
                   addr(section["file_object"]))
        test.equal(what + ": size", facts["size"], section["pages"] * 4096)
        test.equal(what + ": subsections", [
            (r["part"]["address"], r["part"]["base_pte"], r["part"]["pages"])
            for r in rows if r["part"]["kind"] == "subsection"], [
            (addr(s["va"]), addr(s["base"]), s["ptes"])
            for s in section["subsections"]])
        test.equal(what + ": views", {
            (r["process"]["pid"], r["vad"]["start"], r["vad"]["end"])
            for r in rows if r["part"]["kind"] == "process" and "vad" in r},
            views.get(area, set()))


def check_malfind(test):
    """Private regions whose VAD allows execution; more only by page tables."""
    want = {(p["pid"], addr(vad["start"]), addr(vad["end"]))
            for p in test.manifest["processes"]
            for vad in (dict(zip(test.manifest["vad_columns"], row))
                        for row in p["vads"])
            if vad["private"] and "EXECUTE" in vad["protection"] and
            vad["type"] != "VadDevicePhysicalMemory"}
    got = {}
    for row in test.run("malfind", codes=(0, 3)):
        key = row["process"]["pid"], row["vad"]["start"], row["vad"]["end"]
        got[key] = row["region"]["executable_pages"]
    for key in sorted(want | set(got)):
        test.equal("malfind %d %s %s" % key, key in got,
                   key in want or got[key] > 0)


def check(test):
    check_modules(test)
    check_ca(test)
    check_malfind(test)


common.main(check)
