"""Draw the bundled sample from set-a: `python make_sample.py FOLDER` writes it, byte for byte.

FOLDER holds `set-a.tar.gz` (or the folder `set-a`) and `Outcomes-a.txt`. 1,000 of the 4,000 stays
are drawn at random, deaths and survivors apart so that the death rate stays that of the set, and
archived without a change. The archive depends on these files and zlib's version alone: names in
order, fixed owner and time, gzip without name or time stamp.
"""

from __future__ import annotations

import argparse
import gzip
import io
import random
import tarfile
from pathlib import Path

STAYS = 1000
SEED = 2012
PUBLISHED = 1327017600  # 2012-01-20, the date of the challenge, as the files' time
HERE = Path(__file__).resolve().parent


def read_files(source: Path) -> dict[str, bytes]:
    """Read every stay's file: record number to content."""
    if source.is_dir():
        return {path.stem: path.read_bytes() for path in source.glob("[0-9]*.txt")}
    files = {}
    with tarfile.open(source, "r:gz") as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content is not None:
                files[Path(member.name).stem] = content.read()
    return files


def choose(outcome_rows: list[bytes]) -> set[str]:
    """Choose the record numbers: a share of the deaths and of the survivors, by `SEED`."""
    deaths = sorted(row.split(b",")[0].decode() for row in outcome_rows if row.endswith(b",1"))
    survivors = sorted(row.split(b",")[0].decode() for row in outcome_rows if row.endswith(b",0"))
    draw = random.Random(SEED)
    dead = round(STAYS * len(deaths) / (len(deaths) + len(survivors)))
    return {*draw.sample(deaths, dead), *draw.sample(survivors, STAYS - dead)}


def archive(files: dict[str, bytes]) -> bytes:
    """Pack record number to content as a reproducible ``.tar.gz``."""
    tar_bytes = io.BytesIO()
    with tarfile.open(fileobj=tar_bytes, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for record in sorted(files):
            entry = tarfile.TarInfo(f"set-a/{record}.txt")
            entry.size = len(files[record])
            entry.mtime = PUBLISHED
            tar.addfile(entry, io.BytesIO(files[record]))
    packed = io.BytesIO()
    with gzip.GzipFile("", "wb", compresslevel=9, fileobj=packed, mtime=0) as stream:
        stream.write(tar_bytes.getvalue())
    return packed.getvalue()


def main() -> None:
    """Write `set-a-1000.tar.gz` and `Outcomes-a-1000.txt` beside this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="holds set-a.tar.gz and Outcomes-a.txt")
    parser.add_argument("--out", type=Path, default=HERE, help="default: this folder")
    options = parser.parse_args()
    packed = options.folder / "set-a.tar.gz"
    files = read_files(packed if packed.exists() else options.folder / "set-a")
    header, *rows = (options.folder / "Outcomes-a.txt").read_bytes().splitlines()
    chosen = choose(rows)
    kept_rows = [row for row in rows if row.split(b",")[0].decode() in chosen]
    (options.out / f"set-a-{STAYS}.tar.gz").write_bytes(archive({r: files[r] for r in chosen}))
    outcomes = options.out / f"Outcomes-a-{STAYS}.txt"
    outcomes.write_bytes(b"\n".join([header, *kept_rows]) + b"\n")


if __name__ == "__main__":
    main()
