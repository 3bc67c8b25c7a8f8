"""The real model class of the training environment, without its weights: heads, adapters, freezing, checkpointing.

Needs torch 2.1+, transformers 4.40+; Python 3.9+. Everything is built on the meta device, so nothing takes memory.
"""

# ruff: noqa: SLF001, B905, ARG005
# transformers' way from a config to a model is private; Python 3.9 has no strict=

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

VISION = ("visual", "vision_tower", "vision_model", "vision_encoder", "vision_embed_tokens", "vpm", "vit")
PROJECTOR = ("merger", "multi_modal_projector", "mlp1", "connector", "projector", "aligner", "resampler")
_AUTO = (  # sequence-to-sequence before causal: Whisper and BART have both
    "AutoModelForImageTextToText", "AutoModelForVision2Seq", "AutoModelForSpeechSeq2Seq", "AutoModelForSeq2SeqLM",
    "AutoModelForCausalLM", "AutoModelForSequenceClassification", "AutoModelForImageClassification",
    "AutoModelForMaskedLM", "AutoModel",
)  # fmt: skip


class CannotBuildError(RuntimeError):
    """The configuration does not make a model in this environment; the message is one line."""


def dtype_of(name: str | None) -> torch.dtype:
    """float16, bfloat16 or float32 by name."""
    found = getattr(torch, str(name or "float32").replace("torch.", ""), None)
    if not isinstance(found, torch.dtype):
        raise CannotBuildError(f"{name} is not a dtype of torch")
    return found


def build(plan: dict[str, Any], device: str = "meta") -> Any:
    """The model of a plan on a device, in `plan["dtype"]`, ready to train; its weights are not initialised.

    Its own class where this environment has it, else the first of `plan["builds"]` that can be built: `oomdoc_built`
    of the model says which (how: own, port or stand_in; lora: other names of matrices). Raises CannotBuildError, one
    line, where nothing does.
    """
    refusals: list[str] = []
    ways = plan.get("builds") or [{"how": "own", "config": plan["config"]}]
    for way in ways:
        try:
            model = _build(plan, way, device)
        except CannotBuildError as error:
            if way["how"] == "own" and plan.get("trust_remote_code") and way["config"].get("auto_map"):
                raise  # the person asked for this very code
            refusals.append(str(error))
            continue
        model.oomdoc_built = {"how": way["how"], "lora": way.get("lora") or {}}
        _compare(model, plan, way)
        return model
    raise CannotBuildError("; ".join(dict.fromkeys(refusals)))


def _build(plan: dict[str, Any], way: dict[str, Any], device: str) -> Any:
    content = way["config"]
    dtype, attention = dtype_of(plan.get("dtype")), _attention(plan)
    with torch.device(device), _uninitialised():
        if content.get("model_type") == "composed":
            model = _compose(content["parts"], attention, dtype)
        else:
            config, remote = _config(plan, content)
            model = _instantiate(config, remote, attention, dtype)
        model.tie_weights()
        if content.get("tie_word_embeddings") is False:
            _untie(model)
    if plan.get("fused_activations"):
        _fuse_activations(model)
    model.train()
    if hasattr(model, "config") and hasattr(model.config, "use_cache"):
        model.config.use_cache = False
    return model


def _attention(plan: dict[str, Any]) -> str:
    found = str(plan.get("attention") or "sdpa")
    if found in ("eager", "sdpa", "flex_attention"):
        return found
    # flash-attn's kernels are accounted for behind the same function
    return "flash_attention_2" if plan.get("flash_is_installed") else "sdpa"


def _compose(parts: dict[str, Any], attention: str, dtype: torch.dtype) -> Any:
    """A stand-in joined from native parts; raises CannotBuildError where transformers lacks one of them."""
    import transformers

    from oomdoc.probe.composed import Composed

    tower = parts["tower"]
    chosen = getattr(transformers, tower["class"], None)
    if chosen is None:
        raise CannotBuildError(f"transformers {transformers.__version__} has no {tower['class']}")
    seen = _instantiate(chosen.config_class(**tower["config"]), None, attention, dtype, chosen)
    text, _ = _config({}, parts["text"])
    language = _instantiate(text, None, attention, dtype)
    if parts["text"].get("tie_word_embeddings") is False:
        _untie(language)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        model = Composed(parts, seen, language)
    finally:
        torch.set_default_dtype(before)
    model.oomdoc_attention = language.oomdoc_attention
    return model


def _compare(model: Any, plan: dict[str, Any], way: dict[str, Any]) -> None:
    """Note how far a port or stand-in is from the catalog's count; refuse one that is too far to prove anything."""
    wanted, counted = int(plan.get("parameters") or 0), sum(each.numel() for each in model.parameters())
    if way["how"] == "own" or not wanted:
        return
    difference = counted / wanted - 1
    model.oomdoc_built |= {"parameters": counted, "catalog": wanted, "difference": difference}
    limit = float(plan.get("refuse_beyond") or 1)
    if abs(difference) > limit:
        raise CannotBuildError(
            f"this model's code is remote, and native parts of its sizes have {counted:,} parameters where it has"
            f" {wanted:,}: {abs(difference):.1%} apart, more than {limit:.0%}, so a step of them would prove nothing"
        )


def _untie(model: Any) -> None:
    """A head of its own where the checkpoint has one and the class ties it anyway (T5 1.1 and Flan-T5).

    transformers leaves weights untied that the checkpoint holds both of; here there is no checkpoint to see that.
    """
    with contextlib.suppress(AttributeError, NotImplementedError):
        head, words = model.get_output_embeddings(), model.get_input_embeddings()
        if head is not None and words is not None and head.weight is words.weight:
            head.weight = torch.nn.Parameter(torch.empty_like(words.weight))


def _fuse_activations(model: Any) -> None:
    """GELU by its one kernel, as frameworks with model code of their own call it; transformers composes gelu_new."""
    for module in model.modules():
        if type(module).__name__ in ("NewGELUActivation", "FastGELUActivation"):
            module.forward = _gelu


def _gelu(x: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.gelu(x, approximate="tanh")


def _config(plan: dict[str, Any], content: dict[str, Any]) -> tuple[Any, Any]:
    from transformers import AutoConfig

    content = dict(content)
    kind = content.pop("model_type", None)
    remote = None
    content.pop("quantization_config", None)  # weights are accounted for by their packed size
    if content.get("auto_map") and plan.get("path") and plan.get("trust_remote_code"):
        with _remote(content):
            found = AutoConfig.from_pretrained(plan["path"], trust_remote_code=True, local_files_only=True)
        return found, plan["path"]
    if not kind:
        raise CannotBuildError("config.json has no model_type")
    try:
        config = AutoConfig.for_model(kind, **content)
    except (ValueError, KeyError) as error:
        if content.get("auto_map"):
            raise CannotBuildError(
                f"model_type {kind} is remote code, which runs only with --trust-remote-code and a local copy"
            ) from None
        import transformers

        version = transformers.__version__
        if "nrecognized" in str(error):
            raise CannotBuildError(f"transformers {version} does not know model_type {kind}") from None
        raise CannotBuildError(f"config.json of {kind} does not build: {_line(error)}") from None
    except Exception as error:
        raise CannotBuildError(
            f"config.json of {kind} does not build: {type(error).__name__}: {_line(error)}"
        ) from None
    return config, remote


@contextlib.contextmanager
def _remote(content: dict[str, Any]) -> Iterator[None]:
    """Whatever a model's own code raises becomes one line that says whose it was."""
    name = content.get("model_type") or "this model"
    try:
        yield
    except CannotBuildError:
        raise
    except ImportError as error:  # transformers names the packages on its second line
        missing = error.name or " ".join(str(error).split())
        raise CannotBuildError(f"the remote code of {name} needs a package that is not here: {missing[:300]}") from None
    except Exception as error:
        raise CannotBuildError(f"the remote code of {name} raises {type(error).__name__}: {_line(error)}") from None


def _instantiate(config: Any, remote: Any, attention: str, dtype: torch.dtype, only: Any = None) -> Any:
    refusals: list[str] = []
    for wanted in dict.fromkeys((attention, "sdpa", "eager")):
        for chosen in (only,) if only is not None else _classes(config, remote):
            try:
                model = _from_config(chosen, config, wanted, dtype)
            except (ImportError, ValueError, NotImplementedError) as error:
                refusals.append(_line(error))
                continue
            except Exception as error:
                raise CannotBuildError(
                    f"{getattr(chosen, '__name__', chosen)} does not build: {type(error).__name__}: {_line(error)}"
                ) from error
            model.oomdoc_attention = wanted
            return model
    raise CannotBuildError(refusals[0] if refusals else f"no model class for {type(config).__name__}")


def _classes(config: Any, remote: Any) -> Iterator[Any]:
    import transformers

    if remote is not None:
        for name in ("AutoModelForCausalLM", "AutoModel"):
            if name in (getattr(config, "auto_map", None) or {}):
                from transformers.dynamic_module_utils import get_class_from_dynamic_module

                with _remote({"model_type": getattr(config, "model_type", None)}):
                    found = get_class_from_dynamic_module(config.auto_map[name], remote)
                yield found
                return
    for name in getattr(config, "architectures", None) or ():
        found = getattr(transformers, name, None)
        if found is not None:
            yield found
            return
    for name in _AUTO:
        auto = getattr(transformers, name, None)
        with contextlib.suppress(KeyError, AttributeError, ImportError):
            yield auto._model_mapping[type(config)]  # type: ignore[union-attr]
            return


def _from_config(chosen: Any, config: Any, attention: str, dtype: torch.dtype) -> Any:
    for keyword in ("dtype", "torch_dtype"):  # renamed in transformers 4.56
        try:
            return chosen._from_config(config, attn_implementation=attention, **{keyword: dtype})
        except TypeError as error:
            if keyword not in str(error):
                raise
    raise CannotBuildError(f"{chosen.__name__} takes no dtype")


@contextlib.contextmanager
def _uninitialised() -> Iterator[None]:
    """Skip the drawing of random weights, which meta tensors have none of."""
    layers = (
        torch.nn.Linear, torch.nn.Embedding, torch.nn.LayerNorm, torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d,
        torch.nn.GroupNorm, torch.nn.Bilinear,
    )  # fmt: skip
    before = [layer.reset_parameters for layer in layers]
    for layer in layers:
        layer.reset_parameters = lambda self: None  # type: ignore[method-assign,unused-ignore]
    try:
        with contextlib.ExitStack() as stack:
            for place in ("transformers.initialization", "transformers.modeling_utils"):
                with contextlib.suppress(ImportError, AttributeError):
                    module = __import__(place, fromlist=["no_init_weights"])
                    stack.enter_context(module.no_init_weights())
                    break
            yield
    finally:
        for layer, method in zip(layers, before):
            layer.reset_parameters = method  # type: ignore[method-assign,unused-ignore]


def within(name: str, parts: tuple[str, ...]) -> bool:
    """Whether a parameter's or module's path passes through one of these modules."""
    return any(piece in parts or piece.startswith(parts) for piece in name.split("."))


def freeze(model: Any, rules: dict[str, Any]) -> None:
    """Apply the freeze rules vision, projector, language (True: does not train)."""
    for name, parameter in model.named_parameters():
        projector = within(name, PROJECTOR)
        vision = within(name, VISION) and not projector
        rule = rules.get("projector" if projector else "vision" if vision else "language")
        if rule:
            parameter.requires_grad_(False)


def checkpoint(model: Any, plan: dict[str, Any], notes: list[str]) -> None:
    """Turn gradient checkpointing on where the model supports it, as the Trainer does."""
    if not plan.get("checkpointing"):
        return
    keywords = {"use_reentrant": bool(plan.get("reentrant")), "preserve_rng_state": False}
    try:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=keywords)
    except (ValueError, AttributeError, NotImplementedError) as error:
        notes.append(f"gradient checkpointing is not supported by this model: {_line(error)}")
        return
    _checkpoint_tower(model, plan.get("vision_checkpointing"), keywords)
    if plan.get("method") in ("lora", "qlora", "dora") and hasattr(model, "enable_input_require_grads"):
        with contextlib.suppress(NotImplementedError, AttributeError):
            model.enable_input_require_grads()


def _checkpoint_tower(model: Any, wanted: bool | None, keywords: dict[str, Any]) -> None:
    """Checkpoint the vision tower, or leave it out, where the run says so; else it is as the model has it."""
    if wanted is None:
        return
    for name, module in model.named_modules():
        if not within(name, VISION):
            continue
        if wanted and getattr(module, "supports_gradient_checkpointing", False):
            module.gradient_checkpointing_enable(gradient_checkpointing_kwargs=keywords)
        elif not wanted and hasattr(module, "gradient_checkpointing"):
            module.gradient_checkpointing = False


def _line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
