"""Names of machines in what leaves this one: prompts, launch variables, system logs, inner networks, our own name."""

from oomdoc.facts.lazy import lazy

# ana@gpu01:~/run$ and root@dgx-07:/data#
_PROMPT = lazy(r"(?<![\w.@/-])[A-Za-z_][\w.-]{0,40}@[A-Za-z][\w.-]{0,80}(?=:[~/]|:\s?~|\s?[~/][^\s]*\s?[$#%])")
_VARIABLE = lazy(
    r"((?:(?:MASTER_ADDR|HOSTNAME|SLURM\w*NODE(?:LIST|NAME)|SLURMD_NODENAME|NODE_NAME|CHIEF_IP|WORKER_\d+_HOST)="
    r"|--?(?:master[_-]addr|rdzv[_-]endpoint|node[_-]?list|host(?:file|name)?)[=\s]\s?)[\"']?)"
    r"(?!localhost|127\.|0\.0\.0\.0|[$\"'-])([\w.\[\],-]+)"
)
_SAID = lazy(
    r"((?:\bon (?:node|host)|[Hh]ost ?name:?|\bnode:)\s)(?!is\b|was\b|with\b|and\b|of\b)([A-Za-z][\w.-]*\d[\w.-]*)"
)
# Nov 21 02:14:11 gpu-box kernel: and its kin with an ISO time
_SYSLOG = lazy(
    r"^((?:[A-Z][a-z]{2} [ \d]\d|\d{4}-\d\d-\d\dT)\s?[\d:.+Z-]+\s)(?!INFO|WARN|ERROR|DEBUG|CRITICAL|FATAL|TRACE)"
    r"([A-Za-z][\w.-]*)(?=\s[\w./-]+(?:\[\d+\])?:)"
)
# [gpu-node-17:1234], as mpirun writes it
_RUNNER = lazy(
    r"\[(?!(?:rank|default|worker|stage|node|gpu|cuda|device)[\s_-]?\d*:)([A-Za-z][\w.-]*\d[\w.-]*):(?=\d{2,7}\])"
)
# A first label with a digit or a hyphen: model.layers.local.weight is no machine.
_INNER = lazy(
    r"(?<![\w.-])[A-Za-z]\w*[\d-][\w-]*\.(?:[\w-]+\.){0,6}?"
    r"(?:local|internal|lan|corp|intra|intranet|svc|cluster|localdomain)(?:\.[\w-]+)*\b"
)


def mask_hosts(text: str) -> str:
    """The text without the names of machines; where a word may be one (a "node" with a digit in its name), it goes."""
    return "\n".join(_line(line) for line in text.split("\n"))


def _line(line: str) -> str:
    if "@" in line:
        line = _PROMPT.sub("…@…", line)
    line = _SYSLOG.sub(r"\1…", line)
    line = _VARIABLE.sub(r"\1…", line)
    line = _SAID.sub(r"\1…", line)
    if "[" in line:
        line = _RUNNER.sub("[…:", line)
    if "." in line:
        line = _INNER.sub("…", line)
    for name in _ours():
        line = line.replace(name, "…")
    return line


def _ours() -> tuple[str, ...]:
    """What this machine is called, long and short; a word without a digit may be an ordinary one and stays."""
    import socket

    whole = socket.gethostname()
    names = dict.fromkeys((whole, whole.partition(".")[0]))
    return tuple(name for name in names if len(name) > 5 and any(map(str.isdigit, name)))
