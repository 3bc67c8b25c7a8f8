"""Regular expressions compiled at first use, under the name this room knows them by."""

from oomdoc.facts.lazy import lazy as lazy  # noqa: PLC0414 (handed on)
