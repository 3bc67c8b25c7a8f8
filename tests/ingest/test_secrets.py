"""Secrets become `***` wherever they stand; what only looks like one stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oomdoc.ingest.secrets import is_secret, mask_secrets


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("export HF_TOKEN=hf_abcdefghijklmnopqrst", "export HF_TOKEN=***"),
        ("HF_TOKEN='abc def' python t.py", "HF_TOKEN='***' python t.py"),
        ("my key is sk-abc123def456ghi789jkl ok", "my key is *** ok"),
        ("AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE", "AWS_ACCESS_KEY_ID=***"),
        ("aws_secret_access_key = wJalrXUt/K7MDENG", "aws_secret_access_key = ***"),
        ("'WANDB_API_KEY': '0123456789abcdef'", "'WANDB_API_KEY': '***'"),
        ('{"password": "hunter22", "a": 1}', '{"password": "***", "a": 1}'),
        ("Authorization: Bearer abcdefgh.ijklmnop", "Authorization: Bearer ***"),
        ("curl -H 'authorization: token abc123'", "curl -H 'authorization: token ***'"),
        ("https://user:pa55@host.example/x", "https://user:***@host.example/x"),
        ("--hf_token abcd1234efgh5678 --bs 4", "--hf_token *** --bs 4"),
        ("--api-key=abcd1234", "--api-key=***"),
        ("push with ghp_abcdefghijklmnopqrstuv", "push with ***"),
        ("-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----",
         "-----BEGIN PRIVATE KEY-----***-----END PRIVATE KEY-----"),
    ],
)  # fmt: skip
def test_secrets_are_masked(text: str, masked: str) -> None:
    assert mask_secrets(text) == masked
    assert mask_secrets(masked) == masked


@pytest.mark.parametrize(
    "text",
    [
        "--max_new_tokens 64 --pad_token <pad> tokens 4096",
        "eos_token: </s>",
        "pad_token_id=0, num_tokens: 128",
        "The token is missing; please log in",
        "KeyError: 'password'",
        "HF_TOKEN=$HF_TOKEN",
        "token=None, use_auth_token=True",
        "see https://github.com/a/b/issues/3 and user@host:~/x",
        "tokenizer=AutoTokenizer.from_pretrained('m')",
        "key: value",
        "special tokens: 12345678",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert mask_secrets(text) == text


def test_names_of_secrets() -> None:
    assert all(is_secret(name) for name in ("HF_TOKEN", "wandb_api_key", "password", "AWS_SECRET_ACCESS_KEY"))
    assert not any(is_secret(name) for name in ("max_new_tokens", "pad_token", "tokenizer", "num_beams", "image_token"))


@given(st.text(), st.text("abcdefABCDEF0123456789", min_size=20, max_size=40))
def test_a_token_never_survives_in_any_text(before: str, secret: str) -> None:
    assert f"hf_{secret}" not in mask_secrets(f"{before} hf_{secret} {before}")
    assert secret not in mask_secrets(f"{before}\nHF_TOKEN={secret}\n").replace(before, "")
