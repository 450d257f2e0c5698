"""Compares what the providers' own tools sent with what our client sent, field by field: every field that we send has
to be one that they send, of the same type. What is ours by intent is listed here, each with its reason."""

import json
import sys
from pathlib import Path

# (provider, method, last part of the path, field): why we send what they do not.
OURS = {
    ("vercel", "POST", "deployments", "meta.miteosDeployment"): "the mark by which a lost answer is found",
    ("vercel", "POST", "deployments", "project"): "their tool names the project by its id in the address or the link file",
    ("vercel", "POST", "deployments", "?forceNew"): "else an older deployment, with another mark, could come back",
    ("vercel", "POST", "deployments", "?prebuilt"): "their tool sends it with --prebuilt, which is not what is run here",
    ("vercel", "POST", "deployments", "?skipAutoDetectionConfirmation"): "their tool sends it when it is not asked",
    ("vercel", "POST", "deployments", "projectSettings.framework"): "nothing is to be built",
    ("vercel", "POST", "deployments", "projectSettings.buildCommand"): "nothing is to be built",
    ("vercel", "POST", "deployments", "projectSettings.installCommand"): "nothing is to be built",
    ("vercel", "POST", "deployments", "projectSettings.outputDirectory"): "nothing is to be built",
    ("vercel", "POST", "files", "h:x-vercel-digest"): "the documented name of their older x-now-digest",
    ("netlify", "POST", "deploys", "?title"): "the mark by which a lost answer is found",
    ("netlify", "POST", "deploys", "files"): "their tool makes the deploy first and names its files in a second request",
    ("netlify", "POST", "deploys", "async"): "likewise",
}


def fields(value, prefix=""):
    """Names of all fields with their types; maps of files are one field."""
    if isinstance(value, dict):
        maps = prefix in ("files", "manifest")
        for key, inner in value.items():
            if maps:
                yield f"{prefix}.*", type(inner).__name__
                yield from fields(inner, f"{prefix}.*")
            else:
                name = f"{prefix}.{key}" if prefix else key
                yield name, type(inner).__name__
                yield from fields(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield f"{prefix}[]", type(inner).__name__
            yield from fields(inner, f"{prefix}[]")


def sent(records):
    """For each kind of request, the fields of its body and query."""
    kinds = {}
    for one in records:
        if one["method"] == "GET":
            continue
        parts = [part for part in one["path"].split("/") if part]
        last = "files/" if "files" in parts[:-1] else parts[-1]
        seen = kinds.setdefault((one["method"], last), set())
        seen.update((f"?{name}", "str") for name, _ in one["query"])
        seen.update((f"h:{name}", "str") for name, _ in one["headers"] if name.startswith("x-"))
        if one["content_type"] in ("application/json", "text/plain"):
            seen.update(fields(one["body"]))
    return kinds


def main(folder):
    wrong = []
    for name in ("netlify", "vercel", "pages", "workers"):
        theirs = sent(json.loads((folder / f"{name}.theirs").read_text()))
        ours = sent(json.loads((folder / f"{name}.ours").read_text()))
        if not ours:
            wrong.append(f"{name}: nothing was recorded of ours")
        for (method, last), found in sorted(ours.items()):
            known = theirs.get((method, last))
            if known is None:
                wrong.append(f"{name}: we send {method} …/{last} and they do not")
                continue
            for field, kind in sorted(found - known):
                if kind == "NoneType" or (name, method, last, field) in OURS:
                    continue
                wrong.append(f"{name}: {method} …/{last}: we send {field} ({kind}) and they do not")
            unused = sorted({field for field, _ in known} - {field for field, _ in found})
            print(f"{name}: {method} …/{last}: {len(found)} fields of ours; theirs besides: {', '.join(unused) or 'none'}")
    for line in wrong:
        print(line, file=sys.stderr)
    sys.exit(1 if wrong else 0)


main(Path(sys.argv[1]))
