"""The commands `nearfar gallery ...` on a small gallery of their own."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.errors import CallError
from pipeline.units import parse_age, parse_size
from storage import Gallery, ObservationRow, TrackUpdate

from .conftest import Call, Processed, figures, one_line


@pytest.fixture
def small(nearfar: Call) -> str:
    """Three tracks on two cameras: identities 1, 1 and 2; each with a picture."""
    with Gallery.open("nearfar.db", create=True) as gallery:
        for at, camera in enumerate(("gate", "hall")):
            session = gallery.begin_session(camera, camera, camera, 1.0, 10.0)
            for number in range(2 - at):
                image = np.full((8, 4, 3), 40 * at + number, np.uint8)
                crop = cv2.imencode(".jpg", image)[1].tobytes()
                row = ObservationRow(0, 100.0 * at, (0, 0, 4, 8), 0.9, 1, 1.0, crop=crop)
                gallery.append(session.id, 1, 0, [TrackUpdate(number + 1, [row])])
        gallery.save_identities({1: "a", 2: "b", 3: "a"}, {})
    return "nearfar.db"


def facts(nearfar: Call, *words: object) -> dict:
    said = nearfar("gallery", *words, "--json")
    assert said.status == 0, said
    return json.loads(said.out)


def test_erase(nearfar: Call, small: str) -> None:
    assert facts(nearfar, "erase", small, "--identity", 1) == {
        "tracks": 2,
        "observations": 2,
        "crops": 2,
        "held": 0,
    }
    assert facts(nearfar, "info", small)["tracks"] == 1
    one_line(nearfar("gallery", "erase", small, "--identity", 1), 1, "no identity 1")
    said = nearfar("gallery", "erase", small, "--identity", 2, "--no-vacuum")
    assert said.out == "identity 2 erased: 1 tracks, 1 observations, 1 pictures\n"


def test_hold_and_purge(nearfar: Call, small: str) -> None:
    hold = facts(nearfar, "hold", small, "--identity", 2, "--reason", "case 7")["id"]
    one_line(nearfar("gallery", "erase", small, "--identity", 2), 1, f"legal hold {hold}")
    would = facts(nearfar, "purge", small, "--older-than", "1d", "--dry-run")
    assert (would["tracks"], would["held"]) == (2, 1)
    said = nearfar("gallery", "purge", small, "--camera", "gate", "--older-than", "1d")
    assert said.out.endswith(
        "purged: 1 tracks, 1 observations, 1 pictures; 1 tracks stay, under a legal hold\n"
    )
    assert "case 7" in nearfar("gallery", "holds", small).out
    assert nearfar("gallery", "lift", hold, "--gallery", small).status == 0
    assert facts(nearfar, "purge", small, "--keep", "0MB")["tracks"] == 2
    assert facts(nearfar, "vacuum", small)["bytes_after"] > 0
    for wrong in (["--older-than", "old"], ["--keep", "much"], ["--before", "x"], []):
        assert nearfar("gallery", "purge", small, *wrong).status in (1, 2)
    both = ["--older-than", "1d", "--before", "2026-01-01T00:00Z"]
    one_line(nearfar("gallery", "purge", small, *both), 2, "not both")


def test_rules_of_retention(nearfar: Call, small: str) -> None:
    assert nearfar("gallery", "keep", small).out.startswith("no rules")
    one_line(nearfar("gallery", "purge", small), 2, "no rule of retention")
    rules = facts(nearfar, "keep", small, "--camera", "gate", "--for", "30d")["rules"]
    assert rules == [{"camera": "gate", "seconds": 2_592_000.0, "bytes": None}]
    nearfar("gallery", "keep", small, "--size", "50GB")
    said = nearfar("gallery", "keep", small).out
    assert said == "all cameras: up to 50 GB\ngate: for 30 days\n"
    assert facts(nearfar, "purge", small, "--dry-run")["tracks"] > 0
    assert nearfar("gallery", "purge", small).out.startswith("purged: ")
    assert facts(nearfar, "purge", small)["tracks"] == 0
    assert facts(nearfar, "keep", small, "--ever", "--camera", "gate")["rules"] != rules
    for wrong in (["--camera", "gate"], ["--ever", "--for", "1d"], ["--for", "long"]):
        assert nearfar("gallery", "keep", small, *wrong).status == 2
    one_line(nearfar("gallery", "keep", small, "--camera", "door", "--for", "1d"), 1, "no camera")


def test_judgements(nearfar: Call, small: str) -> None:
    assert nearfar("gallery", "merge", 2, 1, "--gallery", small).status == 0
    assert facts(nearfar, "split", 2, 3, "--gallery", small)["identity"] == 3
    assert nearfar("gallery", "confirm", 1, "--gallery", small).out == "track 1 is identity 2\n"
    assert nearfar("gallery", "reject", 2, "--gallery", small).status == 0
    one_line(nearfar("gallery", "reject", 2, "--gallery", small), 1, "track 2 has no identity")
    kinds = [change["kind"] for change in facts(nearfar, "history", small)["changes"]]
    assert kinds == ["merge", "split", "split"]
    assert len(nearfar("gallery", "history", small, "--identity", 1).out.splitlines()) == 1
    said = nearfar("gallery", "audit", "show", small).out.splitlines()
    assert [line.split("  ")[3] for line in said] == ["merge", "split", "confirm", "reject"]


def test_audit(nearfar: Call, small: str) -> None:
    nearfar("gallery", "merge", 2, 1, "--gallery", small)
    proof = facts(nearfar, "audit", "verify", small)
    assert (proof["rows"], proof["broken"]) == (1, None)
    nearfar("gallery", "confirm", 1, "--gallery", small)
    assert nearfar("gallery", "audit", "verify", small, "--expect", proof["last"]).status == 0
    entries = facts(nearfar, "audit", "show", small, "--action", "confirm")["entries"]
    assert entries[0]["details"] == {"identity": 2, "track": 1}
    connection = sqlite3.connect(small)
    connection.execute("DROP TRIGGER audit_no_update")
    connection.execute("UPDATE audit SET actor = 'nobody' WHERE id = 1")
    connection.commit()
    connection.close()
    said = nearfar("gallery", "audit", "verify", small)
    one_line(said, 1, "row 1 or one before it was changed")


def test_check(nearfar: Call, small: str) -> None:
    assert nearfar("gallery", "check", small).out == "nearfar.db is sound\n"
    connection = sqlite3.connect(small)
    connection.execute("UPDATE track SET last = 7 WHERE id = 1")
    connection.commit()
    connection.close()
    said = nearfar("gallery", "check", small)
    assert (said.status, said.out) == (
        1,
        "wrong: track 1: its times are not those of its observations\n",
    )
    mended = facts(nearfar, "check", small, "--repair")
    assert mended["wrong"] == []
    assert mended["repaired"] == ["set the times of 1 tracks to those of their observations"]


def test_searches_are_noted_where_that_is_wanted(nearfar: Call, processed: Processed) -> None:
    place = str(processed.gallery)
    cv2.imwrite("crop.png", next(figures(1))[30:130, 5:50])
    search = ["search", "crop.png", "--gallery", place, "--device", "cpu", "--top", "3"]
    assert nearfar(*search).status == 0
    assert facts(nearfar, "audit", "show", place, "--action", "search")["entries"] == []
    try:
        assert nearfar("gallery", "audit", "searches", "on", "--gallery", place).status == 0
        found = json.loads(nearfar(*search, "--json").out)["hits"]
        (entry,) = facts(nearfar, "audit", "show", place, "--action", "search")["entries"]
        noted = [identity for identity, _ in entry["details"]["identities_tracks"]]
        assert noted == [hit["identity"] for hit in found]
        assert len(entry["details"]["picture"]) == 64
        with Gallery.open(place, read_only=True) as gallery:
            assert gallery.audit.verify().broken is None
    finally:
        nearfar("gallery", "audit", "searches", "off", "--gallery", place)
    one_line(nearfar("gallery", "audit", "searches", "maybe", "--gallery", place), 2, "on or off")


def test_export_import_copy(nearfar: Call, small: str) -> None:
    exported = facts(nearfar, "export", small, "backup")
    assert facts(nearfar, "import", "backup", "again.db", "--crops", "inside") == exported
    assert not Path("again.crops").exists()
    said = nearfar("gallery", "copy", "again.db", "third.db")
    assert said.out == "again.db copied: 3 tracks, 3 observations, 3 pictures, compared\n"
    for place in ("again.db", "third.db"):
        assert nearfar("gallery", "check", place).status == 0
    one_line(nearfar("gallery", "copy", small, "third.db"), 1, "third.db is not empty")
    one_line(nearfar("gallery", "import", "none", "new.db"), 2, "whole export")
    assert not Path("new.db").exists()
    one_line(nearfar("gallery", "import", "backup", "new.db", "--crops", "out"), 2, "folder or")


def test_reindex(nearfar: Call, processed: Processed, tmp_path: Path) -> None:
    place = tmp_path / "moved.db"
    assert nearfar("gallery", "copy", processed.gallery, place).status == 0
    before = facts(nearfar, "info", place)
    one_line(nearfar("gallery", "reindex", place, "--device", "cpu"), 1, "holds vectors of")
    connection = sqlite3.connect(place)
    fingerprint = before["model"].split()[-1]
    connection.execute(
        "UPDATE model SET fingerprint = 'feed', info = replace(info, ?, 'feed')", (fingerprint,)
    )
    connection.commit()
    connection.close()
    with Gallery.open(processed.gallery, read_only=True) as gallery:
        old = gallery.tracks()
    done = facts(nearfar, "reindex", place, "--device", "cpu")
    assert done == {"vectors": before["embeddings"], "lost": 0}
    assert facts(nearfar, "info", place)["model"] == before["model"]
    with Gallery.open(place, read_only=True) as gallery:
        assert gallery.check() == []
        new = gallery.tracks()
    for one, other in zip(old, new, strict=True):
        a, b = one.embeddings.vectors, other.embeddings.vectors
        cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
        assert cosine.min() > 0.8  # the pictures are JPEG by now


def test_ages_and_sizes() -> None:
    assert (parse_age("30d"), parse_age("1.5h"), parse_age(None)) == (2_592_000, 5400, None)
    assert (parse_size("50GB"), parse_size("1.5 mb"), parse_size("7b")) == (50 * 10**9, 1500000, 7)
    for wrong in ("", "d", "30", "-1d", "30y"):
        with pytest.raises(CallError):
            parse_age(wrong)
    for wrong in ("", "GB", "-1GB", "5PB", "1e3", "5"):
        with pytest.raises(CallError):
            parse_size(wrong)


def test_a_place_is_named_in_every_error(nearfar: Call, tmp_path: Path) -> None:
    for words in (["erase", "--identity", 1], ["check"], ["vacuum"], ["audit", "verify"]):
        one_line(nearfar("gallery", *words[:1], *words[1:], "none.db"), 2, "no gallery at none.db")
