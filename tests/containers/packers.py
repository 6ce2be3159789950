# SPDX-License-Identifier: Apache-2.0
"""Compressors for tests, by the formats' own descriptions: zlib from Python,
snappy (format_description.txt of google/snappy) and lz4 blocks (lz4's
lz4_Block_format.md) by hand. They find runs of one byte, no more."""
import zlib

CRC_TABLE = []
for index in range(256):
    for _ in range(8):
        index = index >> 1 ^ (0x82f63b78 if index & 1 else 0)
    CRC_TABLE.append(index)


def masked_crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 255]
    crc ^= 0xffffffff
    return ((crc >> 15 | crc << 17) + 0xa282ead8) & 0xffffffff


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def runs(data):
    """(literal bytes, how often their last byte comes again) ..."""
    start = at = 0
    while at < len(data):
        end = at + 1
        while end < len(data) and data[end] == data[at]:
            end += 1
        if end - at >= 16:
            yield data[start:at + 1], end - at - 1
            start = end
        at = end
    if start < len(data) or not data:
        yield data[start:], 0


def snappy(data):
    out = bytearray(varint(len(data)))
    for literal, again in runs(data):
        while literal:
            part, literal = literal[:65536], literal[65536:]
            n = len(part) - 1
            if n < 60:
                out.append(n << 2)
            elif n < 256:
                out += bytes([60 << 2, n])
            else:
                out += bytes([61 << 2, n & 255, n >> 8])
            out += part
        while again:
            n = min(again, 64)
            if 4 <= n <= 11:
                out += bytes([1 | n - 4 << 2, 1])
            else:
                out += bytes([2 | n - 1 << 2, 1, 0])
            again -= n
    return bytes(out)


def lz4_length(n):
    return b"" if n < 15 else b"\xff" * ((n - 15) // 255) + bytes(
        [(n - 15) % 255])


def lz4(data):
    """The last sequence has literals only, and at least five of them; no match
    begins in the last twelve bytes."""
    tail = max(len(data) - 12, 0)
    out = bytearray()
    pending = b""
    for literal, again in runs(data[:tail]):
        pending += literal
        if again < 4:
            pending += literal[-1:] * again
            continue
        n = again - 4
        out.append(min(len(pending), 15) << 4 | min(n, 15))
        out += lz4_length(len(pending)) + pending + b"\1\0" + lz4_length(n)
        pending = b""
    pending += data[tail:]
    out.append(min(len(pending), 15) << 4)
    return bytes(out + lz4_length(len(pending)) + pending)


def deflate(data, bits=-15, level=6):
    packer = zlib.compressobj(level, zlib.DEFLATED, bits)
    return packer.compress(data) + packer.flush()
