"""C spellings for the names of a spec: the name itself wherever C and our own text allow it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

C_WORDS = frozenset(
    """
    auto break case char const continue default do double else enum extern float for goto if inline
    int long register restrict return short signed sizeof static struct switch typedef union
    unsigned void volatile while _Alignas _Alignof _Atomic _Bool _Complex _Generic _Imaginary
    _Noreturn _Static_assert _Thread_local asm typeof bool true false NULL EOF INFINITY NAN
    HUGE_VAL HUGE_VALF HUGE_VALL MATH_ERRNO MATH_ERREXCEPT math_errhandling errno assert offsetof
    linux unix i386 and and_eq bitand bitor class compl delete explicit export friend mutable
    namespace new not not_eq operator or or_eq private protected public template this throw try
    catch typename using virtual wchar_t xor xor_eq nullptr alignas alignof constexpr decltype
    noexcept static_assert thread_local const_cast dynamic_cast reinterpret_cast static_cast typeid
    char8_t char16_t char32_t concept consteval constinit co_await co_return co_yield requires
    int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t size_t
    ssize_t ptrdiff_t intptr_t uintptr_t intmax_t uintmax_t max_align_t va_list
    stdin stdout stderr signbit isnan isinf isfinite isnormal fpclassify
    isgreater isgreaterequal isless islessequal islessgreater isunordered
    CHAR_BIT PIPE_BUF MAX_CANON MAX_INPUT PTHREAD_DESTRUCTOR_ITERATIONS sched_priority
    EXIT_SUCCESS EXIT_FAILURE CLK_TCK CLOCKS_PER_SEC TIME_UTC TIMER_ABSTIME syscall
    """.split()
)
"""Keywords, types and macros of C and C++ that no member of a struct may be called."""

OUR_WORDS = frozenset(
    """
    call tile work first last next q row slot b j k keep_tape at sum sums span lanes
    here team rows item over member plan ask panels gathered vector length s given memory begun
    own own_row row_of_lane begin eight shares shares_at Rows Team Panels ROWS HELD WHOLE Shape
    found ahead Ahead is_found kept Kept is_kept meanwhile Meanwhile slice parts shared
    dim3 uint2 memcpy memset floorf powf pow threadIdx blockIdx blockDim gridDim warpSize
    """.split()
)
"""What generated functions call things around the values of a cell."""

FRAME_WORDS = frozenset(
    """
    arena tiling sequences rows count block steps done longest mode memory s t i own one thread
    taken rest packed sums unused team shared outers vectors alone everyone member members weights
    device stream fours all tried items blocks launch graphs kept record recorder
    right omp_get_thread_num omp_get_num_threads
    """.split()
)
"""What functions that mention sizes, but no values, use beside those."""

FRAME_MEMBERS = frozenset(
    """
    call work counts order taken rows count start row own_row slot operand team sums packed
    meeting meetings parts gathered wanted most_wanted own room steps
    """.split()
)
"""What the structs of a kernel's memory hold beside the memory of its values."""


_C_MACROS = re.compile(
    r"[A-Z0-9_]+_(MAX|MIN|WIDTH|C)|(FP|M)_([A-Z0-9_]*[A-Z0-9])|(cuda[A-Z]|CUDA)\w*(?<!_)"
    r"|SYS_\w*(?<!_)|(SCHED|CLONE|CPU|CLOCK)_([A-Z0-9_]*[A-Z0-9])"
)
"""How the macros of <stdint.h>, <math.h>, <sched.h>, <cuda_runtime.h> and their like are called."""


_OPERANDS = re.compile(r"operand_\d+(_of|_at|_is|_asked)?|(plan|ahead)_\d+")


def is_c_word(name: str) -> bool:
    """Whether C, C++ or a standard header may have a meaning of its own for `name`."""
    return name in C_WORDS or _C_MACROS.fullmatch(name) is not None


def member_name(name: str) -> str:
    """`name` as a struct's member: an underscore is added where C, C++ or a macro forbids it.

    Different names stay different: `NULL` becomes `NULL_`, and `NULL_` becomes `NULL__`.
    """
    word = name.rstrip("_")
    return f"{name}_" if is_c_word(word) or _is_ours(word) else name


def _is_ours(name: str) -> bool:
    """Whether `name` may be one of the functions, macros and operands of our own text."""
    return name.lower().startswith("grugen") or _OPERANDS.fullmatch(name) is not None


def _is_taken(name: str) -> bool:
    return is_c_word(name) or _OPERANDS.fullmatch(name) is not None


class LocalNames:
    """Distinct identifiers for the values and dims of one kernel, and for what belongs to them."""

    def __init__(self, names: Iterable[str]) -> None:
        self._taken = set(C_WORDS | OUR_WORDS)
        self._names: dict[str, str] = {}
        later = []
        for name in dict.fromkeys(names):
            # first come those that keep their spelling
            if name in self._taken or is_c_word(name) or _is_ours(name):
                later.append(name)
            else:
                self._taken.add(name)
                self._names[name] = name
        for name in later:
            self._names[name] = self.fresh(name if _is_ours(name) else f"{name}_")

    def __getitem__(self, name: str) -> str:
        return self._names[name]

    def fresh(self, wish: str, avoid: Collection[str] = ()) -> str:
        """`wish`, or `wish` with a number, whichever is free; taken from now on."""
        name = wish = f"{wish}_" if _is_ours(wish) else wish
        number = 1
        while name in self._taken or name in avoid or _is_taken(name):
            number += 1
            name = f"{wish}_{number}"
            name += "_" if _is_taken(name) else ""
        self._taken.add(name)
        return name

    def beside(self, name: str, suffix: str) -> str:
        """`name_suffix`, with underscores added until no value is called so; not taken."""
        wish = f"{name}_{suffix}"
        while wish in self._taken:
            wish += "_"
        return wish
