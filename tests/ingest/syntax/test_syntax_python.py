"""Python files: literals of calls, defaults, constants, environment; and files that no longer parse."""

from oomdoc.ingest.syntax.python_text import parse
from oomdoc.ingest.syntax.setting import Setting


def by_key(text: str) -> dict[str, Setting]:
    parsed = parse(text, "train.py")
    for setting in parsed.settings:
        for span, written in ((setting.value_span, setting.raw), (setting.key_span, None)):
            if span is not None and written is not None:
                assert text[slice(*span)] == written
    return {setting.key: setting for setting in parsed.settings}


def test_keyword_literals_are_qualified_by_their_call() -> None:
    found = by_key(
        "args = TrainingArguments(\n    per_device_train_batch_size=4,  # c\n"
        "    bf16=True, lr=2e-5, targets=['q', 'v'],\n"
        "    kwargs={'use_reentrant': False, 'n': {'m': -1}}, out=f'{x}', dtype=torch.bfloat16)\n"
        "model = AutoModel.from_pretrained('模型/😀', device_map='auto')\n"
    )
    assert {key: setting.value for key, setting in found.items() if setting.kind == "python-call"} == {
        "TrainingArguments.per_device_train_batch_size": 4,
        "TrainingArguments.bf16": True,
        "TrainingArguments.lr": 2e-5,
        "TrainingArguments.targets": ("q", "v"),
        "TrainingArguments.kwargs.use_reentrant": False,
        "TrainingArguments.kwargs.n.m": -1,
        "TrainingArguments.out": "f'{x}'",
        "TrainingArguments.dtype": "torch.bfloat16",
        "AutoModel.from_pretrained.0": "模型/😀",
        "AutoModel.from_pretrained.device_map": "auto",
    }
    assert found["TrainingArguments.per_device_train_batch_size"].line == 2
    assert found["TrainingArguments.out"].note == "an expression"


def test_constants_are_followed_from_module_and_function() -> None:
    found = by_key(
        "BATCH = 2 * 4\nOPTS = {'fp16': True}\nA, B = 1, 2\n"
        "def main():\n    n = BATCH\n    C(x=n, y=BATCH // 3, z=B, u=UNKNOWN, **OPTS)\n"
    )
    assert {key: found[f"C.{key}"].value for key in ("x", "y", "z", "u", "fp16")} == {
        "x": 8, "y": 2, "z": 2, "u": "UNKNOWN", "fp16": True,
    }  # fmt: skip
    assert found["C.x"].note == "n from line 5"
    assert found["C.x"].scope == "main"
    assert found["C.fp16"].line == 2


def test_a_name_bound_again_to_something_unknown_is_no_constant_any_more() -> None:
    found = by_key("x = 4\nx = read()\nC(a=x)\ny = 1\ny += 1\nC2(a=y)\n")
    assert (found["C.a"].value, found["C.a"].note) == ("x", "an expression")
    assert found["C2.a"].note == "an expression"


def test_argparse_click_flags_dataclasses_and_parameters_are_defaults() -> None:
    found = by_key(
        "p.add_argument('-b', '--batch-size', type=int, default=16)\n"
        "p.add_argument('--amp', action='store_true')\n"
        "p.add_argument('--data', required=True)\n@click.option('--lr', default=1e-3)\n"
        "def run(lr, epochs=3, *, seed: int = 7): pass\n"
        "flags.DEFINE_integer('steps', 100, 'help')\nclass Args:\n    r: int = 8\n"
        "    alpha: float = field(default=16.0, metadata={})\n"
        "    names: list = field(default_factory=list)\np.set_defaults(workers=2)\n"
    )
    defaults = {key: setting.value for key, setting in found.items() if setting.kind == "argparse-default"}
    assert defaults == {
        "batch-size": 16, "amp": False, "data": None, "lr": 1e-3, "epochs": 3, "seed": 7, "steps": 100, "r": 8,
        "alpha": 16.0, "workers": 2,
    }  # fmt: skip
    assert found["batch-size"].origin == "default"
    assert found["batch-size"].raw == "16"
    assert found["r"].scope == "Args"
    assert found["data"].note == "required"


def test_assignments_to_attributes_items_and_the_environment() -> None:
    found = by_key(
        "import os\nos.environ['CUDA_VISIBLE_DEVICES'] = '0,1'\nos.environ.setdefault('A', '1')\n"
        "cfg.model.use_cache = False\ncfg['train']['bs'] = 4\nmodel.gradient_checkpointing_enable()\n"
    )
    assert (found["CUDA_VISIBLE_DEVICES"].kind, found["CUDA_VISIBLE_DEVICES"].value) == ("env", "0,1")
    assert found["A"].kind == "env"
    assert found["cfg.model.use_cache"].value is False
    assert found["cfg.train.bs"].value == 4
    assert found["gradient_checkpointing_enable()"].value is True


def test_commands_started_from_python_are_read() -> None:
    text = "os.system('python t.py --a 1')\nsubprocess.run(['torchrun', '--nproc_per_node', '4', 't.py', '--b=2'])\n"
    first, second = parse(text).commands
    assert [flag.value for flag in first.flags] == [1]
    assert (second.words, [flag.value for flag in second.flags]) == (("torchrun", "t.py"), [4, 2])
    span = second.flags[0].value_span
    assert span is not None
    assert text[slice(*span)] == "4"


def test_python_2_is_read_and_named() -> None:
    parsed = parse("print 'hello'\nC(a=1)\n")
    assert "not Python 3" in parsed.problems[0].message
    assert {setting.key: setting.value for setting in parsed.settings} == {"C.a": 1}


def test_half_a_file_is_scanned() -> None:
    text = (
        "os.environ['X'] = '1'\nN = 4\nargs = Args(a=1, b=[1, 2],\n   c='x,y')\n"
        "parser.add_argument('--lr', default=1e-4)\n"
        "if broken\n  foo(d=torch.float16"
    )
    parsed = parse(text)
    found = {setting.key: setting.value for setting in parsed.settings}
    assert found == {
        "X": "1", "N": 4, "Args.a": 1, "Args.b": (1, 2), "Args.c": "x,y", "lr": 1e-4, "foo.d": "torch.float16",
    }  # fmt: skip
    assert parsed.problems[0].line == 6


def test_an_indented_snippet_is_read_at_its_place() -> None:
    text = "    # c\n    args = Args(\n        a=1)\n    b = 2\n"
    assert {key: (setting.value, setting.line) for key, setting in by_key(text).items()} == {
        "Args.a": (1, 3), "b": (2, 4),
    }  # fmt: skip
    assert not parse(text).problems


def test_offsets_survive_carriage_returns_and_wide_characters() -> None:
    text = '# é\r\nx = "😀😀"; C(a="é", b=3)\r\n'
    found = by_key(text)
    assert found["C.b"].key_span is not None
    assert text[slice(*found["C.b"].key_span)] == "b"
    assert found["C.b"].line == 2


def test_nothing_huge_is_computed() -> None:
    found = by_key("x = 9 ** 9 ** 9\nC(a=x, b=10 ** 60, c='a' * 10 ** 9)\n")
    assert all(found[f"C.{key}"].note == "an expression" for key in "ac")


def test_positional_constants_paths_and_f_strings_are_followed() -> None:
    found = by_key(
        "import os\nfrom pathlib import Path\nROOT = '/models'\nSIZE = 7\nNAME = f'Qwen2.5-{SIZE}B'\n"
        "a = AutoModelForCausalLM.from_pretrained(NAME, torch_dtype=torch.bfloat16)\n"
        "b = B.from_pretrained(os.path.join(ROOT, NAME))\n"
        "c = C.from_pretrained(str(Path(ROOT) / NAME))\n"
        "d = D.from_pretrained(os.environ.get('MODEL', 'gpt2'))\n"
        "e = E.from_pretrained(args.model)\nf = F.from_pretrained(f'{args.model}-chat')\n"
        "def main(path):\n    local = ROOT + '/x'\n    G.from_pretrained(local)\n    H.from_pretrained(path)\n"
    )
    named = {key[0]: setting.value for key, setting in found.items() if key.endswith("from_pretrained.0")}
    assert named == {
        "A": "Qwen2.5-7B",
        "B": "/models/Qwen2.5-7B",
        "C": "/models/Qwen2.5-7B",
        "D": "gpt2",
        "G": "/models/x",
    }


def test_a_name_that_is_bound_again_is_no_constant() -> None:
    found = by_key("name = 'a/b'\nname = choose()\nmodel = A.from_pretrained(name)\n")
    assert "A.from_pretrained.0" not in found
