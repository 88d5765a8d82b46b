# SPDX-License-Identifier: Apache-2.0
"""The meter's keys at a change: whole at any cut, and nothing kept of those before."""

import contextlib
import json
import sys

import meter.documents
import pytest
from meter import heap
from meter.core.errors import StorageError
from meter.documents import files as documents
from meter.documents import keys_doc, keystore

from host_tests.stands.card import KEYS, with_keys
from host_tests.unit.documents.test_documents import Counted, Cut

NEW = with_keys(VERSION=2, CARD=b"another card key", CARD_BEFORE=KEYS[keys_doc.CARD], VERSION_BEFORE=1)


def kept(root, name="keys.json"):
    return keys_doc.parse(json.loads((root / name).read_text()))


@pytest.fixture
def root(tmp_path, monkeypatch):
    """What is let go is loaded as another module the next time: here it stays the one that the tests take hold of."""
    monkeypatch.setattr(heap, "_let_go", lambda module: None)
    monkeypatch.setitem(sys.modules, "meter.documents.files", documents)
    monkeypatch.setattr(meter.documents, "files", documents, raising=False)
    (tmp_path / "keys.json").write_text(json.dumps(keys_doc.pack(KEYS)))
    return tmp_path


def files(root):
    return sorted(path.name for path in root.iterdir())


def test_what_is_put_is_what_a_start_reads(root):
    assert kept(root) == KEYS
    keystore.put(str(root), NEW)
    assert kept(root) == NEW and files(root) == ["keys.json"]


def test_keys_of_before_do_not_stay_beside_them(root):
    (root / "keys.old").write_text(json.dumps(keys_doc.pack(KEYS)))
    keystore.put(str(root), NEW)
    assert files(root) == ["keys.json"]


@pytest.mark.parametrize("n", range(7))
def test_power_that_fails_at_any_step_leaves_the_old_keys_or_the_new_ones(root, monkeypatch, n):
    with monkeypatch.context() as m:
        fs = Counted(m, n)
        with contextlib.suppress(Cut):
            keystore.put(str(root), NEW)
    assert kept(root) == (NEW if fs.left >= 0 else KEYS)
    keystore.put(str(root), NEW)
    assert kept(root) == NEW and files(root) == ["keys.json"]


def test_that_test_has_seen_each_step(root, monkeypatch):
    fs = Counted(monkeypatch, 7)
    keystore.put(str(root), NEW)
    assert 1 <= fs.left <= 3


@pytest.mark.parametrize("what", ["stage", "put_aside"])
def test_a_file_system_that_does_not_take_them_keeps_the_old_ones_alone(root, monkeypatch, what):
    def full(*_):
        raise OSError(28)

    monkeypatch.setattr(documents, what, full)
    with pytest.raises(StorageError):
        keystore.put(str(root), NEW)
    assert kept(root) == KEYS and files(root) == ["keys.json"]


def test_what_the_file_system_has_kept_wrongly_is_not_put_in_force(root, monkeypatch):
    monkeypatch.setattr(documents, "check_sum", lambda root, name: (1, 1))
    with pytest.raises(StorageError):
        keystore.put(str(root), NEW)
    assert kept(root) == KEYS and files(root) == ["keys.json"]
