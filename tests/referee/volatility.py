#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What Volatility 3 says about an image, row for row against vadose.

usage: volatility.py [options] VADOSE PROFILES IMAGE...

  --volatility DIR   a checkout of Volatility 3 (default: $VADOSE_VOLATILITY)
  --symbols DIR      its symbol tables: DIR/windows/ntkrnlmp.pdb/GUID-AGE.json.xz
                     (default: $VADOSE_VOLATILITY_SYMBOLS)
  --python PROGRAM   runs Volatility; knows pefile and capstone
  --keep DIR         keeps what Volatility printed, and reads it again
  --only PLUGIN,...

Prints a table of rows that are the same, and of those that only one of the two
has, each of these with the reason (see REASONS). A row without a reason is a
failure: exit status 1. Exit status 77: there is no Volatility here.
"""
import argparse
import collections
import json
import os
import pathlib
import re
import subprocess
import sys

import reasons

CUT = (1 << 48) - 1     # Volatility's pointers


def cut(value):
    """An address as both have it, None for none."""
    if isinstance(value, str):
        value = int(value, 16)
    return None if value is None else value & CUT


class Places:
    """Before Windows 10 Volatility scans physical memory and prints physical
    addresses: where blocks of pool lie in both."""

    pages = {}

    @classmethod
    def learn(cls, rows):
        cls.pages = {int(r["pool"]["physical"], 16) >> 12:
                     cut(r["pool"]["address"]) >> 12 for r in rows
                     if {"physical", "address"} <= set(r["pool"])}

    @classmethod
    def virtual(cls, address):
        address = cut(address)
        if address >> 12 not in cls.pages or address >> 40:
            return address
        return cls.pages[address >> 12] << 12 | address & 0xfff


def seconds(time):
    return time and time[:19]


def no_device(path):
    """Volatility prints a file's own name, without its device."""
    return path and re.sub(r"^\\Device\\[^\\]+", "", path)


def get(record, path, otherwise=None):
    for part in path.split("."):
        record = record.get(part) if isinstance(record, dict) else None
    return otherwise if record is None else record


def vol_process(row):
    return (row["PID"], row["PPID"], row["ImageFileName"],
            Places.virtual(row["Offset(V)"]), seconds(row["CreateTime"]),
            seconds(row["ExitTime"]), row["Threads"])


def our_process(row):
    p = row["process"]
    return (p["pid"], p["ppid"], p["image_file_name"], cut(p["eprocess"]),
            seconds(p.get("start")), seconds(p.get("exit")),
            p.get("threads"))


def vol_tree(rows, depth=0):
    for row in rows:
        yield row["PID"], row["PPID"], depth
        yield from vol_tree(row["__children"], depth + 1)


def our_tree(row):
    p = row["process"]
    return p["pid"], p["ppid"], row["tree"]["depth"]


def vol_vad(row):
    return (row["PID"], cut(row["Offset"]), cut(row["Parent"]),
            cut(row["Start VPN"]), cut(row["End VPN"]), row["Tag"],
            row["Protection"], row["CommitCharge"],
            bool(row["PrivateMemory"]), row["File"])


def our_vad(row):
    v = row["vad"]
    return (row["process"]["pid"], cut(v["node"]),
            cut(v.get("parent", "0")), cut(v["start"]), cut(v.get("end")),
            v.get("tag"), v["protection"], v["commit"], v["private"],
            no_device(get(row, "section.file")))


def vol_node(row):
    return (row["PID"], cut(row["Offset"]), cut(row["Parent"]),
            cut(row["Left"]), cut(row["Right"]), cut(row["Start"]),
            cut(row["End"]))


def our_node(row):
    v = row["vad"]
    return (row["process"]["pid"], cut(v["node"]), cut(v.get("parent", "0")),
            cut(v.get("left", "0")), cut(v.get("right", "0")),
            cut(v["start"]), cut(v.get("end")))


def vol_handle(row):
    return (row["PID"], row["HandleValue"], cut(row["Offset"]), row["Type"],
            row["GrantedAccess"], row["Name"] or None)


def our_handle(row):
    """Named in Volatility's way."""
    h, name = row["handle"], row["handle"].get("name")
    target = h.get("target", {})
    if h.get("type") == "Process":
        name = "%s Pid %d" % (name, target.get("pid", -1))
    elif h.get("type") == "Thread":
        name = "Tid %d Pid %d" % (target.get("tid", -1), target["pid"])
    elif h.get("type") != "File" and name:
        name = name.rsplit("\\", 1)[-1]
    return (row["process"]["pid"], cut(h["value"]), cut(h["object"]),
            h.get("type"), cut(h["access"]), name)


def vol_dll(row):
    return (row["PID"], cut(row["Base"]), row["Size"], row["Name"],
            row["Path"], seconds(row["LoadTime"]))


def our_dll(row):
    m = row["module"]
    if "base" not in m:     # Volatility reads the 64-bit lists only
        return None
    return (row["process"]["pid"], cut(m["base"]), m["size"], m["name"],
            m["path"], seconds(m.get("load_time")))


def vol_ldr(row):
    return (row["Pid"], cut(row["Base"]), row["InLoad"], row["InInit"],
            row["InMem"], row["MappedPath"])


def our_ldr(row):
    m = row["module"]
    return (row["process"]["pid"], cut(m["base"]), m.get("in_load", False),
            m.get("in_init", False), m.get("in_memory", False),
            no_device(get(row, "section.file")))


def vol_module(row):
    return (cut(row["Offset"]), cut(row["Base"]), row["Size"], row["Name"],
            row["Path"])


def our_module(row):
    m = row["module"]
    return (cut(m["entry"]), cut(m["base"]), m["size"], m["name"], m["path"])


def vol_bigpool(row):
    return (cut(row["Allocation"]), row["Tag"], row["PoolType"],
            row["NumberOfBytes"], row["Status"].lower())


def our_bigpool(row):
    p = row["pool"]
    return cut(p["address"]), p["tag"], p["type"], p["size"], p["state"]


def vol_region(row):
    return (row["PID"], cut(row["Start VPN"]), cut(row["End VPN"]),
            row["Tag"], row["Protection"])


def our_region(row):
    v = row["vad"]
    return (row["process"]["pid"], cut(v["start"]), cut(v["end"]), v["tag"],
            v["protection"])


def vol_file(row):
    return Places.virtual(row["Offset"]), row["Name"]


def our_file(row):
    return cut(row["file"]["object"]), no_device(row["file"].get("name"))


def vol_seen(rows):
    """One row per process, whichever address each source has of it."""
    seen = {}
    for row in rows:
        key = Places.virtual(row["Offset(Virtual)"]), row["PID"]
        seen[key] = tuple(a or row[b] for a, b in zip(
            seen.get(key, (False,) * 3), ("pslist", "psscan", "thrdscan")))
    return [key + value for key, value in seen.items()]


def our_seen(row):
    p, seen = row["process"], row["seen"]
    return (cut(p["eprocess"]), p["pid"], seen["active_links"], seen["pool"],
            seen["threads"])


def vol_hollow(row):
    return (row["PID"],)


def our_hollow(row):
    return (row["process"]["pid"],)


POOL = {"_EPROCESS": "process", "_FILE_OBJECT": "file"}


def vol_block(row):
    kind = row["Tag"].split("!")[-1]
    return (Places.virtual(row["Offset"]), POOL[kind]) \
        if kind in POOL else None


def our_block(row):
    p = row["pool"]
    return (cut(p.get("address")), p["content"]) \
        if p.get("content") in POOL.values() and p["valid"] else None


class Compare:
    """One plugin of theirs, the command of ours, how rows become equal."""

    def __init__(self, ours, vol_row, our_row):
        self.ours, self.vol_row, self.our_row = ours, vol_row, our_row


PLUGINS = {
    "pslist": Compare(["pslist"], vol_process, our_process),
    "psscan": Compare(["psscan"], vol_process, our_process),
    "pstree": Compare(["pstree"], None, our_tree),
    "psxview": Compare(["pslist", "--crossview"], None, our_seen),
    "vadinfo": Compare(["vadinfo"], vol_vad, our_vad),
    "vadwalk": Compare(["vadtree"], vol_node, our_node),
    "handles": Compare(["handles"], vol_handle, our_handle),
    "dlllist": Compare(["dlllist"], vol_dll, our_dll),
    "ldrmodules": Compare(["ldrmodules"], vol_ldr, our_ldr),
    "modules": Compare(["modules"], vol_module, our_module),
    "bigpools": Compare(["bigpools"], vol_bigpool, our_bigpool),
    "malfind": Compare(["malfind", "--shared"], vol_region, our_region),
    "filescan": Compare(["fileobj"], vol_file, our_file),
    "hollowprocesses": Compare(
        ["hollow", "--where", " or ".join("hollow.kind = " + kind for kind in (
            "base_moved", "peb_base_no_image", "main_unmapped",
            "module_no_image", "odd_protection"))], vol_hollow, our_hollow),
    "processghosting": Compare(["hollow", "--where",
                                "hollow.kind = 'file_deleted' and main"],
                               vol_hollow, our_hollow),
    "poolscanner": Compare(["poolscan"], vol_block,
                           our_block),
}


class Referee:
    def __init__(self, args, image):
        self.args, self.image = args, image
        self.name = pathlib.Path(image).stem
        Places.learn(self.ours(["poolscan"]))

    def volatility(self, plugin):
        """Their rows, and the last line of stderr if they broke off."""
        kept = self.args.keep and \
            pathlib.Path(self.args.keep) / self.name / plugin
        if kept and kept.exists():
            text = kept.read_bytes()
        else:
            done = subprocess.run(
                [self.args.python, os.path.join(self.args.volatility, "vol.py"),
                 "--offline", "-q", "-s", self.args.symbols, "-r", "jsonl",
                 "-f", self.image, "windows." + plugin], capture_output=True)
            text = done.stdout
            if done.returncode:
                text += b'{"broke": %s}\n' % json.dumps(
                    done.stderr.decode(errors="replace").strip()
                    .splitlines()[-1]).encode()
            if kept:
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_bytes(text)
        rows = [json.loads(line) for line in text.splitlines()
                if line.startswith(b"{")]
        return ([r for r in rows if "broke" not in r],
                next((r["broke"] for r in rows if "broke" in r), None))

    def ours(self, words):
        done = subprocess.run(
            [self.args.vadose, "-q", "-s", self.args.profiles, "-f",
             self.image, "-r", "ndjson", *words], capture_output=True)
        if done.returncode not in (0, 3):
            raise SystemExit(done.stderr.decode(errors="replace"))
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        return [r for r in rows if r["kind"] not in
                ("run_start", "run_end", "note")]

    def compare(self, plugin):
        how = PLUGINS[plugin]
        their_rows, broke = self.volatility(plugin)
        our_rows = self.ours(how.ours)
        whole = {"pstree": vol_tree, "psxview": vol_seen}.get(plugin)
        theirs = list(whole(their_rows)) if whole else \
            [how.vol_row(row) for row in their_rows]
        mine = [how.our_row(row) for row in our_rows]
        by_tuple = dict(zip(mine, our_rows))
        theirs, mine = (collections.Counter(t for t in rows if t is not None)
                        for rows in (theirs, mine))
        if plugin in ("hollowprocesses", "processghosting"):
            theirs, mine = (collections.Counter(set(c))
                            for c in (theirs, mine))
        facts = reasons.Facts(self, plugin, theirs, mine, by_tuple, broke)
        return theirs, mine, list(facts.explain())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--volatility",
                        default=os.environ.get("VADOSE_VOLATILITY"))
    parser.add_argument("--symbols",
                        default=os.environ.get("VADOSE_VOLATILITY_SYMBOLS"))
    parser.add_argument("--python", default="/usr/bin/python3")
    parser.add_argument("--keep")
    parser.add_argument("--only")
    parser.add_argument("vadose")
    parser.add_argument("profiles")
    parser.add_argument("images", nargs="+")
    args = parser.parse_args()
    if not args.keep and not (args.volatility and args.symbols):
        print("SKIP: no Volatility: set VADOSE_VOLATILITY and "
              "VADOSE_VOLATILITY_SYMBOLS")
        sys.exit(77)
    failed = 0
    print("| image | plugin | both | only Volatility | only vadose | why |")
    print("|---|---|---|---|---|---|")
    for image in args.images:
        referee = Referee(args, image)
        for plugin in args.only.split(",") if args.only else PLUGINS:
            theirs, mine, found = referee.compare(plugin)
            same = sum((theirs & mine).values())
            counts = collections.Counter(reason for _, _, reason in found)
            print("| %s | %s | %d | %d | %d | %s |" % (
                referee.name, plugin, same, sum((theirs - mine).values()),
                sum((mine - theirs).values()),
                "; ".join("%s (%d)" % item for item in
                          sorted(counts.items()) if item[0])))
            unknown = [(side, row) for side, row, reason in found
                       if not reason]
            for side, row in unknown[:10]:
                print("    FAIL only %s: %r" % (side, row))
            failed += len(unknown)
    print("\n%d rows without a reason" % failed)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
