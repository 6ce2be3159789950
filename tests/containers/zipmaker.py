# SPDX-License-Identifier: Apache-2.0
"""Zip archives with the peculiarities of AFF4 writers, chosen at random (PKWARE
APPNOTE 6.3). Only the central directory is right; local headers may lie."""
import struct
import zlib

MAX32 = 0xffffffff


class Zip:
    def __init__(self, rng, comment=b""):
        self.rng = rng
        self.out = bytearray()
        self.central = bytearray()
        self.count = 0
        self.comment = comment
        # How this writer does it throughout.
        self.local_sizes = rng.choice(["real", "zero", "max"])
        self.local_extra = rng.choice(["none", "28", "16", "ones"])
        self.descriptor = rng.choice([None, "none", 12, 16, 24])
        self.wide = rng.choice(["never", "all", "usize", "csize", "offset"])
        self.zip64_end = rng.choice([False, True, "only"])
        self.other_extra = rng.random() < 0.3

    def local_header(self, name, data, packed, method, crc, flags):
        sizes = {"real": (len(packed), len(data)), "zero": (0, 0),
                 "max": (MAX32, MAX32)}[self.local_sizes]
        extra = {"none": b"", "ones": struct.pack("<HH", 1, 16) + b"\xff" * 16,
                 "16": struct.pack("<HHQQ", 1, 16, len(data), len(packed)),
                 "28": struct.pack("<HHQQQI", 1, 28, len(data), len(packed),
                                   len(self.out), 0)}[self.local_extra]
        return struct.pack("<IHHHHHIIIHH", 0x04034b50, 45, flags, method, 0,
                           0x21, crc, *sizes, len(name), len(extra)) + \
            name + extra

    def data_descriptor(self, crc, data, packed):
        form = {12: "<III", 16: "<IIII", 24: "<IIQQ"}.get(self.descriptor)
        if not form:
            return b""
        values = (crc, len(packed), len(data))
        if self.descriptor != 12:
            values = (0x08074b50,) + values
        return struct.pack(form, *values)

    def central_header(self, name, data, packed, method, crc, flags, offset):
        wide = self.wide
        values = [("usize", len(data)), ("csize", len(packed)),
                  ("offset", offset)]
        fields, body = {}, b""
        for field, value in values:
            if wide in ("all", field):
                fields[field], body = MAX32, body + struct.pack("<Q", value)
            else:
                fields[field] = value
        if wide == "all":
            body += struct.pack("<I", 0)
        extra = struct.pack("<HH", 1, len(body)) + body if body else b""
        if self.other_extra:
            extra = struct.pack("<HHI", 0x5455, 4, 7) + extra
        comment = b"a comment" if self.rng.random() < 0.1 else b""
        self.central += struct.pack(
            "<IHHHHHHIIIHHHHHII", 0x02014b50, 45, 20, flags, method, 0, 0x21,
            crc, fields["csize"], fields["usize"], len(name), len(extra),
            len(comment), 0, 0, 0, fields["offset"]) + name + extra + comment

    def add(self, name, data, deflated=False, listed=True):
        name = name.encode()
        packed = data
        if deflated:
            packer = zlib.compressobj(6, zlib.DEFLATED, -15)
            packed = packer.compress(data) + packer.flush()
        crc, method = zlib.crc32(data), 8 if deflated else 0
        flags = (8 if self.descriptor else 0) | (0x800 if name.isascii()
                                                 else 0)
        offset = len(self.out)
        self.out += self.local_header(name, data, packed, method, crc, flags)
        self.out += packed + self.data_descriptor(crc, data, packed)
        if listed:
            self.central_header(name, data, packed, method, crc, flags, offset)
            self.count += 1

    def finish(self, prefix=b""):
        """The archive; @prefix stands in front and moves all offsets."""
        at, size = len(self.out), len(self.central)
        self.out += self.central
        only = self.zip64_end == "only"
        if self.zip64_end:
            end = len(self.out)
            self.out += struct.pack("<IQHHIIQQQQ", 0x06064b50, 44, 45, 45, 0,
                                    0, self.count, self.count, size, at)
            self.out += struct.pack("<IIQI", 0x07064b50, 0, end,
                                    self.rng.choice([0, 1]))
        self.out += struct.pack(
            "<IHHHHIIH", 0x06054b50, 0, 0, 0xffff if only else self.count,
            0xffff if only else self.count, MAX32 if self.zip64_end else size,
            MAX32 if self.zip64_end else at, len(self.comment)) + self.comment
        return prefix + bytes(self.out)
