# SPDX-License-Identifier: Apache-2.0
"""AFF4 volumes of every dialect with parameters chosen at random, and what they
must decode to: by the AFF4 Standard and the descriptions of the dialects, with
no line in common with the reader under test."""
import struct
import uuid
import zlib

import packers
from zipmaker import Zip

NS = "http://aff4.org/Schema#"
OLD = "http://afflib.org/2009/aff4#"
PATTERN = 1 << 20

URIS = {
    "zlib": ["https://www.ietf.org/rfc/rfc1950.txt"],
    "deflate": ["https://tools.ietf.org/html/rfc1951",
                "http://tools.ietf.org/html/rfc1951"],
    "snappy": ["http://code.google.com/p/snappy/",
               "https://github.com/google/snappy"],
    "lz4": ["https://code.google.com/p/lz4/", "https://github.com/lz4/lz4"],
    "stored": [NS + "NullCompressor", None],
}

# Names by dialect: standard, scudette (WinPmem 2.x), Evimetry before it.
WORDS = {
    "S": {"ns": NS, "stream": "ImageStream", "map": "Map",
          "chunk": "chunkSize", "chunks": "chunksInSegment",
          "codec": "compressionMethod"},
    "R": {"ns": NS, "stream": "image", "map": "map", "chunk": "chunk_size",
          "chunks": "chunks_per_segment", "codec": "compression"},
    "E": {"ns": OLD, "stream": "stream", "map": "map", "chunk": "chunk_size",
          "chunks": "chunks_in_segment", "codec": "CompressionMethod"},
}


def pattern(word, offset, length):
    whole = (word * (PATTERN // len(word) + 1))[:PATTERN]
    offset %= PATTERN
    out = whole[offset:offset + length]
    while len(out) < length:
        out += whole
    return out[:length]


def some_bytes(rng, length):
    """Memory of a kind: zeros, runs, noise."""
    out = bytearray()
    while len(out) < length:
        n = rng.choice([16, 300, 4096, 9000])
        kind = rng.randrange(4)
        if kind == 0:
            out += bytes(n)
        elif kind == 1:
            out += bytes([rng.randrange(256)]) * n
        elif kind == 2:
            out += rng.randbytes(n)
        else:
            out += (b"pool tag %d " % rng.randrange(1000)) * (n // 12 + 1)
    return bytes(out[:length])


class Turtle:
    """Statements, written in one of the styles that writers have."""

    def __init__(self, rng, volume):
        self.rng, self.volume = rng, volume
        self.subjects = {}
        self.style = rng.choice(["plain", "base", "full"])

    def say(self, subject, predicate, *objects):
        self.subjects.setdefault(subject, []).append((predicate, objects))

    def iri(self, name):
        if self.style == "base" and name == self.volume:
            return "<>"
        if self.style == "base" and name.startswith(self.volume + "/"):
            return "<%s>" % name[len(self.volume):]
        return "<%s>" % name

    def term(self, name):
        for prefix, space in (("aff4:", NS), ("old:", OLD)):
            local = name[len(space):]
            if self.style != "full" and name.startswith(space) and \
                    local.isalnum() and not local[0].isdigit():
                return prefix + local
        return self.iri(name)

    def object(self, value):
        kind, text = value
        if kind == "iri":
            return self.term(text)
        if kind == "int":
            return self.rng.choice(['"%d"^^xsd:int', '"%d"^^xsd:long', "%d",
                                    '"%d"^^xsd:integer']) % text
        return '"%s"' % text

    def text(self):
        nl = self.rng.choice(["\n", "\r\n"])
        lines = ["@prefix rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#> .",
                 "@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .",
                 "@prefix aff4: <%s> ." % NS, "@prefix old: <%s> ." % OLD]
        if self.style == "base":
            lines.append("@base <%s> ." % self.volume)
        if self.rng.random() < 0.3:
            lines.append("# a comment, <with> \"marks\" [ ( ;")
        if self.rng.random() < 0.3:
            lines.append('[] a aff4:Note ; aff4:text """long "one"\nof two '
                         'lines""" , "\\u00e4\u00f6"@de , true , 1.5 , ( 1 2 ) .')
        subjects = list(self.subjects.items())
        self.rng.shuffle(subjects)
        for subject, statements in subjects:
            self.rng.shuffle(statements)
            body = []
            for predicate, objects in statements:
                verb = "a" if predicate == "a" else self.term(predicate)
                body.append("    %s %s" % (verb, " , ".join(
                    self.object(o) for o in objects)))
            lines += [self.iri(subject), (" ;" + nl).join(body) + " .", ""]
        return nl.join(lines).encode()


class Stream:
    """An image stream, and its segments by name ("00000000", ...)."""

    def __init__(self, rng, urn, dialect, codec, data):
        self.urn, self.dialect, self.codec, self.data = (urn, dialect, codec,
                                                         data)
        self.chunk = rng.choice([512, 1000, 4096, 4097, 16384, 32768, 65536])
        self.chunks = rng.choice([1, 2, 3, 7, 64, 1024])
        self.uri = rng.choice(URIS[codec])
        self.segments = {}
        # lz4 blocks with a size in front (pyaff4), deflate as zlib (c-aff4).
        self.variant = rng.random() < 0.5
        self.last = rng.choice(["padded", "short"])
        self.dotted = dialect == "S" and rng.random() < 0.9
        # A standard stream with an index of another dialect has been seen.
        mixed = dialect == "S" and not self.dotted
        self.layout = rng.choice("RE") if mixed else dialect
        self.shuffled = self.layout == "S" and rng.random() < 0.4
        self.extra = self.layout == "S" and rng.random() < 0.3
        self.pack_all(rng)

    def pack(self, raw):
        if self.codec == "zlib":
            return zlib.compress(raw)
        if self.codec == "deflate":
            if self.variant:
                return zlib.compress(raw) + bytes(11)
            return packers.deflate(raw)
        if self.codec == "snappy":
            return packers.snappy(raw)
        if self.codec == "lz4":
            head = struct.pack("<I", len(raw)) if self.variant else b""
            return head + packers.lz4(raw)
        return raw

    def pack_chunk(self, raw):
        if len(raw) < self.chunk and self.last == "padded":
            raw = raw.ljust(self.chunk, b"\0")
        packed = self.pack(raw)
        if self.layout == "R":
            return packed       # no rule about stored chunks
        if len(packed) >= self.chunk and len(raw) == self.chunk:
            return raw
        return packed

    def pack_all(self, rng):
        count = -(-len(self.data) // self.chunk)
        packed = [self.pack_chunk(self.data[i * self.chunk:
                                            (i + 1) * self.chunk])
                  for i in range(count)]
        for bevy in range(-(-count // self.chunks)):
            part = packed[bevy * self.chunks:(bevy + 1) * self.chunks]
            self.add_bevy(rng, bevy, part, (bevy + 1) * self.chunks >= count)

    def add_bevy(self, rng, number, part, is_last):
        order = list(range(len(part)))
        if self.shuffled:
            rng.shuffle(order)
        body, where = bytearray(), {}
        for i in order:
            if self.shuffled and rng.random() < 0.2:
                body += b"between chunks"
            where[i] = len(body)
            body += part[i]
        index = b""
        for i, packed in enumerate(part):
            if self.layout == "S":
                index += struct.pack("<QI", where[i], len(packed))
            elif self.layout == "R":
                index += struct.pack("<I", where[i])
            else:
                index += struct.pack("<I", where[i] + len(packed))
        if self.layout == "S" and self.extra and is_last:
            index += struct.pack("<QI", len(body), 1)
            body += b"\0"
        name = "%08d" % number
        self.segments[name] = bytes(body)
        self.segments[name + (".index" if self.dotted else "/index")] = index

    def describe(self, turtle, volume, with_size=True):
        words = WORDS[self.dialect]
        say = lambda p, *o: turtle.say(self.urn, words["ns"] + p, *o)
        types = [("iri", words["ns"] + words["stream"])]
        if turtle.rng.random() < 0.2:
            types.append(("iri", words["ns"] + "SomethingElse"))
        turtle.say(self.urn, "a", *types)
        say(words["chunk"], ("int", self.chunk))
        say(words["chunks"], ("int", self.chunks))
        if with_size:
            say("size", ("int", len(self.data)))
        if self.uri:
            say(words["codec"], ("iri", self.uri))
        if turtle.rng.random() < 0.7:
            say("stored", ("iri", volume))


class Memory:
    """A physical address space in pieces, and the streams that hold it."""

    def __init__(self, rng, small=False):
        self.rng = rng
        self.pieces = []        # pa, length, target, offset in it
        self.zero = bytearray()
        self.spec = bytearray()
        self.data = bytearray()
        grain = rng.choice([16, 512, 4096])
        for _ in range(rng.randrange(1, 6 if small else 40)):
            length = grain * rng.randrange(1, 16)
            self.add(rng.choice(["data"] * 6 + ["gap", "Zero", "UnknownData",
                                                "UnreadableData", "FF", "61"]),
                     length)
        self.add("data", grain)

    def add(self, kind, length):
        rng, pa = self.rng, len(self.zero)
        if kind == "data":
            raw = some_bytes(rng, length)
            self.data += bytes(rng.choice([0, 0, 8, 100]))
            self.pieces.append((pa, length, "data", len(self.data)))
            self.data += raw
            self.zero += raw
            self.spec += raw
            return
        offset = rng.choice([0, pa, 5, PATTERN - 7])
        zero = spec = bytes(length)
        if kind in ("FF", "61"):
            zero = spec = bytes([int(kind, 16)]) * length
        elif kind == "UnknownData":
            spec = pattern(b"UNKNOWN", offset, length)
        elif kind == "UnreadableData":
            spec = pattern(b"UNREADABLEDATA", offset, length)
        if kind != "gap":
            self.pieces.append((pa, length, kind, offset))
        self.zero += zero
        self.spec += spec

    def split(self, pieces):
        """Pieces cut further and in any order: maps needn't be sorted."""
        out = []
        for pa, length, target, offset in pieces:
            while length > 1 and self.rng.random() < 0.3:
                n = self.rng.randrange(1, length)
                out.append((pa, n, target, offset))
                pa, length, offset = pa + n, length - n, offset + n
            out.append((pa, length, target, offset))
        if self.rng.random() < 0.5:
            self.rng.shuffle(out)
        return out


def symbolic(dialect, kind):
    if dialect != "E":
        return NS + (kind if len(kind) > 2 else "SymbolicStream" + kind)
    if kind == "61":
        return "http://afflib.org/2012/SymbolicStream#61"
    return OLD + kind


def make_map(rng, dialect, pieces, urns):
    """The segments "map" and "idx"; @urns: by the names of targets."""
    lines, entries = [], b""
    for pa, length, target, offset in pieces:
        urn = urns.get(target) or symbolic(dialect, target)
        if urn not in lines or rng.random() < 0.1:
            lines.append(urn)
        number = len(lines) - 1 if lines[-1] == urn else lines.index(urn)
        fields = (pa, offset, length) if dialect == "R" else (pa, length,
                                                             offset)
        entries += struct.pack("<QQQI", *fields, number)
    nl = rng.choice(["\n", "\r\n"])
    idx = nl.join(lines) + rng.choice(["", nl])
    return {"map": entries, "idx": idx.encode()}


def segment_name(rng, volume, urn, name):
    """Under the volume's URN: the rest of it; others are escaped."""
    if urn.startswith(volume + "/"):
        return rng.choice(["", "", "/"]) + urn[len(volume) + 1:] + "/" + name
    escaped = urn.replace("aff4://", rng.choice(["aff4%3A%2F%2F",
                                                 "aff4%3a%2f%2f"]))
    return escaped + "/" + name


class Volume:
    def __init__(self, rng, dialect):
        self.rng, self.dialect = rng, dialect
        self.urn = "aff4://" + str(uuid.UUID(int=rng.getrandbits(128)))
        self.turtle = Turtle(rng, self.urn)
        self.members = {}

    def new_urn(self, name):
        if self.rng.random() < 0.5:
            return self.urn + "/" + name
        return "aff4://" + str(uuid.UUID(int=self.rng.getrandbits(128)))

    def put(self, urn, segments):
        for name, data in segments.items():
            self.members[segment_name(self.rng, self.urn, urn, name)] = data

    def zipped(self):
        rng = self.rng
        comment = self.urn.encode() + rng.choice([b"", b"\0"])
        described = rng.random() < 0.8
        z = Zip(rng, comment if not described or rng.random() < 0.5 else b"")
        packed = rng.random() < 0.5
        members = list(self.members.items())
        rng.shuffle(members)
        members.append(("information.turtle", self.turtle.text()))
        if described:
            members.insert(0, ("container.description", self.urn.encode()))
        if rng.random() < 0.7:
            members.insert(1, ("version.txt",
                               b"major=1\r\nminor=0\r\ntool=maker 1\r\n"))
        for name, data in members:
            meta = name.startswith("information") or name.endswith("map")
            if rng.random() < 0.05:
                z.add(name, b"an older version", listed=rng.random() < 0.5)
            z.add(name, data, deflated=packed and
                  (meta or rng.random() < 0.1))
        return z.finish(rng.choice([b"", b"", b"", b"MZ junk" * 999]))

    def foldered(self, path):
        """A directory volume: nested, or flat with escapes, or renamed."""
        rng = self.rng
        style = rng.choice(["nested", "flat", "FLAT", "named"])
        if style == "nested" and any(n.endswith("/index")
                                     for n in self.members):
            style = "flat"      # a file can't be a folder too
        files = {}
        for number, (name, data) in enumerate(self.members.items()):
            name = name.lstrip("/")
            if style in ("flat", "FLAT"):
                slash = "%2f" if style == "flat" else "%2F"
                name = name.replace("/", slash)
            elif style == "named":
                urn = self.urn + "/" + name
                if not name.startswith("aff4%"):
                    self.turtle.say(urn, NS + "fileName",
                                    ("text", "file%d" % number))
                    name = "file%d" % number
                else:
                    name = name.replace("/", "%2f")
            files[name] = data
        files["information.turtle"] = self.turtle.text()
        files["container.description"] = self.urn.encode()
        for name, data in files.items():
            to = path / name
            to.parent.mkdir(parents=True, exist_ok=True)
            to.write_bytes(data)


def describe_map(volume, urn, size, dependent):
    rng, words = volume.rng, WORDS[volume.dialect]
    say = lambda p, *o: volume.turtle.say(urn, words["ns"] + p, *o)
    volume.turtle.say(urn, "a", ("iri", words["ns"] + words["map"]))
    if size is not None:
        say("size", ("int", size))
    if rng.random() < 0.5:
        say("dependentStream", ("iri", dependent))
    if rng.random() < 0.3:
        say("mapGapDefaultStream", ("iri", words["ns"] + "Zero"))
    say("stored", ("iri", volume.urn))
    how = rng.choice(["category", "image", "name"])
    if how == "category" or not urn.endswith("/PhysicalMemory"):
        if rng.random() < 0.5:
            say("category", ("iri", NS + "memory/physical"))
            return
        image = volume.new_urn("image")
        volume.turtle.say(image, "a", ("iri", words["ns"] + "MemoryImage"),
                          ("iri", words["ns"] + "Image"))
        volume.turtle.say(image, words["ns"] + "dataStream", ("iri", urn))


def distract(volume):
    """Objects that aren't the memory."""
    rng = volume.rng
    if rng.random() < 0.4:
        urn = volume.urn + "/C:/Windows/System32/ntoskrnl.exe"
        volume.turtle.say(urn, "a", ("iri", NS + "zip_segment"))
        volume.turtle.say(urn, NS + "original_filename",
                          ("text", "C:\\\\Windows\\\\ntoskrnl.exe"))
        volume.members["C%3a/Windows/System32/ntoskrnl.exe"] = b"MZ" * 99
    if rng.random() < 0.3:
        urn = volume.urn + "/pagefile.sys"
        stream = Stream(rng, urn, "S", "zlib", some_bytes(rng, 9999))
        stream.describe(volume.turtle, volume.urn)
        volume.turtle.say(urn, NS + "category",
                          ("iri", NS + "memory/pagefile"))
        volume.put(urn, stream.segments)


def add_plain(rng, volume, memory):
    """Memory as one member, with or without a map over it."""
    if rng.random() < 0.5:
        # `winpmem --format raw`: no word about it in the metadata.
        volume.members["PhysicalMemory"] = bytes(memory.zero)
        memory.spec = memory.zero
        return "one member"
    # `winpmem 2.x -c none`: the map's target is a member.
    volume.dialect = "R"
    map_urn = volume.urn + "/PhysicalMemory"
    data_urn = map_urn + "/data"
    volume.members["PhysicalMemory/data"] = bytes(memory.data)
    volume.put(map_urn, make_map(rng, "R", memory.split(memory.pieces),
                                 {"data": data_urn}))
    describe_map(volume, map_urn, len(memory.zero), data_urn)
    return "map over a member"


def add_nested(rng, volume, memory, codec):
    """A map over a map over two streams."""
    dialect = volume.dialect
    half = len(memory.data) // 2
    names = {"low": memory.data[:half], "high": memory.data[half:]}
    urns, inner = {}, []
    for name, data in names.items():
        urns[name] = volume.new_urn(name)
        stream = Stream(rng, urns[name], dialect, codec, bytes(data))
        stream.describe(volume.turtle, volume.urn)
        volume.put(urns[name], stream.segments)
    inner_urn = volume.new_urn("inner")
    # The inner space: both streams, in another order, with a gap.
    inner = [(0, len(names["high"]), "high", 0),
             (len(names["high"]) + 4096, half, "low", 0)]
    volume.put(inner_urn, make_map(rng, dialect, inner, urns))
    words = WORDS[dialect]
    volume.turtle.say(inner_urn, "a", ("iri", words["ns"] + words["map"]))
    pieces = []
    for pa, length, target, offset in memory.pieces:
        if target != "data":
            pieces.append((pa, length, target, offset))
            continue
        low = max(0, min(length, half - offset))
        if low:
            pieces.append((pa, low, "inner",
                           len(names["high"]) + 4096 + offset))
        if length > low:
            pieces.append((pa + low, length - low, "inner",
                           offset + low - half))
    map_urn = volume.urn + "/PhysicalMemory"
    volume.put(map_urn, make_map(rng, dialect, memory.split(pieces),
                                 {"inner": inner_urn}))
    describe_map(volume, map_urn, len(memory.zero), inner_urn)
    # Several maps: only these say which of them is the memory.
    volume.turtle.say(map_urn, NS + "category",
                      ("iri", NS + "memory/physical"))
    return "%s map over a map" % dialect


def make_split(rng, codecs):
    """c-aff4's -s: bevies spread over volumes; only the last knows all."""
    codec = rng.choice([c for c in codecs if c != "stored"])
    memory = Memory(rng)
    volumes = [Volume(rng, "S") for _ in range(rng.randrange(2, 5))]
    first, last = volumes[0], volumes[-1]
    map_urn = first.urn + "/PhysicalMemory"
    data_urn = map_urn + "/data"
    stream = Stream(rng, data_urn, "S", codec, bytes(memory.data))
    for volume in volumes[:-1]:
        volume.turtle.say(data_urn, "a", ("iri", NS + "ImageStream"))
        volume.turtle.say(data_urn, NS + "size", ("int", 0))
        volume.turtle.say(data_urn, NS + "stored", ("iri", first.urn))
    stream.describe(last.turtle, first.urn)
    last.turtle.say(data_urn, NS + "stored", ("iri", first.urn))
    for name, data in stream.segments.items():
        number = min(int(name[:8]), len(volumes) - 1)
        volumes[number].put(data_urn, {name: data})
    last.put(map_urn, make_map(rng, "S", memory.split(memory.pieces),
                               {"data": data_urn}))
    describe_map(last, map_urn, len(memory.zero), data_urn)
    names = ["split.aff4"] + ["split.aff4.A%02d" % i
                              for i in range(1, len(volumes))]
    return dict(zip(names, volumes)), memory, "split %s" % codec


def make_striped(rng, codecs):
    """Each volume has a map of all, and one of the streams (Standard 7.1)."""
    codec = rng.choice(codecs)
    memory = Memory(rng)
    volumes = [Volume(rng, "S") for _ in range(2)]
    image = "aff4://" + str(uuid.UUID(int=rng.getrandbits(128)))
    # In the midst of a piece, so that both streams are needed.
    _, length, _, offset = next(p for p in memory.pieces if p[2] == "data")
    half = offset + length // 2
    urns = {"a": "aff4://" + str(uuid.UUID(int=rng.getrandbits(128))),
            "b": "aff4://" + str(uuid.UUID(int=rng.getrandbits(128)))}
    streams = [Stream(rng, urns["a"], "S", codec, bytes(memory.data[:half])),
               Stream(rng, urns["b"], "S", codec, bytes(memory.data[half:]))]
    pieces = []
    for pa, length, target, offset in memory.pieces:
        if target != "data":
            pieces.append((pa, length, target, offset))
            continue
        low = max(0, min(length, half - offset))
        if low:
            pieces.append((pa, low, "a", offset))
        if length > low:
            pieces.append((pa + low, length - low, "b", offset + low - half))
    for i, volume in enumerate(volumes):
        other = volumes[1 - i]
        map_urn = "aff4://" + str(uuid.UUID(int=rng.getrandbits(128)))
        volume.put(map_urn, make_map(rng, "S", memory.split(pieces), urns))
        volume.turtle.say(map_urn, "a", ("iri", NS + "Map"))
        volume.turtle.say(map_urn, NS + "size", ("int", len(memory.zero)))
        volume.turtle.say(image, "a", ("iri", NS + "MemoryImage"),
                          ("iri", NS + "Image"))
        volume.turtle.say(image, NS + "dataStream", ("iri", map_urn))
        streams[i].describe(volume.turtle, volume.urn)
        volume.put(streams[i].urn, streams[i].segments)
        there = streams[1 - i].urn
        volume.turtle.say(there, "a", ("iri", NS + "ImageStream"))
        volume.turtle.say(there, NS + "stored", ("iri", other.urn))
    return {"part_1.aff4": volumes[0], "part_2.aff4": volumes[1]}, memory, \
        "striped %s" % codec


def make_odd(rng, codecs):
    """Other ways to keep memory in one volume."""
    memory = Memory(rng)
    volume = Volume(rng, rng.choice("SE"))
    if rng.random() < 0.5:
        what = add_plain(rng, volume, memory)
    else:
        what = add_nested(rng, volume, memory, rng.choice(codecs))
    distract(volume)
    return volume, memory, what


def make(rng, codecs):
    """A volume and its memory."""
    dialect = rng.choice("SSRE")
    codec = rng.choice(codecs if dialect != "R" else
                       [c for c in codecs if c not in ("deflate", "stored")])
    memory = Memory(rng)
    volume = Volume(rng, dialect)
    map_urn = rng.choice([volume.urn + "/PhysicalMemory",
                          volume.new_urn("map")])
    data_urn = volume.new_urn("PhysicalMemory/data")
    stream = Stream(rng, data_urn, dialect, codec, bytes(memory.data))
    stream.describe(volume.turtle, volume.urn)
    volume.put(data_urn, stream.segments)
    pieces = memory.split(memory.pieces)
    volume.put(map_urn, make_map(rng, dialect, pieces, {"data": data_urn}))
    size = rng.choice([None, len(memory.zero), 0])
    describe_map(volume, map_urn, size, data_urn)
    distract(volume)
    return volume, memory, "%s %s chunk %d x %d %s" % (
        dialect, codec, stream.chunk, stream.chunks, stream.layout)
