"""Renders network-configs as cloud-init does at a boot, for each kind of system.

Argument: the folder of another cloud-init, or nothing for the machine's own. Standard input: a JSON list of network-configs;
standard output: for each, the files that every renderer writes, by renderer and path.
"""
import argparse
import contextlib
import json
import logging
import os
import sys
import tempfile

if sys.argv[1]:
    sys.path.insert(0, sys.argv[1])
logging.disable(logging.CRITICAL)

from cloudinit.cmd.devel import net_convert

DISTROS = {"netplan": "ubuntu", "network-manager": "fedora", "sysconfig": "rhel", "eni": "debian"}


def render(text, kind):
    with tempfile.TemporaryDirectory() as home:
        source = os.path.join(home, "network-config")
        with open(source, "w") as file:
            file.write(text)
        out = os.path.join(home, "out")
        os.mkdir(out)
        with open(source) as data, contextlib.redirect_stdout(sys.stderr):
            args = argparse.Namespace(
                network_data=data, kind="yaml", directory=out, distro=DISTROS[kind], mac=None, debug=False, output_kind=kind
            )
            net_convert.handle_args("net-convert", args)
        files = {}
        for folder, _, names in os.walk(out):
            for name in names:
                path = os.path.join(folder, name)
                with open(path) as file:
                    files[os.path.relpath(path, out)] = file.read()
        return files


print(json.dumps([{kind: render(text, kind) for kind in DISTROS} for text in json.load(sys.stdin)]))
