# SPDX-License-Identifier: Apache-2.0
"""C and assembler text whose PDB states what a profile states.

Every member gets a place of its own: an anonymous structure that begins with
as many bytes (named __padN) and bits as lie before it, all of them in one
union. So any layout can be written down, overlapping and misaligned members
as well.
"""
import re

BASE = {
    'void': 'void', 'char': 'char', 'unsigned char': 'unsigned char',
    'bool': '_Bool', 'wchar': 'wchar_t', 'short': 'short',
    'unsigned short': 'unsigned short', 'int': 'int',
    'unsigned int': 'unsigned int', 'long': 'long',
    'unsigned long': 'unsigned long', 'long long': 'long long',
    'unsigned long long': 'unsigned long long', 'float': 'float',
    'double': 'double', 'HRESULT': 'HRESULT',
}
# The names by which clang knows that these are no mere integers.
PRELUDE = ('typedef unsigned short wchar_t;\ntypedef long HRESULT;\n'
           '#pragma pack(1)\n')
IDENTIFIER = re.compile(r'^[A-Za-z_]\w*$')
RESERVED = {'default', 'register', 'volatile', 'const', 'signed', 'int',
            'inline', 'typeof', 'asm', 'restrict'}


class Unsupported(Exception):
    pass


def split(spelled):
    """'_X*[3]' -> ('_X', ['*', '[3]']): what it is made of, inside out."""
    m = re.match(r'^(.*?)((?:\*\d*|\[\d+\])*)$', spelled)
    return m.group(1), re.findall(r'\*\d*|\[\d+\]', m.group(2))


def declare(base, wraps, name):
    """A declaration of @name. Neighbouring brackets are as in C; a pointer
    written behind brackets points to the array."""
    text, groups = name, []
    for w in wraps:
        if w[0] == '[' and groups and groups[-1][0] == '[':
            groups[-1] += w
        else:
            groups.append(w)
    for g in reversed(groups):
        if g[0] == '[':
            text += g
        elif g == '*':
            text = '(*' + text + ')'
        else:
            raise Unsupported('pointer of another size')
    return '%s %s' % (base, text)


class Writer:
    def __init__(self, types):
        self.types = types
        self.pads = 0
        self.cache = {}

    def pad(self, size, bits=0):
        self.pads += 1
        return 'unsigned char __pad%d[%d];' % (self.pads, size) if size else ''

    def named(self, name):
        return name in self.types and '.' not in name

    def type_text(self, name, inside):
        """How C calls the type @name: a keyword and a tag, or its body."""
        if name in BASE:
            return BASE[name]
        if name == 'function':
            return 'void'
        if '.' in name:
            return self.body(name, '')
        if not IDENTIFIER.match(name):
            raise Unsupported(name)
        kind = self.types[name][0] if name in self.types else 'struct'
        return '%s %s' % (kind, name)

    def member(self, owner, name, offset, bit, spelled):
        base, wraps = split(spelled)
        if not IDENTIFIER.match(name) or name in RESERVED:
            raise Unsupported(name)
        pad = self.pad(offset)
        if base == 'function':
            if not wraps or wraps[0] != '*':
                raise Unsupported('function')
            inner = declare('', wraps[1:], name).strip()
            return 'struct { %s void (*%s)(void); };' % (pad, inner)
        if base in ('void',) and not wraps:
            raise Unsupported('void member')
        text = declare(self.type_text(base, owner), wraps, name)
        if bit:
            # Bits before it are nameless, and so in no PDB.
            storage = self.type_text(base, owner)
            before = '%s : %d;' % (storage, bit[0]) if bit[0] else ''
            return 'struct { %s %s %s : %d; };' % (pad, before, text, bit[1])
        if '[0]' in spelled:
            return 'struct { %s %s; };' % (pad, text)
        return 'struct { %s %s; };' % (pad, text)

    def body(self, name, tag):
        kind, size, members = self.types[name]
        if kind == 'enum':
            return self.values(name, '')
        lines = [self.member(name, m, *place)
                 for m, place in members.items()]
        lines.append(self.pad(size))
        inner = '\n'.join(x for x in lines if x)
        if kind == 'struct':
            inner = 'union {\n%s\n};' % inner
        return '%s %s {\n%s\n}' % (kind, tag, inner)

    def values(self, name, tag):
        kind, base, values = self.types[name]
        if base not in BASE or not values:
            raise Unsupported('enum over ' + base)
        for v in values:
            if not IDENTIFIER.match(v) or v in RESERVED:
                raise Unsupported(v)
        unsigned = 'ULL' if base.startswith('unsigned') else 'LL'
        return 'enum %s : %s { %s }' % (tag, BASE[base], ', '.join(
            '%s = (%s)%d%s' % (k, BASE[base], v, unsigned)
            for k, v in values.items()))

    def needs(self, name):
        """Named types that must be complete before @name is."""
        if self.types[name][0] not in ('struct', 'union'):
            return set()
        out = set()
        for _, _, spelled in self.types[name][2].values():
            base, wraps = split(spelled)
            if '.' in base:
                out |= self.needs(base)
            elif base in self.types:
                if not any(w[0] == '*' for w in wraps) or \
                        self.types[base][0] == 'enum':
                    out.add(base)
            elif base not in BASE and base != 'function' and \
                    not any(w[0] == '*' for w in wraps):
                raise Unsupported('opaque ' + base)
        return out

    def definition(self, name):
        if not IDENTIFIER.match(name):
            raise Unsupported(name)
        if self.types[name][0] == 'enum':
            return self.values(name, name) + ';'
        if self.types[name][0] not in ('struct', 'union'):
            raise Unsupported(name)
        return self.body(name, name) + ';'


def enumerators(types, names, inner):
    """(enumerator, its enum), nameless enums included."""
    for n in names:
        for e in [n, *inner.get(n, ())]:
            if types[e][0] == 'enum':
                for v in types[e][2]:
                    yield v, e


def write_c(types, wanted=None):
    """(list of C texts, names that they define). Types that C can't express
    (strange names) are left out, and what holds them by value."""
    w = Writer(types)
    done, bad, units = {}, set(), []
    unit_of, inner = {}, {}
    for name in types:
        if '.' in name:
            inner.setdefault(name.split('.')[0], []).append(name)

    def closure(name):
        order, stack, state = [], [(name, None)], {}
        while stack:
            n, it = stack.pop()
            if it is None:
                if state.get(n):
                    continue
                state[n] = 1
                it = iter(sorted(w.needs(n)))
            for m in it:
                if not state.get(m):
                    stack.append((n, it))
                    stack.append((m, None))
                    break
            else:
                order.append(n)
        return order

    for name in sorted(types):
        if '.' in name or (wanted and name not in wanted):
            continue
        try:
            order = closure(name)
            for n in order:
                if n in bad:
                    raise Unsupported(n)
                if n not in done:
                    done[n] = w.definition(n)
        except Unsupported:
            bad.add(name)
            continue
        # Enumerators share one name space: what collides goes elsewhere.
        mine = dict(enumerators(types, order, inner))
        for unit in units:
            if all(unit['values'].get(v, n) == n for v, n in mine.items()):
                break
        else:
            unit = {'values': {}, 'names': [], 'has': set()}
            units.append(unit)
        unit['values'].update(mine)
        for n in order:
            if n not in unit['has']:
                unit['has'].add(n)
                unit['names'].append(n)
        unit_of[name] = unit
    texts = []
    for i, unit in enumerate(units):
        text = [PRELUDE]
        text += [done[n] for n in unit['names']]
        text += ['%s %s vds_test_%d_%d;' % (types[n][0], n, i, k)
                 for k, n in enumerate(unit['names'])]
        texts.append('\n'.join(text) + '\n')
    return texts, set(unit_of)


def write_asm(symbols, base):
    """Publics at their addresses in a section that begins at RVA @base."""
    inside = {n: r for n, r in symbols.items() if r >= base and
              '"' not in n and '\\' not in n and n.isprintable()}
    size = max(inside.values(), default=base) - base + 1
    out = ['.section .text,"bw"', 'vds_base:', '.zero %d' % size]
    for n, r in inside.items():
        out.append('.globl "%s"\n"%s" = vds_base + %d' % (n, n, r - base))
    return '\n'.join(out) + '\n', inside
