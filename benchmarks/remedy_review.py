"""The first three remedies of every labelled case beside the label's own fixes: matched by words, and as judged.

Usage: python benchmarks/remedy_review.py CORPUS [--table FILE]; CORPUS holds <case>/{report.txt,label.json}. A case
agrees where one of its first three remedies says what one of the fixes in its label says. Words are a coarse judge, so
each case was read as well: `remedy_judgements.yaml` says agrees, better or misses for the three that were named then;
where they differ now, the case counts as the worse of both and is listed to be judged again.
"""

import argparse
import csv
import json
import re
import sys
from collections import Counter
from pathlib import Path

import yaml

from oomdoc.engine.diagnosis import diagnose_case
from oomdoc.ingest.read import read_text
from oomdoc.patch.way_out import documents_of, way_out

JUDGEMENTS = Path(__file__).with_name("remedy_judgements.yaml")
# What a fix is called in English prose, by the remedy that does it.
WORDS = {
    "batch-one": r"batch|images per gpu|samples",
    "eval-batch-one": r"(eval|validation|test).{0,20}batch|smaller .{0,12}batch",
    "set-max-length": r"max_length|max_seq|cutoff|length|shorter|context|-c \d|max_len",
    "lower-max-length": r"max_length|max_seq|cutoff|length|shorter|context|max_len|sequence",
    "limit-model-len": r"max_model_len|context|-c\b|max_seq_len|shorter",
    "limit-pixels": r"pixel|image|resolution|smaller size|crop|resize|tile|input size",
    "smaller-images": r"image size|smaller (image|size)|resize|crop|patch|resolution|input size",
    "fewer-tiles": r"tile|resolution|image|patch",
    "fewer-frames": r"frame",
    "gradient-checkpointing": r"checkpoint(?!.{0,8}(load|cpu))",
    "vision-checkpointing": r"gradient checkpoint",
    "fused-attention": r"flash|attention|sdpa|xformers",
    "chunked-loss": r"fused|chunked|liger|cross entropy",
    "expandable-segments": r"expandable|alloc_conf|fragment",
    "max-split-size": r"max_split|alloc_conf",
    "cpu-offload": r"offload|cpu|low.?(v?ram|memory)",
    "offload-weights": r"offload|low.?(v?ram|memory)|usage level",
    "lower-lora-rank": r"lora.?(rank|r\b)|rank",
    "without-packing": r"packing",
    "offload-everything": r"offload|zero-?3",
    "zero-2": r"zero|deepspeed|shard",
    "zero-3": r"zero|deepspeed|fsdp|shard",
    "shard-weights": r"shard|tp=|tensor parallel|several gpus|split|more (cards|gpus|shards)|partition|device_map|zero",
    "sequence-parallel": r"sequence parallel",
    "use-lora": r"lora",
    "qlora": r"q-?lora|4-?bit|quanti[sz]",
    "quantize-weights": r"quant|int4|int8|4-?bit|8-?bit|awq|gptq",
    "eight-bit-optimizer": r"8-?bit|paged|adam",
    "load-in-bf16": r"half|fp16|bf16|float16|16.?bit",
    "bf16-training": r"half|fp16|bf16|mixed",
    "larger-gpu": r"more memory|larger|more (gpu|card)|run on cpu|a card with|more gpus",
    "smaller-model": r"smaller|7b|model size",
    "free-the-gpu": r"kill|stop|free|leftover|zombie|other process|nvidia-smi",
    "choose-free-gpu": r"free|cuda_visible|choose",
    "more-host-memory": r"ram|swap|memory",
    "fewer-workers": r"worker|process|num_proc",
    "larger-shm": r"shm|ipc",
    "low-cpu-mem-load": r"low_cpu|partition|memory-mapped|load|once|half precision",
    "smaller-offload": r"pin_memory|offload",
    "raise-page-file": r"page file|wsl|native linux",
    "pin-version": r"pin|revert|previous|update|upgrade|version|install|build|restore|latest|stay|go back|fixed",
    "upgrade-transformers": r"update|upgrade|transformers|version",
    "compare-versions": r"version|bisect|pin",
    "update-driver": r"driver|cuda|build|kernel",
    "no-grad": r"no_grad|inference_mode|grad_enabled",
    "detach-losses": r"detach|item\(\)|host memory|clear",
    "memory-snapshot": r"snapshot",
    "map-location-cpu": r"map_location|cpu",
    "save-on-cpu": r"cpu|offload_to_cpu|sharded",
    "sharded-save": r"shard|gather",
    "set-local-rank": r"rank|device|cuda_visible|include",
    "one-gpu-first": r"one gpu|single",
    "ddp-not-dp": r"ddp|one process|torchrun|launch|sharded",
    "balanced-device-map": r"device_map|max_memory",
    "offload-eval-logits": r"eval_accumulation",
    "loss-only-eval": r"preprocess_logits|argmax|prediction",
    "skip-eval-generation": r"generat|kv cache",
    "shorter-generation": r"generation length|beams|max_seq|small max",
    "tune-engine-share": r"gpu_memory_utilization|utilization|cache_max",
    "lower-engine-share": r"gpu_memory_utilization|utilization|first instance|cache_max",
    "fewer-sequences": r"max_num_seqs|max_num_batched|batch|prefill",
    "kv-cache-quantize": r"kv cache|8-bit cache|quantized",
    "smaller-buckets": r"bucket|live_parameters|reuse",
    "wrap-per-layer": r"wrap|zero\.init|partition|per module",
    "precompute-teacher": r"precompute|teacher",
    "drop-modules-to-save": r"wte|lm_head|modules",
    "collect-information": r"paste|ask|state|full|text of",
    "repair-command": r"backslash|option|pass|check the log|set max_pixels",
    "longest-first": r"longest|sort|group",
    "leave-headroom": r"headroom|cap|leave",
    "raise-process-limit": r"fraction|limit|raise",
    "tf-memory-growth": r"growth|memory_limit",
    "blocking-launch": r"blocking|compute-sanitizer",
    "ema-on-cpu": r"ema|average",
    "offload-reference": r"reference|teacher",
    "freeze-vision-tower": r"freez",
    "balance-stages": r"stage|balance",
}


def first_three(text: str) -> list[str]:
    """Remedy ids as `oomdoc fix` would name them first: the first plan's, then those of the causes."""
    way = way_out(diagnose_case(read_text(text)), documents_of([], text), log=text)
    found = [step.remedy.id for step in way.advice.steps]
    if plan := next((offer.plan for offer in way.offers if offer.plan), None):
        found = [option.remedy.id for option in plan.options][:1] + found
    return list(dict.fromkeys(found))[:3]


def agrees(remedies: list[str], fixes: list[str]) -> bool:
    """Whether one of the remedies says what one of the fixes says."""
    text = " ; ".join(fixes)
    return any(re.search(WORDS[name], text, re.IGNORECASE) for name in remedies if name in WORDS)


def main() -> int:
    """Print the rate and the misses; write the table where one is asked for."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    arguments.add_argument("corpus", type=Path)
    arguments.add_argument("--table", type=Path)
    given = arguments.parse_args()
    if not given.corpus.is_dir():
        print(f"{given.corpus} is not there; nothing to review")
        return 0
    judgements = yaml.safe_load(JUDGEMENTS.read_text(encoding="utf-8"))
    rows, again, judged = [], [], Counter[str]()
    for label_file in sorted(given.corpus.glob("*/label.json")):
        label = json.loads(label_file.read_text(encoding="utf-8"))
        if not label.get("is_oom") or not label.get("fixes"):
            continue
        named = first_three(label_file.with_name("report.txt").read_text(encoding="utf-8", errors="replace"))
        verdict = "agrees" if agrees(named, label["fixes"]) else "misses"
        known = judgements.get(label["id"], {})
        if known.get("named") == named:
            judged[known["judged"]] += 1
        else:
            again.append(label["id"])
            judged["misses" if known.get("judged") == "misses" else verdict] += 1  # the worse until it is read again
        rows.append((label["id"], label["primary"], verdict, ", ".join(named), "; ".join(label["fixes"])))
    right = sum(row[2] == "agrees" for row in rows)
    good = judged["agrees"] + judged["better"]
    print(f"by words: {right} of {len(rows)} agree ({right / max(len(rows), 1):.1%})")
    print(f"as judged: {good} of {len(rows)} agree or are better ({good / max(len(rows), 1):.1%})")
    for row in rows:
        why = judgements.get(row[0], {}).get("why")
        if why or row[2] == "misses":
            print(f"  {row[0]} [{row[1]}]: {row[3] or '-'}: {why or row[4]}")
    if again:
        print(f"to be judged again: {', '.join(again)}")
    if given.table:
        with given.table.open("w", encoding="utf-8", newline="") as out:
            csv.writer(out).writerows([("case", "cause", "verdict", "first three", "fixes of the label"), *rows])
    return 0


if __name__ == "__main__":
    sys.exit(main())
