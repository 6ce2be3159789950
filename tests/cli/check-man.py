#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""vadose(1) names every option, renderer and exit status of --help."""
import pathlib
import re
import subprocess
import sys

program, page = sys.argv[1], pathlib.Path(sys.argv[2]).read_text()
text = subprocess.run([program, "--help"], capture_output=True, text=True,
                      check=True).stdout
words = set(re.findall(r"--[a-z][a-z-]+", text))
section = text.split("renderers")[1].split("\n\n")[0]
words |= set(re.findall(r"^  ([a-z]+) ", section, re.M))
lost = [w for w in sorted(words) if f"*{w}*" not in page]
known = set(re.findall(r"\*(\d+)\*", page))
lost += [f"exit status {n}" for n in
         re.findall(r"\d+", text.split("exit status:")[1]) if n not in known]
# The page may also tell of a command's own options.
commands = re.findall(r"^  (\w+) ", text.split("commands:")[1]
                      .split("\n\n")[0], re.M)
for name in commands:
    if not re.search(rf"^\*vadose\* .*\*{name}\*", page, re.M):
        lost.append(f"command {name}")
    own = subprocess.run([program, name, "--help"], capture_output=True,
                         text=True).stdout
    words |= set(re.findall(r"--[a-z][a-z-]+", own))
undone = set(re.findall(r"\*(--[a-z][a-z-]+)\*", page)) - words
print("not in vadose(1):", lost, "in vadose(1) only:", sorted(undone))
sys.exit(bool(lost or undone or not words))
