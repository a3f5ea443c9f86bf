"""The bundled sample is whole, small enough, and what its script draws."""

import hashlib
import tarfile

import make_sample
import numpy as np
from dataset import SAMPLE, read_dataset

ARCHIVE = SAMPLE / "set-a-1000.tar.gz"
SHA256 = {
    "set-a-1000.tar.gz": "d3af29f0bdfb0eaa225a1da6b6faf31497aebf870b6ebe266aaadc5e48a32de9",
    "Outcomes-a-1000.txt": "fd8538d22a09c5a816a9a61d101952dbb41ee8b2a91139c1ab199ddb32d3caaa",
}


def test_files_are_unchanged_and_small() -> None:
    for name, digest in SHA256.items():
        assert hashlib.sha256((SAMPLE / name).read_bytes()).hexdigest() == digest, name
    assert ARCHIVE.stat().st_size <= 2_000_000


def test_the_source_note_states_the_checksums_licence_and_citations() -> None:
    note = (SAMPLE / "SOURCE.md").read_text()
    for said in (*SHA256.values(), "ODC-By", "Silva", "Goldberger"):
        assert said in note


def test_the_archive_repacks_to_the_same_tar() -> None:
    files = make_sample.read_files(ARCHIVE)
    with tarfile.open(ARCHIVE) as archive:
        names = archive.getnames()
    assert names == [f"set-a/{record}.txt" for record in sorted(files)]
    assert len(names) == make_sample.STAYS
    repacked = make_sample.archive(files)
    # The compressed bytes depend on zlib's version, what they hold does not.
    assert gunzip(repacked) == gunzip(ARCHIVE.read_bytes())


def gunzip(packed: bytes) -> bytes:
    return make_sample.gzip.decompress(packed)


def test_the_draw_is_stratified_and_fixed() -> None:
    rows = [b"%d,1,1,1,1,%d" % (record, record % 7 == 0) for record in range(5000)]
    chosen = make_sample.choose(rows)
    assert len(chosen) == make_sample.STAYS
    assert sum(int(record) % 7 == 0 for record in chosen) == 143
    assert chosen == make_sample.choose(rows)


def test_the_sample_reads_as_1000_stays_with_138_deaths() -> None:
    dataset = read_dataset(None, "a")
    assert len(dataset.sequences) == len(dataset.deaths) == 1000
    assert dataset.deaths.sum() == 138
    lengths = dataset.lengths(np.arange(1000))
    assert lengths.min() >= 1
    assert 60 < lengths.mean() < 80
    missing = 1 - np.mean(np.concatenate([steps.m for steps in dataset.sequences]))
    assert 0.80 < missing < 0.84
