from pathlib import Path

import pytest

from engine.core.faults import BadInput
from engine.weights.card import FACTS, SECTIONS, lacking
from tests.weights.cards import CARD

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted((ROOT / "assets" / "weights").glob("*.md"))


def found(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "thing.md"
    path.write_text(text, encoding="utf-8")
    return lacking(path, "thing")


def test_every_shipped_card_is_whole() -> None:
    assert {
        path.name: lacking(path, path.stem) for path in SHIPPED if lacking(path, path.stem)
    } == {}


def test_nothing_is_lacking_in_a_whole_card(tmp_path: Path) -> None:
    assert found(tmp_path, CARD) == []


@pytest.mark.parametrize("title", SECTIONS)
def test_every_section_is_asked_for_and_must_say_something(tmp_path: Path, title: str) -> None:
    body = CARD.partition(f"## {title}\n")[2].partition("\n## ")[0]
    assert body.strip()
    for text in (CARD.replace(f"## {title}\n", "## Else\n"), CARD.replace(body, "\n", 1)):
        assert f"the section '{title}'" in found(tmp_path, text)


@pytest.mark.parametrize("fact", FACTS)
def test_every_fact_of_the_training_is_asked_for(tmp_path: Path, fact: str) -> None:
    (said,) = (line for line in found(tmp_path, CARD.replace(f"- {fact}:", "- else:")))
    assert f"- {fact}:" in said


def test_figures_are_figures(tmp_path: Path) -> None:
    assert any("- steps" in said for said in found(tmp_path, CARD.replace("2000", "many")))
    assert any("figures" in said for said in found(tmp_path, CARD.replace("AbsRel 0.05", "Good")))
    assert found(tmp_path, CARD.replace("# thing", "# other")) == ["the title '# thing'"]


def test_the_template_names_everything_and_passes_only_when_filled_in(tmp_path: Path) -> None:
    template = (ROOT / "docs" / "model-card.md").read_text(encoding="utf-8")
    said = found(tmp_path, template.replace("# NAME\n", "# thing\n"))
    assert not [line for line in said if "section" in line]
    assert "what '...' stands for" in said
    assert all(f"- {fact}:" in template for fact in FACTS)


def test_a_card_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no model card"):
        lacking(tmp_path / "none.md", "none")
