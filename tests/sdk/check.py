#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
A stranger's way: installs vadose into a scratch folder, writes a plugin with
it, builds and tests that against the installed files alone; then the plugin of
docs/plugin-guide.md in its place, and its rows on the demo scene.
"""
import json
import lzma
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ISF = "769C521E4833ECF72E21F02BF33691A5-1.json.xz"


def run(command, **how):
    got = subprocess.run([str(c) for c in command], text=True,
                         capture_output=True, **how)
    if got.returncode:
        print("FAIL", " ".join(str(c) for c in command))
        print(got.stdout[-4000:], got.stderr[-4000:])
        sys.exit(1)
    return got.stdout


def find(root, name):
    found = [p for p in root.rglob(name)]
    if not found:
        print("FAIL not installed:", name)
        sys.exit(1)
    return found[0]


def environment(root):
    """Only what was installed, and the tools of the system."""
    env = {k: v for k, v in os.environ.items()
           if not k.startswith(("VADOSE_", "MESON", "NINJA"))}
    package = find(root, "vadose.pc")
    env["PKG_CONFIG_PATH"] = str(package.parent)
    env["PKG_CONFIG_SYSROOT_DIR"] = str(root)
    env["LD_LIBRARY_PATH"] = str(find(root, "libvadose.so").parent)
    env["PATH"] = f"{find(root, 'bin/vadose').parent}:{env['PATH']}"
    return env


def demo(temp, mkscene, isf2yaml, shared, scene):
    """The demo image and its profile, or None without the test data."""
    isf = pathlib.Path(shared) / "isf" / ISF
    if not isf.exists():
        return None
    table, image = temp / "table.json", temp / "demo.raw"
    profiles = temp / "profiles"
    profiles.mkdir()
    table.write_bytes(lzma.open(isf).read())
    run([mkscene, "-p", table, "-r", image, scene])
    run([isf2yaml, table, profiles / "demo.yaml"])
    return image, profiles


def build_and_test(folder, env):
    # What a stranger begins with has no warning in it.
    run(["meson", "setup", "-Dwerror=true", "build"], cwd=folder, env=env)
    run(["ninja", "-C", "build"], cwd=folder, env=env)
    run(["meson", "test", "-C", "build"], cwd=folder, env=env)


def main():
    build, source, mkscene, isf2yaml, shared, scene = sys.argv[1:]
    with tempfile.TemporaryDirectory() as name:
        temp = pathlib.Path(name)
        root = temp / "root"
        run(["meson", "install", "-C", build, "--no-rebuild", "--quiet",
             "--destdir", root])
        env = environment(root)
        data = demo(temp, mkscene, isf2yaml, shared, scene)
        if data:
            env["VADOSE_TEST_IMAGE"] = str(data[0])
            env["VADOSE_PROFILE_PATH"] = str(data[1])

        run(["vadose", "plugin", "new", "firstlook", "first"], cwd=temp,
            env=env)
        build_and_test(temp / "first", env)

        run(["vadose", "plugin", "new", "shellview", "second"], cwd=temp,
            env=env)
        guide = (pathlib.Path(source) / "docs/plugin-guide.md").read_text()
        code = re.findall(r"^```c\n(.*?)^```$", guide, re.M | re.S)
        (temp / "second/shellview.c").write_text(code[0])
        build_and_test(temp / "second", env)
        if data:
            rows = run(["vadose", "-q", "-p", "build", "-f", data[0], "-r",
                        "ndjson", "shellview"], cwd=temp / "second", env=env)
            records = [json.loads(line) for line in rows.splitlines()]
            views = [r for r in records if r["kind"] == "shellview"]
            assert views, "the guide's plugin found nothing"
            for view in views:
                assert "EXECUTE" in view["vad"]["protection"], view
            digest = records[0]["run"]["module"]["sha256"]
            assert re.fullmatch("[0-9a-f]{64}", digest), digest
        refused = subprocess.run(
            ["vadose", "plugin", "new", "firstlook", "first"], cwd=temp,
            env=env, capture_output=True)
        assert refused.returncode == 73, "a plugin was overwritten"
    print("sdk: ok" + ("" if data else " (not run: no test data)"))


main()
