#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes profiles/published/: layouts of kernels without a symbol table.

published.py LAYOUTS_DIR PROFILES_DIR HEADERS_DIR

LAYOUTS_DIR holds layouts.csv and layout_map.csv (facts taken from published
headers and dumps, each with its source), HEADERS_DIR the headers themselves,
for what isn't in those tables. What is not published is left out; what is taken
from another kernel says so in a comment on the type.
"""
import csv
import os
import re
import sys

import headers

BASES = {
    'u8': ('unsigned char', 1), 'u16': ('unsigned short', 2),
    'u32': ('unsigned long', 4), 'u64': ('unsigned long long', 8),
    'i8': ('char', 1), 'i16': ('short', 2), 'i32': ('long', 4),
    'i64': ('long long', 8), 'ptr': ('void*', 8), 'fn*': ('function*', 8),
    'wchar': ('wchar', 2), 'f32': ('float', 4), 'f64': ('double', 8),
}
HEADERS = 'novafacing/vergilius-rs@58f8e9a, headers of %s'
OFFSETS = 'Rickebo/ntoskrnlib@8260d7c (build 26100), offsets'
DUMP = 'a struct dump of a 24H2 kernel that agrees with them, bits'
DYNDATA = 'System Informer, kphdyn.xml'

# 24H2's bit positions that no dump of it here states, but that its published
# descriptions give as those of 20348 and later: type -> what says so.
SAME_BITS = {
    '_MMPTE_HARDWARE': 'PTE formats of 20348 and later; same members',
    '_MMPTE_SOFTWARE': 'PTE formats of 20348 and later; same members',
    '_MMPTE_PROTOTYPE': 'PTE formats of 20348 and later; same members',
    '_MMPTE_TRANSITION': 'PTE formats of 20348 and later; same members',
    '_MMPTE_SUBSECTION': 'PTE formats of 20348 and later; same members',
    '_HANDLE_TABLE_ENTRY': DYNDATA + ': ObDecodeShift 20, ObAttributesShift 17',
    '_MMSUBSECTION_FLAGS': 'same absolute bits in one unit of 32',
    '_POOL_HEADER': 'same absolute bits on every x64 build',
    '_EX_FAST_REF': 'four bits on every x64 build',
    '_RTL_BALANCED_NODE': 'the low bits of ParentValue on every build since 9600',
    '_MMPFNENTRY1': 'same members as 14393 and later',
    '_MMPFNENTRY3': 'same members as 14393 and later',
    '_OBJECT_HEADER': 'same members as 9600 and later',
}
# Single facts of the same kind: (type, member) -> (first bit, length).
FRAMES = 'PFN database of 20348 and later: PteFrame 40 bits, PrototypePte bit 63'
ENTRY_BITS = {
    ('_MI_PFN_FLAGS4', 'PteFrame'): ((0, 40), FRAMES),
    ('_MI_PFN_FLAGS4', 'PrototypePte'): ((63, 1), FRAMES),
    ('_MIPFNBLINK', 'ShareCount'): ((0, 62), 'ShareCount of 62 bits'),
    ('_SUBSECTION', 'UnusedPtes'): ((0, 30), 'UnusedPtes of 30 bits'),
}
for _name, _bits in {'PageLocation': (0, 3), 'WriteInProgress': (3, 1),
                     'Modified': (4, 1), 'ReadInProgress': (5, 1),
                     'CacheAttribute': (6, 2), 'Priority': (0, 3)}.items():
    ENTRY_BITS['_MI_PFN_FLAGS', _name] = (_bits, 'as in _MMPFNENTRY1 and 3')
WHOLE = re.compile('^(EntireField|LongFlags.*|Short0|UChar1|.*LongLong)$')
INTEGER = re.compile('^(unsigned )?(char|short|long|long long)$')
# Of the kernel with five levels of page tables, the same source.
LA57_HANDLE = [
    ('ObjectPointerBits', 0, (11, 53), 'unsigned long long'),
    ('Attributes', 0, (8, 3), 'unsigned long long'),
]
# Taken from the packs where every kernel since 10240 has the same.
INVARIANT = '''_CLIENT_ID _CURDIR _DISPATCHER_HEADER _FAST_MUTEX _GENERIC_MAPPING _GUID
_KEVENT _KSEMAPHORE _LARGE_INTEGER _LUID _NT_TIB
_OBJECT_DIRECTORY _OBJECT_DIRECTORY_ENTRY _OBJECT_HEADER_NAME_INFO
_OBJECT_NAME_INFORMATION _QUAD _RTL_BITMAP _EX_RUNDOWN_REF
_SE_AUDIT_PROCESS_CREATION_INFO _SINGLE_LIST_ENTRY _SLIST_HEADER _STRING
_ULARGE_INTEGER _VPB _DEVICE_OBJECT _DRIVER_OBJECT _KSYSTEM_TIME LIST_ENTRY32
LIST_ENTRY64 _STRING64 _STRING32 _RTL_RB_TREE _POOL_TYPE _MMPTE_LIST
_MMPTE_TIMESTAMP _LIST_ENTRY _UNICODE_STRING _SID _SID_AND_ATTRIBUTES
_SID_IDENTIFIER_AUTHORITY'''.split()

# Single members of types that change otherwise: at the same place in every
# symbol table since 9600.
STABLE = {
    '_PEB': {'ApiSetMap': (0x68, 'void*'),
             'ReadOnlySharedMemoryBase': (0x88, 'void*'),
             'AnsiCodePageData': (0xa0, 'void*'),
             'OemCodePageData': (0xa8, 'void*'),
             'UnicodeCaseTableData': (0xb0, 'void*'),
             'GdiSharedHandleTable': (0xf8, 'void*')},
    '_TOKEN': {'SessionId': (0x78, 'unsigned long'),
               'UserAndGroupCount': (0x7c, 'unsigned long'),
               'UserAndGroups': (0x98, '_SID_AND_ATTRIBUTES*'),
               'IntegrityLevelIndex': (0xd0, 'unsigned long'),
               'Package': (0x310, 'void*')},
    # Not for 26100, where EPROCESS.Session leads to something else.
    '_MM_SESSION_SPACE': {'SessionId': (0x8, 'unsigned long')},
}
SESSION = ('Volatility 3 and vmi-rs (not in the PDB): it begins as '
           '_MM_SESSION_SPACE did')


class Type:
    """A struct or union: its members by name, in the order of the file."""

    def __init__(self, size=0, note=''):
        self.size, self.note, self.members = size, note, {}


class Member:
    def __init__(self, offset, bits, spelled, inner=None):
        self.offset, self.bits = offset, bits
        self.spelled, self.inner = spelled, inner


def read(path):
    with open(path, newline='', encoding='utf-8') as f:
        return list(csv.DictReader(f))


def unnamed(text):
    return text.startswith('<unnamed') or text == '_unnamed_tag_'


def spell(text):
    """A fact table's type in the profile's words; None if it says too little."""
    m = re.match(r'^(\w+|fn\*)(\**)((?:\[\d+\])*)$', text)
    if not m or unnamed(text):
        return None
    name = BASES.get(m.group(1), (m.group(1), 0))[0]
    return name + m.group(2) + m.group(3)


def build(rows):
    """The type of one layout's rows; dotted fields fill anonymous ones."""
    top = Type(int(rows[0]['size'], 16))
    for row in sorted(rows, key=lambda r: r['field'].count('.')):
        path, at, base = row['field'].split('.'), top, 0
        for part in path[:-1]:
            outer = at.members[part]
            base += outer.offset
            if outer.inner is None:
                outer.inner = Type()
            at = outer.inner
        bits = (int(row['bit_pos']), int(row['bit_len'])) if row['bit_len'] \
            else None
        m = Member(int(row['offset'], 16) - base, bits, spell(row['type']))
        sized = re.match(r'<unnamed \w+ size (\d+)>', row['type'])
        if unnamed(row['type']):
            m.inner = Type(int(sized.group(1)) if sized else 0)
        at.members[path[-1]] = m
    return top


class Facts:
    def __init__(self, directory):
        self.layouts = {}
        for row in read(os.path.join(directory, 'layouts.csv')):
            if row['arch'] == 'x64':
                key = row['struct'], row['layout']
                self.layouts.setdefault(key, []).append(row)
        self.map = [row for row in
                    read(os.path.join(directory, 'layout_map.csv'))
                    if row['arch'] == 'x64']

    def of(self, build_number, kind):
        out = {}
        for row in self.map:
            if build_number in row['build'].split('.') and row['kind'] == kind:
                key = row['struct'], row['layout']
                out[row['struct']] = build(self.layouts[key])
        return out


def borrow_bits(member, older, same):
    """The older kernel's bits, at the same absolute place in the new unit."""
    if not older or not older.bits:
        return True
    if not same:
        return False
    first = (older.offset - member.offset) * 8 + older.bits[0]
    if first < 0:
        return False
    member.bits = first, older.bits[1]
    return True


def without_bits(t):
    """What the older kernel has inside of a union, but for bit fields."""
    out = Type(t.size)
    for name, m in t.members.items():
        inner = without_bits(m.inner) if m.inner is not None else None
        if not m.bits and (inner is None or inner.members):
            out.members[name] = Member(m.offset, None, m.spelled, inner)
    return out


def may_be_bits(t, name):
    """An integer that shares its place with others and isn't the whole."""
    m = t.members[name]
    return bool(m.spelled and INTEGER.match(m.spelled) and
                not WHOLE.match(name) and
                any(n != name and o.offset == m.offset
                    for n, o in t.members.items()))


def merge(name, new, older, dump):
    """26100: offsets, with bits and the inside of unions where known."""
    notes = [OFFSETS]
    if dump:
        dump.note = f'{OFFSETS}; {DUMP}'
        return dump
    kept = {}
    for member, m in new.members.items():
        o = older.members.get(member) if older else None
        fact = ENTRY_BITS.get((name, member))
        if fact:
            m.bits = fact[0]
            kept[member] = m
            if fact[1] not in notes:
                notes.append(fact[1])
            continue
        if not o and may_be_bits(new, member):
            continue
        if not borrow_bits(m, o, name in SAME_BITS):
            continue
        if m.bits and SAME_BITS[name] not in notes:
            notes.append(SAME_BITS[name])
        if m.inner is not None and o and o.inner:
            m.inner = without_bits(o.inner)
            notes.append(f'inside of {member} as in 22631')
        elif m.spelled is None and o and o.spelled and '[' in o.spelled:
            m.spelled = o.spelled
            notes.append(f'length of {member} as in 22631')
        kept[member] = m
    new.members = kept
    new.note = '; '.join(notes)
    return new


def size_of(spelled, types):
    m = re.match(r'^(.*?)(\**)((?:\[\d+\])*)$', spelled)
    size = 8 if m.group(2) else None
    for text, n in BASES.values():
        if size is None and text == m.group(1):
            size = n
    if size is None:
        size = types[m.group(1)].size if m.group(1) in types else 0
    for count in re.findall(r'\[(\d+)\]', m.group(3)):
        size *= int(count)
    return size


def settle(t, types):
    """Sizes of anonymous types; drops members that don't fit or say nothing."""
    for name, m in list(t.members.items()):
        if m.inner is not None:
            settle(m.inner, types)
            if not m.inner.members:
                del t.members[name]
        elif m.spelled is None:
            del t.members[name]
    ends = [m.offset + (m.inner.size if m.inner is not None else
                        size_of(m.spelled, types))
            for m in t.members.values()]
    t.size = max([t.size] + ends) if not t.size else t.size


def put(out, path, t):
    if t.note:
        out.append(f'  # {t.note}')
    offsets = {m.offset for m in t.members.values()}
    kind = 'union' if '.' in path and offsets == {0} and \
        len(t.members) > 1 and not all(m.bits for m in t.members.values()) \
        else 'struct'
    out.append(f'  {path}:')
    out.append(f'    {kind}: 0x{t.size:x}')
    if t.members:
        out.append('    members:')
    order = sorted(t.members.items(), key=lambda x:
                   (x[1].offset, x[1].bits[0] if x[1].bits else 0, x[0]))
    for name, m in order:
        at = f'0x{m.offset:x}' + (f':{m.bits[0]}+{m.bits[1]}' if m.bits else '')
        spelled = m.spelled if m.inner is None else f'{path}.{name}'
        out.append(f'      {name}: {at} {spelled}')
    for name, m in order:
        if m.inner is not None:
            put(out, f'{path}.{name}', m.inner)


def common_types(path):
    """name -> YAML of what all kernels of a pack have in common."""
    with open(path, encoding='utf-8') as f:
        text = f.read()
    text = text.split('\ntypes:\n')[1].split('\nlayers:\n')[0]
    out = {}
    for entry in re.split(r'\n(?=  [^ ])', '\n' + text.rstrip('\n')):
        entry = entry.strip('\n')
        name = entry.split(':')[0].strip().split('.')[0]
        if name:
            out[name] = out.get(name, '') + entry + '\n'
    return out


def invariants(profiles):
    """name -> YAML, with a note, of types that haven't changed for long."""
    packs = {}
    for file in os.listdir(profiles):
        m = re.match(r'ntkrnlmp-(\d+)\.yaml$', file)
        if m:
            packs[int(m.group(1))] = common_types(os.path.join(profiles, file))
    out = {}
    for name in INVARIANT:
        for since in 10240, 17763, 20348:
            texts = {types.get(name) for build, types in packs.items()
                     if build >= since}
            if len(texts) == 1 and None not in texts:
                out[name] = ('  # the same in every symbol table from '
                             f'{since} to 22000\n{next(iter(texts))}')
                break
        else:
            print(f'{name} changes too often', file=sys.stderr)
    return out


def oldest_kernel(path):
    """YAML of all types of a pack's kernel of the lowest revision."""
    with open(path, encoding='utf-8') as f:
        head, layers = f.read().split('\nlayers:\n')
    listed = re.findall(r'revision: (\d+)\n.*?layers: \[(.*?)\]', head,
                        re.DOTALL)
    mine = min(listed, key=lambda k: int(k[0]))[1].split(', ')
    out = [head.split('\ntypes:\n')[1]]
    for layer in re.split(r'\n(?=  L\d+:)', '\n' + layers):
        if layer.strip().split(':')[0] in mine:
            out.append(re.sub(r'(?m)^  ', '', layer.strip('\n')
                              .partition('\n')[2]))
    return '\n'.join(out)


def pack_members(text):
    """path -> {member: (offset, bits)} of a pack's types, and path -> size."""
    members, sizes, path = {}, {}, None
    for line in text.splitlines():
        m = re.match(r'  (\S+):$', line)
        if m:
            path = m.group(1)
        m = re.match(r'    (?:struct|union): (0x[0-9a-f]+)$', line)
        if m:
            sizes[path] = int(m.group(1), 16)
        m = re.match(r'      (\S+): (0x[0-9a-f]+)(?::(\d+)\+(\d+))? ', line)
        if m:
            bits = m.group(3) and (int(m.group(3)), int(m.group(4)))
            members.setdefault(path, {})[m.group(1)] = \
                int(m.group(2), 16), bits or None
    return members, sizes


def held(members):
    """Names of the types that these hold by value."""
    return [m.spelled.split('[')[0] for m in members
            if m.spelled and '*' not in m.spelled]


def absolute(offset, bits):
    return (8 * offset + bits[0], bits[1]) if bits else (8 * offset, None)


class Headers:
    """Whole types of one build, so far as the same source is right about 22000,
    of which there are symbols."""
    PROOF = '10.0.22000.194'

    def __init__(self, folder, version, profiles):
        self.note = HEADERS % version
        self.types, self.proof = (headers.read(os.path.join(
            folder, f'bindings-{v}-x64.h')) for v in (version, self.PROOF))
        self.known, self.sizes = pack_members(oldest_kernel(
            os.path.join(profiles, 'ntkrnlmp-22000.yaml')))

    def is_right(self, path, field, was):
        """Bits must have been placed right; offsets must not have been wrong."""
        known = self.known.get(path, {}).get(field.name)
        if not known or not was:
            return not field.bits
        if was.offset is None or was.bits == 'unknown':
            return False
        return absolute(was.offset, was.bits) == absolute(*known)

    def convert(self, path, fields, proof, size=0):
        out = Type(size)
        before = {f.name: f for f in proof}
        for f in fields:
            was = before.get(f.name)
            if f.offset is None or f.bits == 'unknown' or \
                    not self.is_right(path, f, was):
                continue
            inner = f.inner and self.convert(
                f'{path}.{f.name}', f.inner, (was and was.inner) or ())
            out.members[f.name] = Member(f.offset, f.bits, f.spelled, inner)
        return out

    def add(self, types, wanted, others):
        """Adds the wanted types, and those that they hold by value, unless
        @others has them."""
        todo = [name for name in wanted if name not in types]
        for name in wanted:
            if name in types:
                todo += self.complete(name, types[name])
        while todo:
            name = todo.pop()
            if name in types or name in others or \
                    name not in self.types or name not in self.proof or \
                    self.proof[name][0] != self.sizes.get(name):
                continue
            size, _, fields = self.types[name]
            t = types[name] = self.convert(name, fields, self.proof[name][2],
                                           size)
            t.note = self.note
            kept = wanted.get(name)
            t.members = {k: m for k, m in t.members.items()
                         if not kept or k in kept}
            todo += held(t.members.values())

    def complete(self, name, t):
        """Adds what the tables leave out of a type; returns what that holds."""
        if name not in self.types or name not in self.proof or \
                self.proof[name][0] != self.sizes.get(name):
            return []
        all_of = self.convert(name, self.types[name][2], self.proof[name][2])
        fresh = {k: m for k, m in all_of.members.items()
                 if k not in t.members}
        t.members.update(fresh)
        return held(fresh.values())


def wanted_types(profiles):
    """name -> the members that types.txt keeps of it; none: all."""
    out = {}
    with open(os.path.join(profiles, 'types.txt'), encoding='utf-8') as f:
        for line in f:
            name, _, member = line.split('#')[0].strip().partition('.')
            if name:
                out.setdefault(name, set()).update({member} - {''})
    return out


def add_stable(types, without=()):
    """Adds STABLE where the published facts leave it out."""
    for name, members in STABLE.items():
        if name in without:
            continue
        t = types.setdefault(name, Type())
        added = [m for m in members if m not in t.members]
        for member in added:
            offset, spelled = members[member]
            t.members[member] = Member(offset, None, spelled)
        if added:
            note = ', '.join(added) + \
                ': the same in every symbol table from 9600 to 22000'
            t.note = f'{t.note}; {note}' if t.note else note


def la57(types):
    t = Type(0x10, f'{DYNDATA}: ObDecodeShift 11, ObAttributesShift 8')
    t.members = dict(types['_HANDLE_TABLE_ENTRY'].members)
    for name, m in list(t.members.items()):
        if m.bits and m.offset == 0:
            del t.members[name]
    for name, offset, bits, spelled in LA57_HANDLE:
        t.members[name] = Member(offset, bits, spelled)
    return dict(types, _HANDLE_TABLE_ENTRY=t)


def write(directory, pdb, number, revision, types, extra):
    for t in types.values():
        settle(t, types)
    out = ['# Written by profiles/published.py: not from symbols, see the sources.',
           'format: vadose-profile/1', f'pdb: {pdb}.pdb', 'arch: x64',
           f'build: {number}']
    if revision:
        out.append(f'revision: {revision}')
    out += ['confidence: published', 'types:']
    for name in sorted(set(types) | set(extra)):
        if name in types:
            put(out, name, types[name])
        else:
            out += extra[name].rstrip('\n').split('\n')
    path = os.path.join(directory, f'{pdb}-{number}.yaml')
    with open(path, 'w', encoding='utf-8', newline='\n') as f:
        f.write('\n'.join(out) + '\n')


def main():
    facts, profiles = Facts(sys.argv[1]), sys.argv[2]
    target = os.path.join(profiles, 'published')
    os.makedirs(target, exist_ok=True)
    extra = invariants(profiles)
    for number, revision in ('22621', '382'), ('22631', '2428'):
        types = facts.of(number, 'HDR')
        for t in types.values():
            t.note = HEADERS % f'10.0.{number}.{revision}'
        Headers(sys.argv[3], f'10.0.{number}.{revision}', profiles).add(
            types, wanted_types(profiles), extra)
        add_stable(types)
        write(target, 'ntkrnlmp', number, revision, types, extra)
        write(target, 'ntkrla57', number, revision, la57(types), extra)
    older, dump = facts.of('22631', 'HDR'), facts.of('26100', 'TXT')
    for name in SAME_BITS:
        now = {n for n, m in facts.of('26100', 'CS')[name].members.items()}
        bits = {n for n, m in older[name].members.items() if m.bits}
        if bits - now:
            print(f'{name}: 26100 lacks {sorted(bits - now)}', file=sys.stderr)
    types = {name: merge(name, t, older.get(name), dump.get(name))
             for name, t in facts.of('26100', 'CS').items()}
    add_stable(types, without=('_MM_SESSION_SPACE',))
    session = types['_PSP_SESSION_SPACE'] = Type(note=SESSION)
    session.members['SessionId'] = Member(0x8, None, 'unsigned long')
    types['_EPROCESS'].members['Session'].spelled = '_PSP_SESSION_SPACE*'
    write(target, 'ntkrnlmp', '26100', '', types, extra)
    write(target, 'ntkrla57', '26100', '', la57(types), extra)


main()
