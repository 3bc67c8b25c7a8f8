"""Facts that no option states by itself, in terms of those that options do: the allocator's switches, kinds."""

from collections.abc import Iterator, Mapping

from oomdoc.facts.model import Value
from oomdoc.patch.stand import Place, stating

# Consequences of the settings beside them; writing those is enough.
_DERIVED = {"parallel.kind": ("parallel.zero_stage",), "train.sequence_tokens": ("train.max_length",)}


def rewritten(changes: Mapping[str, Value], place: Place) -> Iterator[tuple[str, Value]]:
    """The changes in terms of facts that options set, in order."""
    for fact, value in changes.items():
        if any(other in changes for other in _DERIVED.get(fact, ())):
            continue
        if fact == "env.expandable_segments":
            yield "env.alloc_conf", _with_member(place, "expandable_segments", "True" if value else "False")
        elif fact == "train.method" and value == "qlora" and "quant.bits" in changes:
            if not stating(place, fact) or stating(place, fact)[0].setting.value not in {"lora", "LORA", True}:
                yield fact, "lora"
        elif (
            fact == "parallel.world_size" and not stating(place, fact) and stating(place, "parallel.processes_per_node")
        ):
            yield "parallel.processes_per_node", value
        else:
            yield fact, value


def _with_member(place: Place, key: str, value: str) -> str:
    """`PYTORCH_CUDA_ALLOC_CONF` with one of its comma-separated members set."""
    held = stating(place, "env.alloc_conf")
    now = str(held[0].setting.value) if held else ""
    members = [item for item in now.split(",") if item and not item.strip().startswith(f"{key}:")]
    return ",".join([*members, f"{key}:{value}"])
