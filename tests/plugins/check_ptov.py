#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every address of the truth that leads to a frame is found from that frame,
and whatever else is found leads there too."""
import common
from common import truth_module


def truth(test):
    """Physical address -> set of (PID, va) of listed pages."""
    columns = test.manifest["page_columns"]
    sections = truth_module.Sections(test.manifest)
    found = {}
    for process in test.manifest["processes"]:
        vads = truth_module.Vads(test.manifest, process)
        for listed in process["pages"]:
            page = dict(zip(columns, listed))
            if not int(page["pte"], 16) or vads.at(int(page["va"], 16)) is None:
                continue
            _, pa = truth_module.expected_page(page, vads, sections)
            if pa and page["state"] not in ("device", "large"):
                found.setdefault(pa, set()).add(
                    (process["pid"], common.addr(page["va"])))
    return found


def check(test):
    found = truth(test)
    # The most shared frames, and some that one process has for itself.
    frames = sorted(found, key=lambda pa: (-len(found[pa]), pa))
    frames = frames[:30] + frames[-30:]
    kernel = test.manifest["kernel"]
    frames.append("0x%016x" % int(kernel["pa"], 16))
    rows = test.run("ptov", *[hex(int(pa, 16) + 0x123) for pa in frames],
                    codes=(0, 3))
    got = {}
    for row in rows:
        mapping = row["mapping"]
        test.equal("offset in the page", int(mapping["va"], 16) & 0xfff,
                   0x123)
        pa = "0x%016x" % (int(mapping["pa"], 16) - 0x123)
        key = (row["process"]["pid"],
               "0x%016x" % (int(mapping["va"], 16) - 0x123))
        test.equal("one row for %s at %s" % (pa, key),
                   key in got.setdefault(pa, set()), False)
        got[pa].add(key)
    for pa in frames[:-1]:
        test.equal("frame %s" % pa, sorted(found[pa] - got.get(pa, set())),
                   [])
    test.equal("the kernel's image", (4, common.addr(kernel["base"])) in
               got.get(frames[-1], set()), True)
    # Back again: vtop of what was found.
    for row in rows[::max(1, len(rows) // 40)]:
        mapping = row["mapping"]
        there = test.run("vtop", "--pid", str(row["process"]["pid"]),
                         mapping["va"], codes=(0, 3))
        test.equal("vtop of %s in %d" % (mapping["va"],
                                         row["process"]["pid"]),
                   there[0]["translation"].get("pa"), mapping["pa"])


common.main(check)
