"""Names of a spec in C: their own spelling where C allows it, and never two of one spelling."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grugen.target.c_names import C_WORDS, OUR_WORDS, LocalNames, member_name

words = st.sampled_from(sorted(C_WORDS | OUR_WORDS))
letters = st.text("abT_1", min_size=1, max_size=3).map(lambda tail: f"h{tail}")


@given(st.lists(st.one_of(words, letters), unique=True, max_size=12))
def test_local_names_are_distinct_and_allowed(names: list[str]) -> None:
    local = LocalNames(names)
    spelled = [local[name] for name in names]
    assert len(set(spelled)) == len(spelled)
    assert not {*spelled} & (C_WORDS | OUR_WORDS)
    for name in names:
        if name not in C_WORDS | OUR_WORDS:
            assert local[name] == name
        assert local.beside(name, "out") not in spelled


@pytest.mark.parametrize(
    "name", ["cudaStream", "CUDA_VERSION", "operand_9", "operand_12_at", "ahead_1", "plan_3"]
)
def test_names_of_cuda_are_spelled_otherwise(name: str) -> None:
    local = LocalNames([name, f"{name}_", "operand"])
    spelled = [local[name], local[f"{name}_"], local.fresh(name), local.fresh("operand")]
    assert len({*spelled}) == 4
    assert not {name, "operand_2"} & {*spelled}


@given(st.lists(st.one_of(words, letters, words.map("{}_".format)), unique=True, max_size=12))
def test_members_stay_distinct(names: list[str]) -> None:
    assert len({member_name(name) for name in names}) == len(names)


@pytest.mark.compiles
def test_no_macro_of_the_headers_is_a_name() -> None:
    """What the preprocessor would replace gets another spelling."""
    headers = "#include <math.h>\n#include <stdint.h>\n#include <string.h>\n#include <omp.h>\n"
    command = ["cc", "-std=c11", "-fopenmp", "-dM", "-E", "-xc", "-"]
    done = subprocess.run(command, input=headers, capture_output=True, text=True, check=True)
    defined = [line.split()[1] for line in done.stdout.splitlines()]
    objects = [name for name in defined if "(" not in name and name[0].isalpha()]
    assert len(objects) > 50
    assert [name for name in objects if LocalNames([name])[name] == name] == []
    assert [name for name in objects if member_name(name) == name] == []
