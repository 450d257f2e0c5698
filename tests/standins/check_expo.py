"""Looks at what Expo's stand-in was sent: check_expo.py RECORDED FOLDER MARK."""

import hashlib
import json
import sys
from pathlib import Path

recorded = json.loads(Path(sys.argv[1]).read_text())
folder, mark = Path(sys.argv[2]), Path(sys.argv[3])
assert not mark.exists(), f"code of the project was run beside the token: {mark.read_text()}"
(identifier, deployment), *others = recorded["deployments"].items()
assert not others, "it was deployed more than once"
assert deployment["whole"] and recorded["production"] == identifier, recorded
assert deployment["also"] == [] and not deployment["manifest"].get("env"), "nothing but the files and no environment"
wanted = {
    path.relative_to(folder).as_posix(): hashlib.sha512(path.read_bytes()).hexdigest()
    for path in folder.rglob("*")
    if path.is_file()
}
sent = {path.lstrip("/"): one["sha512"] for path, one in deployment["files"].items()}
assert sent == wanted, (sent, wanted)
print(f"expo: {', '.join(recorded['operations'])}; {len(sent)} files")
