# SPDX-License-Identifier: Apache-2.0
"""What llvm-pdbutil says about a PDB, in the terms of a profile.

This is the independent reader: nothing here reads a PDB. It follows
docs/profile-format.md for how a fact is written, so that two profiles can be
compared as dictionaries.
"""
import os
import re
import struct
import subprocess
import tempfile

SIMPLE = {
    0x00: ('void', 0), 0x03: ('void', 0), 0x07: ('void', 0),
    0x08: ('HRESULT', 4), 0x10: ('char', 1), 0x11: ('short', 2),
    0x12: ('long', 4), 0x13: ('long long', 8), 0x14: ('int128', 16),
    0x20: ('unsigned char', 1), 0x21: ('unsigned short', 2),
    0x22: ('unsigned long', 4), 0x23: ('unsigned long long', 8),
    0x24: ('unsigned int128', 16), 0x30: ('bool', 1), 0x40: ('float', 4),
    0x41: ('double', 8), 0x42: ('float80', 10), 0x68: ('char', 1),
    0x69: ('unsigned char', 1), 0x70: ('char', 1), 0x71: ('wchar', 2),
    0x72: ('short', 2), 0x73: ('unsigned short', 2), 0x74: ('int', 4),
    0x75: ('unsigned int', 4), 0x76: ('long long', 8),
    0x77: ('unsigned long long', 8), 0x78: ('int128', 16),
    0x79: ('unsigned int128', 16), 0x7a: ('char16', 2), 0x7b: ('char32', 4),
}
POINTER_MODES = {1: 2, 2: 4, 3: 4, 4: 4, 5: 6, 6: 8, 7: 16}
UDT = {'LF_STRUCTURE': 'struct', 'LF_CLASS': 'struct', 'LF_INTERFACE': 'struct',
       'LF_UNION': 'union', 'LF_ENUM': 'enum'}
NAMELESS = ('<unnamed-tag>', '__unnamed', '<anonymous-tag>', '<unnamed>')
ANY = '?'   # a type that the dump doesn't state (size of a member pointer)


def nameless(name):
    return not name or any(
        name == n or name.endswith('::' + n) for n in NAMELESS)


def number(text, default=None):
    m = re.match(r'\s*(0x[0-9A-Fa-f]+|-?\d+)', text)
    return int(m.group(1), 0) if m else default


def run(tool, path, *what):
    r = subprocess.run([tool, 'dump', *what, path], capture_output=True)
    return r.returncode, r.stdout.decode('utf-8', 'surrogateescape')


def parse_types(text):
    """Index -> record: its leaf, its name, the text behind, its fields."""
    records, rec = {}, None
    for line in text.split('\n'):
        m = re.match(r' +(0x[0-9A-F]+) \| (LF_\w+) \[size = \d+\](?: `(.*)`)?$',
                     line)
        if m:
            rec = {'leaf': m.group(2), 'name': m.group(3) or '', 'text': '',
                   'fields': []}
            records[int(m.group(1), 16)] = rec
        elif rec is not None:
            f = re.match(r' +- (LF_\w+)(.*)$', line)
            if f:
                rec['fields'].append([f.group(1), f.group(2)])
            elif rec['fields']:
                rec['fields'][-1][1] += '\n' + line
            else:
                rec['text'] += line + '\n'
    return records


class Types:
    def __init__(self, records, pointer):
        self.records = records
        self.pointer = pointer
        self.full = {}
        for index, r in records.items():
            if r['leaf'] in UDT and 'forward ref' not in r['text']:
                self.full.setdefault(self.key(r), index)

    @staticmethod
    def key(r):
        m = re.search(r'unique name: `(.*)`', r['text'])
        return UDT[r['leaf']], bool(m), m.group(1) if m else r['name']

    def attr(self, r, what):
        m = re.search(what + r'\s*[=:]? (0x[0-9A-Fa-f]+|-?\d+)', r['text'])
        return int(m.group(1), 0) if m else None

    def resolve(self, index):
        r = self.records[index]
        if r['leaf'] in UDT and 'forward ref' in r['text'] and \
                not nameless(r['name']):
            return self.full.get(self.key(r), index)
        return index

    def size(self, index):
        """Bytes, or None where the dump doesn't say."""
        if index < 0x1000:
            if index == 0x103:
                return self.pointer
            if index >> 8:
                return POINTER_MODES.get(index >> 8)
            return SIMPLE.get(index, (None, None))[1]
        index = self.resolve(index)
        r = self.records[index]
        leaf = r['leaf']
        if leaf == 'LF_MODIFIER':
            return self.size(self.attr(r, 'referent'))
        if leaf == 'LF_POINTER':
            if 'member' in r['text']:
                return None
            return 8 if 'kind = ptr64' in r['text'] else 4
        if leaf == 'LF_ARRAY':
            return self.attr(r, 'size')
        if leaf == 'LF_ENUM':
            return self.size(self.attr(r, 'underlying type'))
        if leaf == 'LF_BITFIELD':
            return self.size(self.attr(r, 'type'))
        return self.attr(r, 'sizeof') or 0

    def star(self, spelled, size):
        return ANY if spelled == ANY else \
            spelled + '*' + ('' if size == self.pointer else str(size))

    def array(self, element, count):
        if element == ANY:
            return ANY
        m = re.match(r'^(.*?)((?:\[\d+\])*)$', element)
        return '%s[%d]%s' % (m.group(1), count, m.group(2))

    def clean(self, name):
        return name.replace('.', '_')

    def spell(self, index, path):
        """The type's spelling; a nameless one is called @path."""
        if index < 0x1000:
            if index == 0x103:
                return 'void*'
            if (index & 0xff) not in SIMPLE:
                return ANY
            name = SIMPLE[index & 0xff][0]
            return self.star(name, POINTER_MODES[index >> 8]) \
                if index >> 8 else name
        index = self.resolve(index)
        r = self.records[index]
        leaf = r['leaf']
        if leaf in UDT:
            if not nameless(r['name']):
                return self.clean(r['name'])
            return self.clean(r['name']) if 'forward ref' in r['text'] \
                else (index, path)
        if leaf in ('LF_MODIFIER', 'LF_ALIAS'):
            return self.spell(self.attr(r, 'referent'), path)
        if leaf == 'LF_POINTER':
            size = self.size(index)
            inner = self.spell(self.attr(r, 'referent'), path)
            if size is None:
                return ANY
            if isinstance(inner, tuple):
                return inner[0], inner[1], self.star('', size)
            return self.star(inner, size)
        if leaf == 'LF_ARRAY':
            element = self.attr(r, 'element type')
            each, whole = self.size(element), self.attr(r, 'size')
            if each is None:
                return ANY
            if not each or whole % each:
                return 'unsigned char[%d]' % whole
            inner = self.spell(element, path)
            if isinstance(inner, tuple):
                tail = inner[2] if len(inner) > 2 else ''
                return inner[0], inner[1], self.array(tail, whole // each)
            return self.array(inner, whole // each)
        return 'function'

    def fields(self, index):
        seen = set()
        while index and index not in seen:
            seen.add(index)
            following = None
            for leaf, text in self.records[index]['fields']:
                if leaf == 'LF_INDEX':
                    following = number(text.split('=')[-1])
                else:
                    yield leaf, text
            index = following

    def define(self, index, path, out):
        """Enters the definition of @index as @path, and what hangs on it."""
        r = self.records[index]
        kind = UDT[r['leaf']]
        fields = self.attr(r, 'field list')
        if kind == 'enum':
            values = {}
            base = self.attr(r, 'underlying type')
            name = self.spell(base, '')
            bits = 8 * (self.size(base) or 8)
            for leaf, text in self.fields(fields):
                if leaf == 'LF_ENUMERATE':
                    m = re.match(r' \[(.*) = (-?\d+)\]', text, re.S)
                    value = int(m.group(2)) % (1 << bits)
                    if not name.startswith('unsigned') and name != 'bool' and \
                            value >> (bits - 1):
                        value -= 1 << bits
                    if value >> 63 > 0:     # a profile has 64 signed bits
                        value -= 1 << 64
                    values[m.group(1)] = value
            out[path] = ('enum', name, values)
            return
        # Later members of a name win; a base's count where it stands.
        members, todo = {}, []
        self.members(fields, path, 0, members, todo)
        out[path] = (kind, self.size(index), members)
        for inner, inner_path in todo:
            self.define(inner, inner_path, out)

    def members(self, fields, path, at, members, todo):
        for leaf, text in self.fields(fields):
            bit = None
            if leaf == 'LF_MEMBER':
                m = re.match(r' \[name = `(.*)`, Type = (0x[0-9A-F]+).*?, '
                             r'offset = (\d+), attrs', text, re.S)
                name, index, offset = m.group(1), int(m.group(2), 16), \
                    int(m.group(3))
                if index >= 0x1000 and \
                        self.records[index]['leaf'] == 'LF_BITFIELD':
                    b = self.records[index]
                    bit = self.attr(b, 'bit offset'), self.attr(b, '# bits')
                    index = self.attr(b, 'type')
            elif leaf == 'LF_VFUNCTAB':
                name, offset = '__VFN_table', 0
                index = number(text.split('=')[-1])
            elif leaf == 'LF_BCLASS':
                m = re.search(r'type = (0x[0-9A-F]+), offset = (\d+)', text)
                base = self.resolve(int(m.group(1), 16))
                self.members(self.attr(self.records[base], 'field list'), path,
                             at + int(m.group(2)), members, todo)
                continue
            else:
                continue
            inner = '%s.%s' % (path, name)
            spelled = self.spell(index, inner)
            if isinstance(spelled, tuple):
                todo.append((spelled[0], spelled[1]))
                spelled = spelled[1] + (spelled[2] if len(spelled) > 2 else '')
            members.pop(name, None)
            members[name] = (at + offset, bit, spelled)

    def profile(self):
        chosen = {}
        for index, r in self.records.items():
            if r['leaf'] in UDT and 'forward ref' not in r['text'] and \
                    not nameless(r['name']):
                chosen[self.clean(r['name'])] = index
        out = {}
        for name, index in chosen.items():
            self.define(index, name, out)
        return out


def sections(text):
    """RVAs of the section headers in a dump."""
    text = text.split('Original Section Headers')[0]
    return [int(m, 16) for m in re.findall(r'(\w+) virtual address\n', text)]


def stream(tool, path, number):
    """The raw bytes of a stream."""
    with tempfile.TemporaryDirectory() as d:
        out = os.path.join(d, 'stream')
        subprocess.run([tool, 'export', '--stream=%d' % number,
                        '--out=' + out, path], check=True,
                       capture_output=True)
        with open(out, 'rb') as f:
            return f.read()


def omap(tool, path):
    """[(address as linked, address now)] by the former, or None."""
    _, text = run(tool, path, '-streams')
    m = re.search(r'Stream +(\d+) .*\[Omap From Source Data\]', text)
    return sorted(struct.iter_unpack('<II', stream(tool, path, int(
        m.group(1))))) if m else None


def symbols(text):
    """(name, is public, section, offset) of each record with an address."""
    for m in re.finditer(
            r'\| (S_\w+) \[size = \d+\] `(.*)`\n'
            r' +(?:flags|type) = .*?, addr = (\d+):(\d+)', text):
        if m.group(1) in ('S_PUB32', 'S_GDATA32', 'S_LDATA32'):
            yield m.group(2), m.group(1) == 'S_PUB32', int(m.group(3)), \
                int(m.group(4))
