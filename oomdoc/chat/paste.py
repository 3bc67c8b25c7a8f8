"""What was pasted rather than said: logs, commands, configurations, tables, paths; and the case read from it."""

import re
from pathlib import Path
from typing import Final

from oomdoc.facts.case import Case
from oomdoc.facts.fact import How
from oomdoc.facts.model import Value

_PATH: Final = re.compile(
    r"(?:(?:read|open|load|look at|see|check|here is|here's|try|看看?|读(?:一下|取)?|打开|这是|日志在|在|文件)"
    r"\s?[:：]?\s?)?"
    r"[\"'`]?((?:~|\.{1,2}|[A-Za-z]:)?[\w./\\~+@%=-]*[\w-]\."
    r"(?:log|txt|out|err|gz|zst|xz|bz2|ya?ml|json|jsonl|toml|sh|py|slurm|sbatch)(?:\.(?:gz|zst|xz|bz2))?)[\"'`]?"
    r"\s?(?:please|吧|一下|看看)?[.!。]?",
    re.IGNORECASE,
)
# One line that is plainly the output of a program or a command to start one.
_ONE_LINE: Final = re.compile(
    r"out ?of ?memory[.:]? .{0,40}(?:tried to allocate|requested|attempting to)|tried to allocate [\d.]+ [kmgt]i?b"
    r"|^traceback \(most recent|(?:error|exception): \S|^(?:\[rank ?\d+\]|rank ?\d+:|\[default\d+\]:)"
    r"|^\s*(?:\$ |# |> )?(?:(?-i:[A-Z_][A-Z0-9_]*)=\S+\s+)*(?:sudo |nohup |srun |time )*"
    r"(?:python[\d.]*|torchrun|deepspeed|accelerate|swift|llamafactory-cli|xtuner|axolotl|vllm|mpirun|bash|sh|tune|"
    r"lmdeploy|sglang|ray|megatron)\s+(?:\S*\.(?:py|sh|ya?ml)\b|-\w|--\w|launch\b|sft\b|pt\b|rlhf\b|train\b|serve\b|"
    r"run\b|infer\b|eval\b|export\b|chat\b|app\b|deploy\b|preprocess\b)"
    r"|^\s*(?:export )?(?-i:[A-Z][A-Z0-9_]{4,})=\S+\s*$|exit ?code:? -?\d+|killed\s+python"
    r"|cuda_error|cublas_status|\d ?mib\s*/ +\d+ ?mib\b"
    r"|^[{\[].*[}\]]$|^\{'loss': |(?:training|seq2seqtraining|sft|dpo|grpo)?(?:arguments|config)\(.*=.*\)",
    re.IGNORECASE,
)
# A question about such a line is said, not pasted ("what does exit code 137 mean"), unless the line itself is in it.
_ASKED: Final = re.compile(
    r"^(?:so |and |ok |but )?"
    r"(?:what|why|how|would|could|does|do|did|is|are|if|can|should|will|which|explain|suppose)\s+\w"
    r"|什么意思|啥意思|是什么|是啥|为什么|怎么办|会怎么?样|如果|要是|[呢吗][ ?？]*$",
    re.IGNORECASE,
)
_SURELY: Final = re.compile(
    r"tried to allocate|^traceback|(?:^|\s)"
    r"(?:python[\d.]*|torchrun|deepspeed|accelerate|swift|llamafactory-cli|bash|sh|srun)\s+"
    r"(?:\S*\.(?:py|sh|ya?ml)\b|-\w|--\w|launch\b|sft\b|train\b)",
    re.IGNORECASE,
)
_FLAGS: Final = re.compile(r"(?:^|\s)--[A-Za-z][\w-]+")
_SETTING_LINE: Final = re.compile(r"^\s*(?:--|-\s)?[A-Za-z_][\w.-]*\s*(?:[:=]\s*\S|:$|\s\S+\s*\\?$)", re.MULTILINE)
_LOOKS: Final = re.compile(
    r"nvidia-smi|\+-{5,}|traceback|file \"|out of memory|\[info|\[warn|it/s|s/it|cuda|\d{4}-\d\d-\d\d|error|^\s*#!|\\$",
    re.IGNORECASE | re.MULTILINE,
)
_STATED: Final = frozenset({How.LOG, How.COMMAND, How.CONFIG, How.TOLD, How.LIVE, How.ANSWERED})
_FEW_FLAGS: Final = 2


def paths(text: str) -> tuple[str, ...]:
    """The path of a file, where the text is nothing else; it need not exist."""
    if "\n" in text or len(text) > 1024:
        return ()
    match = _PATH.fullmatch(text.strip())
    if match:
        return (match[1],)
    bare = text.strip().strip("\"'`")
    if re.fullmatch(r"(?:~|\.{1,2}|/)[\w./\\~+@%=-]*/[\w.+@%=-]+/?", bare) and _exists(bare):
        return (bare,)
    return ()


_PATH_WITHIN: Final = re.compile(
    r"(?<![\w./~-])((?:~|\.{1,2})?(?:/?[\w.+@%=-]+)*[\w-]\.(?:log|out|err|txt|gz|ya?ml|json|toml|sh|py))(?![\w/])",
    re.ASCII,
)


def path_in(text: str) -> str | None:
    """The one path in a sentence that says nothing else we know: "here is my log: /tmp/run.log"."""
    found = _PATH_WITHIN.findall(text)
    return found[0] if len(found) == 1 else None


def _exists(name: str) -> bool:
    try:
        return Path(name).expanduser().exists()
    except (OSError, RuntimeError, ValueError):
        return False


def is_paste(text: str) -> bool:
    """Whether a text was copied from somewhere rather than typed to us."""
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) <= 1:
        copied = _ONE_LINE.search(text) is not None or len(_FLAGS.findall(text)) >= _FEW_FLAGS
        return copied and (_SURELY.search(text) is not None or _ASKED.search(text) is None)
    settings = len(_SETTING_LINE.findall(text))
    if settings >= max(2, len(lines) // 2) or _LOOKS.search(text) or _ONE_LINE.search(text):
        return True
    return len(lines) > 3 or len(_FLAGS.findall(text)) >= _FEW_FLAGS


def read(text: str, name: str) -> Case:
    """The case of a pasted text; any text gives one. Configurations that are wholly one syntax are read as that."""
    from oomdoc.ingest.read import read_text  # imported here: the readers cost 60 ms

    return read_text(text, name=name)


def stated(case: Case) -> dict[str, Value]:
    """What a case states outright: the most trusted value of each fact; defaults and derived facts are left out."""
    found: dict[str, Value] = {}
    for name in case.names():
        fact = case.fact(name)
        if fact is not None and fact.source.how in _STATED:
            found[name] = fact.value
    return found
