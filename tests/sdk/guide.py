#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
The commands of docs/plugin-guide.md as a shell script on stdout, in order, with
the files that it says to write.

usage: guide.py GUIDE [FIRST_SECTION]

FIRST_SECTION 1 leaves out how vadose is built and installed. On a machine where
nothing of vadose is: guide.py docs/plugin-guide.md | bash -eux
"""
import re
import sys


def blocks(text):
    """(language or None, lines): fenced code, and indented commands."""
    lines, prose, i = text.splitlines(), "", 0
    while i < len(lines):
        line, block = lines[i], []
        if line.startswith("```"):
            for i in range(i + 1, len(lines)):
                if lines[i] == "```":
                    break
                block.append(lines[i])
            yield line[3:], block, prose
        elif line.startswith("    ") and (i == 0 or not lines[i - 1]):
            while i < len(lines) and lines[i].startswith("    "):
                block.append(lines[i][4:])
                i += 1
            yield None, block, prose
            continue
        else:
            prose = line if line else prose
        i += 1


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        text = f.read()
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    text = text[re.search(r"^## %d\. " % first, text, re.M).start():]
    for language, lines, prose in blocks(text):
        if language is None:
            print("\n".join(lines))
            continue
        # "Put this into `NAME`" stands right above the file.
        name = re.search(r"[Pp]ut this into `([\w.]+)`", prose)[1]
        print(f"cat >{name} <<'END_OF_FILE'")
        print("\n".join(lines))
        print("END_OF_FILE")


main()
