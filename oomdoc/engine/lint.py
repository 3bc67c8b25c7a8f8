"""The lint of the rule base: one line a problem, naming the file; an empty list is a clean base."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from oomdoc.engine.rule import places
from oomdoc.engine.rule_file import KEY_ORDER, RuleCase, RuleFile
from oomdoc.facts import base
from oomdoc.facts.vocabulary import term

_NUMBERS = ("int", "float")


def lint() -> list[str]:
    """Every problem of the rule base as `path: sentence`."""
    problems: list[str] = []
    seen: dict[str, str] = {}
    conditions: dict[str, str] = {}
    for relative, path in base.documents("rules"):
        try:
            raw = base.read_document(path)
            rule = RuleFile.model_validate(raw)
        except base.BaseError as error:
            problems.append(str(error))
            continue
        except ValidationError as error:
            problems += [f"{relative}: {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
            continue
        problems += [f"{relative}: {problem}" for problem in _problems(rule, list(raw), path)]
        for name in (rule.id, *rule.aliases):
            if name in seen:
                problems.append(f"{relative}: id {name} is taken by {seen[name]}")
            seen[name] = relative
        condition = rule.when.model_dump_json() + str(sorted(sign.model_dump_json() for sign in rule.signs))
        if condition in conditions:
            problems.append(f"{relative}: same condition and signs as {conditions[condition]}")
        conditions[condition] = relative
    return problems


def _problems(rule: RuleFile, keys: list[str], path: Path) -> Iterator[str]:
    if path.stem != rule.id:
        yield f"file name and id differ: {rule.id}"
    if keys != [key for key in KEY_ORDER if key in keys]:
        yield f"keys stand in the order {', '.join(key for key in KEY_ORDER if key in keys)}"
    for clause in (rule.when, *rule.signs):
        yield from (f"unknown fact {name}" for name in clause.facts() if term(name) is None)
        yield from (
            f"{name} is not a number"
            for name in clause.numeric_facts()
            if (declared := term(name)) and declared.type not in _NUMBERS
        )
    texts = [(sign.en, sign.zh) for sign in rule.signs] + [(rule.explain.en, rule.explain.zh)]
    if rule.looks_like:
        texts.append((rule.looks_like.en, rule.looks_like.zh))
    for en, zh in texts:
        if sorted(places(en)) != sorted(places(zh)):
            yield f"placeholders differ between languages: {en!r}"
        yield from (f"unknown place {{{name}}}" for name in places(en) if name != "value" and term(name) is None)
    known = base.section("remedies")
    yield from (f"unknown remedy {name}" for name in rule.remedies if f"{name}.yaml" not in known)
    yield from (f"reference is no permalink: {link}" for link in rule.references if not link.startswith("https://"))
    yield from _tests(rule, path.with_name(f"{rule.id}.test.yaml"))


def _tests(rule: RuleFile, path: Path) -> Iterator[str]:
    if not path.exists():
        yield f"has no {path.name}"
        return
    cases = read_cases(path)
    if not any(case.fires for case in cases):
        yield f"{path.name}: no case fires"
    if not any(case.fires is False for case in cases):
        yield f"{path.name}: no near miss stays quiet"
    if rule.when.facts() and not any(case.asks for case in cases):
        yield f"{path.name}: no case asks"
    yield from (f"{path.name}: unknown fact {name}" for case in cases for name in case.facts if term(name) is None)


def read_cases(path: Path) -> list[RuleCase]:
    """The cases of a rule's test file; raises BaseError or ValidationError."""
    return [RuleCase.model_validate(raw) for raw in base.read_document(path)]
