"""Consumes documents as cloud-init does at a boot, and prints what it would act on.

Argument: the folder of another cloud-init, or nothing for the machine's own. Standard input: a JSON list of objects with
`user-data` and `vendor-data`; standard output: a list of what each came to.
"""
import json
import logging
import os
import sys
import tempfile

if sys.argv[1]:
    sys.path.insert(0, sys.argv[1])
logging.disable(logging.CRITICAL)

import cloudinit.distros
from cloudinit import helpers, sources, stages
from cloudinit.settings import PER_ALWAYS


class Source(sources.DataSource):
    dsname = "NoCloud"

    def get_instance_id(self):
        return "i"


def consume(home, documents):
    paths = helpers.Paths({"cloud_dir": home, "run_dir": home + "/run"})
    os.makedirs(home + "/run")
    os.makedirs(home + "/instances/i")
    os.symlink(home + "/instances/i", home + "/instance")
    for name in ("instance-data.json", "instance-data-sensitive.json"):
        with open(os.path.join(home, "run", name), "w") as file:
            json.dump({"ds": {"meta_data": {"role": "osd"}}, "v1": {}}, file)
    distro = cloudinit.distros.fetch("debian")("debian", {}, paths)
    source = Source({}, distro, paths)
    paths.datasource = source
    source.userdata_raw, source.vendordata_raw = documents["user-data"], documents["vendor-data"]
    source.metadata = {"instance-id": "i"}

    init = stages.Init()
    system = {"distro": "debian", "paths": {"cloud_dir": home}}
    init._cfg = {"vendor_data": {"enabled": True, "prefix": []}, "system_info": system}
    init.read_cfg = lambda *args, **kwargs: None
    init.datasource, init._paths, init._distro = source, paths, distro
    init._consume_userdata(PER_ALWAYS)
    init._consume_vendordata("vendordata", PER_ALWAYS)
    config = helpers.ConfigMerger(paths=paths, datasource=source, base_cfg={}, include_vendor=True).cfg

    folder = os.path.join(home, "instance", "scripts", "vendor")
    scripts = {name: open(os.path.join(folder, name)).read() for name in sorted(os.listdir(folder))} if os.path.isdir(folder) else {}
    return {"config": config, "scripts": scripts}


answers = []
for documents in json.load(sys.stdin):
    with tempfile.TemporaryDirectory() as home:
        answers.append(consume(home, documents))
print(json.dumps(answers))
