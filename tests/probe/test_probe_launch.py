"""How ranks are started: the run's own launcher in its own interpreter, torchrun where that is lacking."""

import sys
from pathlib import Path

import pytest

from oomdoc.probe import launch as launching
from oomdoc.probe.launch import launch, launcher_of
from oomdoc.probe.own_files import of_run
from oomdoc.probe.zero import deepspeed_config


def test_torchrun_is_a_module_of_the_training_interpreter(tmp_path: Path) -> None:
    found = launch(sys.executable, "torchrun", 4, tmp_path, [0, 1, 2, 3])
    assert found.command[:3] == (sys.executable, "-m", "torch.distributed.run")
    assert "--nproc-per-node=4" in found.command
    assert Path(found.command[-2]).name == "rank_start.py"
    assert found.command[-1] == str(tmp_path)


@pytest.mark.parametrize(
    ("stated", "name"),
    [("accelerate", "accelerate"), ("deepspeed", "deepspeed"), ("swift", "torchrun"), ("srun", "torchrun"),
     ("something-new", "torchrun"), (None, "torchrun")],
)  # fmt: skip
def test_every_launcher_has_one_that_stands_for_it(stated: str | None, name: str) -> None:
    assert launcher_of(stated) == name


def test_a_launcher_that_the_environment_lacks_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launching, "_has", lambda *_: False)
    found = launch(sys.executable, "deepspeed", 2, tmp_path, [0, 1])
    assert (found.name, found.wanted) == ("torchrun", "deepspeed")
    monkeypatch.setattr(launching, "_has", lambda *_: True)
    found = launch(sys.executable, "deepspeed", 2, tmp_path, [2, 5])
    assert "--include=localhost:2,5" in found.command
    assert "--hostfile=/dev/null" in found.command  # a hostfile would start other machines


def test_accelerate_gets_the_runs_own_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launching, "_has", lambda *_: True)
    with_file = launch(sys.executable, "accelerate", 2, tmp_path, [0, 1], "/x/acc.yaml").command
    assert "--config_file=/x/acc.yaml" in with_file
    assert "--multi_gpu" not in with_file  # two kinds at once are refused by accelerate
    assert "--multi_gpu" in launch(sys.executable, "accelerate", 2, tmp_path, [0, 1]).command


def test_own_files_of_a_run_are_found_through_its_launch_script(tmp_path: Path) -> None:
    (tmp_path / "ds.json").write_text('{"zero_optimization": {"stage": 2, "reduce_bucket_size": 1000000}}')
    script = tmp_path / "train.sh"
    script.write_text(
        f"deepspeed --num_gpus 2 train.py --model_name_or_path Qwen/Qwen2.5-0.5B --deepspeed {tmp_path}/ds.json\n"
    )
    facts, own = of_run([str(script)])
    assert facts["parallel.zero_stage"] == 2
    assert facts["parallel.world_size"] == 2
    assert own["deepspeed"]["zero_optimization"]["reduce_bucket_size"] == 1_000_000
    accelerate = tmp_path / "acc.yaml"
    accelerate.write_text("compute_environment: LOCAL_MACHINE\ndistributed_type: MULTI_GPU\nnum_processes: 2\n")
    assert of_run([str(accelerate)])[1] == {"launch_config": str(accelerate)}
    assert of_run([]) == ({}, {})


def test_auto_in_a_deepspeed_configuration_is_what_transformers_makes_of_it() -> None:
    own = {"zero_optimization": {"stage": 3, "reduce_bucket_size": "auto", "stage3_prefetch_bucket_size": "auto",
                                 "stage3_max_live_parameters": 1e9, "sub_group_size": "auto"},
           "bf16": {"enabled": "auto"}, "fp16": {"enabled": "auto"}, "train_batch_size": "auto",
           "train_micro_batch_size_per_gpu": "auto", "gradient_clipping": "auto", "scheduler": {"type": "WarmupLR"},
           "optimizer": {"type": "AdamW", "params": {"lr": "auto", "betas": "auto"}}}  # fmt: skip
    plan = {"config": {"hidden_size": 100}, "dtype": "bfloat16", "batch": 3, "max_grad_norm": 1.0,
            "ranks": {"stage": 3, "deepspeed": own}}  # fmt: skip
    config = deepspeed_config(plan)
    assert config["zero_optimization"] == {"stage": 3, "reduce_bucket_size": 10_000,
                                           "stage3_prefetch_bucket_size": 9_000,
                                           "stage3_max_live_parameters": 1e9}  # fmt: skip
    assert (config["bf16"], config["fp16"]) == ({"enabled": True}, {"enabled": False})
    assert config["train_micro_batch_size_per_gpu"] == 3
    assert config["gradient_clipping"] == 1.0
    assert config["optimizer"]["params"] == {"lr": 1e-5, "betas": [0.9, 0.999]}
    assert not {"scheduler", "train_batch_size"} & set(config)
    assert own["zero_optimization"]["reduce_bucket_size"] == "auto"  # the run's own object is left alone


def test_a_deepspeed_configuration_is_made_of_facts_where_there_is_none() -> None:
    plan = {"dtype": "float16", "ranks": {"stage": 3, "offload": "all", "bucket_elements": 7}}
    config = deepspeed_config(plan)
    zero = config["zero_optimization"]
    assert (zero["stage"], zero["reduce_bucket_size"], zero["offload_param"]["device"]) == (3, 7, "cpu")
    assert (config["fp16"]["enabled"], config["bf16"]["enabled"]) == (True, False)
    assert config["fp16"]["loss_scale"] == 1.0  # a dynamic scale skips the first steps, and no states are made
