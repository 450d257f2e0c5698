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

# Requests of theirs that do what one of ours does: run, theirs, ours.
SAME = {
    ("netlify", "PUT /api/v1/sites/*/deploys/*"): "POST /api/v1/sites/*/deploys",
}
# What both send under different names: run, request, field of ours; theirs.
RENAMED = {
    # The documented name, and the older one.
    ("vercel*", "POST /v2/files", "h:x-vercel-digest"): "h:x-now-digest",
}

# In the lists each entry is a run, a request and a field; `*` stands for anything. An empty field is the request as a whole.
MARK = "the mark by which a lost answer is found"
LOOK = "looks whether it was made already"
NOTHING_TO_BUILD = "nothing is to be built there"
LOCAL = "it asks what its own settings leave open; ours are configured"
TOLD = "its user is shown something"
OF_GIT = "theirs has it of Git, if that is there"
UNDOCUMENTED = "the published description does not have it"

# What we send and they do not.
OURS = {
    ("netlify", "GET /api/v1/sites/*/deploys", ""): LOOK,
    ("netlify", "POST /api/v1/sites/*/deploys", "?title"): MARK,
    ("netlify", "POST /api/v1/sites/*/deploys", "files._redirects"): "theirs writes the rules into a netlify.toml of its own",
    ("netlify", "PUT /api/v1/deploys/*/files/_redirects", ""): "likewise",
    ("vercel*", "GET /v6/deployments", ""): LOOK,
    ("vercel*", "POST /v13/deployments", "?forceNew"): "else an older deployment, with another mark, could come back",
    ("vercel*", "POST /v13/deployments", "meta.miteosDeployment"): MARK,
    ("vercel*", "POST /v13/deployments", "projectSettings.buildCommand"): NOTHING_TO_BUILD,
    ("vercel*", "POST /v13/deployments", "projectSettings.framework"): NOTHING_TO_BUILD,
    ("vercel*", "POST /v13/deployments", "projectSettings.installCommand"): NOTHING_TO_BUILD,
    ("vercel*", "POST /v13/deployments", "projectSettings.outputDirectory"): NOTHING_TO_BUILD,
    ("pages", "GET /client/v4/accounts/*/pages/projects/*/deployments", ""): LOOK,
    ("pages", "POST /client/v4/accounts/*/pages/projects/*/deployments", "commit_hash.*"): MARK,
    ("pages", "POST /client/v4/accounts/*/pages/projects/*/deployments", "commit_message.*"): OF_GIT,
    ("workers", "GET /client/v4/accounts/*/workers/scripts/*/versions", ""): LOOK,
    ("workers", "PUT /client/v4/accounts/*/workers/scripts/*", "metadata.value.annotations.workers/tag"): MARK,
    ("workers", "PUT /client/v4/accounts/*/workers/scripts/*", "metadata.value.annotations.workers/message"): "theirs has it of --message",
    ("workers", "PUT /client/v4/accounts/*/workers/scripts/*", "metadata.value.assets.config.not_found_handling"): (
        "says what is done anyway"
    ),
}
# What they send and we do not.
THEIRS = {
    ("netlify", "GET /api/v1/accounts", ""): LOCAL,
    ("netlify", "GET /api/v1/accounts/test/env", ""): LOCAL,
    ("netlify", "GET /api/v1/sites", ""): "looks a site up by its name, which ours does by its domain",
    ("netlify", "GET /api/v1/sites/*", "?feature_flags"): UNDOCUMENTED,
    ("netlify", "POST /api/v1/sites/*/deploys", "deploy_source"): UNDOCUMENTED,
    ("netlify", "POST /api/v1/sites/*/deploys", "include_upload_url"): UNDOCUMENTED,
    ("netlify", "POST /api/v1/sites/*/deploys", "files.netlify.toml"): "the tool's own settings, with the rules of _redirects",
    ("netlify", "PUT /api/v1/deploys/*/files/netlify.toml", ""): "likewise",
    ("netlify", "POST /api/v1/sites/*/deploys", "build_version"): "nothing was built by the tool",
    ("netlify", "POST /api/v1/sites/*/deploys", "framework*"): "likewise",
    ("vercel*", "GET /*teams*", ""): LOCAL,
    ("vercel*", "GET /v2/user", ""): LOCAL,
    ("vercel*", "GET /v9/projects/*", ""): LOCAL,
    ("vercel*", "GET /v3/now/deployments/*/events", ""): TOLD,
    ("vercel*", "POST /v13/deployments", "build.env"): "nothing is set, and nothing is to be built there",
    ("vercel*", "POST /v13/deployments", "env"): "nothing is set",
    ("vercel*", "POST /v13/deployments", "meta"): "an empty one; in ours is the mark",
    ("vercel*", "POST /v13/deployments", "files[*].mode"): UNDOCUMENTED,
    ("vercel*", "POST /v13/deployments", "version"): UNDOCUMENTED,
    ("vercel*", "POST /v13/deployments", "source"): UNDOCUMENTED,
    ("vercel*", "POST /v13/deployments", "projectSettings.sourceFilesOutsideRootDirectory"): NOTHING_TO_BUILD,
    ("vercel*", "POST /v2/files", "h:x-now-size"): "the size is in content-length, which the description asks for",
    ("workers", "GET /client/v4/accounts/*/workers/scripts/*/deployments", ""): "warns of versions that were made elsewhere",
    ("workers", "GET /client/v4/accounts/*/workers/scripts/*/settings", ""): "likewise",
    ("workers", "GET /client/v4/accounts/*/workers/services/*", ""): "likewise",
    ("workers", "GET /client/v4/accounts/*/workers/scripts/*/subdomain", ""): "ours switches it on, as it may be switched on twice",
}
# What both send, with different values.
DIFFERENT = {
    ("*", "*", "h:accept"): "we read JSON and say so",
    ("netlify", "POST /api/v1/sites/*/deploys", "async"): "theirs asks for it from a hundred files on; ours is found again by it",
    ("vercel*", "POST /v13/deployments", "project"): "a project's name and its id are both taken; theirs has looked the id up",
    ("pages", "POST /client/v4/accounts/*/pages/projects/*/deployments", "_redirects.content_type"): "it is text",
    ("pages", "POST /client/v4/accounts/*/pages/projects/*/deployments", "commit_dirty.value"): "theirs was told to say so",
    ("pages", "POST /client/v4/pages/assets/upload", "[*].metadata.contentType"): (
        "text is named with its charset, as their own tool does for Workers: else plain text is shown in another one"
    ),
}

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
    run, whose = path.name.split(".")
    for one in json.loads(path.read_text()):
        request = f"{one['method']} {path_of(one)}"
        if whose == "theirs":
            request = SAME.get((run, request), request)
        fields = found.setdefault(request, {})
        pairs = [(f"?{name}", value) for name, value in one["query"]]
        pairs += [(f"h:{name}", value) for name, value in one["headers"] if name not in TRANSPORT]
        pairs = [pair for name, value in pairs for pair in flat(value, name)]
        if one["body"] != "":
            pairs += flat(one["body"])
        for name, value in pairs:
            if run == "netlify":
                # The API's guide writes paths with a slash in front, the tool without; both are taken.
                name = name.replace("files./", "files.")
            fields.setdefault(name, set()).add(value)
    return found


def fits(entry, names):
    parts = (re.escape(part).replace(r"\*", ".*") for part in entry)
    return all(re.fullmatch(part, name, re.DOTALL) for part, name in zip(parts, names, strict=True))


class Reasons:
    """A list of differences, with those that were met."""

    def __init__(self, entries):
        self.entries = entries
        self.met = set()

    def has(self, *names):
        met = [entry for entry in self.entries if fits(entry, names)]
        self.met.update(met)
        return bool(met)

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
            for entry, their in RENAMED.items():
                own = entry[2]
                if their in other and fits(entry, (run, request, own)):
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
