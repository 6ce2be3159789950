# SPDX-License-Identifier: Apache-2.0
"""Writes triage dumps (DumpType 4) from a padded raw image.

By the published layouts of DUMP_HEADER64, TRIAGE_DUMP64 and KDDEBUGGER_DATA64;
knows no code of the engine. Page tables are walked here to find the kernel's
memory, which becomes the dump's data blocks.
"""
import re
import struct

PAGE = 4096
PRESENT, LARGE = 1, 0x80
FRAME = 0x000ffffffffff000


def kernel_symbols(profiles, guid):
    """{name: rva} of the kernel with that GUID, out of the profile packs."""
    start = re.compile(r"^\s+guid: '?%s'?$" % guid)
    for path in sorted(profiles.glob("ntkrn*.yaml")):
        lines = iter(path.read_text().splitlines())
        if not any(start.match(line) for line in lines):
            continue
        symbols = {}
        for line in lines:
            if re.match(r"^  - pdb:|^\S", line):
                break
            found = re.match(r"^      (\w+): (0x[0-9a-f]+)$", line)
            if found:
                symbols[found[1]] = int(found[2], 16)
        return symbols
    raise SystemExit(f"FAIL no profile of {guid}")


class Memory:
    """Kernel memory of a raw image, through its page tables."""

    def __init__(self, path, dtb):
        self.raw = path.read_bytes()
        self.pages = {}
        self.walk(dtb, dtb, 4, 0)

    def walk(self, dtb, table, level, base):
        for index, entry in enumerate(struct.unpack_from("<512Q", self.raw,
                                                         table)):
            frame = entry & FRAME
            if not entry & PRESENT or frame + PAGE > len(self.raw):
                continue
            va = base | index << 12 + 9 * (level - 1)
            if level == 4:
                if index < 256 or frame == dtb:
                    continue
                va |= 0xffff << 48
            if level == 1:
                self.pages[va] = frame
            elif level < 4 and entry & LARGE:
                for at in range(0, 1 << 12 + 9 * (level - 1), PAGE):
                    self.pages[va + at] = (frame & -(1 << 21)) + at
            else:
                self.walk(dtb, frame, level - 1, va)

    def page(self, va):
        frame = self.pages.get(va & -PAGE)
        return None if frame is None else self.raw[frame:frame + PAGE]

    def read(self, va, size):
        out = b""
        while len(out) < size:
            at = va + len(out)
            page = self.page(at)
            if page is None:
                return None
            out += page[at % PAGE:at % PAGE + size - len(out)]
        return out

    def u64(self, va):
        return struct.unpack("<Q", self.read(va, 8))[0]


# Fields of KDDEBUGGER_DATA64 that are addresses of globals.
KDBG = {
    0x48: "PsLoadedModuleList", 0x50: "PsActiveProcessHead",
    0x58: "PspCidTable", 0x88: "KiBugCheckData",
    0x98: "ObpRootDirectoryObject", 0xc0: "MmPfnDatabase",
    0x218: "KiProcessorBlock", 0x220: "MmUnloadedDrivers",
}


class Dump:
    """A dump under construction; every part is appended and its place noted."""

    def __init__(self, base, size, symbols, build):
        self.base, self.size, self.symbols = base, size, symbols
        self.blocks = []
        self.data = bytearray(b"PAGE" * 0x800 + bytes(0x80))
        self.put("<4sII", 4, b"DU64", 15, build)
        self.put("<Q", 0x10, 0x1ad000)
        for at, name in ((0x20, "PsLoadedModuleList"),
                         (0x28, "PsActiveProcessHead"),
                         (0x80, "KdDebuggerDataBlock")):
            if name in symbols:
                self.put("<Q", at, base + symbols[name])
        self.put("<III", 0x30, 0x8664, 2, 0xd1)
        self.put("<QQQQ", 0x40, 1, 2, 3, 0xfffff80012345678)
        self.put("<I", 0xf98, 4)
        self.put("<QQ", 0xfa0, 0x100000, 132466080000000000)
        self.put("<QI", 0x1030, 36610000000, 0xcff)

    def put(self, form, at, *values):
        struct.pack_into(form, self.data, at, *values)

    def append(self, data):
        self.data += bytes(-len(self.data) % 8)
        at = len(self.data)
        self.data += data
        return at

    def header(self, field, *values):
        self.put("<%dI" % len(values), 0x2000 + field, *values)

    def add_kdbg(self, fields=KDBG):
        block = bytearray(0x380)
        struct.pack_into("<4sIQ", block, 0x10, b"KDBG", len(block), self.base)
        for at, name in fields.items():
            if name in self.symbols:
                struct.pack_into("<Q", block, at,
                                 self.base + self.symbols[name])
        self.header(0x70, self.append(block), len(block))

    def add_drivers(self, drivers):
        """[(path, base, size)], the kernel's among them."""
        names = []
        for path, _, _ in drivers:
            units = path.encode("utf-16-le")
            names.append(self.append(struct.pack("<I", len(path)) + units +
                                     b"\0\0"))
        entries = b""
        for (path, base, size), name in zip(drivers, names):
            entry = bytearray(0x90)
            struct.pack_into("<I", entry, 0, name)
            struct.pack_into("<Q", entry, 0x38, base)
            struct.pack_into("<I", entry, 0x48, size)
            struct.pack_into("<I", entry, 0x88, 0x5f7c1234)
            entries += entry
        self.header(0x30, self.append(entries), len(drivers))

    def add_copy(self, field, data):
        """PrcbOffset 0x1c, ProcessOffset 0x20, ThreadOffset 0x24."""
        self.header(field, self.append(data))

    def add_stack(self, va, data):
        self.header(0x28, self.append(data), len(data))
        self.put("<Q", 0x2048, va)

    def add_block(self, va, data):
        self.blocks.append((va, data))

    def finish(self):
        table = b""
        at = [self.append(data) for _, data in self.blocks]
        for (va, data), offset in zip(self.blocks, at):
            table += struct.pack("<QII", va, offset, len(data))
        self.header(0x78, self.append(table), len(self.blocks))
        mark = self.append(b"TRGD")
        self.header(0x04, len(self.data), mark)
        return bytes(self.data)


def pieces(va, data, sizes):
    """Cuts a block into pieces of these sizes, again and again."""
    at = turn = 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        yield va + at, data[at:at + size]
        at += size
        turn += 1
