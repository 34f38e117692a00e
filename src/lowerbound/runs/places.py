"""Where runs are shared: a repository of the Hugging Face Hub, ``hf:owner/name``, or a folder, ``file:/shared/name``."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, final

from lowerbound.errors import OutputError, RunError, UsageError, printable, reason
from lowerbound.system.files import content, make_folder

T = TypeVar("T")
MANIFEST = "manifest.json"  # the SHA-256 of each file, the last to be put there


class Place(ABC):
    """A place for one run."""

    def __init__(self, name: str):
        self.name = name

    @abstractmethod
    def revision(self) -> str:
        """What is there now, by a name that nothing else will ever have. Errors: RunError."""

    @abstractmethod
    def names(self, revision: str) -> list[str]:
        """The files there, by their paths. Errors: RunError for a link among them."""

    @abstractmethod
    def fetch(self, name: str, revision: str, target: Path) -> None:
        """Copy one file. Errors: RunError."""

    @abstractmethod
    def put(self, staged: Path) -> str:
        """Put all files of a folder there; the revision that this is. Errors: OutputError."""


@final
class SharedFolder(Place):
    """A folder, as on a disk that several machines see. Its revision is the SHA-256 of its manifest."""

    def revision(self) -> str:
        """The SHA-256 of the manifest."""
        try:
            return hashlib.sha256(content(Path(self.name) / MANIFEST)).hexdigest()
        except OSError as error:
            raise RunError(f"{self.name} holds no run that was pushed: {MANIFEST}: {reason(error)}") from error

    def names(self, revision: str) -> list[str]:
        """All below it."""
        paths = sorted(Path(self.name).rglob("*"))
        link = next((path for path in paths if path.is_symlink()), None)
        if link is not None:
            raise RunError(f"{self.name} holds a link, {printable(link.name)}; nothing of it was read: copy the file itself there")
        return [path.relative_to(self.name).as_posix() for path in paths if path.is_file()]

    def fetch(self, name: str, revision: str, target: Path) -> None:
        """A copy."""
        try:
            shutil.copyfile(Path(self.name) / name, target, follow_symlinks=False)
        except OSError as error:
            raise RunError(f"cannot read {name} of {self.name}: {reason(error)}") from error

    def put(self, staged: Path) -> str:
        """Copies, the manifest last: a run that was put there halfway is damaged, and never another run."""
        files = sorted((path for path in staged.rglob("*") if path.is_file()), key=lambda path: path.name == MANIFEST)
        try:
            for path in files:
                target = Path(self.name) / path.relative_to(staged)
                make_folder(target.parent)
                shutil.copyfile(path, target)
        except OSError as error:
            raise OutputError(f"cannot write into {self.name}: {reason(error)}") from error
        return self.revision()


@final
class Hub(Place):
    """``owner/name`` of the hub that ``HF_ENDPOINT`` says, or huggingface.co; ``owner/name@revision`` is a commit, a branch or a tag."""

    def __init__(self, name: str):
        try:
            from huggingface_hub import HfApi
        except ImportError as error:
            raise UsageError(f"hf:{name} needs huggingface_hub, which is not installed: pip install 'lowerbound[hub]'") from error
        repository, _, self.asked = name.partition("@")
        super().__init__(repository)
        self.api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"))  # the library itself looks at it once, when it is imported

    def revision(self) -> str:
        """The commit."""
        return str(self._info(self.asked or None).sha)

    def names(self, revision: str) -> list[str]:
        """Those of the commit. A link of git is fetched as a text, and so is none."""
        return [file.rfilename for file in self._info(revision).siblings or []]

    def fetch(self, name: str, revision: str, target: Path) -> None:
        """A download; what the library notes beside it is left out."""
        with tempfile.TemporaryDirectory() as scratch:
            found = _answer(
                f"cannot fetch {name} of hf:{self.name}",
                RunError,
                lambda: self.api.hf_hub_download(self.name, name, revision=revision, local_dir=scratch),
            )
            shutil.copyfile(found, target)

    def put(self, staged: Path) -> str:
        """One commit to its main branch; the repository is made where there is none."""

        def committed() -> str:
            self.api.create_repo(self.name, exist_ok=True)
            said = "Put a run of lowerbound here"
            return str(self.api.upload_folder(repo_id=self.name, folder_path=staged, commit_message=said).oid)

        return _answer(f"cannot push to hf:{self.name}", OutputError, committed)

    def _info(self, revision: str | None) -> Any:
        return _answer(f"cannot look at hf:{self.name}", RunError, lambda: self.api.model_info(self.name, revision=revision))


PLACES: dict[str, Callable[[str], Place]] = {"hf:": Hub, "file:": SharedFolder}


def _answer(what: str, kind: type[RunError | OutputError], ask: Callable[[], T]) -> T:
    """What the hub answers. Errors: of the kind, in one line, whatever the library raises: its errors have no class in common."""
    try:
        return ask()
    except Exception as error:
        said = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
        advice = "look at the name, at HF_TOKEN and at the network; a folder, file:/shared/name, needs none"
        raise kind(f"{what} ({printable(said)[:200]}); {advice}") from error


def place_of(address: str) -> Place:
    """The place of an address. Errors: UsageError for what is none."""
    for scheme, kind in PLACES.items():
        if address.startswith(scheme) and len(address) > len(scheme):
            return kind(address.removeprefix(scheme))
    raise UsageError(f"'{printable(address)}' is no place for a run; say hf:owner/name, or file:/shared/name")
