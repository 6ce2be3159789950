#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Damaged structures: every plugin here ends in time, with valid records."""
import os
import resource
import tempfile

import common

PLUGINS = ("handles", "sections --all", "vadtree", "vadpages --all", "vmmap",
           "vmmap --regions", "ptov 0x2495010", "vaddump --pid 4 --dump")
# Of processor time; a sanitizer makes it more.
MAX_SECONDS = 2 if not os.environ.get("VDS_SANITIZED") else 60


def check(test):
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for plugin in PLUGINS:
        words = plugin.split()
        with tempfile.TemporaryDirectory() as folder:
            before = os.times()
            if words[-1] == "--dump":
                words.append(folder)
            test.run(*words, codes=(0, 3))
        after = os.times()
        used = after.children_user + after.children_system - \
            before.children_user - before.children_system
        if used > MAX_SECONDS:
            test.equal(plugin + ": seconds", used, "at most 2")
        test.compared += 1


common.main(check)
