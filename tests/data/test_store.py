"""The store is decoded once, survives kill -9 and full disks, grows with its source and stays flat in memory."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.data.making import decode, pictures, png, value_of, write_folder, write_zip

from selftaught.core.errors import DataError, StoreError
from selftaught.core.modality import Record, Stored
from selftaught.data import build, writer
from selftaught.data.build import build_store
from selftaught.data.source import open_source
from selftaught.data.store import open_store


def make(data, folder: Path, reader=decode, **options):
    return build_store(open_source(data), reader, folder, describe={"size": 4}, progress=False, **options)


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}


def refuse(record: Record) -> Stored:
    raise AssertionError(f"{record.id} was decoded again")


@pytest.fixture
def few_per_commit(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(build, "COMMIT_RECORDS", 16)
    monkeypatch.setattr(writer, "GROUP_RECORDS", 4)


@pytest.mark.parametrize("workers", [1, 4])
def test_a_store_gives_back_every_record_in_the_order_asked_for(tmp_path: Path, workers: int):
    store = make(write_zip(tmp_path / "d.zip", pictures(300)), tmp_path / "store", workers=workers)
    index = np.random.default_rng(0).permutation(300)[:50]
    rows = store.rows(index)
    assert isinstance(rows.fields["pixels"], torch.Tensor)
    assert rows.fields["pixels"].shape == (50, 4, 4)
    assert [value_of(each.numpy()) for each in rows.fields["pixels"]] == index.tolist()
    assert [store.ids[each] for each in rows.record] == [f"{each:05d}.png" for each in index]
    assert torch.equal(store.rows(torch.from_numpy(index)).fields["pixels"], rows.fields["pixels"])


def test_what_is_read_from_a_store_is_a_copy(tmp_path: Path):
    store = make(write_folder(tmp_path / "d", pictures(3)), tmp_path / "store")
    store.rows([1]).fields["pixels"].zero_()
    assert value_of(store.rows([1]).fields["pixels"][0].numpy()) == 1


@pytest.mark.parametrize("index", [[-1], [3], [[0]]])
def test_a_record_that_is_not_there_cannot_be_read(tmp_path: Path, index: list):
    store = make(write_folder(tmp_path / "d", pictures(3)), tmp_path / "store")
    with pytest.raises(DataError, match=r"within 0\.\.2"):
        store.rows(index)


def test_fields_of_unequal_shapes_come_back_one_by_one(tmp_path: Path):
    arrays = [np.full((index, 2), index, np.float32) for index in (3, 0, 5)]
    extra = np.arange(3, dtype=">u2")

    def reader(record: Record) -> Stored:
        return Stored(fields={"x": record.read(), "scale": np.float32(2), "extra": extra}, findings=("odd",))

    store = make(arrays, tmp_path / "store", reader)
    rows = open_store(tmp_path / "store").rows([2, 1, 0])
    assert isinstance(rows.fields["x"], tuple)
    assert [tuple(each.shape) for each in rows.fields["x"]] == [(5, 2), (0, 2), (3, 2)]
    assert rows.fields["x"][0].unique().tolist() == [5.0]
    assert rows.fields["scale"].tolist() == [2.0] * 3
    assert rows.fields["extra"].tolist() == [[0, 1, 2]] * 3
    assert [(finding.code, finding.count) for finding in store.findings] == [("odd", 3)]


def test_a_complete_store_is_opened_without_decoding_even_where_it_cannot_be_written(tmp_path: Path):
    data = write_folder(tmp_path / "d", pictures(5))
    first = make(data, tmp_path / "store")
    (tmp_path / "store" / ".lock").unlink()
    (tmp_path / "store" / ".lock").mkdir()  # cannot be opened for writing, whoever runs the tests
    again = make(data, tmp_path / "store", refuse)
    assert again.fingerprint == first.fingerprint


def test_what_cannot_be_decoded_is_set_aside_with_its_reason(tmp_path: Path):
    broken = {"00001.png": b"this is text", "00003.png": png(3)[:40], "00004.png": b""}
    store = make(write_folder(tmp_path / "d", pictures(6) | broken), tmp_path / "store")
    assert store.ids == ["00000.png", "00002.png", "00005.png"]
    (finding,) = store.findings
    assert (finding.code, finding.count) == ("set-aside", 3)
    assert finding.ids == tuple(broken)
    assert "it is not a picture" in finding.message
    assert [value_of(each.numpy()) for each in store.rows([0, 1, 2]).fields["pixels"]] == [0, 2, 5]


def test_a_picture_that_was_mended_joins_the_store(tmp_path: Path):
    data = write_folder(tmp_path / "d", pictures(3) | {"00001.png": b"broken"})
    make(data, tmp_path / "store")
    write_folder(data, {"00001.png": png(1)})
    assert make(data, tmp_path / "store").ids == ["00000.png", "00002.png", "00001.png"]


def test_a_record_whose_arrays_do_not_fit_the_others_is_set_aside(tmp_path: Path):
    arrays = [np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.float32), np.zeros(2, np.uint8)]
    store = make(arrays, tmp_path / "store")
    assert len(store) == 1
    assert "float32" in store.findings[0].message


def test_data_of_which_nothing_can_be_decoded_is_refused_and_leaves_no_store(tmp_path: Path):
    data = write_folder(tmp_path / "d", {"a.png": b"x", "b.png": b"y"})
    with pytest.raises(DataError, match="None of the 2 records can be decoded"):
        make(data, tmp_path / "store")
    with pytest.raises(StoreError, match="no complete store"):
        open_store(tmp_path / "store")
    write_folder(data, {"b.png": png(1)})
    assert make(data, tmp_path / "store").ids == ["b.png"]


def test_an_error_of_the_decoder_itself_is_not_hidden(tmp_path: Path):
    def broken(record: Record) -> Stored:
        raise KeyError("a fault in the program")

    with pytest.raises(KeyError):
        make(write_folder(tmp_path / "d", pictures(3)), tmp_path / "store", broken)


def test_a_source_that_grew_extends_the_store_without_decoding_the_old_records(tmp_path: Path):
    data = write_folder(tmp_path / "d", pictures(5, first=10))
    old = make(data, tmp_path / "store")
    write_folder(data, pictures(3))
    seen = []

    def reader(record: Record) -> Stored:
        seen.append(record.id)
        return decode(record)

    grown = make(data, tmp_path / "store", reader, workers=1)
    assert seen == ["00000.png", "00001.png", "00002.png"]
    assert list(grown.ids) == [*old.ids, *seen]
    assert [value_of(each.numpy()) for each in grown.rows(range(8)).fields["pixels"]] == [10, 11, 12, 13, 14, 0, 1, 2]
    assert np.array_equal(grown.content[:5], old.content)
    fresh = make(data, tmp_path / "fresh")
    assert fresh.fingerprint == grown.fingerprint != old.fingerprint


def test_an_extension_that_is_interrupted_leaves_the_old_store_whole(tmp_path: Path, few_per_commit):
    data = write_folder(tmp_path / "d", pictures(20, first=100))
    make(data, tmp_path / "store")
    write_folder(data, pictures(40))

    def reader(record: Record) -> Stored:
        if record.id == "00030.png":
            raise KeyboardInterrupt
        return decode(record)

    with pytest.raises(KeyboardInterrupt):
        make(data, tmp_path / "store", reader)
    assert [value_of(each.numpy()) for each in open_store(tmp_path / "store").rows(range(20)).fields["pixels"]] == list(
        range(100, 120)
    )
    assert make(data, tmp_path / "store").ids[20:] == list(pictures(40))


def test_a_store_of_changed_data_or_other_options_is_never_overwritten_unless_asked(tmp_path: Path):
    data = write_folder(tmp_path / "d", pictures(5))
    make(data, tmp_path / "store")
    with pytest.raises(StoreError, match="size was 4 and is 8"):
        build_store(open_source(data), decode, tmp_path / "store", describe={"size": 8}, progress=False)
    write_folder(data, {"00002.png": png(7) + b"more"})
    with pytest.raises(StoreError, match="1 of its 5 records"):
        make(data, tmp_path / "store")
    store = make(data, tmp_path / "store", replace_other=True)
    assert value_of(store.rows([2]).fields["pixels"][0].numpy()) == 7


def test_a_folder_that_holds_something_else_is_refused(tmp_path: Path):
    write_folder(tmp_path / "store", {"thesis.tex": b"years"})
    with pytest.raises(StoreError, match=r"'thesis\.tex'"):
        make(write_folder(tmp_path / "d", pictures(3)), tmp_path / "store")
    assert (tmp_path / "store" / "thesis.tex").read_bytes() == b"years"


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="cannot be written") as caught:
        make(write_folder(tmp_path / "d", pictures(3)), tmp_path / "file" / "store")
    assert caught.value.exit_code == 3


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the administrator may write anywhere")
def test_a_read_only_folder_is_refused(tmp_path: Path):
    (tmp_path / "store").mkdir(mode=0o555)
    with pytest.raises(StoreError, match="cannot be written"):
        make(write_folder(tmp_path / "d", pictures(3)), tmp_path / "store")


def test_a_store_larger_than_the_free_disk_is_refused_before_it_is_built(tmp_path: Path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**12, 10**12, build.MARGIN_BYTES + 100))
    with pytest.raises(StoreError, match="needs about 320 bytes"):
        make(write_folder(tmp_path / "d", pictures(20)), tmp_path / "store")
    assert not any(path.stat().st_size for path in (tmp_path / "store").glob("*.values"))


def test_the_size_is_said_before_the_disk_is_filled(tmp_path: Path):
    said: list[str] = []
    make(write_folder(tmp_path / "d", pictures(20)), tmp_path / "store", say=said.append)
    assert len(said) == 1
    assert "20 records will take about 320 bytes" in said[0]


def test_a_disk_that_fills_up_loses_nothing_and_the_same_call_continues(tmp_path: Path, few_per_commit, monkeypatch):
    data = write_folder(tmp_path / "d", pictures(100))
    commit, calls = build.Writer.commit, []

    def failing(self) -> None:
        calls.append(1)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        commit(self)

    with monkeypatch.context() as patch:
        patch.setattr(build.Writer, "commit", failing)
        with pytest.raises(StoreError, match="The disk is full"):
            make(data, tmp_path / "store")
    done = json.loads((tmp_path / "store" / "progress.json").read_text())["records"]
    assert 0 < done < 100
    seen = []
    make(data, tmp_path / "store", lambda record: seen.append(record.id) or decode(record))
    assert len(seen) == 100 - done
    make(data, tmp_path / "fresh")
    assert content_of(tmp_path / "store") == content_of(tmp_path / "fresh")


def test_a_full_device_is_told_from_a_folder_without_rights(tmp_path: Path):
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "ids.jsonl").symlink_to("/dev/full")
    with pytest.raises(StoreError, match=r"cannot be written|disk is full"):
        make(write_folder(tmp_path / "d", pictures(3)), tmp_path / "store")


@pytest.mark.parametrize("name", ["pixels.values", "pixels.shapes", "ids.jsonl", "content.bin"])
def test_a_truncated_or_missing_file_of_a_store_is_found_when_it_is_opened(tmp_path: Path, name: str):
    make(write_folder(tmp_path / "d", pictures(5)), tmp_path / "store")
    path = tmp_path / "store" / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StoreError, match="Delete the folder"):
        open_store(tmp_path / "store")
    path.unlink()
    with pytest.raises(StoreError, match="is missing"):
        open_store(tmp_path / "store")


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"format": 99}'])
def test_a_store_whose_description_is_damaged_or_of_another_version_is_refused(tmp_path: Path, text: str):
    make(write_folder(tmp_path / "d", pictures(5)), tmp_path / "store")
    (tmp_path / "store" / "meta.json").write_text(text)
    with pytest.raises(StoreError, match="Delete the folder"):
        open_store(tmp_path / "store")


def test_equal_content_has_equal_hashes_and_other_content_has_others(tmp_path: Path):
    store = make(write_folder(tmp_path / "d", {"a.png": png(1), "b.png": png(2), "c.png": png(1)}), tmp_path / "store")
    assert store.content[0] == store.content[2] != store.content[1]


BUILD = """
    import sys, time
    sys.path.insert(0, {root!r})
    from selftaught.data import build
    from selftaught.data.source import open_source
    from tests.data.making import decode

    build.COMMIT_RECORDS = 64
    def slow(record):
        time.sleep(0.002)
        return decode(record)
    build.build_store(open_source({data!r}), slow, {folder!r}, describe={{"size": 4}}, progress=False)
"""


def start_building(root: Path, data: Path, folder: Path) -> subprocess.Popen:
    code = textwrap.dedent(BUILD.format(root=str(root), data=str(data), folder=str(folder)))
    return subprocess.Popen([sys.executable, "-c", code])


@pytest.mark.slow
def test_a_build_killed_at_any_moment_continues_to_the_very_same_bytes(tmp_path: Path, root: Path):
    broken = {f"x{index}.png": b"no picture" for index in range(10)}
    data = write_zip(tmp_path / "d.zip", pictures(1500) | broken)
    folder = tmp_path / "store"
    kills = 0
    for enough in (1, 500, 1000):
        process = start_building(root, data, folder)
        while process.poll() is None and _committed(folder) < enough:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    assert kills == 3
    assert 1000 <= _committed(folder) < 1500
    make(data, folder)
    make(data, tmp_path / "fresh")
    assert content_of(folder) == content_of(tmp_path / "fresh")


def _committed(folder: Path) -> int:
    try:
        return json.loads((folder / "progress.json").read_text())["records"]
    except FileNotFoundError:
        return 0


@pytest.mark.slow
def test_two_processes_that_build_one_store_share_the_work(tmp_path: Path, root: Path):
    data = write_zip(tmp_path / "d.zip", pictures(300))
    processes = [start_building(root, data, tmp_path / "store") for _ in range(2)]
    assert [process.wait(120) for process in processes] == [0, 0]
    make(data, tmp_path / "fresh")
    assert content_of(tmp_path / "store") == content_of(tmp_path / "fresh")


MEASURE = """
    import sys
    sys.path.insert(0, {root!r})
    import numpy as np
    from selftaught.core.modality import Stored
    from selftaught.data.build import build_store
    from selftaught.data.records import Records, stamp_records
    from selftaught.data.source import Source

    def anonymous():
        return int(next(line for line in open("/proc/self/status") if line.startswith("RssAnon")).split()[1]) / 1024

    def picture(index):
        return np.full((32, 32, 3), index % 251, np.uint8)

    count = 100_000
    ids = [f"{{index:06d}}" for index in range(count)]
    stamps = stamp_records(ids, ids)
    source = Source(records=Records(ids, picture), kind="made", fingerprint="x", stamps=stamps)
    peak = start = 0
    def decode(record):
        global peak, start
        if record.id == "005000":
            start = anonymous()
        if record.id.endswith("000"):
            peak = max(peak, anonymous())
        return Stored(fields={{"pixels": record.read()}})
    store = build_store(source, decode, {folder!r}, describe={{}}, progress=False)
    for row in np.random.default_rng(0).permutation(count).reshape(-1, 250):
        store.rows(row)
    print(len(store), peak - start, anonymous() - start)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_stays_flat_over_a_hundred_thousand_pictures(tmp_path: Path, root: Path):
    code = textwrap.dedent(MEASURE.format(root=str(root), folder=str(tmp_path / "store")))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=250, check=True)
    count, while_building, after_reading = map(float, done.stdout.split())
    assert count == 100_000
    assert while_building < 30, "MiB of growth while 307 MB were written"
    assert after_reading < 60, "MiB of growth, ids and hashes included, once all was read in random order"
