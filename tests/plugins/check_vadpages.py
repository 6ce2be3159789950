#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The pages of VADs against those that the image's builder wrote down, and with
--all against the VADs' own lengths."""
import common
from common import truth_module

VIA = truth_module.VIA
SHARE = {"shared": "shared", "cow": "private_copy",
         "valid-private": "private", "proto": "shared",
         "proto-lookup": "shared"}


def check_page(test, what, page, row, vads, sections):
    state, pa = truth_module.expected_page(page, vads, sections)
    got = row["page"]
    test.equal(what + ": entry", got.get("pte"), common.addr(page["pte"]))
    test.equal(what + ": via", got["via"], VIA.get(page["state"], "hardware"))
    if state:
        test.equal(what + ": state", got["state"], state)
    if pa:
        test.equal(what + ": PA", got.get("pa"), pa)
        test.equal(what + ": PFN", common.number(got["pfn"]),
                   int(pa, 16) >> 12)
        share = SHARE.get(page["state"])
        if share and "share" in got:
            test.equal(what + ": share", got["share"], share)
    else:
        test.equal(what + ": no PA", "pa" in got, False)


def check_lengths(test, process, vads):
    """Every byte of every VAD lies in one row."""
    length = {}
    for row in test.run("vadpages", "--all", "--pid",
                        str(process["pid"]), codes=(0, 3)):
        start, end = (int(row["vad"][k], 16) for k in ("start", "end"))
        first = int(row["page"]["va"], 16)
        last = first + row["page"]["count"] * row["page"]["size"] - 1
        at, total = length.get(start, (start, 0))
        test.equal("%x: rows follow each other" % first,
                   max(first, start), at)
        last = min(last, end)
        length[start] = (last + 1, total + last + 1 - max(first, start))
    for vad in vads:
        start, end = int(vad["start"], 16), int(vad["end"], 16)
        test.equal("VAD %x: bytes in rows" % start,
                   length.get(start, (0, 0))[1], end - start + 1)


def check(test):
    columns = test.manifest["page_columns"]
    sections = truth_module.Sections(test.manifest)
    rows = {(r["process"]["eprocess"], r["page"]["va"]): r
            for r in test.run("vadpages", codes=(0, 3))}
    some = None
    for process in test.manifest["processes"]:
        vads = truth_module.Vads(test.manifest, process)
        for listed in process["pages"]:
            page = dict(zip(columns, listed))
            if vads.at(int(page["va"], 16)) is None or \
                    not int(page["pte"], 16):
                continue
            what = "PID %d page %s (%s)" % (process["pid"], page["va"],
                                            page["state"])
            row = rows.get((common.addr(process["eprocess"]),
                            common.addr(page["va"])))
            if row is None:
                test.equal(what, "missing", "a row")
            else:
                check_page(test, what, page, row, vads, sections)
        if process["pages"]:
            some = process
    vads = truth_module.Vads(test.manifest, some).list
    check_lengths(test, some, vads)
    one = vads[len(vads) // 2]
    only = test.run("vadpages", "--pid", str(some["pid"]), "--all", "--vad",
                    "0x" + one["start"], codes=(0, 3))
    test.equal("only one VAD", {r["vad"]["node"] for r in only},
               {common.addr(one["vad"])})


common.main(check)
