"""Weights as the window shows them."""

import pickle

import pytest
import torch

from app import weights_cards as room
from app.weights import catalogue, shelf
from app.weights_cards import download_weights, weights_cards
from engine.core.faults import BadInput, Fault
from engine.runtime.progress import run_job
from engine.weights import fetch as fetching
from engine.weights.shelf import Record
from tests.weights.files import small_state
from tests.weights.test_fetch import HTTP, Server, entry, server  # noqa: F401 (a fixture)


@pytest.fixture(autouse=True)
def empty_shelf(tmp_path, monkeypatch):
    monkeypatch.setenv("FINESCAN_WEIGHTS", str(tmp_path / "weights"))


def run(job):
    return run_job(job, lambda step: None, lambda: False)


def cards():
    return {card.name: card for card in run(weights_cards())}


def install(name, content=b"12345678"):
    store = shelf()
    store.weights(name).parent.mkdir(parents=True)
    store.weights(name).write_bytes(content)
    record = Record(
        network="finerecon", sha256="0" * 64, bytes=len(content), source="x", source_sha256="0" * 64
    )
    store.write_record(name, record)


def test_every_entry_of_the_catalogue_has_a_card_that_speaks():
    found = cards()
    assert list(found) == [entry.name for entry in catalogue().entries]
    for card in found.values():
        assert card.title
        assert card.purpose.endswith(".")
        assert card.purpose[0].isupper()
        assert card.licence
        assert card.licence_url.startswith("https://")
        assert card.megabytes > 0.1
        assert card.remark
    assert pickle.loads(pickle.dumps(found)) == found


def test_what_came_with_the_program_is_bundled_and_the_rest_missing():
    states = {name: card.state for name, card in cards().items()}
    assert {name for name, state in states.items() if state == "bundled"} == {
        entry.name for entry in catalogue().entries if entry.kind == "bundled"
    }
    assert set(states.values()) == {"bundled", "missing"}


def test_only_what_is_missing_and_has_an_address_can_be_downloaded():
    found = cards()
    assert {name for name, card in found.items() if card.can_download} == {"finerecon", "gtr"}
    # The others' authors ask for a click.
    assert "weights import" in found["simplerecon-hero"].remark
    assert "https://" in found["simplerecon-hero"].remark
    install("finerecon")
    after = cards()["finerecon"]
    assert (after.state, after.can_download) == ("installed", False)
    assert after.megabytes == pytest.approx(8e-6)


def test_what_may_not_be_sold_is_marked():
    restricted = {name for name, card in cards().items() if card.is_restricted}
    assert restricted == {"simplerecon-hero", "gtr"}
    for name in restricted:
        assert "on-commercial" in cards()[name].remark


def test_what_the_user_imported_is_shown_too():
    install("mine")
    card = cards()["mine"]
    assert (card.state, card.can_download, card.licence) == ("installed", False, "not known")
    assert card.purpose == "Imported by you for finerecon."


def test_a_damaged_record_is_said_and_hides_nothing():
    install("mine")
    (shelf().folder / "mine" / "record.json").write_text("{")
    found = cards()
    assert "damaged" in found["mine"].remark
    assert len(found) == len(catalogue().entries) + 1


@pytest.mark.parametrize("name", ["nothing", "depth-small", "simplerecon-hero"])
def test_what_cannot_be_downloaded_is_refused(name):
    with pytest.raises(BadInput):
        run(download_weights(name))


@pytest.fixture
def thing(server, monkeypatch, tmp_path):  # noqa: F811 (the fixture)
    """Weights that a server of this machine publishes."""
    torch.save({"state_dict": small_state()}, tmp_path / "small.ckpt")
    Server.content = (tmp_path / "small.ckpt").read_bytes()
    found = entry(f"{server}/file")
    entries = catalogue().model_copy(update={"entries": (found,)})
    monkeypatch.setattr(room, "catalogue", lambda: entries)
    original = fetching.download
    monkeypatch.setattr(
        fetching, "download", lambda url, target, size: original(url, target, size, HTTP)
    )


@pytest.mark.usefixtures("thing")
def test_a_download_ends_with_weights_that_are_installed():
    assert cards()["thing"].can_download
    steps = []
    sentence = run_job(download_weights("thing"), steps.append, lambda: False)
    assert "is installed" in sentence
    assert steps
    assert (cards()["thing"].state, cards()["thing"].can_download) == ("installed", False)


@pytest.mark.usefixtures("thing")
def test_a_download_given_up_installs_nothing_and_can_be_asked_again():
    job = download_weights("thing")
    next(job)
    job.close()
    assert cards()["thing"].state == "missing"
    assert "is installed" in run(download_weights("thing"))


@pytest.mark.usefixtures("thing")
def test_what_is_no_checkpoint_is_refused_and_not_installed():
    Server.content = b"this is a page that says sorry" * 1000
    with pytest.raises(Fault):
        run(download_weights("thing"))
    assert cards()["thing"].state == "missing"


@pytest.mark.usefixtures("thing")
def test_a_checkpoint_that_lacks_something_is_refused_with_the_page(tmp_path):
    state = dict(small_state())
    state.pop(next(iter(state)))
    torch.save({"state_dict": state}, tmp_path / "less.ckpt")
    Server.content = (tmp_path / "less.ckpt").read_bytes()
    with pytest.raises(BadInput, match="cannot be used") as caught:
        run(download_weights("thing"))
    assert "https://" in caught.value.remedy
    assert cards()["thing"].state == "missing"
