"""Makes Netlify's published description fit for a validator: the base path is part of each path, and a file's path may
have several segments."""

import json
import sys

source, result = sys.argv[1:]
spec = json.load(open(source))
base = spec.pop("basePath", "").rstrip("/")
paths = {}
for path, operations in spec["paths"].items():
    paths[base + path] = operations
    if path.endswith("/files/{path}"):
        for count in range(2, 7):
            names = [f"path{number}" for number in range(count)]
            copied = json.loads(json.dumps(operations))
            lists = [copied.get("parameters", [])]
            lists += [one.get("parameters", []) for one in copied.values() if isinstance(one, dict)]
            for parameters in lists:
                for parameter in [one for one in parameters if one.get("name") == "path"]:
                    parameters.remove(parameter)
                    parameters += [{**parameter, "name": name} for name in names]
            for method, one in copied.items():
                if isinstance(one, dict) and "operationId" in one:
                    one["operationId"] += str(count)
            segments = "/".join("{" + name + "}" for name in names)
            paths[base + path.replace("{path}", segments)] = copied
spec["paths"] = paths
json.dump(spec, open(result, "w"))
