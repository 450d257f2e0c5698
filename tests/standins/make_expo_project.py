"""Writes an exported project of Expo in which every file that Expo's tool could run leaves a mark: make_expo_project.py
FOLDER MARK."""

import json
import sys
from pathlib import Path

folder, mark = Path(sys.argv[1]), sys.argv[2]
code = f"require('fs').appendFileSync({json.dumps(mark)}, __filename + '\\n'); module.exports = {{}};\n"
app = {"name": "Shop", "slug": "shop", "owner": "acme", "plugins": ["./plugin", "marking-plugin"]}
app["extra"] = {"eas": {"projectId": "5ab9c0de-0000-4000-8000-0123456789ab"}}
files = {
    "app.json": json.dumps({"expo": app}),
    "package.json": json.dumps({"name": "shop", "scripts": {"eas-build-pre-install": f"touch {mark}"}}),
    "eas.json": "{}",
    ".env": "SECRET=1\n",
    "dist/index.html": "<h1>hello</h1>",
    "dist/assets/a.js": "let a",
    "dist/assets/na\u00efve name.txt": "text",
}
for name in ("app.config.js", "plugin.js", "metro.config.js", "babel.config.js", "fingerprint.config.js"):
    files[name] = code
for name in ("@expo/config", "expo", "expo-updates", "marking-plugin"):
    files[f"node_modules/{name}/index.js"] = code
    files[f"node_modules/{name}/app.plugin.js"] = code
    files[f"node_modules/{name}/package.json"] = json.dumps({"name": name, "version": "1.0.0", "main": "index.js"})
for name, text in files.items():
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
