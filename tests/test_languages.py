"""What people read is said in their language: no sentence of ours is English only."""

import ast
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from oomdoc import messages
from oomdoc.cli import main
from oomdoc.facts import base
from oomdoc.ingest.encoding import decode
from oomdoc.ingest.gpu import _sentence
from oomdoc.ingest.syntax.setting import Reason
from oomdoc.memory import catalog
from oomdoc.memory.closed_form import estimate
from oomdoc.memory.reading import from_facts
from oomdoc.messages import Said, joined, keys, reason, said, sentence, told

ROOT = Path(__file__).parents[1] / "oomdoc"
WIDE = re.compile("[\u2e80-\u9fff\uff00-\uffef]")  # letters and marks of Chinese
EXAMPLE = Path(__file__).parents[1] / "examples" / "minimind"
# What takes a sentence for people as its first argument; the rule base's own errors are for who writes rules.
SPEAKERS = {
    "UsageError", "BadParameter", "InputError", "PlanError", "ArchitectureError", "SettingsError", "say_error",
}  # fmt: skip
# Code that holds Chinese, and why it is no sentence to people. All else stands in messages/zh.toml or in knowledge/.
CHINESE = {
    "chat/grammar.py": "forms of what people type",
    "chat/intents.py": "forms of what people type",
    "chat/named.py": "forms of what people type",
    "chat/natives.py": "forms of what people type",
    "chat/numbers.py": "numerals as people type them",
    "chat/paste.py": "forms of what people type",
    "chat/patterns.py": "forms of what people type",
    "chat/relative.py": "forms of what people type",
    "chat/topics.py": "forms of what people type",
    "chat/understand.py": "forms of what people type",
    "chat/phrasings.py": "names of places in knowledge/phrasings",
    "ingest/gpu_names.py": "numerals and measure words of reports",
    "ingest/prose.py": "forms of what reports say",
    "ingest/sentences.py": "where sentences end",
    "ingest/syntax/commands.py": "quotes and stops around commands",
    "ingest/syntax/continuation.py": "the full-width blank",
    "ingest/syntax/dumps.py": "words and colons before printed settings",
    "ingest/syntax/yaml_text.py": "the ranges of letters that YAML allows",
    "ingest/versions.py": "words between a name and its version",
    "report/layout.py": "marks that a line may not begin or end with",
}
# What the chat says and offers beside knowledge/chat/said.yaml.
CHAT = {"chat/greeting.py", "chat/handlers.py", "chat/lookup.py", "chat/plans.py", "chat/voice.py", "chat/walk.py"}


def english_literals(path: Path) -> list[str]:
    """Calls of speakers with a text written in the code, and problems of a document with one."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        place = 1 if name == "Problem" else 0
        if name not in SPEAKERS | {"Problem"} or len(node.args) <= place:
            continue
        said_by = node.args[place]
        literal = said_by.value if isinstance(said_by, ast.Constant) else None
        parts = [part.value for part in said_by.values if isinstance(part, ast.Constant)] if isinstance(
            said_by, ast.JoinedStr
        ) else [literal]  # fmt: skip
        if any(isinstance(part, str) and any(map(str.isalpha, part)) for part in parts):
            found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    return found


def test_no_error_is_written_in_one_language_only() -> None:
    """Sentences stand in messages/*.toml; the code names their key."""
    found = [one for path in sorted(ROOT.rglob("*.py")) for one in english_literals(path)]
    assert found == []


def literals(tree: ast.AST) -> Iterator[ast.Constant]:
    """The texts of a module, those within f-strings too, without docstrings."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node


def chinese_literals(path: Path) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    lines = {node.lineno for node in literals(tree) if WIDE.search(str(node.value))}
    return [f"{path.relative_to(ROOT)}:{line}" for line in sorted(lines)]


def beside(node: ast.AST) -> list[ast.expr]:
    """The values of an expression that stand side by side."""
    if isinstance(node, ast.Tuple | ast.List):
        return node.elts
    if isinstance(node, ast.IfExp):
        return [node.body, node.orelse]
    if isinstance(node, ast.Call):
        return [*node.args, *(keyword.value for keyword in node.keywords)]
    return node.values if isinstance(node, ast.Dict) else []


def text_of(node: ast.expr) -> str:
    return "".join(str(one.value) for one in literals(node)) if isinstance(node, ast.Constant | ast.JoinedStr) else ""


def pairs(path: Path) -> list[str]:
    """Where a text with Chinese stands directly beside an English one: a choice of two, or several words."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for texts in itertools.pairwise(map(text_of, beside(node))):
            chinese = [text for text in texts if WIDE.search(text)]
            other = "".join(text for text in texts if text not in chinese)
            enough = other if isinstance(node, ast.IfExp | ast.Dict) else re.search(r"[a-z]{2,},? [a-z]{2,}", other)
            if len(chinese) == 1 and enough:
                found.append(f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}")
                break
    return found


def test_chinese_stands_with_the_sentences_and_not_in_the_code() -> None:
    """A sentence in code is a pair that the tests of parity never see. Files that must hold Chinese say why above."""
    paths = {path.relative_to(ROOT).as_posix(): path for path in sorted(ROOT.rglob("*.py"))}
    found = {name: lines for name, path in paths.items() if (lines := chinese_literals(path))}
    assert [line for name, lines in found.items() if name not in {*CHINESE, *CHAT} for line in lines] == []
    assert set(CHINESE) - set(found) == set(), "no longer needed"


def test_no_code_says_the_same_twice() -> None:
    """Readers of Chinese too take what they say from messages/*.toml."""
    found = [one for path in sorted(ROOT.rglob("*.py")) for one in pairs(path)]
    assert [one for one in found if one.partition(":")[0] not in CHAT] == []


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ('self.assume("no image is counted", "没有图片")', (1, 1)),
        ('Issue(kind=kind, en=f"{a} is lost", zh=f"{a} 没有传到")', (1, 1)),
        ('colon = "：" if language == "zh" else ": "', (1, 1)),
        ("x = f\"{name}{'：' if zh else ': '}\"", (1, 1)),
        ('NAMES = {"en": "cause", "zh": "原因"}', (1, 1)),
        ('WORD = re.compile(r"训练|train")', (1, 0)),
        ('say(language, "mark.colon")', (0, 0)),
        ('def f():\n    """Reads 训练."""', (0, 0)),
    ],
)
def test_pairs_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, expected: tuple[int, int]) -> None:
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    (tmp_path / "one.py").write_text(code, encoding="utf-8")
    assert (len(chinese_literals(tmp_path / "one.py")), len(pairs(tmp_path / "one.py"))) == expected


def test_every_reason_and_every_way_of_sharing_work_has_its_sentence() -> None:
    """Keys that the code puts together from data."""
    assert {f"issue.{reason.replace('-', '_')}" for reason in get_args(Reason)} <= keys("en")
    habits = itertools.chain.from_iterable(base.section("memory")["frameworks.yaml"].values())
    ways = {f"assumed.spread_{entry['several']}" for entry in habits if "several" in entry}
    assert len(ways) > 1
    assert ways <= keys("en")


def has_chinese(text: str) -> bool:
    return any("\u4e00" <= letter <= "\u9fff" for letter in text)


def bad(tmp_path: Path) -> dict[str, list[str]]:
    """Command lines that are refused, by what is wrong with them."""
    log, script = str(EXAMPLE / "train.log"), str(EXAMPLE / "train.sh")
    (tmp_path / "empty.log").write_bytes(b"")
    (tmp_path / "blob.log").write_bytes(bytes(range(256)) * 40)
    (tmp_path / "pickle.log").write_bytes(b"\x80\x04\x95\x10\0\0\0\0\0\0\0}\x94.")
    (tmp_path / "folder").mkdir()
    (tmp_path / "config.json").write_text('{"model_type": "llama", "hidden_size": "x"}')
    here = str(tmp_path)
    return {
        "a file that is not there": ["diagnose", f"{here}/no.log"],
        "an empty file": ["diagnose", f"{here}/empty.log"],
        "a binary file": ["diagnose", f"{here}/blob.log"],
        "a pickle": ["diagnose", f"{here}/pickle.log"],
        "a folder without logs": ["diagnose", f"{here}/folder"],
        "a config that is not there": ["diagnose", log, "-c", f"{here}/no.yaml"],
        "no such option": ["diagnose", "--nothing"],
        "an option nearly right": ["diagnose", log, "--formt", "json"],
        "no such choice": ["diagnose", log, "--format", "pdf"],
        "out of range": ["diagnose", log, "--width", "3"],
        "no number": ["diagnose", log, "--timeout", "long"],
        "an option without its value": ["diagnose", log, "--width"],
        "no such command": ["cure"],
        "too many arguments": ["undo", "a", "b"],
        "no pair": ["fix", log, "-c", script, "--set", "x"],
        "no such fact": ["fix", log, "-c", script, "--fact", "train.max_lenth=1"],
        "no such headroom": ["fix", log, "-c", script, "--headroom", "much"],
        "settings that are not there": ["settings", f"{here}/no.sh"],
        "an unknown model": ["estimate", "--model", "nobody/knows-this"],
        "a config that cannot be meant": ["estimate", "--config", f"{here}/config.json"],
        "a config that cannot be read": ["estimate", "--config", f"{here}/no/config.json"],
        "a sweep of nothing": ["estimate", "--model", "Qwen2.5-7B", "--sweep", "3"],
        "an interpreter that is none": ["dryrun", "--model", "Qwen2.5-0.5B", "--python", f"{here}/python"],
        "an unknown cause": ["explain", "no-such-cause"],
    }


def test_bad_input_is_refused_in_chinese(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line and at most a help line; both have Chinese words, apart from the names of options and files."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    monkeypatch.delenv("OOMDOC_LANG", raising=False)
    for name, arguments in bad(tmp_path).items():
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        told_ = capfd.readouterr().err
        assert ended.value.code in {1, 2}, name
        first, *rest = told_.splitlines()
        assert has_chinese(first.removeprefix("oomdoc: ").replace(str(tmp_path), "")), f"{name}: {first}"
        assert len(rest) <= 1, told_
        assert all(line.startswith("help: ") for line in rest), told_


def test_the_language_asked_for_is_that_of_a_complaint(capfd: pytest.CaptureFixture[str]) -> None:
    for language, word in (("zh", "没有"), ("en", "no such")):
        with pytest.raises(SystemExit):
            main(["diagnose", "/no/such/file", "--lang", language])
        assert word in capfd.readouterr().err


def test_a_sentence_knows_both_languages_through_copies_and_joins() -> None:
    import copy
    import pickle

    sentence = said("input.named", name="a.log", why=said("input.empty"))
    assert (str(sentence), told(sentence, "zh")) == ("a.log: empty", "a.log: 内容为空")
    for twin in (copy.copy(sentence), copy.deepcopy(sentence), pickle.loads(pickle.dumps(sentence))):
        assert isinstance(twin, Said)
        assert twin.zh == sentence.zh
    both = joined([sentence, "x"])
    assert (str(both), both.zh) == ("a.log: empty; x", "a.log: 内容为空；x")
    assert told(reason(PermissionError(13, "Permission denied")), "zh") == "没有权限"


def test_a_sentence_for_later_is_put_into_words_when_it_is_read() -> None:
    """Figures keep their form, places that are sentences are told in the same language, and a wrong key raises."""
    later = sentence("assumed.reaches_limit", limit=12845)
    assert (later.en, str(later), told(later, "en")) == (
        "samples are taken to reach the length limit of 12,845 tokens",
    ) * 3
    assert told(later, "zh") == later.zh == "按样本达到长度上限 12,845 token 估算"
    inside = sentence("input.named", name="a.log", why=sentence("input.empty"))
    assert (inside.en, inside.zh) == ("a.log: empty", "a.log: 内容为空")
    assert sentence("input.named", name="a.log", why=said("input.empty")).zh == inside.zh
    assert said("input.named", name="a.log", why=sentence("input.empty")).zh == inside.zh
    assert later == sentence("assumed.reaches_limit", limit=12845) != sentence("assumed.reaches_limit", limit=1)
    with pytest.raises(KeyError):
        _ = sentence("assumed.no_such_key").en


def test_reading_facts_puts_nothing_into_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search reads settings hundreds of times; nobody sees what those assume."""
    model = catalog.resolve("Qwen2.5-7B")
    assert model is not None

    def silent(*_: object, **__: object) -> str:
        raise AssertionError("said aloud")

    with monkeypatch.context() as quiet:
        quiet.setattr(messages, "say", silent)
        settings = from_facts({}, model)
        profile = estimate(model, settings)
    assert len(profile.assumed) == len(settings.assumed) >= 5


def test_what_was_lost_in_decoding_is_told_in_chinese() -> None:
    (note,) = decode("中文".encode() + b"\xff" + b"plain text " * 40).notes
    assert told(note, "en").endswith("were replaced")
    assert has_chinese(told(note, "zh"))


def test_the_driver_answers_in_both_languages() -> None:
    class Driver:
        NVML_ERROR_LIBRARY_NOT_FOUND = 12

        def __getattr__(self, name: str) -> int:
            return -1

    class Absent:
        value = 12

    assert told(_sentence(Driver(), Absent()), "zh").startswith("这台机器上没有 NVIDIA 驱动")


def test_terms_of_the_memory_model_have_chinese_names() -> None:
    names = base.section("memory")["terms.yaml"]["names"]
    found = set()
    for path in (ROOT / "memory").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"part", "Part"} and len(node.args) > 1:
                name = node.args[1]
                found |= {name.value} if isinstance(name, ast.Constant) else set()
    assert found - set(names) == set()


def test_every_key_of_a_reason_of_the_system_is_known() -> None:
    import errno

    named = {key.partition(".")[2] for key in keys("en") if key.startswith("system.")}
    assert named <= set(errno.errorcode.values())
