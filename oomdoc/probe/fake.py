"""Tensors without floats: floating ones live on the meta device, integers and masks are computed for real.

So shapes that depend on token ids, image grids or masks come out right, and no weight takes memory. Every storage that
an operator makes is entered in the ledger, and struck out when its last reference goes. Needs torch 2.1+, Python 3.9+.
"""

# ruff: noqa: ARG001, ARG002, SLF001
# torch's dispatcher has private names only; its handlers share one signature

from __future__ import annotations

import contextlib
import sys
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from oomdoc.probe.ledger import Ledger

aten = torch.ops.aten
Tensor = torch.Tensor

SMALL = 2048  # an operator on real tensors of at most so many elements cannot make one that matters
REAL_FLOATS = 1 << 16  # floating results beyond this go to the meta device
REAL_INTEGERS = 1 << 27  # and integer ones beyond this
FRAME_BYTES = 1 << 20  # smaller storages are not traced to a line of Python
CUBLAS_WORKSPACE = 8_519_680  # :4096:2:16:8, aten/src/ATen/cuda/CublasHandlePool.cpp
CUBLAS_WORKSPACE_HOPPER = 33_554_432  # :4096:8 from compute capability 9.0 on
_SKIP = (str(Path(torch.__file__).parent), str(Path(__file__).parent), "<")
_META = torch.device("meta")
_BLAS = {aten.mm.default, aten.addmm.default, aten.bmm.default, aten.baddbmm.default, aten.mv.default}


class NoFakeKernelError(RuntimeError):
    """An operator that cannot run without data; `op` names it."""

    def __init__(self, op: str, reason: str) -> None:
        self.op = op
        super().__init__(f"the operator {op} cannot run without data: {reason}")


class FakeStep(TorchDispatchMode):  # type: ignore[misc,unused-ignore]
    """The dispatch mode of a dry run. `vocab` marks the tensors that are logits."""

    def __init__(self, ledger: Ledger, vocab: int = 0, hopper: bool = False) -> None:
        super().__init__()
        self.ledger = ledger
        self.vocab = vocab
        self.known: dict[int, int] = {}
        self._guards: dict[int, Any] = {}
        self.modules: list[str] = [""]
        self.notes: set[str] = set()
        self.backward_of: Callable[[], str] | None = None
        self.workspace_bytes = CUBLAS_WORKSPACE_HOPPER if hopper else CUBLAS_WORKSPACE
        self._warm: set[bool] = set()
        self.tracking = True
        self.ops = 0

    def adopt(self, tensor: torch.Tensor, component: str, name: str = "") -> int:
        """Enter a tensor that exists already, such as a parameter; returns its id."""
        storage = tensor.untyped_storage()
        number = self.known.get(storage._cdata)
        if number is None:
            number = self._enter(storage, "load", component)
            self._describe(number, tensor)
        allocation = self.ledger.allocations[number]
        allocation.component = component
        allocation.name = name or allocation.name
        return number

    def number_of(self, tensor: torch.Tensor) -> int:
        """The id under which a tensor's storage is entered, 0 if it is not."""
        return self.known.get(tensor.untyped_storage()._cdata, 0)

    def _dispatch(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        self.ops += 1
        special = _SPECIAL.get(func)
        out = special(self, func, args, kwargs) if special is not None else run(func, args, kwargs)
        if self.tracking:
            if func in _BLAS:
                self._warm_blas()
            if isinstance(out, Tensor):
                self._track(out, func)
            elif isinstance(out, (tuple, list)):
                for item in out:
                    if isinstance(item, Tensor):
                        self._track(item, func)
        return out

    def _track(self, tensor: torch.Tensor, func: Any) -> None:
        storage = tensor.untyped_storage()
        if storage._cdata in self.known:
            return
        number = self._enter(storage, func, None)
        allocation = self.ledger.allocations[number]
        allocation.module = self.modules[-1]
        if allocation.nbytes >= FRAME_BYTES:
            self._describe(number, tensor)
            allocation.frame = _caller()
            if (
                self.vocab
                and tensor.shape[-1:] == (self.vocab,)
                and allocation.component in ("activations", "workspace")
            ):
                allocation.component = "logits"
            if self.backward_of is not None and not allocation.module:
                allocation.module = self.backward_of()

    def _enter(self, storage: Any, op: Any, component: str | None) -> int:
        number = self.ledger.born(storage.nbytes(), op, component)
        key = storage._cdata
        self.known[key] = number
        self._guards[key] = weakref.ref(storage, lambda _: self._gone(key))
        return number

    def _gone(self, key: int) -> None:
        number = self.known.pop(key, None)
        self._guards.pop(key, None)
        if number is not None:
            self.ledger.died(number)

    def _describe(self, number: int, tensor: torch.Tensor) -> None:
        allocation = self.ledger.allocations[number]
        allocation.shape = tuple(tensor.shape)
        allocation.dtype = str(tensor.dtype).replace("torch.", "")

    def _warm_blas(self) -> None:
        """The first product of a thread takes cuBLAS's workspace; forward and backward are two threads on CUDA."""
        backward = self.ledger.phase == "backward"
        if backward not in self._warm:
            self._warm.add(backward)
            number = self.ledger.born(self.workspace_bytes, "cublas_workspace", "workspace")
            self.ledger.allocations[number].name = "cuBLAS workspace"


# set afterwards: a method of that name in the class body would be wrapped, and the wrapper imports dynamo (2 s)
FakeStep.__torch_dispatch__ = FakeStep._dispatch  # type: ignore[method-assign,unused-ignore]


def run(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run one operator: for real where every tensor is real and the result small, else on the meta device."""
    fake, real, largest = _survey(args, kwargs)
    if not fake:
        if real:
            return _run_real(func, args, kwargs, largest)
        return _make(func, args, kwargs)
    if real:
        if _writes_to_real(func, args):
            return args[0]
        args, kwargs = _to_meta(args), {key: _to_meta_one(value) for key, value in kwargs.items()}
    device = kwargs.get("device")
    if device is not None and device.type != "meta":
        kwargs = {**kwargs, "device": _META}
    try:
        out = func(*args, **kwargs)
    except NotImplementedError as error:
        raise NoFakeKernelError(str(func), _first_line(error)) from error
    return _concrete(func, args, out)


@contextlib.contextmanager
def integers_kept() -> Iterator[None]:
    """While this lasts, torch.tensor keeps integers made "on the device": a meta tensor would lose them."""
    before = torch.tensor

    def tensor(data: Any, *, dtype: Any = None, device: Any = None, **others: Any) -> torch.Tensor:
        made = before(data, dtype=dtype, **others)
        if device is None or not (made.is_floating_point() or made.is_complex()):
            return made
        return before(data, dtype=dtype, device=device, **others)

    torch.tensor = tensor
    try:
        yield
    finally:
        torch.tensor = before


def _survey(args: Any, kwargs: dict[str, Any]) -> tuple[bool, bool, int]:
    """(a meta tensor is among the arguments, a real one is, elements of the largest real one)."""
    fake = real = False
    largest = 0
    for value in (*args, *kwargs.values()) if kwargs else args:
        if isinstance(value, Tensor):
            if value.is_meta:
                fake = True
            else:
                real = True
                largest = max(largest, value.numel())
        elif isinstance(value, (list, tuple)):
            for item in value:
                if isinstance(item, Tensor):
                    if item.is_meta:
                        fake = True
                    else:
                        real = True
                        largest = max(largest, item.numel())
    return fake, real, largest


def _run_real(func: Any, args: Any, kwargs: dict[str, Any], largest: int) -> Any:
    device = kwargs.get("device")
    if device is not None and device.type == "meta":
        dtype = kwargs.get("dtype") or args[0].dtype
        if dtype.is_floating_point and args[0].numel() > SMALL:
            return func(*args, **kwargs)
        kwargs = {**kwargs, "device": torch.device("cpu")}
    if largest > SMALL and not _traits(func):
        try:
            shadow = func(*_to_meta(args), **{key: _to_meta_one(value) for key, value in kwargs.items()})
        except (NotImplementedError, RuntimeError):  # its shape depends on the data, which is here
            return func(*args, **kwargs)
        if isinstance(shadow, Tensor) and _too_large(shadow):
            return shadow
    return func(*args, **kwargs)


def _make(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """A factory: integers are made for real whatever device is asked for; so are small constants on the CPU."""
    if not _takes_device(func):
        return func(*args, **kwargs)
    device = kwargs.get("device")
    wanted = device.type if device is not None else "cpu"
    shadow = func(*args, **{**kwargs, "device": _META})
    if not isinstance(shadow, Tensor) or _too_large(shadow):
        return shadow
    if wanted != "cpu" and (shadow.is_floating_point() or shadow.is_complex()):
        return shadow
    if "pin_memory" in kwargs:
        kwargs = {**kwargs, "pin_memory": None}
    return func(*args, **{**kwargs, "device": torch.device("cpu")})


def _too_large(tensor: torch.Tensor) -> bool:
    limit = REAL_FLOATS if tensor.is_floating_point() or tensor.is_complex() else REAL_INTEGERS
    return bool(tensor.numel() > limit)


_DEVICES: dict[Any, bool] = {}


def _takes_device(func: Any) -> bool:
    found = _DEVICES.get(func)
    if found is None:
        found = _DEVICES[func] = any(value.name == "device" for value in func._schema.arguments)
    return found


_TRAITS: dict[Any, str] = {}


def _traits(func: Any) -> str:
    """ "writes" for an operator that changes an argument, "views" for one that returns an alias, else ""."""
    found = _TRAITS.get(func)
    if found is None:
        schema = func._schema
        aliases = any(value.alias_info is not None for value in schema.returns)
        found = _TRAITS[func] = "writes" if schema.is_mutable else "views" if aliases else ""
    return found


def _writes_to_real(func: Any, args: Any) -> bool:
    return bool(args) and isinstance(args[0], Tensor) and not args[0].is_meta and _traits(func) == "writes"


def _to_meta(args: Any) -> tuple[Any, ...]:
    return tuple(_to_meta_one(value) for value in args)


def _to_meta_one(value: Any) -> Any:
    if isinstance(value, Tensor):
        if value.is_meta:
            return value
        return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device=_META)
    if isinstance(value, (list, tuple)):
        return [_to_meta_one(item) for item in value]
    if isinstance(value, torch.device):
        return _META
    return value


_RANKED = {aten.topk.default, aten.sort.default, aten.argsort.default, aten.sort.stable, aten.multinomial.default}


def _concrete(func: Any, args: Any, out: Any) -> Any:
    """Replace integer results of floating operators by plausible values: experts are taken in turn, masks are false."""
    if isinstance(out, Tensor):
        return out if out.is_floating_point() or not _small_enough(out, func, args) else _values(func, args, out)
    if isinstance(out, (tuple, list)) and any(isinstance(o, Tensor) and not o.is_floating_point() for o in out):
        if func is aten.native_dropout.default:
            return out
        made = [_concrete(func, args, item) if isinstance(item, Tensor) else item for item in out]
        return type(out)(made) if type(out) in (list, tuple) else out
    return out


def _small_enough(out: torch.Tensor, func: Any, args: Any) -> bool:
    if not out.is_meta or out.is_complex() or _traits(func):
        return False
    return bool(out.numel() <= (1 << 24 if out.dtype != torch.bool else 1 << 16))


def _values(func: Any, args: Any, out: torch.Tensor) -> torch.Tensor:
    if func in _RANKED and out.dtype == torch.int64:
        source = args[0]
        dim = args[2] if func is aten.topk.default and len(args) > 2 else -1
        choices = source.shape[dim] if source.dim() else 1
        return (torch.arange(out.numel()) % max(1, choices)).view(out.shape)
    name = func._schema.name
    if "ones" in name:
        return torch.ones(out.shape, dtype=out.dtype)
    if "full" in name:
        return torch.full(out.shape, args[2] if "new_full" in name else args[1], dtype=out.dtype)
    return torch.zeros(out.shape, dtype=out.dtype)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _caller() -> Any:
    """The innermost frame outside torch and this package, as (code, line); None inside the backward engine."""
    frame: Any = sys._getframe(3)
    for _ in range(40):
        if frame is None:
            return None
        if not frame.f_code.co_filename.startswith(_SKIP):
            return (frame.f_code, frame.f_lineno)
        frame = frame.f_back
    return None


def _item(mode: FakeStep, func: Any, args: Any, kwargs: Any) -> Any:
    tensor = args[0]
    if not tensor.is_meta:
        return func(*args, **kwargs)
    if tensor.dtype == torch.bool:
        return False
    return 1.0 if tensor.is_floating_point() else 0


def _equal(mode: FakeStep, func: Any, args: Any, kwargs: Any) -> Any:
    if any(isinstance(value, Tensor) and value.is_meta for value in args):
        return True
    return func(*args, **kwargs)


def _nonzero(mode: FakeStep, func: Any, args: Any, kwargs: Any) -> Any:
    tensor = args[0]
    if tensor.is_meta:
        mode.notes.add("the places chosen by a floating mask are not known: all of them were taken")
        tensor = torch.ones(tensor.shape, dtype=torch.bool)
    return func(tensor, **kwargs)


def _index(mode: FakeStep, func: Any, args: Any, kwargs: Any) -> Any:
    """Indexing with a mask: its places become integers, whose number is known."""
    indices: list[Any] = []
    for value in args[1]:
        if isinstance(value, Tensor) and value.dtype in (torch.bool, torch.uint8):
            mask = torch.ones(value.shape, dtype=torch.bool) if value.is_meta else value
            indices.extend(mask.nonzero().unbind(1))
        else:
            indices.append(value)
    return run(func, (args[0], indices, *args[2:]), kwargs)


def _masked_select(mode: FakeStep, func: Any, args: Any, kwargs: Any) -> Any:
    tensor, mask = args[0], args[1]
    if not tensor.is_meta:
        return func(*args, **kwargs)
    shape = torch.broadcast_shapes(tensor.shape, mask.shape)
    count = int(mask.expand(shape).sum()) if not mask.is_meta else torch.Size(shape).numel()
    return tensor.new_empty((count,))


def _histogram(mode: FakeStep, func: Any, args: Any, kwargs: Any) -> Any:
    """CUDA counts integers, the CPU only floats."""
    tensor = args[0]
    if tensor.is_meta or tensor.is_floating_point():
        return run(func, args, kwargs)
    return func(tensor.float(), *args[1:], **kwargs).to(tensor.dtype)


def _ignored(mode: FakeStep, func: Any, args: Any, kwargs: Any) -> Any:
    return None


_SPECIAL: dict[Any, Callable[[FakeStep, Any, Any, Any], Any]] = {
    aten._local_scalar_dense.default: _item,
    aten.equal.default: _equal,
    aten.nonzero.default: _nonzero,
    aten.index.Tensor: _index,
    aten.index_put.default: _index,
    aten.index_put_.default: _index,
    aten.histc.default: _histogram,
    aten.masked_select.default: _masked_select,
    aten._assert_async.msg: _ignored,
    aten._assert_async.default: _ignored,
}
