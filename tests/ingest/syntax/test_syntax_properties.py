"""Whatever a person pastes: no reader raises, and every span holds exactly the characters that were read."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oomdoc.ingest.syntax.commands import find_commands
from oomdoc.ingest.syntax.detect import detect, parse
from oomdoc.ingest.syntax.dumps import find_dumps
from oomdoc.ingest.syntax.mixed import find_settings_in_text
from oomdoc.ingest.syntax.setting import Parsed, Setting

SYNTAXES = ("shell", "yaml", "kubernetes", "json", "toml", "python", "dockerfile", "text")
FRAGMENTS = (
    "python train.py --lr 1e-4 \\\n",
    "  --max_length=2048 \\  \n",
    "  --bf16\n",
    "# comment \\\n",
    "CUDA_VISIBLE_DEVICES=0,1 ",
    "swift sft --model 模型/X 却提示",
    "export A='x y'\r\n",
    'B="${A:-1}"\n',
    "args=(--a 1 --b 2)\n",
    'torchrun t.py "${args[@]}" $B $((2*3))\n',
    'cat > ds.json <<EOF\n{"a": 1}\nEOF\n',
    "a: &x\n  b: 1\n  c: [1, 2]\n",
    "<<: *x\n",
    "d: ${a.b}\n",
    "  key_name: 'v😀'\n",
    "o: !!python/object:os.system {a: 1}\n",
    '{"a": [1, 2,], "b": {"c": "é"}, // c\n',
    "}\n",
    "[t.u]\nk = [1,\n 2] # c\n",
    'm = {x = "q", y = [{z = 1}]}\n',
    "x = TrainingArguments(lr=1e-4, **opts, d={'a': 1})\n",
    "parser.add_argument('--n', default=4)\n",
    "os.environ['X'] = \"1\"\n",
    "Namespace(a=1, b='x', c=<Enum.A: 'a'>, d={'e': (1, 2)})\n",
    "[INFO] args: {'model': 'x', 'n': Some(3)}\n",
    "zero_stage ........ 2\n",
    "| max_len | 4 |\n",
    "```bash\n",
    "```\n",
    "> ",
    "\t",
    "'",
    '"',
    "(",
    "\\",
    "\ud800",
    "\x00",
    "\ufeff",
    "😀",
    "，",
    'FROM x\nENV A=1 B="2 3"\nCMD ["python", "t.py", "--x"]\n',
    "#SBATCH --mem=4G -N 2\n",
    "$env:A = 'b'\n",
    "python t.py ^\r\n --a 1\r\n",
    " 7 torchrun \\\n 8 --a 1 \\\n 9 t.py \\\n10 --b 2\n",
    "a.b=1 \\\n+c.d=x\\\ne.f=[1,2] \\\n",
    "--a 1 \\\n--b \\\n--c=é\n",
)
TEXTS = st.one_of(
    st.text(), st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=6)), max_size=12).map("".join)
)


def check(text: str, found: tuple[Setting, ...]) -> None:
    for setting in found:
        if setting.value_span is not None:
            assert text[slice(*setting.value_span)] == setting.raw, setting
        if setting.key_span is not None:
            written = text[slice(*setting.key_span)]
            assert setting.key.endswith(written) or not written.isalnum() or setting.key.endswith("()"), setting
        assert 1 <= setting.line <= text.count("\n") + 1


def everything(parsed: Parsed) -> tuple[Setting, ...]:
    lost = [flag for command in parsed.commands for item in command.lost for flag in item.flags]
    inside = [
        item for command in parsed.commands for item in (*command.env.values(), *command.flags, *command.positionals)
    ]
    return (*parsed.settings, *lost, *inside)


@pytest.mark.parametrize("syntax", SYNTAXES)
@settings(max_examples=60, deadline=None)
@given(text=TEXTS)
def test_no_text_makes_a_reader_raise_and_spans_are_exact(syntax: str, text: str) -> None:
    parsed = parse(text, "f", syntax)
    check(text, everything(parsed))
    for command in parsed.commands:
        for lost in command.lost:
            assert text[slice(*lost.span)] == lost.text
            assert 0 <= lost.break_span[0] <= lost.break_span[1] <= lost.span[0]


@settings(max_examples=150, deadline=None)
@given(text=TEXTS)
def test_searching_a_mixed_text_never_raises_and_spans_are_exact(text: str) -> None:
    parsed = find_settings_in_text(text, "f")
    check(text, everything(parsed))
    assert detect(text) in {*SYNTAXES, "jsonl", "unknown"}
    for command in find_commands(text):
        assert 0 <= command.span[0] < command.span[1] <= len(text)
    for dump in find_dumps(text):
        check(text, dump.settings)


@settings(max_examples=60, deadline=None)
@given(
    words=st.lists(st.text("abc_é😀", min_size=1, max_size=6), min_size=1, max_size=5),
    numbers=st.lists(st.integers(-(10**6), 10**6), min_size=5, max_size=5),
    newline=st.sampled_from(["\n", "\r\n"]),
)
def test_every_flag_of_a_continued_command_is_found_with_its_value(
    words: list[str], numbers: list[int], newline: str
) -> None:
    pairs = list(zip([f"k{place}{word}" for place, word in enumerate(words)], numbers, strict=False))
    text = f" \\{newline}".join(["python 训练.py", *(f"\t--{key} {value}" for key, value in pairs)])
    (command,) = parse(text, "f", "shell").commands
    assert [(flag.key, flag.value) for flag in command.own_flags] == pairs
    assert [text[slice(*flag.value_span)] for flag in command.flags if flag.value_span] == [str(n) for _, n in pairs]
    assert not command.lost
