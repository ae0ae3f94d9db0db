import os

import numpy as np
import pytest

from core.explain.cache import ExplanationCache, open_cache

KEY = {"kind": "attribution", "bar": "2013-02-01", "question": {"method": "ig"}}
FIELDS = {"output": 0.25, "names": ["a", "b"], "missing": None}


@pytest.fixture
def cache(tmp_path):
    return ExplanationCache(tmp_path / "explanations")


@pytest.fixture
def values():
    return np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)


def test_what_was_written_is_read_back_bit_for_bit(cache, values):
    assert cache.read(KEY) is None
    cache.write(KEY, FIELDS, {"values": values})
    fields, arrays = cache.read(KEY)
    assert fields == FIELDS
    assert arrays["values"].dtype == np.float32
    np.testing.assert_array_equal(arrays["values"], values)


@pytest.mark.parametrize(
    "change", [{"bar": "2013-02-04"}, {"kind": "check"}, {"question": {"method": "occlusion"}}]
)
def test_any_part_of_the_key_makes_another_entry(cache, values, change):
    cache.write(KEY, FIELDS, {"values": values})
    assert cache.read(KEY | change) is None


def test_a_file_under_the_wrong_name_is_not_taken_for_another_answer(cache, values):
    cache.write(KEY, FIELDS, {"values": values})
    other = KEY | {"bar": "2013-02-04"}
    cache._path(KEY).rename(cache._path(other))
    assert cache.read(other) is None


def test_every_truncation_counts_as_absent(cache, values):
    cache.write(KEY, FIELDS, {"values": values})
    path = cache._path(KEY)
    whole = path.read_bytes()
    for length in range(0, len(whole), max(len(whole) // 60, 1)):
        path.write_bytes(whole[:length])
        assert cache.read(KEY) is None, length


def test_changed_bytes_never_give_a_wrong_answer(cache, values):
    cache.write(KEY, FIELDS, {"values": values})
    path = cache._path(KEY)
    whole = path.read_bytes()
    rng = np.random.default_rng(1)
    refused = 0
    for place in rng.choice(len(whole), 300, replace=False):
        damaged = bytearray(whole)
        damaged[place] ^= int(rng.integers(1, 256))
        path.write_bytes(bytes(damaged))
        found = cache.read(KEY)
        if found is None:
            refused += 1
        else:
            # Some bytes of a zip file, such as its times, say nothing about the content.
            assert found[0] == FIELDS
            np.testing.assert_array_equal(found[1]["values"], values)
    assert refused > 200


def test_a_damaged_entry_is_replaced(cache, values):
    cache.write(KEY, FIELDS, {"values": values})
    cache._path(KEY).write_bytes(b"not a zip file")
    cache.write(KEY, FIELDS, {"values": values})
    assert cache.read(KEY) is not None


def test_a_pickle_in_the_folder_is_never_opened(cache):
    cache.folder.mkdir(parents=True)
    with cache._path(KEY).open("wb") as out:
        np.savez(out, header=np.array([{"key": KEY}], dtype=object))
    assert cache.read(KEY) is None


def test_the_least_recently_read_go_first(tmp_path, values):
    cache = ExplanationCache(tmp_path)
    keys = [{"bar": str(number)} for number in range(4)]
    for age, key in enumerate(keys[:3]):
        cache.write(key, FIELDS, {"values": values})
        os.utime(cache._path(key), (1000 + age, 1000 + age))
    size = cache._path(keys[0]).stat().st_size
    cache.largest = 3 * size + size // 2
    assert cache.read(keys[0]) is not None
    cache.write(keys[3], FIELDS, {"values": values})
    assert [cache.read(key) is not None for key in keys] == [True, False, True, True]


def test_nothing_half_written_is_left_behind(cache, values):
    with pytest.raises(ValueError, match="not JSON compliant"):
        cache.write(KEY, {"output": float("nan")}, {"values": values})
    cache.write(KEY, FIELDS, {"values": values})
    assert [path.name for path in cache.folder.iterdir()] == [cache._path(KEY).name]


def test_command_line_and_workbench_share_one_folder(tmp_path):
    assert open_cache(tmp_path).folder == tmp_path / "explanations"
