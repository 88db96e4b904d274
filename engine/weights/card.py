"""What a model card has to tell; `docs/model-card.md` is one to fill in."""

import re
from pathlib import Path

from engine.core.faults import BadInput

SECTIONS = ("Data", "Licence", "Training", "Validation", "Real recordings", "Known failures")
# Facts of the training, one to a line; those in the second tuple are numbers or hold digits.
FACTS = ("steps", "hours", "hardware", "commit")
FIGURES = ("steps", "hours", "commit")


def lacking(path: Path, name: str) -> list[str]:
    """Return what the card of the weights `name` does not say, in words; empty when it is whole.

    Raises:
        BadInput: it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"There is no model card {path}.",
            "Fill in a copy of docs/model-card.md and put it there.",
        ) from error
    found = [] if text.startswith(f"# {name}\n") else [f"the title '# {name}'"]
    sections = _sections(text)
    found += [f"the section '{title}'" for title in SECTIONS if not sections.get(title)]
    if sections.get("Training"):
        found += _facts_lacking(sections["Training"])
    if sections.get("Validation") and not re.search(r"\d", sections["Validation"]):
        found.append("figures under 'Validation'")
    if "..." in text:
        found.append("what '...' stands for")
    return found


def _sections(text: str) -> dict[str, str]:
    """Return the text under every heading of the second level."""
    parts = re.split(r"^## +(.*?) *$", text, flags=re.MULTILINE)
    return {title: body.strip() for title, body in zip(parts[1::2], parts[2::2], strict=True)}


def _facts_lacking(body: str) -> list[str]:
    """Return which lines `- steps: 20000` are missing or say nothing."""
    said = {
        fact.lower(): value for fact, value in re.findall(r"^- (\w+): *(\S.*)$", body, re.MULTILINE)
    }
    missing = [fact for fact in FACTS if fact not in said]
    vague = [fact for fact in FIGURES if fact in said and not re.search(r"\d", said[fact])]
    return [f"a line '- {fact}: ...' under 'Training'" for fact in (*missing, *vague)]
