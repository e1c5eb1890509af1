"""Images from a list of web addresses."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from alignbench.decode import MAX_PIXELS
from alignbench.errors import MissingDependencyError, RunError
from alignbench.exchange.rows import FORMATS, check_format
from alignbench.types import Image, Status
from generation.protocols import Site, Unusable
from generation.sources import options
from generation.sources.addresses import UnfitAddressError, web_address
from generation.sources.cells import said
from generation.sources.draw import rank
from generation.sources.intake import Arrival, Intake
from generation.sources.manifest import Entry, read_manifest
from generation.sources.names import shown

if TYPE_CHECKING:
    from generation.sources.fetch import Web
    from generation.sources.fetched import Fetched

_MAX_BYTES = 32_000_000
_AHEAD = 4


@dataclass(frozen=True, slots=True)
class UrlSource:
    """Images at the addresses of a list, each fetched once into the source's own folder.

    A resumed session fetches only what is missing. What was refused for good is not asked again, unless `retry_failed`
    says so; what failed for the moment is.
    """

    manifest: Path
    entries: tuple[Entry, ...]
    folder: Path
    name: str
    licence: str | None
    web: Web
    concurrency: int
    max_pixels: int
    retry_failed: bool = False

    @classmethod
    def from_options(  # noqa: PLR0913  the options of a recipe
        cls,
        site: Site,
        *,
        path: str,
        url_column: str | None = None,
        sha256_column: str | None = None,
        licence_column: str | None = None,
        domain_column: str | None = None,
        id_column: str | None = None,
        name: str | None = None,
        licence: str | None = None,
        max_bytes: int = _MAX_BYTES,
        max_pixels: int = MAX_PIXELS,
        timeout: float = 60.0,
        retries: int = 3,
        concurrency: int = 8,
        per_host: int = 2,
        allow_private: bool = False,
    ) -> Self:
        """The source of a list.

        Raises:
            UsageError: There is no such file or column, or an option makes no sense.
            ImportFileError: The list cannot be read.
            MissingDependencyError: The library that speaks HTTP is not installed.
        """
        manifest = options.place(site, "path", path)
        check_format(manifest, FORMATS)
        columns = {
            "url": options.text_or_null("url_column", url_column),
            "sha256": options.text_or_null("sha256_column", sha256_column),
            "licence": options.text_or_null("licence_column", licence_column),
            "domain": options.text_or_null("domain_column", domain_column),
            "id": options.text_or_null("id_column", id_column),
        }
        web = _web(
            options.whole("max_bytes", max_bytes, least=1),
            options.seconds("timeout", timeout, most=3600),
            options.whole("retries", retries, least=0, most=10),
            options.whole("per_host", per_host, least=1, most=16),
            allow_private=options.flag("allow_private", allow_private),
        )
        return cls(
            manifest,
            tuple(read_manifest(manifest, columns)),
            site.folder,
            options.text_or_null("name", name) or shown(manifest.stem),
            options.text_or_null("licence", licence),
            web,
            options.whole("concurrency", concurrency, least=1, most=64),
            options.whole("max_pixels", max_pixels, least=1, most=MAX_PIXELS),
        )

    def images(self, count: int | None, seed: int) -> Iterator[Image | Unusable]:
        """Yield all images in the order of the list, or `count` of them in an order of the seed.

        No more addresses are asked at a time than images are still wanted.
        """
        intake = Intake(self.name, self.licence, self.web.max_bytes, self.max_pixels)
        entries = deque(_checked_once(_in_order(self.entries, count, seed)))
        under_way: deque[tuple[Entry, Unusable | Future[Path]]] = deque()
        images = 0
        with _fetching(self) as (threads, fetched):
            while (entries or under_way) and (count is None or images < count):
                room = self.concurrency * _AHEAD if count is None else min(self.concurrency * _AHEAD, count - images)
                while entries and len(under_way) < room:
                    entry, problem = entries.popleft()
                    under_way.append((entry, problem or threads.submit(fetched.obtain, entry.url or "", entry.sha256)))
                outcome = self._outcome(*under_way.popleft(), intake)
                images += isinstance(outcome, Image)
                yield outcome

    def _outcome(self, entry: Entry, got: Unusable | Future[Path], intake: Intake) -> Image | Unusable:
        from generation.sources.guard import FetchError

        if isinstance(got, Unusable):
            return got
        try:
            file = got.result()
        except FetchError as error:
            return Unusable(entry.name, error.status, str(error))
        try:
            encoded = file.read_bytes()
        except OSError as error:
            raise RunError(f"{file} cannot be read: {error.strerror}; run the same command again") from error
        provenance = {"list": shown(self.manifest.name), "row": entry.number}
        provenance |= said({"id": entry.id, "domain": entry.domain})
        return intake.take(Arrival(entry.name, encoded, entry.licence, entry.url, provenance))


def _web(max_bytes: int, timeout: float, retries: int, per_host: int, *, allow_private: bool) -> Web:
    try:
        from generation.sources.fetch import Web
    except ModuleNotFoundError as error:
        if error.name != "httpcore":
            raise
        raise MissingDependencyError.of("httpcore", "generate") from error
    web = Web(max_bytes, timeout, retries, per_host=per_host)
    return web.with_private() if allow_private else web


@contextmanager
def _fetching(source: UrlSource) -> Iterator[tuple[ThreadPoolExecutor, Fetched]]:
    from generation.sources.fetch import Fetcher
    from generation.sources.fetched import Fetched

    fetcher = Fetcher(source.web)
    with Fetched(source.folder, fetcher, retry_failed=source.retry_failed) as fetched:
        threads = ThreadPoolExecutor(source.concurrency, thread_name_prefix="fetch")
        try:
            yield threads, fetched
        finally:
            # What is in flight ends soon, also where the caller stops early or the user presses Ctrl-C.
            fetcher.stop()
            threads.shutdown(cancel_futures=True)


def _in_order(entries: tuple[Entry, ...], count: int | None, seed: int) -> list[Entry]:
    if count is None:
        return list(entries)
    return sorted(entries, key=lambda entry: (rank(seed, entry.url or ""), entry.number))


def _checked_once(entries: list[Entry]) -> Iterator[tuple[Entry, Unusable | None]]:
    """The entries with what is wrong with them before anybody is asked, such as the address of an earlier row."""
    first: dict[str, int] = {}
    for entry in entries:
        yield entry, _problem(entry, first)
        if entry.url is not None:
            first.setdefault(entry.url, entry.number)


def _problem(entry: Entry, first: dict[str, int]) -> Unusable | None:
    if entry.url is None:
        return Unusable(entry.name, Status.IMAGE_MISSING, "the row has no address")
    try:
        web_address(entry.url)
    except UnfitAddressError as error:
        return Unusable(entry.name, Status.FAILED, str(error))
    if entry.bad_checksum:
        reason = f"the sha256 in row {entry.number} of the list is not 64 hexadecimal digits"
        return Unusable(entry.name, Status.FAILED, reason)
    if entry.url in first:
        return Unusable(entry.name, Status.FILTERED, f"a copy: row {first[entry.url]} has the same address")
    return None
