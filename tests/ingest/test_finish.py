"""The end of a run is read where a program prints it, and nowhere else."""

import pytest

from oomdoc.ingest.document import plain
from oomdoc.ingest.finish import read

ENDS = [
    "{'train_runtime': 1071.2, 'train_loss': 1.07, 'epoch': 1.0}",
    "Training completed. Do not forget to share your model on huggingface.co/models =)",
    "***** eval metrics *****",
    "[INFO:swift] End time of running main: 2026-01-01 12:44:10.113928",
    "`Trainer.fit` stopped: `max_steps=100` reached.",
    "[INFO] [launch.py:351:main] Process 41870 exits successfully.",
    "Epoch:[2/2](1155/1155) loss:1.201 lr:0.00005",
    "{'loss': 1.2, 'global_step/max_steps': '300/300', 'percentage': '100.00%'}",
    "100%|██████████| 500/500 [11:12<00:00,  1.34s/it, loss=0.0711]",
    "2026-01-01 10:00:00 INFO training finished, best checkpoint runs/3/best.pt",
    "Finished training.",
    "训练完成，模型已保存到 output/final",
]
NO_ENDS = [
    "Epoch:[1/2](1155/1155) loss:1.201 lr:0.00005",
    "Epoch:[2/2](900/1155) loss:1.201 lr:0.00005",
    "{'loss': 1.2, 'global_step/max_steps': '30/300', 'percentage': '10.00%'}",
    "Map: 100%|██████████| 5000/5000 [00:12<00:00, 410.1 examples/s]",
    "100%|██████████| 1/1 [00:12<00:00, loss=2.1]",
    "the training is complete nonsense so far",
    "training completed epoch 1",
    "训练完成后会保存模型",
    "Resuming after training was interrupted",
    "",
]


@pytest.mark.parametrize("line", ENDS)
def test_an_ending_is_read_with_its_line(line):
    (fact,) = read(plain(f"step 1\n{line}\nbye\n", "train.log"))
    assert (fact.name, fact.value, fact.source.line) == ("run.finished", True, 2)


@pytest.mark.parametrize("line", NO_ENDS)
def test_what_only_sounds_like_an_ending_is_none(line):
    assert read(plain(f"step 1\n{line}\n", "train.log")) == []


@pytest.mark.parametrize("later", ["Traceback (most recent call last):", "***** Running training *****"])
def test_what_was_begun_behind_an_ending_voids_it(later):
    assert read(plain(f"{ENDS[0]}\n{later}\nstep 1\n", "train.log")) == []


def test_an_ending_far_above_the_end_is_not_the_end():
    assert read(plain(ENDS[0] + "\n" + "step loss 1.0\n" * 4000, "train.log")) == []
