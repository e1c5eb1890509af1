"""Which model is asked, where, how fast and at what price: what every model behind an API has in common."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Self

from alignbench.backends.api.budget import Budget
from alignbench.backends.api.connection import Connection
from alignbench.backends.api.endpoint import Endpoint
from alignbench.backends.api.fan_out import FanOut
from alignbench.backends.api.options import check_pace
from alignbench.backends.api.prices import PriceTable
from alignbench.backends.api.service import Service
from alignbench.errors import UsageError
from alignbench.types import ModelRef

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Access:
    """The way to a model; `Access.of` makes and checks one from a user's options.

    Attributes:
        asked: The model as the endpoint names it.
        ref: The model as a producer.
        endpoint: Where it is.
        prices: What things cost.
        in_flight: The most requests on their way at one moment.
        timeout: Seconds for one request.
        retries: How often a request is sent again at most.
    """

    asked: str
    ref: ModelRef
    endpoint: Endpoint
    prices: PriceTable
    in_flight: int
    timeout: float
    retries: int

    @classmethod
    def of(  # noqa: PLR0913 - each argument is an option of a recipe
        cls,
        model: str,
        *,
        revision: str | None,
        name: str | None,
        family: str | None,
        provider: str | None,
        base_url: str | None,
        key_env: str,
        in_flight: int,
        timeout: float,
        retries: int,
        prices: str | None,
    ) -> Self:
        """Check a user's options.

        Raises:
            UsageError: One of them makes no sense.
        """
        check_pace(in_flight, timeout, retries)
        if not _VARIABLE.fullmatch(str(key_env)):
            # It may be the key itself, so it is not repeated.
            raise UsageError(
                "key_env must be the name of an environment variable such as OPENAI_API_KEY, and never a key; "
                "mend the option key_env"
            )
        endpoint = Endpoint(base_url, key_env)
        if base_url is not None and endpoint.has_login:
            raise UsageError(
                f"the option base_url holds a user name or a password for {endpoint.host}, but a recipe's options are "
                "published with its dataset; leave it out and run `export OPENAI_BASE_URL=...` with that address"
            )
        # An API has no revisions of its own; what stands after an @ belongs to the model's name there.
        asked = model if revision is None else f"{model}@{revision}"
        ref = ModelRef(name or asked, family=family, provider=provider or endpoint.host)
        table = PriceTable.read(Path(prices) if prices else None)
        return cls(asked, ref, endpoint, table, in_flight, timeout, retries)

    def connect(self, service: Service, budget: Budget) -> Connection:
        """A connection to it, for one kind of question."""
        return Connection(
            self.endpoint,
            model=self.asked,
            price=self.prices.of(self.endpoint.host, self.asked),
            budget=budget,
            timeout=self.timeout,
            in_flight=self.in_flight,
            retries=self.retries,
            service=service,
        )


class ApiModel:
    """A model behind an API: what it spends can be limited, and it can be stopped.

    Args:
        access: The way to it.
        service: What it is asked for.
    """

    def __init__(self, access: Access, service: Service) -> None:
        self._access = access
        self._budget = Budget()
        self._connection = access.connect(service, self._budget)
        self._fan_out = FanOut(self._connection)
        self.model = access.ref
        """What goes into the provenance of what it makes."""

    @property
    def environment(self) -> Mapping[str, str]:
        """Where it is, and by what it is asked; see `alignbench.types.Situated`."""
        prices = self._access.prices.dated
        return {"endpoint": self._access.endpoint.address, "openai": version("openai"), "prices": prices}

    @property
    def spent_usd(self) -> float:
        """What was spent on everything asked, the questions at the start included; see `alignbench.types.Billed`."""
        return self._budget.spent

    def limit_cost(self, usd: float) -> None:
        """Ask nothing that could bring `spent_usd` above `usd`; see `alignbench.types.Billed`.

        Raises:
            UsageError: What an answer costs is not known.
        """
        if self._connection.price is None:
            raise UsageError(
                f"what {self._access.asked!r} costs at {self._access.endpoint.host} is not known, so its cost cannot "
                "be limited; write its price into a price file and give that as the option prices"
            )
        self._budget.limit(usd)

    def stop(self) -> None:
        """Ask no more; see `alignbench.types.Stoppable`."""
        self._fan_out.stop()
