#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a recipe's faults can't forge: lists that fill megabytes, VADs that are
twins, page tables that lead everywhere to one frame. Whatever it is, plugins end
within 2 seconds of processor time and 256 MB, in whole records whose ids are
unique, with one thread as with two.

usage: forged.py VADOSE MKSCENE SOURCE KERNEL...
"""
import json
import os
import pathlib
import resource
import shutil
import struct
import subprocess
import sys
import tempfile

PAGE = 4096
SCENE = "images/hostile/nonsense/base.scene"
# Of processor time and of memory; sanitizers need more of both.
SANITIZED = "VDS_SANITIZED" in os.environ
SECONDS, MEMORY = (60, None) if SANITIZED else (2, 256 << 20)
# Addresses where the scene has nothing.
USER, KERNEL = 0x10000000000, 0xffffc60000000000
PID = 1200
failures = []


def qwords(*values):
    return struct.pack("<%dQ" % len(values), *values)


class Machine:
    """An image with its page tables, for writing where nothing else can."""

    def __init__(self, vadose, mkscene, source, kernel, folder):
        self.vadose, self.source = os.path.abspath(vadose), source
        self.folder, self.kernel = folder, kernel
        self.path = os.path.join(folder, "forged.raw")
        truth = os.path.join(folder, "forged.json")
        key = next("".join(line.split()[1:3]) for line in
                   (source / "tests/golden/kernels.txt").open()
                   if line.split()[:1] == [kernel])
        subprocess.run([mkscene, "-p", source / "profiles", "-k", key, "-r",
                        self.path, "-t", truth, source / SCENE], check=True)
        self.truth = json.loads(pathlib.Path(truth).read_text())
        self.dtb = int(self.truth["kernel"]["dtb"], 16)
        self.file = open(self.path, "r+b", buffering=0)
        self.size = self.top = os.path.getsize(self.path)
        self.undo, self.offsets = [], {}

    def read(self, pa, size):
        self.file.seek(pa)
        return self.file.read(size)

    def write(self, pa, data):
        self.undo.append((pa, self.read(pa, len(data))))
        self.file.seek(pa)
        self.file.write(data)

    def restore(self):
        for pa, data in reversed(self.undo):
            self.file.seek(pa)
            self.file.write(data)
        self.undo, self.top = [], self.size

    def frames(self, count=1):
        """The address of so many frames in a row that are still zero."""
        self.top -= count * PAGE
        while any(self.read(self.top, count * PAGE)):
            self.top -= PAGE
        return self.top

    def entry(self, va, dtb, level):
        """Where the entry for @va stands; tables that lack are made."""
        table = dtb
        for at in range(4, level, -1):
            place = table + 8 * (va >> (3 + 9 * at) & 511)
            entry = int.from_bytes(self.read(place, 8), "little")
            if at < 4 and entry & 0x80:
                return None, entry & 0xfffffffff000 & -1 << (3 + 9 * at)
            if not entry & 1:
                entry = self.frames() | 0x67
                self.write(place, qwords(entry))
            table = entry & 0xffffffffff000
        return table + 8 * (va >> (3 + 9 * level) & 511), None

    def physical(self, va, dtb):
        table = dtb
        for level in (4, 3, 2, 1):
            entry = int.from_bytes(self.read(
                table + 8 * (va >> (3 + 9 * level) & 511), 8), "little")
            if not entry & 1:
                raise SystemExit("nothing is mapped at 0x%x" % va)
            table = entry & 0xffffffffff000
            if level > 1 and entry & 0x80:
                rest = (1 << (3 + 9 * level)) - 1
                return (table & ~rest) + (va & rest)
        return table + va % PAGE

    def get(self, va, dtb=None, size=8):
        data = self.read(self.physical(va, dtb or self.dtb), size)
        return int.from_bytes(data, "little")

    def put(self, va, data, dtb=None):
        """Within one page."""
        self.write(self.physical(va, dtb or self.dtb), data)

    def map(self, va, count, dtb=None):
        """Fresh memory at @va; where it is."""
        pa = self.frames(count)
        for i in range(count):
            place, _ = self.entry(va + i * PAGE, dtb or self.dtb, 1)
            self.write(place, qwords(pa + i * PAGE | 0x67))
        return pa

    def share(self, va):
        """All processes get the system's part of kernel space at @va."""
        place = 8 * (va >> 39 & 511)
        for process in self.truth["processes"]:
            if process["pages"]:
                self.write(int(process["dtb"], 16) + place,
                           self.read(self.dtb + place, 8))

    def alias(self, dtb, first, count, frame, bits=0x67):
        """@count entries of the top table lead everywhere to one frame."""
        for _ in range(3):
            table = self.frames()
            self.write(table, qwords(frame | bits) * 512)
            frame, bits = table, 0x67
        self.write(dtb + 8 * first, qwords(frame | bits) * count)

    def process(self, pid):
        return next(p for p in self.truth["processes"] if p["pid"] == pid)

    def offset(self, kind, member):
        if kind not in self.offsets:
            done = subprocess.run(
                [self.vadose, "-q", "-s", self.source / "profiles", "-f",
                 self.path, "-r", "ndjson", "dt", kind],
                capture_output=True, check=True)
            rows = [json.loads(line) for line in done.stdout.splitlines()]
            self.offsets[kind] = {
                r["field"]["name"]: int(r["field"]["offset"], 16)
                for r in rows if r["kind"] == "field"}
        return self.offsets[kind][member]

    def symbol(self, name):
        done = subprocess.run(
            [self.vadose, "-q", "-s", self.source / "profiles", "-f",
             self.path, "-r", "ndjson", "vtop", "nt!" + name],
            capture_output=True, check=True)
        row = json.loads(done.stdout.splitlines()[1])
        return int(row["translation"]["va"], 16)


# Each changes a machine; which plugins then meet it.

def long_names(m):
    """A loader list of 60,000 entries, each named by 64 KB of the list."""
    count = 60000
    data = b"".join(qwords(USER + 16 * (i + 1), 0xfffefffe)
                    for i in range(count))
    for process in m.truth["processes"]:
        if process["peb"] and process["pages"]:
            dtb = int(process["dtb"], 16)
            pa = m.map(USER, len(data) // PAGE + 32, dtb)
            m.write(pa, data)
            ldr = m.get(int(process["peb"], 16) + m.offset("_PEB", "Ldr"),
                        dtb)
            for name in ("Load", "Memory", "Initialization"):
                m.put(ldr + m.offset("_PEB_LDR_DATA",
                                     f"In{name}OrderModuleList.Flink"),
                      qwords(USER), dtb)
    return ["dlllist", "ldrmodules", "findings", "vmmap", "hollow"], ()


def null_links(m):
    """Lists that lead to address 0, and a page there that says the same."""
    first = m.get(m.symbol("PsLoadedModuleList"))
    process = m.process(PID)
    dtb = int(process["dtb"], 16)
    ldr = m.get(int(process["peb"], 16) + m.offset("_PEB", "Ldr"), dtb)
    m.map(0, 1)
    m.map(0, 1, dtb)
    m.put(first, qwords(0))
    head = ldr + m.offset("_PEB_LDR_DATA", "InLoadOrderModuleList.Flink")
    m.put(m.get(head, dtb), qwords(0), dtb)
    return ["modules", "dlllist", "ldrmodules"], ("list_bad_pointer",)


def long_files(m):
    """255 handles to as many files, each named by 64 KB; in two processes."""
    source = next(int(s["file_object"], 16) for s in m.truth["sections"]
                  if s["label"] == "grow")
    body, size, count = m.offset("_OBJECT_HEADER", "Body"), 0x200, 510
    name = m.offset("_FILE_OBJECT", "FileName")
    page = m.read(m.physical(source - 0x80, m.dtb), 0x200)
    index = m.offset("_OBJECT_HEADER", "TypeIndex")
    start = KERNEL + 0x20000
    data = bytearray("\\".encode("utf-16le") + "A".encode("utf-16le") * 0xffff)
    for i in range(count):
        at = len(data) + 0x80
        data += page
        va = KERNEL + at
        struct.pack_into("<HHIQ", data, at + name, 0xfffe, 0xfffe, 0, KERNEL)
        # From 10 on the type is hidden behind a byte of the header's address.
        data[at - body + index] ^= (va - body >> 8 ^ source - body >> 8) & 255
    m.write(m.map(KERNEL, len(data) // PAGE + 1), bytes(data))
    m.share(KERNEL)
    first = start + 0x80 - body
    for n, pid in enumerate((600, 720)):
        table = int(m.process(pid)["object_table"], 16)
        code = m.get(table + m.offset("_HANDLE_TABLE", "TableCode"))
        if code & 3:
            code = m.get(code & ~7)
        used = m.read(m.physical(code & ~7, m.dtb), PAGE)
        entry = next(used[i:i + 16] for i in range(16, PAGE, 16)
                     if any(used[i:i + 8]) and any(used[i + 8:i + 16]))
        low = int.from_bytes(entry[:8], "little") & 0xfffff
        m.put(code & ~7, bytes(16) + b"".join(
            qwords((first + size * (n * 255 + i) << 16) % (1 << 64) | low) +
            entry[8:] for i in range(255)))
    return ["fileobj", "handles", "filecache"], ()


def deep_directories(m):
    """Directories in directories, 20,000 deep: the longest path has 200 KB."""
    root = m.get(m.symbol("ObpRootDirectoryObject"))
    body = m.offset("_OBJECT_HEADER", "Body")
    info = m.offset("_OBJECT_HEADER_NAME_INFO", "Name")
    # One below another: entry, name's text, name, header and buckets.
    size, count = 0x400, 20000
    header = m.read(m.physical(root - body, m.dtb), body)
    index, mask = (m.offset("_OBJECT_HEADER", n)
                   for n in ("TypeIndex", "InfoMask"))
    cookie = m.truth["kernel"]["cookie"]
    first = KERNEL + 0x200
    data = bytearray(size * count)
    for i in range(count):
        at, va = i * size, KERNEL + i * size
        place = at + 0x200
        data[place - body:place] = header
        data[place - body + mask] = 2
        if int(m.kernel.split(".")[0]) >= 10240:
            kind = header[index] ^ (root - body >> 8 & 255) ^ cookie
            data[place - body + index] = \
                kind ^ (first + i * size - body >> 8 & 255) ^ cookie
        name = place - body - 0x20 + info
        struct.pack_into("<HHIQ", data, name, 20, 20, 0, va + 0x40)
        data[at + 0x40:at + 0x54] = "deep%06d".__mod__(i).encode("utf-16le")
        # Its only entry leads to the next one.
        struct.pack_into("<Q", data, place, va)
        if i < count - 1:
            struct.pack_into("<QQ", data, at, 0, va + size + 0x200)
    m.write(m.map(KERNEL, len(data) // PAGE), bytes(data))
    m.share(KERNEL)
    m.put(root, qwords(KERNEL + size * count - 16))
    m.put(KERNEL + size * count - 16, qwords(0, first))
    return ["sections", "sharedmem"], ("long_texts",)


def same_leaf(m):
    """Handle tables whose 65,536 pages are one frame full of handles."""
    leaf = m.frames()
    code = None
    for process in m.truth["processes"]:
        table = process["object_table"]
        if not table or not process["handles"] or not process["pages"]:
            continue
        place = int(table, 16) + m.offset("_HANDLE_TABLE", "TableCode")
        if code is None:
            old = m.read(m.physical(m.get(place) & ~7, m.dtb), PAGE)
            used = next(old[i:i + 16] for i in range(16, PAGE, 16)
                        if any(old[i:i + 8]) and any(old[i + 8:i + 16]))
            m.write(leaf, bytes(16) + used * 255)
            m.alias(m.dtb, KERNEL >> 39 & 511, 1, leaf)
            m.share(KERNEL)
            upper = KERNEL + (1 << 39)
            pa = m.map(upper, 129)
            m.share(upper)
            for i in range(128):
                m.write(pa + i * PAGE, qwords(*(
                    KERNEL + (i * 512 + k) * PAGE for k in range(512))))
            m.write(pa + 128 * PAGE, qwords(*(
                upper + i * PAGE for i in range(128))))
            code = upper + 128 * PAGE | 2
        m.put(place, qwords(code))
    return ["handles", "sections", "sharedmem --sources all"], \
        ("handle_table_broken",)


def same_slots(m):
    """A table of 2^24 big allocations, all in one frame."""
    table = m.symbol("PoolBigPageTable")
    frame = m.frames()
    m.write(frame, m.read(m.physical(m.get(table), m.dtb), PAGE))
    m.alias(m.dtb, KERNEL >> 39 & 511, 1, frame, 0x63)
    m.share(KERNEL)
    m.put(table, qwords(KERNEL))
    m.put(m.symbol("PoolBigPageTableSize"), qwords(1 << 24))
    return ["bigpools", "poolscan", "fileobj"], ("big_pages_size",)


def same_pages(m):
    """User space is one frame, and every VAD all of that."""
    frame = m.frames()
    for process in m.truth["processes"]:
        if process["pages"]:
            m.alias(int(process["dtb"], 16), 1, 240, frame)
    twins(m, 1 << 27, (240 << 27) - 1)
    return ["vadinfo", "vadpages", "vadtree", "vmmap", "malfind", "hollow",
            "ldrmodules", "modified --all", "sharedmem", "sharedpages",
            "findings", "memusage", "ptov 0x1000", "vaddump --dump DIR",
            "whoshares 0x1000"], ()


def twins(m, first=0x10000, last=0x1ffff):
    """All VADs of a process have the same range."""
    for process in m.truth["processes"]:
        for vad in process["vads"]:
            va = int(dict(zip(m.truth["vad_columns"], vad))["vad"], 16)
            for name, vpn in (("StartingVpn", first), ("EndingVpn", last)):
                place = va + m.offset("_MMVAD_SHORT", name)
                try:
                    high = va + m.offset("_MMVAD_SHORT", name + "High")
                except KeyError:
                    m.put(place, qwords(vpn))
                    continue
                m.put(place, struct.pack("<I", vpn & 0xffffffff))
                m.put(high, bytes([vpn >> 32]))
    return ["vadinfo", "vadpages", "vmmap", "vmmap --regions", "hollow",
            "modified --all", "malfind", "ldrmodules", "findings",
            "sharedmem", "vaddump --dump DIR"], ()


def same_prototypes(m):
    """Arrays of 2^26 prototype PTEs, all in one frame, that name one frame."""
    frame, array = m.frames(), m.frames()
    m.write(array, qwords(frame | 0x121) * 512)
    m.alias(m.dtb, KERNEL >> 39 & 511, 1, array, 0x63)
    m.share(KERNEL)
    count = 1 << 26
    for section in m.truth["sections"]:
        if section["kind"] == "image":
            continue
        segment = int(section["segment"], 16)
        m.put(segment + m.offset("_SEGMENT", "TotalNumberOfPtes"),
              struct.pack("<I", count))
        m.put(segment + m.offset("_SEGMENT", "SizeOfSegment"),
              qwords(count * PAGE))
        for part in section["subsections"][:1]:
            va = int(part["va"], 16)
            m.put(va + m.offset("_SUBSECTION", "PtesInSubsection"),
                  struct.pack("<I", count))
            m.put(va + m.offset("_SUBSECTION", "SubsectionBase"),
                  qwords(KERNEL))
    return ["ca", "sections", "sharedmem", "sharedpages --min-views 1",
            "sectiondump --name *cold.log --dump DIR", "memusage", "vadpages --pid 1200"], ()


FORGERIES = [long_names, long_files, null_links,
             deep_directories, same_leaf, same_slots,
             twins, same_pages, same_prototypes]


def limit():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
    if MEMORY:
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))


def run(m, plugin, threads):
    words = plugin.split()
    where = os.path.join(m.folder, "dump")
    shutil.rmtree(where, ignore_errors=True)
    return subprocess.run(
        [m.vadose, "-q", "-s", m.source / "profiles", "-f", m.path, "-r",
         "ndjson", threads, *(where if w == "DIR" else w for w in words)],
        capture_output=True, preexec_fn=limit)


def check(m, forge, plugin, notes):
    what = "%s: %s: %s: " % (m.kernel, forge.__name__, plugin)
    done = run(m, plugin, "-j2")
    if done.returncode not in (0, 3):
        failures.append("%sexit %d: %s" % (
            what, done.returncode, done.stderr.decode()[-1500:]))
        return
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    if rows[-1]["kind"] != "run_end" or \
            rows[-1]["run"]["exit_code"] != done.returncode:
        failures.append(what + "run_end: %s" % rows[-1])
    ids = [r["id"] for r in rows]
    if len(set(ids)) != len(ids):
        failures.append(what + "%d of %d ids come again" % (
            len(ids) - len(set(ids)), len(ids)))
    said = {r["note"]["kind"] for r in rows if r["kind"] == "note"}
    for note in notes:
        if note not in said:
            failures.append(what + "no note %s" % note)
    if run(m, plugin, "-j1").stdout != done.stdout:
        failures.append(what + "-j1 and -j2 differ")


def main():
    vadose, mkscene, source, *kernels = sys.argv[1:]
    runs = 0
    for kernel in kernels:
        with tempfile.TemporaryDirectory() as folder:
            m = Machine(vadose, mkscene, pathlib.Path(source), kernel,
                        folder)
            for forge in FORGERIES:
                plugins, notes = forge(m)
                for plugin in plugins:
                    check(m, forge, plugin, notes)
                    runs += 1
                m.restore()
    for line in failures:
        print("FAIL", line)
    print("%d runs, %d failures" % (runs, len(failures)))
    return 1 if failures or not runs else 0


if __name__ == "__main__":
    sys.exit(main())
