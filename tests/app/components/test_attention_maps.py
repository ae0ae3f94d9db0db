"""The overview canvas's payload, read back as its script reads it."""

from __future__ import annotations

import json
import struct

import numpy as np

from app.components.attention_maps import pack_maps


def test_the_payload_reads_back_as_it_was_packed() -> None:
    codes = np.random.default_rng(0).integers(0, 256, (2, 3, 5, 5), dtype=np.uint8)
    payload = pack_maps(codes, ["first", "second"], ["a", "b", "c"], token="t")
    (size,) = struct.unpack_from("<I", payload)
    header = json.loads(payload[4 : 4 + size])
    cells = np.frombuffer(payload, np.uint8, offset=4 + size).reshape(codes.shape)
    assert np.array_equal(cells, codes)
    assert (header["layers"], header["heads"], header["size"]) == (2, 3, 5)
    assert header["rows"] == ["first", "second"]
    assert header["columns"] == ["a", "b", "c"]
    assert len(header["light"]) == len(header["dark"]) >= 2
