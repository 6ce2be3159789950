#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One machine in every container: sharedmem prints the same bytes of rows, and
hash the same hash of the memory.

usage: same_rows.py VADOSE MKSCENE [--raw IMAGE]

The scene is built as raw, and written again here as each other container, by
the formats' own descriptions and not by the code under test; `convert` adds
those that it writes. --raw takes a raw image in place of the scene's.
"""
import argparse
import gzip
import hashlib
import os
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent /
                       "golden"))
import aff4maker  # noqa: E402
import run as golden  # noqa: E402
from packers import masked_crc32c  # noqa: E402

PAGE = 4096
KERNEL = "19041.928"


class Memory:
    """A raw image as pages; most of them are zeros."""

    def __init__(self, path):
        self.data = path.read_bytes()
        self.pages = len(self.data) // PAGE
        self.zero = bytes(PAGE)
        self.sha256 = hashlib.sha256(self.data).hexdigest()

    def page(self, number):
        return self.data[number * PAGE:(number + 1) * PAGE]

    def write(self, out, first=0, last=None):
        """Appends pages, leaving holes where they are zeros."""
        for number in range(first, self.pages if last is None else last):
            page = self.page(number)
            if page == self.zero:
                out.seek(PAGE, os.SEEK_CUR)
            else:
                out.write(page)
        out.truncate(out.tell())


def dump_header(dump_type, pages):
    header = bytearray(b"PAGE" * 0x800)
    header[4:8] = b"DU64"
    struct.pack_into("<II", header, 8, 15, 19041)
    struct.pack_into("<I", header, 0x30, 0x8664)
    struct.pack_into("<I", header, 0xf98, dump_type)
    if dump_type == 1:
        struct.pack_into("<QQQQQQ", header, 0x88, 2, pages, 0, 100, 100,
                         pages - 100)
    return bytes(header)


def full_dump(memory, out):
    out.write(dump_header(1, memory.pages))
    memory.write(out)


def bitmap_dump(memory, out):
    out.write(dump_header(5, memory.pages))
    first = (0x2038 + memory.pages // 8 + PAGE) & -PAGE
    head = b"SDMPDUMP" + bytes(24) + struct.pack("<QQQ", first, memory.pages,
                                                 memory.pages)
    out.write((head + b"\xff" * (memory.pages // 8)).ljust(first - 0x2000,
                                                           b"\0"))
    memory.write(out)


def runs_dump(memory, out):
    """Frame 0 can't be in such a dump: it ends the list."""
    out.write(dump_header(8, memory.pages))
    runs = struct.pack("<QQQQ", 1000, memory.pages - 1000, 1, 999)
    head = struct.pack("<I8sIQQ", 0x40, b"RDMPDUMP", 0, 0xfe0, 0x3000)
    out.write((head + bytes(16) + runs).ljust(0x1000, b"\0"))
    memory.write(out, 1000)
    memory.write(out, 1, 1000)


def elf_core(memory, out):
    half = memory.pages // 2 * PAGE
    whole = memory.pages * PAGE
    head = b"\x7fELF\x02\x01\x01" + bytes(9)
    head += struct.pack("<HHIQQQIHHHHHH", 4, 62, 1, 0, 64, 0, 0, 64, 56, 2, 0,
                        0, 0)
    start = 64 + 2 * 56
    for offset, address, size in ((start + whole - half, half, whole - half),
                                  (start, 0, half)):
        head += struct.pack("<IIQQQQQQ", 1, 0, offset - (whole - 2 * half),
                            0, address, size, size, 1)
    out.write(head)
    memory.write(out)


def tag(name, index, value):
    return (bytes([len(index) << 6 | 4, len(name)]) + name +
            b"".join(struct.pack("<I", i) for i in index) +
            struct.pack("<I", value))


def vmware(memory, out):
    """The upper half comes first in the .vmem."""
    half = memory.pages // 2
    memory.write(out, half)
    memory.write(out, 0, half)
    tags = tag(b"regionsCount", [], 2)
    for i, (guest, page, size) in enumerate((
            (0, memory.pages - half, half), (half, 0, memory.pages - half))):
        tags += tag(b"regionPPN", [i], guest)
        tags += tag(b"regionPageNum", [i], page)
        tags += tag(b"regionSize", [i], size)
    state = struct.pack("<III", 0xbed2bed2, 8, 1)
    state += b"memory".ljust(64, b"\0") + struct.pack("<QQ", 92, len(tags) + 2)
    pathlib.Path(out.name).with_suffix(".vmss").write_bytes(
        state + tags + b"\0\0")


def frames(memory, first, last):
    """Stored chunks of a page; zeros as one compressed chunk for each page."""
    packed = b"\x80\x20\x00\x00" + b"\xfe\x01\x00" * 63 + b"\xfa\x01\x00"
    body = struct.pack("<I", masked_crc32c(memory.zero)) + packed
    zero = b"\0" + struct.pack("<I", len(body))[:3] + body
    yield b"\xff\x06\0\0sNaPpY"
    for number in range(first, last):
        page = memory.page(number)
        if page == memory.zero:
            yield zero
        else:
            yield (b"\1" + struct.pack("<I", PAGE + 4)[:3] +
                   struct.pack("<I", masked_crc32c(page)) + page)


def avml(memory, out):
    step = 1 << 12
    for first in range(0, memory.pages, step):
        last = min(first + step, memory.pages)
        out.write(struct.pack("<IIQQQ", 0x4c4d5641, 2, first * PAGE,
                              last * PAGE - 1, 0))
        length = 0
        for chunk in frames(memory, first, last):
            out.write(chunk)
            length += len(chunk)
        out.write(struct.pack("<Q", length))


def snappy_framed(memory, out):
    for chunk in frames(memory, 0, memory.pages):
        out.write(chunk)


def lime_backwards(memory, out):
    """Ranges from the last to the first, as other writers may have them."""
    step = 3000
    for first in reversed(range(0, memory.pages, step)):
        last = min(first + step, memory.pages)
        out.write(struct.pack("<IIQQQ", 0x4c694d45, 1, first * PAGE,
                              last * PAGE - 1, 0))
        memory.write(out, first, last)


def gzipped(memory, out):
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=1, mtime=0) as z:
        z.write(memory.data)


def lime_in_zlib(memory, out):
    head = struct.pack("<IIQQQ", 0x4c694d45, 1, 0, memory.pages * PAGE - 1, 0)
    packer = zlib.compressobj(1, zlib.DEFLATED, 11)
    out.write(packer.compress(head) + packer.compress(memory.data) +
              packer.flush())


def runs_of_pages(memory):
    """(first, last + 1, are they zeros) in turn."""
    start, zero = 0, memory.page(0) == memory.zero
    for number in range(1, memory.pages + 1):
        same = number < memory.pages and \
            (memory.page(number) == memory.zero) == zero
        if not same:
            yield start, number, zero
            start, zero = number, not zero


def aff4(dialect, codec):
    """A volume of another dialect; pages of zeros are symbolic."""
    def write(memory, out):
        rng = random.Random(dialect + codec)
        volume = aff4maker.Volume(rng, dialect)
        data, pieces = bytearray(), []
        for first, last, zero in runs_of_pages(memory):
            pa, size = first * PAGE, (last - first) * PAGE
            pieces.append((pa, size, "Zero" if zero else "data",
                           0 if zero else len(data)))
            if not zero:
                data += memory.data[pa:pa + size]
        urns = {"data": volume.urn + "/PhysicalMemory/data"}
        stream = aff4maker.Stream(rng, urns["data"], dialect, codec,
                                  bytes(data))
        stream.describe(volume.turtle, volume.urn)
        volume.put(stream.urn, stream.segments)
        rng.shuffle(pieces)
        name = volume.urn + "/PhysicalMemory"
        volume.put(name, aff4maker.make_map(rng, dialect, pieces, urns))
        aff4maker.describe_map(volume, name, len(memory.data), stream.urn)
        out.write(volume.zipped())
    return write


# Name, writer, what the build needs.
CONTAINERS = (
    ("full.dmp", full_dump, None),
    ("bitmap.dmp", bitmap_dump, None),
    ("runs.dmp", runs_dump, None),
    ("core.elf", elf_core, None),
    ("guest.vmem", vmware, None),
    ("backwards.lime", lime_backwards, None),
    ("raw.gz", gzipped, None),
    ("lime.z", lime_in_zlib, None),
    ("memory.avml", avml, "snappy"),
    ("raw.sz", snappy_framed, "snappy"),
    ("standard.aff4", aff4("S", "deflate"), "serd"),
    ("winpmem2.aff4", aff4("R", "zlib"), "serd"),
    ("evimetry.af4", aff4("E", "stored"), "serd"),
)


def rows_of(bench, image):
    done = bench.run(image, ["-r", "ndjson", "sharedmem"])
    if done.returncode not in (0, 3):
        return None, done.stderr.decode("utf-8", "replace").strip()
    return [line for line in done.stdout.split(b"\n")
            if b'"kind":"sharedmem_view"' in line], None


def stream_hash(bench, image):
    done = subprocess.run([bench.vadose, "-q", "-f", image, "hash"],
                          capture_output=True, text=True)
    for line in done.stdout.splitlines():
        if line.startswith("stream-zero"):
            return line.split()[1]
    return done.stderr.strip()


def difference(got, want):
    for number, (a, b) in enumerate(zip(got, want)):
        if a != b:
            return f"row {number}:\n  {a[:600]}\n  {b[:600]}"
    return f"{len(got)} rows, not {len(want)}"


def check(bench, name, image, memory, want, needs):
    got, error = rows_of(bench, image)
    if got == want:
        digest = stream_hash(bench, image)
        same = digest == memory.sha256
        print(f"{name}: the same {len(want)} rows" if same else
              f"FAIL {name}: hash {digest}, not {memory.sha256}")
        return same
    if error and needs and f"lib{needs}" in error:
        print(f"{name}: not in this build ({needs})")
        return True
    print(f"FAIL {name}: {error or difference(got, want)}")
    return False


def check_all(bench, raw):
    folder, ok = bench.folder, True
    memory = Memory(raw)
    want, error = rows_of(bench, raw)
    if not want:
        print(f"FAIL raw: {error or 'no rows'}")
        return False
    for name, write, needs in CONTAINERS:
        path = folder / name
        with open(path, "wb") as out:
            write(memory, out)
        ok &= check(bench, name, path, memory, want, needs)
        path.unlink()
    for target in ("raw", "lime", "aff4"):
        path = folder / f"converted.{target}"
        subprocess.run([bench.vadose, "-q", "-f", raw, "convert", "--to",
                        target, path], check=True)
        ok &= check(bench, path.name, path, memory, want, "serd")
    return ok


def main():
    parser = argparse.ArgumentParser()
    for name in ("vadose", "mkscene"):
        parser.add_argument(name)
    parser.add_argument("--raw", type=pathlib.Path)
    with tempfile.TemporaryDirectory() as folder:
        args = parser.parse_args()
        bench = golden.Bench(args, folder)
        raw = bench.folder / "given.raw"
        if args.raw:
            raw.symlink_to(args.raw.resolve())
        else:
            raw = bench.image("family", KERNEL)
        return 0 if check_all(bench, raw) else 1


if __name__ == "__main__":
    sys.exit(main())
