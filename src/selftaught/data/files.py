"""Folders of files, of any nesting, and zip archives, which are read without unpacking them."""

from __future__ import annotations

import os
import re
import stat
import threading
import zipfile
import zlib
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from selftaught.core.errors import DataError
from selftaught.data.findings import Finding, name_some, note
from selftaught.data.location import explained, is_remote, open_binary, read_bytes
from selftaught.data.records import Listing, clean_id

KINDS = {
    "pictures": "jpg jpeg jpe jfif png bmp gif tif tiff webp ppm pgm pbm pnm tga jp2 avif",
    "sounds": "wav flac mp3 ogg oga opus m4a aac aif aiff au",
    "videos": "mp4 avi mov mkv webm mpg mpeg",
    "arrays": "npy",
    "texts": "txt text md rst log tex",
    "recordings": "ts csv tsv parquet pq",
}
SUFFIXES = {kind: frozenset(f".{suffix}" for suffix in text.split()) for kind, text in KINDS.items()}
JUNK = frozenset({"thumbs.db", "desktop.ini", "__macosx", "$recycle.bin", "__pycache__"})

# Deflate reaches 1032:1. Blank pictures come near it, so the ratio counts only for entries that could hurt.
ENTRY_LIMIT_BYTES = 256 << 20
TOTAL_LIMIT_BYTES = 4 << 30
RATIO = 100


@dataclass(frozen=True)
class FolderReader:
    """Reads the bytes of the files of a folder by index."""

    root: Path
    names: Sequence[str] = field(repr=False)

    def __call__(self, index: int) -> bytes:
        with explained(self.root / self.names[index]):
            return (self.root / self.names[index]).read_bytes()


@dataclass
class ZipReader:
    """Reads entries of an archive by index; every thread may, and another process opens the archive for itself."""

    place: str | Path
    names: Sequence[str] = field(repr=False)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    archive: zipfile.ZipFile | None = field(default=None, repr=False)
    owner: int = field(default=0, repr=False)

    def __call__(self, index: int) -> bytes:
        return self.entry(self.names[index])

    def entry(self, name: str) -> bytes:
        """The bytes of one entry; at most its declared size, which was checked when the archive was listed."""
        archive = self.opened()
        try:
            return archive.read(name)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as problem:
            raise DataError(f"Entry {name!r} of {self.place} cannot be read: {problem}.") from problem

    def inside(self, name: str) -> bytes | None:
        """The bytes of an entry by its name, None if there is none."""
        return self.entry(name) if name in self.opened().NameToInfo else None

    def opened(self) -> zipfile.ZipFile:
        """The archive; a forked process opens it anew, because it would share the file's position with its parent."""
        with self.lock:
            if self.archive is None or self.owner != os.getpid():
                self.archive, self.owner = open_archive(self.place), os.getpid()
            return self.archive

    def __getstate__(self) -> tuple[str | Path, Sequence[str]]:
        return self.place, self.names

    def __setstate__(self, state: tuple[str | Path, Sequence[str]]) -> None:
        self.__init__(*state)  # type: ignore[misc]


def open_archive(place: str | Path) -> zipfile.ZipFile:
    """An archive open for reading; DataError if it is none."""
    try:
        # The archive closes a file that it opened itself when it is dropped, but not one that it was given.
        return zipfile.ZipFile(open_binary(place) if is_remote(place) else place)
    except (zipfile.BadZipFile, EOFError, OSError) as problem:
        raise DataError(f"{str(place)!r} is not a readable zip archive ({problem}); copy it again.") from problem


def list_zip(place: str | Path, suffixes: Collection[str] | None = None) -> Listing:
    """The records of a zip archive. Refuses names that leave the archive, encryption and decompression bombs."""
    archive = open_archive(place)
    entries = sorted((entry for entry in archive.infolist() if not entry.is_dir()), key=lambda entry: entry.filename)
    check_archive(place, entries)
    files = {entry.filename: f"{entry.file_size}:{entry.CRC:08x}" for entry in entries}
    names, kind, findings = choose_files(str(place), files, suffixes)
    reader = ZipReader(place, names, archive=archive, owner=os.getpid())
    return Listing(
        ids=[clean_id(name) for name in names],
        stamps=[files[name] for name in names],
        read=reader,
        kind=f"zip archive of {kind}",
        inside=reader.inside,
        findings=findings,
    )


def check_archive(place: str | Path, entries: Sequence[zipfile.ZipInfo]) -> None:
    """Raises DataError for an archive that is unsafe to read."""
    outside = [entry.filename for entry in entries if leaves_archive(entry.filename)]
    if outside:
        raise DataError(
            f"{str(place)!r} has {len(outside)} names that lead out of the archive: {name_some(outside)}. "
            "Such an archive is refused; pack the files again with relative names."
        )
    if any(entry.flag_bits & 1 for entry in entries):
        raise DataError(f"{str(place)!r} is encrypted. Unpack it, and give the folder instead.")
    total, packed = sum(entry.file_size for entry in entries), sum(entry.compress_size for entry in entries)
    bombs = [(f"entry {each.filename!r}", each.compress_size, each.file_size, ENTRY_LIMIT_BYTES) for each in entries]
    for name, before, after, limit in [*bombs, ("the whole", packed, total, TOTAL_LIMIT_BYTES)]:
        if after > limit and after > RATIO * max(1, before):
            raise DataError(
                f"{str(place)!r} is refused, a decompression bomb: {name} unpacks from {before:,} to {after:,} bytes. "
                "If it is genuine, unpack it and give the folder instead."
            )


def leaves_archive(name: str) -> bool:
    """Whether a name is absolute or climbs out with `..`, in Unix or Windows spelling."""
    parts = re.split(r"[/\\]", name)
    return ".." in parts or parts[0] == "" or re.match(r"[A-Za-z]:", name) is not None


def list_folder(root: Path, suffixes: Collection[str] | None = None) -> Listing:
    """The records of a folder, nested as deep as it likes; a path to one file is a folder of one."""
    given = root
    if given.is_file():
        root, files = given.parent, {given.name: stamp(given.stat())}
    else:
        files = walk(root)
    names, kind, findings = choose_files(str(root), files, suffixes)
    return Listing(
        ids=[clean_id(name) for name in names],
        stamps=[files[name] for name in names],
        read=FolderReader(root, names),
        kind=f"file {given.name}" if given != root else f"folder of {kind}",
        inside=partial(_read_inside, root),
        findings=findings,
    )


def _read_inside(root: Path, name: str) -> bytes | None:
    return read_bytes(root / name) if (root / name).is_file() else None


def walk(root: Path) -> dict[str, str]:
    """Every file below a folder by its relative name, with its stamp; junk and hidden ones left out, links followed."""
    files: dict[str, str] = {}
    waiting, visited = [""], set()
    while waiting:
        inner = waiting.pop()
        with explained(root / inner), os.scandir(root / inner) as entries:
            for entry in entries:
                name = f"{inner}{entry.name}"
                if is_junk(entry.name) or (entry.is_symlink() and not os.path.exists(entry.path)):
                    continue
                status = entry.stat()
                if stat.S_ISREG(status.st_mode):
                    files[name] = stamp(status)
                elif stat.S_ISDIR(status.st_mode) and (status.st_dev, status.st_ino) not in visited:
                    visited.add((status.st_dev, status.st_ino))
                    waiting.append(f"{name}/")
    return dict(sorted(files.items()))


def stamp(status: os.stat_result) -> str:
    """Size in bytes and time of the last change in nanoseconds."""
    return f"{status.st_size}:{status.st_mtime_ns}"


def is_junk(name: str) -> bool:
    """Whether a file or folder name is one that no user means: hidden, or left behind by an operating system."""
    return name.startswith(".") or name.lower() in JUNK


def choose_files(
    place: str, files: dict[str, Any], suffixes: Collection[str] | None
) -> tuple[list[str], str, tuple[Finding, ...]]:
    """Names of the records, what they are, and a finding on the files left out.

    Without `suffixes` the most frequent kind of file is taken, pictures first where two are equally frequent.
    """
    usable = [name for name in files if not any(is_junk(part) for part in name.split("/"))]
    if not usable:
        raise DataError(f"{place!r} holds no files. Give a folder, archive or table that does.")
    found = Counter(os.path.splitext(name)[1].lower() for name in usable)
    if suffixes is None:
        kind = max(SUFFIXES, key=lambda each: sum(found[suffix] for suffix in SUFFIXES[each]))
        wanted: Collection[str] = SUFFIXES[kind]
    else:
        kind, wanted = "files", {f".{suffix.lower().lstrip('.')}" for suffix in suffixes}
    names = [name for name in usable if os.path.splitext(name)[1].lower() in wanted]
    rest = [name for name in usable if os.path.splitext(name)[1].lower() not in wanted]
    seen = ", ".join(f"{suffix or 'no suffix'} ({count:,})" for suffix, count in found.most_common(8))
    if not names:
        readable = " ".join(sorted(wanted if suffixes else set().union(*SUFFIXES.values())))
        raise DataError(f"{place!r} holds no file that can be read; found {seen}. Readable suffixes: {readable}.")
    message = f"Files that are no {kind} were left out: {len(rest):,}; found {seen}."
    return names, f"{len(names):,} {kind}", note("files-left-out", rest, message)
