# SPDX-License-Identifier: Apache-2.0
"""Reads the YAML that a profile is written in, for tests: PyYAML is slow."""
import re


def scalar(text):
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if len(text) > 1 and text[0] == text[-1] == '"':
        return re.sub(r'\\(x(..)|.)', lambda m: chr(int(m.group(2), 16))
                      if m.group(2) else m.group(1), text[1:-1])
    return text


def split_key(text):
    """'KEY: VALUE' or 'KEY:' with KEY perhaps in quotes."""
    m = re.match(r"^('(?:[^']|'')*'|\"(?:[^\"\\\\]|\\\\.)*\"|.*?):(?: (.*))?$", text)
    return scalar(m.group(1)), m.group(2)


def member(text):
    place, spelled = scalar(text).split(' ', 1)
    offset, _, bits = place.partition(':')
    bit = tuple(int(x) for x in bits.split('+')) if bits else None
    return int(offset, 16), bit, spelled


def load(text):
    """{'head': {...}, 'types': {name: (kind, size or base, members)},
    'symbols': {name: rva}}"""
    out = {'head': {}, 'types': {}, 'symbols': {}}
    section = name = None
    for line in text.split('\n'):
        if not line or line.startswith('#'):
            continue
        indent = len(line) - len(line.lstrip(' '))
        key, value = split_key(line.strip(' '))
        if indent == 0:
            section = key
            if value is not None:
                out['head'][key] = scalar(value)
        elif section == 'symbols':
            out['symbols'][key] = int(value, 16)
        elif section == 'types' and indent == 2:
            name = key
        elif section == 'types' and indent == 4 and value is not None:
            if key in ('struct', 'union'):
                out['types'][name] = (key, int(value, 16), {})
            elif key != 'size':
                out['types'][name] = (key, scalar(value), {})
        elif section == 'types' and indent == 6:
            kind, _, fields = out['types'][name]
            fields[key] = int(value) if kind == 'enum' else member(value)
    return out


def documents(text):
    """(path, text or None, error or None) of each file of pdb2yaml."""
    for part in re.split(r'^# ', text, flags=re.M)[1:]:
        head, _, body = part.partition('\n')
        path, error, message = head.partition(': error: ')
        yield path, None if error else body, message if error else None
