"""Build hook: a wheel carries the knowledge base compiled to JSON, so that an installed oomdoc never parses YAML."""

import json
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompileBase(BuildHookInterface):  # type: ignore[type-arg]
    """Compiles every section of rules/ and knowledge/ into `oomdoc/_base/compiled/<section>.json`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the compiled sections and add them to the wheel; an editable install reads the YAML itself."""
        if version == "editable":
            return
        sys.path.insert(0, self.root)
        from oomdoc.facts import base

        folder = Path(self.directory) / "compiled"
        folder.mkdir(parents=True, exist_ok=True)
        for section in base.sections():
            path = folder / f"{section}.json"
            path.write_text(json.dumps(base.compile_section(section), ensure_ascii=False), encoding="utf-8")
            build_data["force_include"][str(path)] = f"oomdoc/_base/compiled/{section}.json"
