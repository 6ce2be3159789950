# SPDX-License-Identifier: Apache-2.0
"""Reads C headers of kernel types that state each member's offset.

As novafacing/vergilius-rs publishes them, made from the pages of the Vergilius
Project: `ULONG Flags : 16; // offset: 0x30 (48)`. Members of a nested type that
has a name have offsets in that type, others in the one around it. The place of
bit fields isn't stated: those that follow each other at one offset fill its
unit from the lowest bit on. What doesn't fit there is left out.
"""
import re

BASES = {
    'UCHAR': 'unsigned char', 'CHAR': 'char', 'USHORT': 'unsigned short',
    'SHORT': 'short', 'ULONG': 'unsigned long', 'LONG': 'long',
    'ULONGLONG': 'unsigned long long', 'LONGLONG': 'long long',
    'WCHAR': 'wchar', 'VOID': 'void', 'float': 'float', 'double': 'double',
}
SIZES = {'unsigned char': 1, 'char': 1, 'unsigned short': 2, 'short': 2,
         'unsigned long': 4, 'long': 4, 'unsigned long long': 8,
         'long long': 8, 'wchar': 2}
TOKEN = re.compile(r'// offset: 0x([0-9a-f]+) \(\d+\)|(//[^\n]*)|'
                   r'([A-Za-z_]\w*|\d+|[{}();:*,\[\]=])')


class Field:
    """One member: where, its bits, its type in the profile's words."""

    def __init__(self, name, spelled, inner=None):
        self.name, self.spelled, self.inner = name, spelled, inner
        self.offset, self.width, self.bits = None, None, None


class Reader:
    def __init__(self, text):
        self.tokens, self.at = [], 0
        for m in TOKEN.finditer(text):
            if m.group(1):
                self.tokens.append(int(m.group(1), 16))
            elif m.group(3):
                self.tokens.append(m.group(3))

    def peek(self):
        return self.tokens[self.at]

    def next(self):
        self.at += 1
        return self.tokens[self.at - 1]

    def body(self):
        """Members up to the closing brace, anonymous ones dissolved."""
        fields = []
        assert self.next() == '{'
        while self.peek() != '}':
            fields += self.member()
        self.next()
        place_bits(fields)
        return fields

    def member(self):
        words = []
        while isinstance(self.peek(), str) and self.peek() in (
                'const', 'volatile', 'unsigned', 'signed'):
            self.next()
        if self.peek() in ('struct', 'union') and \
                self.tokens[self.at + 1] == '{':
            self.next()
            inner = self.body()
            if self.peek() == ';':
                self.next()
                self.offset()
                return inner
            field = Field(self.next(), None, inner)
            while self.peek() == '[':
                while self.next() != ']':
                    pass
                field.inner = None    # an array of an unnamed type
        else:
            while self.peek() != ';' and not isinstance(self.peek(), int):
                words.append(self.next())
            field = declared(words)
        assert self.next() == ';', words
        field.offset = self.offset()
        return [field]

    def offset(self):
        """Some long declarations have their comment further on."""
        if self.at < len(self.tokens) and isinstance(self.peek(), int):
            return self.next()
        return None


def declared(words):
    """"ULONG Flags : 16", "struct _KEVENT *Event[2]", "VOID (*Call)(...)"."""
    words = [w for w in words if w not in ('const', 'volatile')]
    if '(' in words:
        inside = words[words.index('(') + 1:]
        while inside[0] in '(*':
            inside = inside[1:]
        return Field(inside[0], 'function*')
    width = None
    if ':' in words:
        width = int(words[words.index(':') + 1])
        words = words[:words.index(':')]
    counts = ''
    if '[' in words:
        counts = ''.join(words[words.index('['):])
        words = words[:words.index('[')]
    name, words = words[-1], words[:-1]
    stars = ''.join(w for w in words if w == '*')
    words = [w for w in words if w != '*']
    if words[0] == 'enum':
        base = 'long'
    else:
        base = BASES.get(words[-1], words[-1])
    field = Field(name, base + stars + counts)
    field.width = width
    return field


def place_bits(fields):
    unit, at = None, 0
    for f in fields:
        if f.width is None or f.bits:
            if f.width is None:
                unit = None
            continue
        if unit != (f.offset, f.spelled):
            unit, at = (f.offset, f.spelled), 0
        f.bits = at, f.width
        at += f.width
        if at > 8 * SIZES.get(f.spelled, 0):
            f.bits = 'unknown'


def read(path):
    """name -> (size, is_union, [Field])"""
    with open(path, encoding='utf-8') as f:
        text = f.read()
    out = {}
    for m in re.finditer(r'// 0x([0-9a-f]+) \(\d+\) bytes\n(struct|union) '
                         r'(\w+) (?=\{)', text):
        if text.startswith('{}', m.end()):
            continue
        end = text.index('\n};', m.end()) + 3
        fields = Reader(text[m.end():end]).body()
        out[m.group(3)] = (int(m.group(1), 16), m.group(2) == 'union', fields)
    return out
