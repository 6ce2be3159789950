# SPDX-License-Identifier: Apache-2.0
"""LiME, AVML, ELF cores, VMware and compressed streams with parameters chosen at
random, by the formats' own descriptions."""
import gzip
import struct
import zlib

import packers
from aff4maker import some_bytes


class Ranges:
    """RAM in pieces: (address, bytes), in order."""

    def __init__(self, rng, grain=4096):
        self.list, self.whole = [], bytearray()
        for _ in range(rng.randrange(1, 12)):
            if rng.random() < 0.5:
                self.whole += bytes(grain * rng.randrange(1, 9))
            raw = some_bytes(rng, grain * rng.randrange(1, 9))
            self.list.append((len(self.whole), raw))
            self.whole += raw

    def shuffled(self, rng):
        out = list(self.list)
        if rng.random() < 0.5:
            rng.shuffle(out)
        return out


def lime_header(magic, version, pa, size):
    return struct.pack("<IIQQQ", magic, version, pa, pa + size - 1, 0)


def lime(rng, ranges):
    return b"".join(lime_header(0x4c694d45, 1, pa, len(raw)) + raw
                    for pa, raw in ranges.shuffled(rng)) + \
        bytes(rng.choice([0, 0, 100, 4096])), {}


def frames(rng, raw):
    """Snappy's framing format (framing_format.txt)."""
    out = b"\xff\x06\0\0sNaPpY"
    size = rng.choice([512, 4096, 65536])
    for at in range(0, len(raw), size):
        part = raw[at:at + size]
        kind, body = rng.choice([(0, packers.snappy(part)), (1, part)])
        body = struct.pack("<I", packers.masked_crc32c(part)) + body
        out += bytes([kind]) + struct.pack("<I", len(body))[:3] + body
        if rng.random() < 0.1:
            out += b"\xfe\x05\0\0" + bytes(5)
        if rng.random() < 0.05:
            out += b"\xff\x06\0\0sNaPpY"
    return out


def avml(rng, ranges):
    out = b""
    for number, (pa, raw) in enumerate(ranges.shuffled(rng)):
        if number and rng.random() < 0.2:
            out += lime_header(0x4c694d45, 1, pa, len(raw)) + raw
            continue
        stream = frames(rng, raw)
        out += lime_header(0x4c4d5641, 2, pa, len(raw)) + stream
        out += struct.pack("<Q", len(stream))
    return out, {}


def note(name, kind, desc):
    name += b"\0"
    return struct.pack("<III", len(name), len(desc), kind) + \
        name.ljust(-(-len(name) // 4) * 4, b"\0") + \
        desc.ljust(-(-len(desc) // 4) * 4, b"\0")


def elf(rng, ranges):
    """QEMU, VirtualBox or pmem: notes or none, segments twice (paging)."""
    writer = rng.choice(["qemu", "vbox", "pmem"])
    loads = [(pa, raw) for pa, raw in ranges.shuffled(rng)]
    notes = {"qemu": note(b"CORE", 1, bytes(336)) +
             note(b"QEMU", 0, struct.pack("<II", 1, 0x1b8) + bytes(0x1b0)),
             "vbox": note(b"VBCORE", 0xb00,
                          struct.pack("<IIIIII", 0xc01ac0de, 0x00010000, 24,
                                      0x60000, 1, 1)),
             "pmem": b""}[writer]
    twice = writer == "qemu" and rng.random() < 0.5
    count = len(loads) * (2 if twice else 1) + bool(notes)
    wide = rng.random() < 0.3       # the count in section header 0
    head = 64 + 56 * count + (64 if wide else 0)
    at, heads, body = head + len(notes), b"", notes
    if notes:
        heads += struct.pack("<IIQQQQQQ", 4, 0, head, 0, 0, len(notes),
                             len(notes), 0)
    for pa, raw in loads:
        raw = raw.rstrip(b"\0") or raw if rng.random() < 0.3 else raw
        size = next(len(r) for p, r in ranges.list if p == pa)
        one = struct.pack("<IIQQQQQQ", 1, 0, at, 0, pa, len(raw), size, 1)
        heads += one
        if twice:
            heads += one.replace(struct.pack("<QQQ", at, 0, pa), struct.pack(
                "<QQQ", at, 0xffff800000000000 + pa, pa))
        body += raw
        at += len(raw)
    section = b""
    if wide:
        section = struct.pack("<IIQQQQIIQQ", 0, 0, 0, 0, 0, 0, 0, count, 0, 0)
    ident = b"\x7fELF\2\1" + bytes([0 if writer == "vbox" else 1]) + bytes(9)
    return ident + struct.pack(
        "<HHIQQQIHHHHHH", 4, 62, 1, 0, 64, 64 + 56 * count if wide else 0, 0,
        64, 56, 0xffff if wide else count, 64, 1 if wide else 0, 0) + \
        heads + section + body, {}


def tag(rng, name, index, value):
    flags = len(index) << 6
    head = bytes([len(name)]) + name + b"".join(struct.pack("<I", i)
                                                 for i in index)
    return bytes([flags | len(value)]) + head + value


def vmware(rng, ranges):
    """A .vmem with a .vmss or .vmsn, or memory inside of the state."""
    wide = rng.random() < 0.7
    pages, vmem = [], b""
    for pa, raw in ranges.shuffled(rng):
        pages.append((pa // 4096, len(vmem) // 4096, len(raw) // 4096))
        vmem += raw
        if rng.random() < 0.3:
            vmem += bytes(4096)
    number = lambda n: struct.pack("<I", n)
    tags = tag(rng, b"regionsCount", [], number(len(pages)))
    for i, page in enumerate(pages):
        for name, value in zip((b"regionPPN", b"regionPageNum",
                                b"regionSize"), page):
            tags += tag(rng, name, [i], number(value))
    inside = rng.random() < 0.4
    groups = [(b"cpu", tag(rng, b"CR64", [0, 3], struct.pack("<Q", 0x1ad000)) +
               b"\0\0"), (b"memory", tags)]
    at = 12 + 80 * len(groups)
    table, body = b"", b""
    for name, content in groups:
        if name == b"memory" and inside:
            pad = rng.randrange(4096)
            size = struct.pack("<QQ" if wide else "<II", len(vmem), len(vmem))
            content += bytes([0x3e, 6]) + b"Memory" + size + \
                struct.pack("<H", pad) + bytes(pad) + vmem
        if name == b"memory":
            content += b"\0\0"
        table += name.ljust(64, b"\0") + struct.pack("<QQ", at + len(body),
                                                      len(content))
        body += content
    magic = rng.choice([0xbed2bed2, 0xbed3bed3]) if wide else 0xbed2bed0
    state = struct.pack("<III", magic, 8, len(groups)) + table + body
    suffix = rng.choice([".vmss", ".vmsn", ".VMSS"])
    if inside:
        return state, {"suffix": ".vmss"}
    return vmem, {"suffix": ".vmem", "beside": {suffix: state}}


def zipped(rng, ranges):
    inner = lime(rng, ranges)[0] if rng.random() < 0.5 else bytes(ranges.whole)
    how = rng.choice(["gzip", "zlib", "members"])
    if how == "gzip":
        return gzip.compress(inner, 1), {}
    if how == "members":
        half = len(inner) // 2
        return gzip.compress(inner[:half], 1) + gzip.compress(inner[half:]) + \
            bytes(rng.choice([0, 512])), {}
    packer = zlib.compressobj(1, zlib.DEFLATED, rng.choice([11, 15]))
    return packer.compress(inner) + packer.flush(), {}


def framed(rng, ranges):
    inner = lime(rng, ranges)[0] if rng.random() < 0.5 else bytes(ranges.whole)
    return frames(rng, inner), {}


MAKERS = {"lime": lime, "avml": avml, "elf": elf, "vmware": vmware,
          "zipped": zipped, "framed": framed}
NEEDS = {"avml": "snappy", "framed": "snappy"}
