"""Arrays without their owner, so that passing them about costs nothing.

numba counts references: each array that is bound to a parameter or taken from a tuple is an atomic increment and, later, a decrement. Where a
loop passes dozens of arrays for each fix, that is a third of its time. A kernel's arguments are kept alive by its caller, so inside it
they need no counting. Without the compiler arrays stay as they are.
"""

from typing import Any

import numba
from numba import types
from numba.extending import intrinsic

_types: Any = types  # untyped to a type checker


def _without_owner(builder: Any, kind: Any, value: Any) -> Any:
    if isinstance(kind, _types.BaseTuple):
        for i, part in enumerate(kind.types):
            item = _without_owner(builder, part, builder.extract_value(value, i))
            value = builder.insert_value(value, item, i)
    elif isinstance(kind, _types.Array):
        for owner in (
            0,
            1,
        ):  # in numba's array structure, what counts its references, and the Python object behind it
            value = builder.insert_value(value, value.type.elements[owner](None), owner)
    return value


def _borrowed(_typing: Any, arrays: Any) -> Any:
    """The same array, or tuple of arrays and tuples, uncounted. Only of a kernel's own arguments, and never to be returned."""

    def generate(_context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _without_owner(builder, signature.args[0], values[0])

    return arrays(arrays), generate


_config: Any = numba.config
borrowed: Any = (lambda arrays: arrays) if _config.DISABLE_JIT else intrinsic(_borrowed)

UNCOUNTED: dict[str, Any] = {"_nrt": False}
"""For `@njit(cache=True, nogil=True, **UNCOUNTED)`: compiled without any counting. A kernel that makes no array, and calls none that does, needs
none. Many small functions that hand on tuples of arrays are five times as fast so, and five times as fast as with `borrowed`."""
