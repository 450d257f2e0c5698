"""Compares what the providers' own tools sent with what our client sent for the same files, to stand-ins that knew nothing
before: each request, and in it the query, the headers and the body down to every value. What differs has to be in a list
below with its reason; what is in a list and does not differ any more is wrong, too.

    compare.py FOLDER    with NAME.theirs and NAME.ours for each of RUNS"""

import json
import re
import sys
from pathlib import Path

RUNS = ("netlify", "vercel", "vercel-files", "pages", "workers")

# Headers that are the business of HTTP libraries and say nothing to an API. A body's length follows from the body.
TRANSPORT = {
    "accept-encoding",
    "accept-language",
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "sec-fetch-mode",
    "transfer-encoding",
    "user-agent",
}

# Each entry: run, request, field; `*` stands for anything. An empty field is the request as a whole.
OURS = {}
THEIRS = {}
DIFFERENT = {}

# What is called differently by both: run, request, field of ours, field of theirs.
RENAMED = {}

IDS = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b(?:deploy-|site-|dpl_|prj_)[0-9a-z-]+|\b[0-9a-f]{32}\b(?=/|$)"
)
GIVEN = re.compile(r"given(-worker)?(\.netlify\.app)?")


def path_of(one):
    """The path without what tells one account, project or deployment from another; a file's own path stays."""
    head, files, tail = one["path"].partition("/files/")
    parts = ("*" if GIVEN.fullmatch(part) else IDS.sub("*", part) for part in head.split("/"))
    return "/".join(parts) + files + tail


def flat(value, name=""):
    """Names and values of all that is in a body. Objects of a list are told apart by what they are for."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from flat(inner, f"{name}.{key}" if name else key)
    elif isinstance(value, list) and value:
        for inner in value:
            own = isinstance(inner, dict) and next((inner[key] for key in ("file", "key") if key in inner), "")
            yield from flat(inner, f"{name}[{own or ''}]")
    else:
        text = json.dumps(value, ensure_ascii=False)
        yield name or "body", re.sub(r"boundary=[^;\"]+", "boundary=*", IDS.sub("*", text))


def requests_of(path):
    """For each request, the values that every field had."""
    found = {}
    for one in json.loads(path.read_text()):
        fields = found.setdefault(f"{one['method']} {path_of(one)}", {})
        pairs = [(f"?{name}", value) for name, value in one["query"]]
        pairs += [(f"h:{name}", value) for name, value in one["headers"] if name not in TRANSPORT]
        pairs = [pair for name, value in pairs for pair in flat(value, name)]
        if one["body"] != "":
            pairs += flat(one["body"])
        for name, value in pairs:
            fields.setdefault(name, set()).add(value)
    return found


class Reasons:
    """A list of differences, with those that were met."""

    def __init__(self, entries):
        self.entries = entries
        self.met = set()

    def has(self, *names):
        for entry in self.entries:
            parts = (re.escape(part).replace(r"\*", ".*") for part in entry)
            if all(re.fullmatch(part, name, re.DOTALL) for part, name in zip(parts, names, strict=True)):
                self.met.add(entry)
                return True
        return False

    def unmet(self):
        return [entry for entry in self.entries if entry not in self.met]


def shown(values):
    text = " | ".join(sorted(values))
    return text if len(text) < 200 else f"{text[:200]}…"


def main(folder):
    wrong = []
    ours_only, theirs_only, different = Reasons(OURS), Reasons(THEIRS), Reasons(DIFFERENT)
    for run in RUNS:
        theirs, ours = (requests_of(folder / f"{run}.{whose}") for whose in ("theirs", "ours"))
        same = 0
        for request in sorted(theirs.keys() | ours.keys()):
            if request not in theirs:
                if not ours_only.has(run, request, ""):
                    wrong.append(f"{run}: {request}: we send it and they do not")
                continue
            if request not in ours:
                if not theirs_only.has(run, request, ""):
                    wrong.append(f"{run}: {request}: they send it and we do not")
                continue
            mine, other = dict(ours[request]), dict(theirs[request])
            for (of, where, own, their), _ in RENAMED.items():
                if of in (run, "*") and where == request and own in mine and their in other:
                    other[own] = other.pop(their)
            for field in sorted(mine.keys() | other.keys()):
                if field not in other:
                    if not ours_only.has(run, request, field):
                        wrong.append(f"{run}: {request}: {field}: we send {shown(mine[field])} and they do not")
                elif field not in mine:
                    if not theirs_only.has(run, request, field):
                        wrong.append(f"{run}: {request}: {field}: they send {shown(other[field])} and we do not")
                elif mine[field] == other[field]:
                    same += 1
                elif not different.has(run, request, field):
                    wrong.append(
                        f"{run}: {request}: {field}: we send {shown(mine[field])} and they {shown(other[field])}"
                    )
        print(f"{run}: {len(ours)} kinds of requests of ours, {len(theirs)} of theirs; {same} fields are the same")
        if not same:
            wrong.append(f"{run}: nothing was compared")
    for name, reasons in (("OURS", ours_only), ("THEIRS", theirs_only), ("DIFFERENT", different)):
        wrong += [f"{name} has {entry}, which was not met" for entry in reasons.unmet()]
    for line in wrong:
        print(line, file=sys.stderr)
    sys.exit(1 if wrong else 0)


main(Path(sys.argv[1]))
