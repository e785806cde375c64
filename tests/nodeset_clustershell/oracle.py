"""Answers node set expressions, one JSON object a line, with what ClusterShell makes of them."""

import json
import sys

from ClusterShell.NodeSet import NodeSet
from ClusterShell.NodeUtils import GroupResolver, GroupSource

GROUPS = json.loads(sys.stdin.readline())
RESOLVER = GroupResolver(GroupSource("site", GROUPS, GROUPS["*"]), illegal_chars=set("@,!&^*"))


def answer(case):
    try:
        nodes = NodeSet(case["text"], resolver=RESOLVER)
        fold = str(nodes)
        again = NodeSet(case["fold"], resolver=RESOLVER)
        return {"names": list(nodes), "fold": fold, "again": again == nodes}
    except Exception as error:  # whatever refuses a text is an answer
        return {"error": "%s: %s" % (type(error).__name__, error)}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))))
