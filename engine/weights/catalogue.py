"""Which weights there are, who publishes them, on what terms, and what needs them."""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from engine.core.faults import BadInput, Fault

NAME = r"^[a-z0-9][a-z0-9._-]{0,63}$"
SHA256 = r"^[0-9a-f]{64}$"


class Licence(BaseModel):
    """The terms of weights: our summary, and where the full text is.

    Attributes:
        name: what its authors call it.
        spdx: SPDX identifier; "LicenseRef-..." for a text that has none.
        url: the full text.
        is_non_commercial: whether commercial use is excluded.
        says: the terms a user has to know before a download, one sentence each.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    spdx: str
    url: str
    is_non_commercial: bool
    says: tuple[str, ...]


class Entry(BaseModel):
    """One set of weights.

    Attributes:
        name: its name on the command line and on disk.
        network: the network class it belongs to.
        kind: "published" by its authors elsewhere, or "bundled" with this program.
        what: one line for people.
        needed_by: what cannot run without it.
        authors: who made it.
        page: where its authors publish it; None for ours.
        url: the file itself; None when the page asks for a click.
        file_name: what the file is called: at its authors', or in our assets.
        card: what the model card beside a bundled file is called.
        weights_bytes: size of the tensors alone; a checkpoint may hold more.
        bytes: exact size of the file, None when not known.
        sha256: of the file, None when not known: then the first download's is remembered.
        licence: the terms.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=NAME)
    network: str
    kind: Literal["published", "bundled"]
    what: str
    needed_by: tuple[str, ...]
    authors: str
    page: str | None = Field(pattern="^https://")
    url: str | None = Field(pattern="^https://")
    file_name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    card: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9._-]{0,63}\.md$")
    weights_bytes: int = Field(gt=0)
    bytes: int | None = Field(gt=0)
    sha256: str | None = Field(pattern=SHA256)
    licence: Licence

    @model_validator(mode="after")
    def _bundled_is_known(self) -> Self:
        if self.kind == "bundled" and None in (self.sha256, self.bytes, self.card):
            raise ValueError("bundled weights need their size, sha256 and card")
        if self.kind == "published" and self.page is None:
            raise ValueError("published weights have a page")
        return self


class Catalogue(BaseModel):
    """All entries; names are unique."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    entries: tuple[Entry, ...]

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [entry.name for entry in self.entries]
        if len(set(names)) != len(names):
            raise ValueError("two entries have the same name")
        return self

    def entry(self, name: str) -> Entry:
        """Return the entry of that name.

        Raises:
            BadInput: there is none.
        """
        for entry in self.entries:
            if entry.name == name:
                return entry
        known = ", ".join(entry.name for entry in self.entries)
        raise BadInput(f"There are no weights called {name!r}.", f"There are: {known}.")


def load_catalogue(path: Path) -> Catalogue:
    """Return the catalogue of a JSON file.

    Raises:
        Fault: it is missing or broken, which is a fault of this installation.
    """
    try:
        return Catalogue.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise Fault(
            f"The catalogue of weights {path} cannot be read.", "Install the program again."
        ) from error
