"""The human part of a text: sentences that are neither log, traceback, code, command nor configuration."""

from oomdoc.facts.lazy import dataclass, lazy
from oomdoc.ingest.document import Document

# A report's prose is short; of a long text only its two ends are read.
_HEAD, _TAIL = 24_000, 12_000
_MOST = 12_000
_LONGEST_LINE = 2_500

_CHINESE = lazy(r"[\u4e00-\u9fff]")
_LOG = lazy(
    r"^\W{0,6}(?:\d{4}-\d\d-\d\d|\d\d[:/]\d\d|\d{2}-\d{2} |\[\d|\[(?:INFO|WARN|ERROR|rank|DEBUG)|[WEI]\d{4} "
    r"|(?:INFO|WARNING|ERROR|DEBUG|WARN|CRITICAL)\b|File \"|Traceback \(|at 0x|frame #|\{['\"]"
    r"|[│┃|+╭╰╮─═=*~^-]{3,}|#{5,}|│|\|\s|\d+%\||[-+]{2,}|llm_load|llama_|ggml_|npm|pip |Requirement already)"
)
_EXCEPTION = lazy(r"^\W{0,2}(?:\w+\.)*\w*(?:Error|Exception|Interrupt|Warning)\b\s*:")
_CODE = lazy(
    r"^\s*(?:import |from \w+(?:\.\w+)* import|def |class |return\b|for \w+ in |if .+:$|else:|elif |try:|except"
    r"|with .+:$|while .+:$|print\(|@\w+|#include|export |sudo |docker |python3? |torchrun |deepspeed "
    r"|accelerate launch"
    r"|swift (?:sft|rlhf|pt|infer)|llamafactory-cli|CUDA_VISIBLE|nohup |bash |sh |\$ |>>> |pip3? |conda |curl |git |cd "
    r"|[\w.\[\]'\"]+ ?[-+*/]?= ?[\w\[({'\"/]|[\w.]+\(.*\)\s*$|\"[\w.]+\"\s*:"
    r"|(?!(?i:model|gpus?|device|card|eva|env)\b)[\w-]+: [\w./\[\"'-]+\s*$"
    r"|[\w./+-]+\s*\\$|[{}\[\]()]+,?$)"
)
# "batch_size=1 still runs out of memory": a setting that begins a sentence is no assignment.
_SPEAKS = lazy(r"^[\w.]+ ?={1,2} ?[\w.]+,? (?:[a-z']+ ){2,}[a-z]+(?!.* (?:if|else|for|in|and|or) .*[()\[\]])")
_FLAGS = lazy(r"(?:^|\s)--?[a-zA-Z][\w.-]*(?:[ =]|$)")
_TITLE = lazy(
    r"^(?:\w+\.)*\w*(?:Error|Exception)\b\s*:\s*(?:CUDA |cuda )?(?:error: )?out of memory\.?"
    r"(?! ?Tried to allocate)(?=[^\n]{0,160}(?i:\b(?:on|with|when|while|during|in|after|for)\b|[\u4e00-\u9fff]))"
)
_SPLIT = lazy(r"[。！？!?\n]|\.(?=\s|$)|;|；")


@dataclass(frozen=True)
class Prose:
    """Human lines joined by newlines; `offset_of` leads back into the document's text."""

    text: str
    starts: tuple[tuple[int, int], ...]

    def offset_of(self, place: int) -> int:
        """The offset in the document's text of a place in this text."""
        low, high = 0, len(self.starts) - 1
        while low < high:
            middle = (low + high + 1) // 2
            if self.starts[middle][0] <= place:
                low = middle
            else:
                high = middle - 1
        mine, theirs = self.starts[low]
        return theirs + place - mine

    def sentence(self, start: int, end: int) -> str:
        """The sentence around a range."""
        before = 0
        for cut in _SPLIT.finditer(self.text, max(start - 300, 0), start):
            before = cut.end()
        after = _SPLIT.search(self.text, end)
        return self.text[max(before, start - 300) : min(after.start() if after else len(self.text), end + 300)]


def human(document: Document) -> Prose:
    """The human lines of a document."""
    pieces: list[str] = []
    starts: list[tuple[int, int]] = []
    length, fenced, total = 0, False, len(document.text)
    offset = 0
    for line in document.lines:
        text = line.text
        here, offset = offset, offset + len(text) + 1
        if _HEAD < here < total - _TAIL:
            continue
        if length > _MOST:
            break
        if text.lstrip().startswith(("```", "~~~")) and text.count("```") < 2:
            fenced = not fenced
            if len(text.strip()) < 24:
                continue
        if line.rank is not None or line.process is not None:
            continue
        # A title is a person's even where it begins with the exception: "RuntimeError: ... with 6M nodes on an A100".
        titled = not pieces and not text.startswith(" ") and _TITLE.search(text) is not None
        if not titled and not _is_human(text, fenced=fenced):
            continue
        starts.append((length, here))
        pieces.append(text)
        length += len(text) + 1
    return Prose("\n".join(pieces), tuple(starts))


def _is_human(text: str, *, fenced: bool) -> bool:
    if not text or len(text) > _LONGEST_LINE:
        return False
    if "%|" in text or _LOG.match(text) or _EXCEPTION.match(text):
        return False
    chinese = _CHINESE.search(text) is not None
    if fenced and not chinese:
        return False
    if (_CODE.match(text) and not _SPEAKS.match(text)) or text.startswith(("    ", "\t")):
        return chinese and not _FLAGS.search(text) and not text.startswith(("    ", "\t", "import ", "from ", "#"))
    flags = len(_FLAGS.findall(text))
    return flags < 2 or (chinese and flags < 3)
