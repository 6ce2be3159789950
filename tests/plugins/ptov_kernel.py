#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
What ptov finds in kernel space: pages of a part that only one session has, large
ones too, and the page tables where they map themselves. Each address is walked
back through the raw image here.

usage: ptov_kernel.py VADOSE MKSCENE SOURCE
"""
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

vadose, mkscene = (str(pathlib.Path(p).resolve()) for p in sys.argv[1:3])
source = pathlib.Path(sys.argv[3])
SCENES = (("family", "606FF669409B00F7FC8C61A9C16701291", 4),
          ("family", "339E74133576439CBCDF7E0229DA37731", 4),
          ("la57", "879AD95F3461091BB6318FA98072AD8E1", 5))
PAGE = 4096
FRAME = 0x000ffffffffff000
failures = 0


def expect(condition, what):
    global failures
    if not condition:
        failures += 1
        print("FAIL", what)


def entry(raw, table, index):
    return struct.unpack_from("<Q", raw, (table & FRAME) + 8 * index)[0]


def indexes(va, levels):
    return [va >> (12 + 9 * i) & 511 for i in range(levels - 1, -1, -1)]


def walk(raw, dtb, va, levels):
    """Physical address of @va, and the tables on the way, the top one first."""
    table, tables = dtb, []
    for level, index in zip(range(levels, 0, -1), indexes(va, levels)):
        tables.append(table & FRAME)
        value = entry(raw, table, index)
        if not value & 1:
            return None, tables
        if level == 2 and value & 0x80:
            return (value & 0x000fffffffe00000) + (va & 0x1fffff), tables
        table = value
    return (table & FRAME) + (va & 0xfff), tables


def plant(raw, processes, levels):
    """Maps pages into the upper half of these processes alone."""
    tops = [int(p["dtb"], 16) & FRAME for p in processes]
    slot = next(i for i in range(256, 512)
                if not any(entry(raw, t, i) for t in tops))
    free = len(raw) - 16 * PAGE
    expect(not any(raw[free:]), "the scene's last pages are in use")
    for top in tops:
        struct.pack_into("<Q", raw, top + 8 * slot, free | 0x63)
    for i in range(levels - 2):
        index = 3 if i < levels - 3 else 7
        struct.pack_into("<Q", raw, free + i * PAGE + 8 * index,
                         free + (i + 1) * PAGE | 0x63)
    directory, table = free + (levels - 3) * PAGE, free + (levels - 2) * PAGE
    page = free + 8 * PAGE
    struct.pack_into("<Q", raw, table + 8 * 5, page | 1 << 63 | 0x63)
    struct.pack_into("<Q", raw, directory + 8 * 9, 0x200000 | 0xe3)
    va = (1 << 64) - (1 << (12 + 9 * levels)) | slot << (3 + 9 * levels)
    for i in range(levels - 3):
        va |= 3 << (12 + 9 * (levels - 2 - i))
    return page, va | 7 << 21 | 5 << 12, va | 9 << 21


def plant_user(raw, dtb, levels):
    """System has user memory too; its page is the last one of the image."""
    table, free = dtb & FRAME, len(raw) - 7 * PAGE
    for i in range(levels):
        below = free + (i if i < levels - 1 else 6) * PAGE
        struct.pack_into("<Q", raw, table + 8, below | 0x67)
        table = below


def ptov(image, *words):
    done = subprocess.run(
        [vadose, "-s", source / "profiles", "-f", image, "-q", "-r", "ndjson",
         "ptov", *words], capture_output=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    expect(done.returncode in (0, 3), f"{words}: exit {done.returncode}: "
           f"{done.stderr.decode()}")
    return [r for r in rows if r["kind"] == "mapping"]


def found(rows):
    return {(r["process"]["pid"], int(r["mapping"]["va"], 16)) for r in rows}


def check(scene, kernel, levels, folder):
    image, truth = folder / "scene.raw", folder / "scene.json"
    subprocess.run([mkscene, "-p", source / "profiles", "-k", kernel, "-r",
                    image, "-t", truth,
                    source / "images" / f"{scene}.scene"], check=True)
    processes = {p["pid"]: p for p in
                 json.loads(truth.read_text())["processes"]}
    raw = bytearray(image.read_bytes())
    page, small, large = plant(raw, [processes[p] for p in (1200, 1500)],
                               levels)
    plant_user(raw, int(processes[4]["dtb"], 16), levels)
    image.write_bytes(raw)
    where = f"{scene} {kernel[:8]}"

    rows = ptov(image, hex(page + 0x45))
    expect(found(rows) == {(1200, small + 0x45)},
           f"{where}: a page of a session: {rows}")
    expect(all(r["mapping"]["rights"] == ["read", "write"] for r in rows),
           f"{where}: its rights: {rows}")
    rows = ptov(image, "0x212345")
    expect((1200, large + 0x12345) in found(rows),
           f"{where}: a large page of a session")
    expect(found(ptov(image, hex(page), "--pid", "1500")) == {(1500, small)},
           f"{where}: the other process of the session, alone")

    # Each table that leads to an address: in the process's own map of them.
    for pid, va in ((600, None), (1500, None), (1200, small)):
        va = va or int(processes[pid]["peb"], 16)
        dtb = int(processes[pid]["dtb"], 16)
        _, tables = walk(raw, dtb, va, levels)
        expect(len(tables) == levels, f"{where}: {va:#x} has its tables")
        for table in tables:
            rows = [r for r in ptov(image, hex(table + 0x18))
                    if r["process"]["pid"] == pid]
            expect(len(rows) == 1, f"{where}: the table {table:#x}: {rows}")
            for pid_, there in found(rows):
                expect(walk(raw, dtb, there, levels)[0] == table + 0x18,
                       f"{where}: {there:#x} is not {table:#x}")
    # And those of the kernel, in System's.
    dtb = int(processes[4]["dtb"], 16)
    _, tables = walk(raw, dtb, 0xfffff78000000000, levels)
    for table in tables:
        rows = ptov(image, hex(table + 8))
        expect(len(rows) == 1 and walk(raw, dtb, found(rows).pop()[1],
                                       levels)[0] == table + 8,
               f"{where}: the kernel's table {table:#x}: {rows}")


for case in SCENES:
    with tempfile.TemporaryDirectory() as work:
        check(*case, pathlib.Path(work))
print(f"{len(SCENES)} images, {failures} failures")
sys.exit(1 if failures else 0)
