"""What a patch refuses, in both languages: one line saying which file and why."""

from oomdoc.messages import Language, say, told


class PatchError(Exception):
    """A change that is not made; `key` is a sentence of the section [patch], `places` fill it."""

    def __init__(self, key: str, **places: object) -> None:
        super().__init__(say("en", f"patch.{key}", **places))
        self.key = key
        self.places = places

    def told(self, language: Language) -> str:
        """The sentence in one language."""
        places = {name: told(place, language) for name, place in self.places.items()}
        return say(language, f"patch.{self.key}", **places)
