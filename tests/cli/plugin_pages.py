#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The page of each plugin in docs/plugins.md: made from its declaration, whole,
and as it is now.

usage: plugin_pages.py VADOSE PLUGINS.MD
"""
import re
import subprocess
import sys


def ask(*words):
    return subprocess.run([sys.argv[1], *words], check=True, text=True,
                          capture_output=True).stdout


def main():
    text = ask("plugins", "--markdown")
    with open(sys.argv[2], encoding="utf-8") as file:
        stale = file.read() != text
    if stale:
        print("docs/plugins.md is not what the plugins declare now: "
              "vadose plugins --markdown > docs/plugins.md")
    pages = dict(re.findall(r"^## (\w+) [^\n]*\n(.*?)(?=^## |\Z)",
                            text, re.M | re.S))
    names = re.findall(r"^(\w+) +\S+ +abi", ask("plugins"), re.M)
    missing = [f"{name}: no page" for name in names if name not in pages]
    for name in set(names) & set(pages):
        told = ask(name, "--help")
        options, columns = told.split("\ncolumns", 1)
        options = options.split("\noptions:", 1)[1:]
        words = re.findall(r"^  (?:--)?([a-z][a-z-]*)", "".join(options), re.M)
        words += re.findall(r"^  ([a-z][a-z0-9_.]*)  ", columns, re.M)
        missing += [f"{name}: {word}" for word in words
                    if f"`{word}" not in pages[name] and
                    f"`--{word}" not in pages[name]]
    print(f"{len(pages)} pages; missing: {missing or 'nothing'}")
    return 1 if stale or missing or len(names) < 30 else 0


if __name__ == "__main__":
    sys.exit(main())
