#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Triage dumps: what can be answered from blocks of virtual memory is the same
as from the whole image, and the rest says why not.

usage: triage.py VADOSE MKSCENE SHARED_DATA

A scene's kernel memory is put into dumps of several makes; a real dump of the
shared data, if it is there, is asked too.
"""
import argparse
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "golden"))
sys.path.insert(0, str(HERE))
import run as golden  # noqa: E402
import triage_dump as td  # noqa: E402

KERNEL, SMALL = "19041.928", "7601.24540"
BRIEF = "VDS_BRIEF" in os.environ       # another build does it all
# And the makes of dumps: with or without the kernel's image, whole or in pieces.
PIECES = (0x58, 0x100, 0x9a8)
KERNELS = {"19041.928": ((False, None), (True, PIECES)),
           "7601.24540": ((False, None),), "22000": ((True, PIECES),)}
REAL = "containers/negative/rizin-triage_x64.dmp"
SYSTEM_TIME = 0xfffff78000000014
# Cells that need more than the node: the tree, or all handle tables.
UNKNOWN = {("vad", "level"), ("section", "name")}
ANSWERS = {"info", "dt", "memread", "modules", "vadinfo", "ca"}


class Test:
    def __init__(self, bench):
        self.bench, self.failures, self.checks = bench, 0, 0

    def expect(self, what, got, want):
        self.checks += 1
        if got != want:
            self.failures += 1
            print(f"FAIL {what}: {str(got)[:700]}\n  not {str(want)[:700]}")

    def ask(self, image, *arguments, code=(0, 3), limits=False):
        """Rows, notes and the run_end record of one run."""
        done = self.bench.run(image, ["-r", "ndjson", *arguments],
                              limits=limits)
        what = " ".join([image.name, *arguments])
        code = code if isinstance(code, tuple) else (code,)
        if done.returncode not in code:
            raise SystemExit(f"FAIL {what}: exit {done.returncode}: "
                             f"{done.stderr.decode()[-800:]}")
        records = golden.records(done.stdout)
        self.stderr = done.stderr.decode()
        return ([r for r in records[1:-1] if r["kind"] != "note"],
                [r["note"]["kind"] for r in records if r["kind"] == "note"],
                records[-1]["run"])


def flat(row, path=()):
    """{path: value} of a record, without what names the run and the image."""
    out = {}
    for key, value in row.items():
        if not path and key in ("id", "image", "@timestamp", "plugin"):
            continue
        if isinstance(value, dict):
            out.update(flat(value, path + (key,)))
        else:
            out[path + (key,)] = value
    return out


def layout(test, image, name):
    """{member: offset} of a type; "" is its end, as far as members tell."""
    rows, _, _ = test.ask(image, "dt", name)
    members = {r["field"]["name"]: int(r["field"]["offset"], 16)
               for r in rows}
    members[""] = max(int(r["field"]["offset"], 16) + r["field"]["size"]
                      for r in rows) + 63 & -64
    return members


class Scene:
    """An image, and what dumps are made of."""

    def __init__(self, test, kernel):
        self.image = test.bench.image("family", kernel)
        info = test.ask(self.image, "info")[0][0]
        self.kernel = info["kernel"]
        self.base = int(self.kernel["base"], 16)
        self.memory = td.Memory(self.image, int(self.kernel["dtb"], 16))
        self.symbols = td.kernel_symbols(golden.PROFILES,
                                         self.kernel["pdb"]["guid"])
        self.vads = test.ask(self.image, "vadinfo")[0]

    def dump(self):
        dump = td.Dump(self.base, self.kernel["size"], self.symbols,
                       self.kernel["build"])
        dump.put("<Q", 0xfa8, self.memory.u64(SYSTEM_TIME))
        dump.add_drivers([
            ("\\SystemRoot\\system32\\drivers\\first.sys", self.base - 65536,
             0x5000),
            ("\\SystemRoot\\system32\\ntoskrnl.exe", self.base,
             self.kernel["size"])])
        return dump

    def add_memory(self, dump, with_image, sizes=None):
        """All kernel pages that aren't zeros, whole or cut into pieces."""
        for va in sorted(self.memory.pages):
            in_image = 0 <= va - self.base < self.kernel["size"]
            page = self.memory.page(va)
            if not any(page) or (in_image and not with_image):
                continue
            for at, data in (td.pieces(va, page, sizes) if sizes else
                             [(va, page)]):
                dump.add_block(at, data)


def write(test, name, dump):
    path = test.bench.folder / name
    path.write_bytes(dump.finish() if isinstance(dump, td.Dump) else dump)
    return path


def chosen_vads(scene):
    """Some of each kind, of each process."""
    seen, out = {}, []
    for row in scene.vads:
        kind = (row["process"]["pid"], row["vad"]["type"],
                row.get("section", {}).get("backing"))
        seen[kind] = seen.get(kind, 0) + 1
        if seen[kind] <= 2:
            out.append(row)
    return out


def compare_vads(test, scene, image, name):
    """vadinfo --vad: on the image the rows of vadinfo, on the dump the same."""
    want = {r["vad"]["node"]: r for r in chosen_vads(scene)}
    option = "--vad=" + ",".join(want)
    for asked, whole in ((scene.image, True), (image, False)):
        rows, notes, _ = test.ask(asked, "vadinfo", option)
        test.expect(f"{name}: nodes", {r["vad"]["node"] for r in rows},
                    set(want))
        if whole:
            test.expect(f"{name}: in order", [r["id"] for r in rows],
                        [r["id"] for r in scene.vads
                         if r["vad"]["node"] in want])
        for row in rows:
            expected = want[row["vad"]["node"]]
            compare_vad(test, f"{name}: VAD {row['vad']['node']}", flat(row),
                        flat(expected), whole)
        if not whole:
            test.expect(f"{name}: notes", notes, [])


def compare_vad(test, what, got, want, whole):
    """A private VAD doesn't say whose it is."""
    for path, value in want.items():
        if not whole and (path in UNKNOWN or path[-1].endswith("_absent") or
                          (path[0] == "process" and
                           got.get(("process", "eprocess")) is None)):
            continue
        # Without the list of processes: ImageFileName, which is cut.
        if not whole and path == ("process", "name") and got.get(path):
            value = value[:len(got[path])] if len(got[path]) >= 14 else value
        test.expect(f"{what} {'.'.join(path)}", got.get(path), value)


def compare_areas(test, scene, image, name):
    areas = sorted({r["section"]["control_area"] for r in scene.vads
                    if r.get("section", {}).get("control_area")})
    option = "--address=" + ",".join(areas)
    want = test.ask(scene.image, "ca", option)[0]
    got, notes, _ = test.ask(image, "ca", option)
    listed = [r for r in want if r["part"]["kind"] == "subsection" or
              r["part"].get("listed")]
    test.expect(f"{name}: rows of ca", len(got), len(listed))
    test.expect(f"{name}: notes of ca", notes, [])
    for one, two in zip(got, listed):
        one, two = flat(one), flat(two)
        for path in two:
            if path[:2] in (("part", "in_tree"), ("process", "name")) or \
                    path[-1].endswith("_absent"):
                continue
            test.expect(f"{name}: ca {two[('part', 'address')]} "
                        f"{'.'.join(path)}", one.get(path), two[path])


def compare_bytes(test, scene, image, name):
    node = int(scene.vads[0]["vad"]["node"], 16)
    for va, size in ((node, 64), (node & -td.PAGE, 2 * td.PAGE)):
        rows, _, _ = test.ask(image, "memread", hex(va), "--size", str(size))
        for row in rows:
            memory = row["memory"]
            at = int(memory["address"], 16)
            data = scene.memory.read(at, memory["size"])
            # Pages of zeros weren't put into the dump.
            if memory.get("bytes") is None:
                data = None if not data or not any(data) else data
            test.expect(f"{name}: bytes at {at:#x}", memory.get("bytes"),
                        data.hex() if data else None)


def check_scene(test, kernel):
    scene = Scene(test, kernel)
    for with_image, sizes in KERNELS[kernel]:
        name = "cut" if sizes else "no-image"
        dump = scene.dump()
        dump.add_kdbg()
        scene.add_memory(dump, with_image, sizes)
        label = f"{kernel} {name}"
        image = write(test, f"{name}-{kernel}.dmp", dump)
        row = test.ask(image, "info")[0][0]
        test.expect(f"{label}: base", row["kernel"]["base"],
                    scene.kernel["base"])
        test.expect(f"{label}: how", row["kernel"]["base_method"],
                    "driver list")
        test.expect(f"{label}: PDB", row["kernel"]["pdb"],
                    dict(scene.kernel["pdb"], method="codeview" if with_image
                         else "addresses"))
        test.expect(f"{label}: profile", row["profile"]["match"], "exact")
        test.expect(f"{label}: no tables", (row["kernel"]["dtb_method"],
                                            row["kernel"].get("dtb")),
                    ("no page tables", None))
        compare_vads(test, scene, image, label)
        compare_areas(test, scene, image, label)
        compare_bytes(test, scene, image, label)
    return scene


def blank_copies(test, scene, process):
    """KPRCB and ETHREAD such that the crashed process is @process."""
    prcb = bytearray(0x1000)
    thread = bytearray(0x800)
    va = 0xffffa80012340080
    offsets = layout(test, scene.image, "_KTHREAD")
    head = offsets["Header.WaitListHead"]
    struct.pack_into("<QQ", thread, head, va + head, va + head)
    struct.pack_into("<Q", thread, offsets["ApcState.Process"], process)
    struct.pack_into("<Q", thread, layout(test, scene.image, "_ETHREAD")
                     ["Cid.UniqueThread"], 0x1234)
    struct.pack_into("<Q", prcb, layout(test, scene.image, "_KPRCB")
                     ["CurrentThread"], va)
    return prcb, thread, va


def check_copies(test, scene):
    """The crashed process out of the copies alone, then dt on it."""
    rows = test.ask(scene.image, "pslist")[0]
    process = rows[-1]
    eprocess = int(process["process"]["eprocess"], 16)
    prcb, thread, thread_va = blank_copies(test, scene, eprocess)
    dump = scene.dump()
    dump.add_kdbg()
    dump.add_stack(0xffffa80000001000, bytes(range(256)))
    dump.add_copy(0x1c, prcb)
    size = layout(test, scene.image, "_EPROCESS")[""]
    dump.add_copy(0x20, scene.memory.read(eprocess, size))
    dump.add_copy(0x24, thread)
    image = write(test, "copies.dmp", dump)
    row, = test.ask(image, "info")[0]
    crash = row["crash"]
    test.expect("copies: thread", (crash["thread"], crash["tid"]),
                (f"{thread_va:#018x}", 0x1234))
    test.expect("copies: process", (crash["process"], crash["pid"]),
                (process["process"]["eprocess"], process["process"]["pid"]))
    test.expect("copies: bug check", (crash["bugcheck"],
                                      crash["bugcheck_parameters"]),
                ("0x00000000000000d1", ["0x0000000000000001", "0x0000000000000002",
                          "0x0000000000000003", "0xfffff80012345678"]))
    test.expect("copies: processes", row["kernel"]["processes"], 1)
    test.expect("copies: PRCB", crash.get("prcb"), None)
    want = {r["field"]["name"]: r["field"].get("value") for r in test.ask(
        scene.image, "dt", "_EPROCESS", "--address", hex(eprocess),
        "--member", "*Process*")[0]}
    for got in test.ask(image, "dt", "_EPROCESS", "--address", hex(eprocess),
                        "--member", "*Process*")[0]:
        if got["field"].get("value") is not None:
            test.expect(f"copies: {got['field']['name']}",
                        got["field"]["value"], want[got["field"]["name"]])
    rows, _, _ = test.ask(image, "memread", "0xffffa80000001000", "--size",
                          "16")
    test.expect("stack", rows[0]["memory"]["bytes"], bytes(range(16)).hex())
    rows = test.ask(image, "modules")[0]
    test.expect("modules", [(r["module"]["name"], r["module"]["source"])
                            for r in rows],
                [("first.sys", "dump"), ("ntoskrnl.exe", "dump")])


def check_copies_alone(test, scene):
    """Empty lists say where a copy was, and overrule a pointer to elsewhere."""
    prcb, thread, thread_va = blank_copies(test, scene, 0xffffc50b00001080)
    va = 0xfffff78123450180
    for at in (0x80, 0x200, 0x208):
        struct.pack_into("<Q", prcb, at, va + (at & -16))
    struct.pack_into("<Q", prcb, 0x210, va + 0x210)
    struct.pack_into("<Q", thread, 0x300, thread_va + 0x300)
    current = layout(test, scene.image, "_KPRCB")["CurrentThread"]
    struct.pack_into("<Q", prcb, current, thread_va + 0x1000)
    dump = scene.dump()
    dump.add_kdbg()
    dump.add_copy(0x1c, prcb)
    dump.add_copy(0x24, thread)
    dump.add_block(0xffffa80000000000, bytes(64))
    image = write(test, "alone.dmp", dump)
    rows, notes, _ = test.ask(image, "info", code=3)
    crash = rows[0]["crash"]
    test.expect("alone: KPRCB", crash["prcb"], f"{va:#x}")
    test.expect("alone: thread", crash["thread"], f"{thread_va:#x}")
    test.expect("alone: process", (crash.get("process"), crash.get("pid")),
                (None, None))
    test.expect("alone: notes", notes, ["copy_address"])
    rows = test.ask(image, "memread", hex(va + 0x210), "--size", "8")[0]
    test.expect("alone: bytes", rows[0]["memory"]["bytes"],
                struct.pack("<Q", va + 0x210).hex())


def check_identity(test, scene):
    """Without a driver list, then with addresses that no profile has."""
    dump = td.Dump(scene.base, scene.kernel["size"], scene.symbols,
                   scene.kernel["build"])
    dump.add_kdbg()
    dump.add_block(scene.base + 0x123000, b"x" * 64)
    image = write(test, "no-drivers.dmp", dump)
    row, = test.ask(image, "info")[0]
    test.expect("no drivers: how", (row["kernel"]["base"],
                                    row["kernel"]["base_method"]),
                (scene.kernel["base"], "debugger data block"))
    test.expect("no drivers: PDB", row["kernel"]["pdb"]["guid"],
                scene.kernel["pdb"]["guid"])
    dump = td.Dump(scene.base, scene.kernel["size"], scene.symbols,
                   scene.kernel["build"])
    dump.add_block(scene.base + 0x123000, b"x" * 64)
    row, = test.ask(write(test, "header-only.dmp", dump), "info")[0]
    test.expect("header only: base", [row["kernel"][k] for k in (
        "base", "base_method")], [scene.kernel["base"], "addresses"])
    test.expect("header only: PDB", row["kernel"]["pdb"]["guid"],
                scene.kernel["pdb"]["guid"])
    dump = td.Dump(scene.base, scene.kernel["size"], {}, scene.kernel["build"])
    scene.add_memory(dump, True)
    row, = test.ask(write(test, "nothing-said.dmp", dump), "info")[0]
    test.expect("nothing said: base", [row["kernel"][k] for k in (
        "base", "base_method")], [scene.kernel["base"], "image header"])
    dump = td.Dump(scene.base, scene.kernel["size"], {}, scene.kernel["build"])
    dump.add_block(scene.base + 0x123000, b"x" * 64)
    rows, _, end = test.ask(write(test, "nothing.dmp", dump), "info", code=4)
    test.expect("nothing: why", ("no Windows kernel found" in end["message"],
                                 rows[0]["image"]["dialect"]),
                (True, "64-bit triage"))
    # A header may be wrong, or say nothing, about the build.
    for build, expected in ((18362, ["hint_build"]), (0x45474150, [])):
        dump = scene.dump()
        dump.put("<I", 0x0c, build)
        dump.add_kdbg()
        dump.add_block(0xffffa80000000000, bytes(64))
        rows, notes, _ = test.ask(write(test, "build.dmp", dump), "info")
        test.expect(f"build {build}", (rows[0]["kernel"]["build"],
                                       rows[0]["kernel"]["pdb"]["guid"],
                                       notes),
                    (scene.kernel["build"], scene.kernel["pdb"]["guid"],
                     expected))
    if BRIEF:       # these look through each kernel of the pack
        return
    other = {name: rva + 0x40 for name, rva in scene.symbols.items()}
    dump = td.Dump(scene.base, scene.kernel["size"], other,
                   scene.kernel["build"])
    dump.add_kdbg()
    row, = test.ask(write(test, "other.dmp", dump), "info")[0]
    test.expect("other kernel: match", row["profile"]["match"], "build")
    dump = td.Dump(scene.base, scene.kernel["size"], scene.symbols,
                   scene.kernel["build"])
    dump.put("<Q", 0x28, scene.base + 0x1000)
    dump.add_kdbg()
    _, notes, _ = test.ask(write(test, "contradiction.dmp", dump), "info",
                           code=3)
    test.expect("header against block", "header_contradiction" in notes, True)


def check_unlinked(test):
    """A VAD that no tree leads to any more is shown by its node."""
    image = test.bench.image("findings/unlinked-vad", KERNEL)
    views = [r for r in test.ask(image, "ca")[0]
             if r["part"].get("in_tree") is False]
    test.expect("unlinked: there is one", len(views), 1)
    row, = test.ask(image, "vadinfo", "--vad=" + views[0]["part"]["address"])[0]
    for path in (("process", "pid"), ("vad", "start"), ("vad", "end"),
                 ("section", "control_area")):
        test.expect(f"unlinked: {path}", flat(row)[path],
                    flat(views[0])[path])
    test.expect("unlinked: PID", (row["process"]["pid"],
                                  row["vad"].get("level")), (600, None))


def check_refusals(test, image):
    """Each plugin answers or says why not, in whole NDJSON."""
    listed = subprocess.run([test.bench.vadose, "schema"],
                            capture_output=True, text=True, check=True)
    names = {ref["$ref"].split(".", 1)[1]
             for ref in json.loads(listed.stdout)["oneOf"]
             if ref["$ref"].startswith("#/$defs/plugin.")}
    for name in sorted(names - ANSWERS):
        # Some want an address, some a folder.
        extra = next(extra for extra in ([], ["0x1000"], ["--dump", "x"]) if
                     test.bench.run(image, [name, *extra]).returncode != 64)
        rows, _, end = test.ask(image, name, *extra, code=4)
        test.expect(f"{name}: refused", (rows, end["status"],
                                         "without page tables" in
                                         end["message"]),
                    ([], "failed", True))
        test.expect(f"{name}: one line", test.stderr.count("\n"), 1)
    for name in ("vadinfo", "ca"):
        _, _, end = test.ask(image, name, code=4)
        test.expect(f"{name}: refused", "a triage dump has no" in
                    end["message"], True)
    test.ask(image, "vadinfo", "--vad=0x1000", code=64)
    test.expect("a user address", "not the address of a kernel structure" in
                test.stderr, True)
    rows, notes, _ = test.ask(image, "vadinfo", "--vad=0xffff800000001000",
                              code=3)
    test.expect("an absent node", (notes, rows[0]["vad"].get("start")),
                (["vad_unreadable"], None))
    rows, notes, _ = test.ask(image, "ca", "--address=0xffff800000001000",
                              code=3)
    test.expect("an absent control area", "no_control_area" in notes, True)
    convert = subprocess.run(
        [test.bench.vadose, "-f", image, "convert", "--to", "raw",
         test.bench.folder / "out.raw"], capture_output=True, text=True)
    test.expect("convert", (convert.returncode, "no physical memory" in
                            convert.stderr), (4, True))
    digest = subprocess.run([test.bench.vadose, "-f", image, "hash"],
                            capture_output=True, text=True)
    test.expect("hash", (digest.returncode, digest.stdout.split()[0],
                         "no physical memory" in digest.stderr),
                (0, "container", True))


def mutations(good):
    """(what, bytes): each field of the header wild, then each table entry."""
    wild = (0xffffffff, len(good) - 1)
    places = [0x2000 + at for at in range(0, 0x80, 4)]
    drivers, blocks, unloaded = (struct.unpack_from("<I", good, 0x2000 + at)[0]
                                 for at in (0x30, 0x78, 0x18))
    places += [drivers, drivers + 0x90, blocks + 8, blocks + 12]
    if unloaded:
        places.append(unloaded)
    for place in places:
        for value in wild:
            data = bytearray(good)
            struct.pack_into("<I", data, place, value)
            yield f"{value:#x} at {place:#x}", bytes(data)
    for size in (len(good) // 2, 0x2080, 0x2010, 0x1fff, 8):
        yield f"cut at {size:#x}", good[:size]


def check_hostile(test, good, name):
    """A wild field is an error in one line, or costs only what it led to."""
    refused = 0
    for turn, (what, data) in enumerate(mutations(good)):
        # Two values of each field: by turns, where the build isn't the first.
        if BRIEF and turn // 2 % 2 != turn % 2:
            continue
        image = write(test, "hostile.dmp", data)
        # Opening the container is what matters; now and then the rest.
        ask = ["info"] if turn % 8 == 0 else ["hash"]
        done = test.bench.run(image, ask, limits=True)
        test.expect(f"{name}: {what}: status {done.stderr.decode()[-300:]}",
                    done.returncode in (0, 3, 4, 69), True)
        if done.returncode == 4 and not done.stdout:
            refused += 1
            error = done.stderr.decode().splitlines()
            test.expect(f"{name}: {what}: one line", len(error), 1)
            test.expect(f"{name}: {what}: {error[0]}",
                        "hostile.dmp: " in error[0] and
                        ("offset 0x" in error[0] or "known format" in
                         error[0]), True)
    test.expect(f"{name}: refusals", refused > (8 if BRIEF else 20), True)


def check_real(test, path):
    """Facts of the file as rizin and WinDbg tell them."""
    image = test.bench.folder / "real.dmp"
    image.write_bytes(path.read_bytes())
    row, = test.ask(image, "info")[0]
    test.expect("real: kernel", [row["kernel"][k] for k in
                                 ("base", "build", "revision")],
                ["0xfffff8047ba00000", 19041, 804])
    test.expect("real: PDB", (row["kernel"]["pdb"]["guid"],
                              row["kernel"]["pdb"]["age"]),
                ("5278AFF86C341677D7D7835C85B7B844", 1))
    crash = row["crash"]
    test.expect("real: crash", [crash[k] for k in (
        "bugcheck", "time", "boot_time", "process", "pid", "process_name",
        "thread", "tid", "prcb")],
        ["0x000000001000007e", "2021-02-21T01:38:22.9877657Z",
         "2021-02-21T01:38:19.2406960Z", "0xffffc08bdce94180", 4, "System",
         "0xffffc08bde9e1640", 264, "0xfffff804782d4180"])
    test.expect("real: build lab", row["kernel"]["build_lab"],
                "19041.1.amd64fre.vb_release.191206-1406")
    rows = test.ask(image, "modules")[0]
    test.expect("real: modules", (len(rows), rows[1]["module"]["name"],
                                  rows[-1]["module"]["name"],
                                  rows[-1]["module"]["source"]),
                (155, "hal.dll", "mcupdate.dll", "dump-unloaded"))
    rows = test.ask(image, "vadinfo", "--vad=0xffffc08bdf3ff820")[0]
    test.expect("real: VAD", [rows[0]["vad"][k] for k in (
        "start", "end", "type", "tag", "protection", "commit")],
        ["0x0000000076f60000", "0x0000000077102fff", "image", "Vad ",
         "PAGE_EXECUTE_WRITECOPY", 9])
    rows = test.ask(image, "ca", "--address=0xffffc08be3db0230")[0]
    test.expect("real: control area", [rows[0]["section"][k] for k in (
        "backing", "segment", "mapped_views")],
        ["pagefile", "0xffffad0ec16302c0", 1])
    test.expect("real: subsection", (rows[0]["part"]["base_pte"],
                                     rows[0]["part"]["pages"]),
                ("0xffffad0ec1204a40", 48))
    test.expect("real: its view", (rows[1]["part"]["address"],
                                   rows[1]["process"]["pid"],
                                   rows[1]["vad"]["start"]),
                ("0xffffc08bdf3ff960", 4, "0x0000013263410000"))
    rows = test.ask(image, "dt", "_ETHREAD", "--address",
                    "0xffffc08bde9e1640", "--member", "Cid.*")[0]
    test.expect("real: dt", [r["field"]["number"] for r in rows],
                ["0x0000000000000004", "0x0000000000000108"])
    _, _, end = test.ask(image, "pslist", code=4)
    test.expect("real: pslist", "without page tables" in end["message"], True)


def main():
    parser = argparse.ArgumentParser()
    for name in ("vadose", "mkscene", "shared"):
        parser.add_argument(name)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        test = Test(golden.Bench(args, folder))
        scenes = {kernel: check_scene(test, kernel) for kernel in KERNELS
                  if kernel != "22000" or not BRIEF}
        check_copies(test, scenes[KERNEL])
        check_copies_alone(test, scenes[KERNEL])
        check_identity(test, scenes[KERNEL])
        check_unlinked(test)
        # A build of few profiles: these are many runs.
        dump = scenes[SMALL].dump()
        dump.add_kdbg()
        dump.add_block(0xffffa80000000000, bytes(64))
        small = write(test, "small.dmp", dump)
        check_refusals(test, small)
        check_hostile(test, small.read_bytes(), "small")
        real = pathlib.Path(args.shared) / REAL
        if real.exists():
            check_real(test, real)
        else:
            print("no real triage dump here")
    print(f"{test.checks} checks, {test.failures} failed")
    return 1 if test.failures or not test.checks else 0


if __name__ == "__main__":
    sys.exit(main())
