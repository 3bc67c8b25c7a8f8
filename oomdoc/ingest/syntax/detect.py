"""Which syntax a text is written in, by name and by shape, and the one entry that reads any of them."""

import re

from oomdoc.ingest.syntax.lazy import lazy
from oomdoc.ingest.syntax.setting import Parsed, Problem
from oomdoc.messages import said

SUFFIXES = {
    ".sh": "shell",
    ".bash": "shell",
    ".zsh": "shell",
    ".slurm": "shell",
    ".sbatch": "shell",
    ".bat": "shell",
    ".cmd": "shell",
    ".ps1": "shell",
    ".env": "shell",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".json": "json",
    ".jsonc": "json",
    ".json5": "json",
    ".jsonl": "jsonl",
    ".toml": "toml",
    ".py": "python",
    ".ipynb": "json",
    ".log": "text",
    ".txt": "text",
    ".out": "text",
    ".err": "text",
    ".md": "text",
}
LANGUAGES = {
    "bash": "shell",
    "sh": "shell",
    "shell": "shell",
    "zsh": "shell",
    "console": "shell",
    "shellsession": "shell",
    "powershell": "shell",
    "ps1": "shell",
    "cmd": "shell",
    "bat": "shell",
    "yaml": "yaml",
    "yml": "yaml",
    "json": "json",
    "jsonc": "json",
    "json5": "json",
    "jsonl": "jsonl",
    "toml": "toml",
    "python": "python",
    "py": "python",
    "python3": "python",
    "dockerfile": "dockerfile",
    "docker": "dockerfile",
}
MANIFEST = lazy(r"(?m)^kind:[ \t]*\w+")
API_VERSION = lazy(r"(?m)^apiVersion:[ \t]*\S+")
YAML_LINE = lazy(r"(?m)^[ \t]*(?:- )?[A-Za-z_][\w./-]*:(?:[ \t]+\S|[ \t]*$)")
TOML_LINE = lazy(r"(?m)^(?:\[[\w.\"-]+\]|[A-Za-z_][\w.-]*[ \t]*=[ \t]*(?:\"|'|\[|\{|\d|true\b|false\b))")
TOML_TABLE = lazy(r"(?m)^\[\[?[\w.\"-]+\]\]?[ \t]*$")
PYTHON_LINE = lazy(
    r"(?m)^[ \t]*(?:import \w|from [\w.]+ import |def \w+\(|class \w+[(:]|@\w"
    r"|[A-Za-z_][\w.]*[ \t]*=[ \t]*[A-Za-z_][\w.]*\("
    r"|if __name__|for \w+ in .*:$|with .*:$|print\(|[A-Za-z_][\w.]*\([^)]*$)"
)
SHELL_LINE = lazy(
    r"(?m)^(?:#!.*sh\b|#SBATCH|export \w+=|[A-Z_][A-Z0-9_]*=\S*|[ \t]*(?:--?[A-Za-z]\S*|.*\\\r?$)|(?:\$ )?"
    r"(?:torchrun|python3?|accelerate|deepspeed|swift|llamafactory-cli|vllm|bash|sh|srun|docker|nohup|sudo|cd|pip) )"
)
HEAD = 20_000
_TOML_ALONE = 5


def detect(text: str, file_name: str = "<text>") -> str:
    """One of shell, yaml, kubernetes, json, jsonl, toml, python, dockerfile, text; `unknown` where nothing fits."""
    base = file_name.replace("\\", "/").rpartition("/")[2].lower()
    _, dot, suffix = base.rpartition(".")
    head = text[:HEAD]
    if base.startswith("dockerfile") or suffix == "dockerfile":
        return "dockerfile"
    named = SUFFIXES.get(f".{suffix}") if dot else None
    if named == "json" and _is_lines(head):
        return "jsonl"
    if named == "yaml" and API_VERSION.search(head) and MANIFEST.search(head):
        return "kubernetes"
    if named is not None:
        return named
    return guess(head)


def guess(text: str) -> str:
    """The syntax by its shape alone."""
    stripped = text.lstrip("\ufeff \t\r\n")
    if not stripped:
        return "unknown"
    if stripped[0] in "{[" and re.match(r"[{\[]\s*(?:[\"'{\[}\]\d/#-]|true|false|null)", stripped):
        return "jsonl" if _is_lines(stripped) else "json"
    if stripped.startswith("#!"):
        return "python" if "python" in stripped[: stripped.find("\n")] else "shell"
    if API_VERSION.search(text) and MANIFEST.search(text):
        return "kubernetes"
    if re.match(r"(?is)(?:#[^\n]*\n|\s|ARG [^\n]*\n)*FROM [\w./:@${}-]+", stripped) and re.search(
        r"(?m)^(?:RUN|CMD|ENTRYPOINT|ENV) ", text
    ):
        return "dockerfile"
    counts = {
        "python": len(PYTHON_LINE.findall(text)) * 1.5,
        "toml": len(TOML_LINE.findall(text)) if TOML_TABLE.search(text) or _is_toml(text) else 0,
        "yaml": len(YAML_LINE.findall(text)),
        "shell": len(SHELL_LINE.findall(text)),
    }
    best = max(counts, key=lambda name: counts[name])
    return best if counts[best] else "unknown"


def _is_toml(text: str) -> bool:
    """Assignments with blanks around the sign and TOML's own true and false, and nothing else: no table is needed."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return len(lines) >= _TOML_ALONE and all(TOML_LINE.match(line) and " = " in line for line in lines)


def _is_lines(text: str) -> bool:
    lines = [line.strip() for line in text.split("\n", 3)[:3]]
    records = [line for line in lines if line.startswith("{") and line.endswith("}")]
    return len(records) >= 2 and lines[0] == records[0]


def parse(text: str, file_name: str = "<text>", syntax: str | None = None) -> Parsed:
    """Read a text in its syntax; never raises on any text. Logs and pasted reports go through `mixed`."""
    name = syntax or detect(text, file_name)
    if name == "shell":
        from oomdoc.ingest.syntax import shell

        return shell.parse(text, file_name)
    if name in {"yaml", "kubernetes"}:
        from oomdoc.ingest.syntax import yaml_text

        parsed = yaml_text.parse(text, file_name)
        if name == "kubernetes":
            from oomdoc.ingest.syntax.wrappers import kubernetes

            return kubernetes(text, file_name, parsed)
        return parsed
    if name == "json":
        from oomdoc.ingest.syntax import json_text

        return json_text.parse(text, file_name)
    if name == "jsonl":
        return Parsed("jsonl", problems=(Problem(1, said("syntax.jsonl")),))
    if name == "toml":
        from oomdoc.ingest.syntax import toml_text

        return toml_text.parse(text, file_name)
    if name == "python":
        from oomdoc.ingest.syntax import python_text

        return python_text.parse(text, file_name)
    if name == "dockerfile":
        from oomdoc.ingest.syntax.wrappers import dockerfile

        return dockerfile(text, file_name)
    if name == "text":
        from oomdoc.ingest.syntax.mixed import find_settings_in_text

        return find_settings_in_text(text, file_name)
    return Parsed("unknown")
