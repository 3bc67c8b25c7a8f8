"""Patterns by which settings are read in an utterance, built from `knowledge/chat/settings.yaml`; nothing is read."""

import re
from functools import cache
from typing import Any, Final

from oomdoc.chat.numbers import AFTER, ANY_WORD, NUMBER, SHARE, SHARE_AFTER
from oomdoc.facts import base

DENIAL_REACH: Final = 32
PATH: Final = re.compile(
    r"(?:~|\.{1,2})?(?:/[\w.+@%=-]+){2,}/?|(?<![\w.-])[\w.+@%=/-]*[\w-]\.(?:log|out|err|txt|ya?ml|json|toml|sh|py)(?![\w])",
    re.ASCII,
)
SIZE: Final = re.compile(
    r"(?:(?<![a-z0-9.,_])(\d{1,4}(?:\.\d+)?)|(?<![几数上十百千万第每.\d])([一二两三四五六七八九十百]{1,5}))\s?(?:个\s?)?(gib|gb|gigs?|gigabytes?|g|mib|mb|m|tib|tb|t)(?![a-z0-9*×]|\.\d)"
)
SIZE_DENIED: Final = re.compile(
    r"(?:(?<![\d.])(?P<said>\d{1,3})\s?[,，]?\s?)?(?:(?<![a-z])not|isn't|(?<!是)不是|并非)\s?(?:an? |the )?$"
)
BECOMES: Final = re.compile(
    r"(?:swap|replac|exchang|trad)\w*\s.{1,24}\s(?:for|with|by)\s|but (?:it|actually|now|in )"
    r"|what about|how about|what if|换(?:成|到|为)?|改(?:成|为|用)?|变成|切换?到|->|→|(?<![a-z])to(?![a-z])"
)
SEPARATOR: Final = re.compile(r"[,，、;；.。]|\band\b|和|跟|加")
PARAMETERS: Final = re.compile(
    r"(?<![a-z0-9._-])(\d{1,4}(?:\.\d+)?)\s?b"
    r"(?![a-z0-9*)]|\s(?:more )?(?:tokens?|samples?|data)|\s?(?:个\s?)?token)"
)
OTHER_MODEL: Final = re.compile(
    r"(?:(?<![a-z])(?:critic|reward(?: model)?|draft(?: model)?|teacher|judge|verifier)|奖励模型|教师模型|草稿模型)"
    r"\s?(?:is |of |是|用)?\s?(?:an? )?$"
)
SHIFTS: Final = {"g": 30, "m": 20, "t": 40}
BARE_CARD: Final = re.compile(
    r"(?<![\w.,/*-])[2-5]0[5-9]0(?: ?(?:ti|super|d)(?![a-z]))?(?!\d|[.,]\d|\s?(?:tokens?|steps?|步|条|个))"
)
CARD_TALK: Final = re.compile(r"would|could|enough|换|上|有|用|跑|放|卡|gpu|card|on|fit|train|run|with|switch|是|呢")
OPEN_QUESTION: Final = re.compile(
    r"(?:能不能|可不可以|要不要|用不用|开不开|想不想|会不会|该不该|需不需要)(?:再|去|用|开|上|做|跑|训|改成?)*\s?$"
)
RANGE: Final = re.compile(
    r"(?:between|介于|在)\s?\d[\d.,]*\s?k?\s?(?:and|到|和|至|-)\s?$"
    r"|(?<!从)(?<!从 )(?<!from )(?<![\d.,])\d[\d.,]*\s?(?:k|万)?\s?(?:到|至)\s?$"
)
NOT_COUNTED: Final = re.compile(
    r"(?:再|又|还)?(?:减|少|撤|拔|卖|去)(?:掉|少|去|用|开)?\s?$|(?:再|(?<!差不)(?<!最)多|又)(?:加|来|买|插|租|借|弄|上|添|用|搞|挂|多|给)?\s?$"
    r"|[2-9两二三四双多]\s?机\s?$"
    r"|(?:加上?|add|adding|plus|每(?:台|机|个?节点)?|第|另|这|那|哪|某|该|其中|前|后|another|which|the other|only"
    r"|(?:per|each|every)(?: (?:node|machine|box|server))?|gpu|card|卡)\s?$"
)


COUNT_BEHIND: Final = re.compile(
    rf"s?(?:[-_ ]?\d{{1,3}}\s?gi?b?(?![a-z0-9]))?\s?[,，]?\s?(?:一共|总共|共|有)?\s?"
    rf"(?P<count>(?:(?P<digits>\d{{1,2}})|(?P<word>{ANY_WORD}))"
    r"\s?(?:张|块|片|of them))(?!\s?(?:不|没|爆|满))"
)
COUNT_TAIL: Final = re.compile(rf"(?:\d+|{ANY_WORD})\s?(?:张|块|卡|片|x|×|\*|个)?\s?$")
DENIED_NAME: Final = re.compile(
    r"(?:(?<![a-z])(?:not|isn't|wasn't|no)|不是|并非|(?<!有)没有)\s?(?:an? |the |my |什么)?\s?$"
)
# Behind "没开": what is denied is the next word, not the one before.
GOES_ON: Final = re.compile(r"\s?(?:[a-z0-9]|梯度|检查点|量化|卸载|优化器|打包|混合|视觉|重计算|分页)")
OF_A_PLAN: Final = re.compile(r"(?:方案|选项|(?<![a-z])(?:plan|option|number|no\.?)|#)\s?$")
LIST_MARK: Final = re.compile(r"(?:^|(?<=\s))\d[.)、](?=\s)")
EITHER_SIZE: Final = re.compile(
    r"\d\s?gi?b?\s?(?:or|/|或者?|还是|到|-|~)\s?\d{1,3}\s?gi?b?\s?的?\s?$|\d\s(?:or|或者?|还是)\s?\d{1,3}\s?gi?b?\s?的?\s?$"
)
MOST_CARDS: Final = 64
LEAST_SPOKEN: Final = 4  # "差两个 G": fewer, in words, is seldom a card's memory


_NOUN: Final = r"(?:v?ram|memory|gpus?|cards?|shm|显存|内存|显卡|卡|硬盘|磁盘)"
_NOUN_BEFORE: Final = re.compile(_NOUN + r"\s?(?:is|has|of|:|=|有|是|为|只有)?\s?$")
_NOUN_BEHIND: Final = re.compile(r"\s?(?:of |的)?\s?(?:gpu |system |host |cpu )?" + _NOUN)


def sides(text: str, start: int, end: int) -> tuple[str, str]:
    """What stands before and behind a size in its clause; between several sizes the names stand on one side of all."""
    before = SEPARATOR.split(text[max(start - 24, 0) : start])[-1]
    after = SEPARATOR.split(text[end : end + 24])[0]
    sizes = [*SIZE.finditer(before)]
    if not sizes and not SIZE.search(after):
        return before, after
    left = _NOUN_BEFORE.search(text[:start]) is not None
    if left and _NOUN_BEHIND.match(text[end:]):
        left = _NOUN_BEFORE.search(text[: next(SIZE.finditer(text)).start()]) is not None
    if left:
        return (before[sizes[-1].end() :] if sizes else before), ""
    return "", re.split(r"\d", after)[0]


@cache
def knowledge() -> dict[str, Any]:
    """How people write settings."""
    return dict(base.section("chat")["settings.yaml"])


@cache
def pattern(source: str) -> re.Pattern[str]:
    """A compiled source."""
    return re.compile(source)


@cache
def needed(source: str) -> re.Pattern[str]:
    """What an utterance must say besides; "@fails": that the run ended badly."""
    return re.compile(source.replace("@fails", knowledge()["fails"]))


@cache
def units() -> list[tuple[re.Pattern[str], frozenset[str]]]:
    """(what stands behind a number, the settings whose unit it is)."""
    return [
        (re.compile(rf"\s?(?:个\s?)?(?:{entry['pattern']})"), frozenset(entry["only"]))
        for entry in knowledge()["units"]
    ]


@cache
def links() -> str:
    """What may stand between a name and its value."""
    words = knowledge()["links"]
    latin = "|".join(sorted((re.escape(word) for word in words["en"]), key=len, reverse=True))
    chinese = "|".join(sorted(map(re.escape, words["zh"]), key=len, reverse=True))
    blank = r"(?:[\s:：=\"'“”>,，]|-+>)*"
    becomes = knowledge()["becomes"]
    shift = rf"(?:(?:from|从|由)?\s?\d[\d.,]*k?\s?(?:个\s?)?{becomes}\s?)?"
    said = r"(?:我)?(?:前面|刚才|刚刚|之前|上面)?(?:说|写|打|记|填)(?:成|的是|的|了)"
    meant = r"(?:而是|其实是?|实际上?是?|应该是|是|but|it's|it is)"
    denied = rf"(?:(?:不是|isn't|not|并非|{said})\s?\d[\d.,]*k?\s?了?\s?[,，]?\s?{meant}\s?)?"
    return rf"(?:[\s:：=\"'“”-]*(?:(?:{latin})(?![a-z])|{chinese})){{0,6}}{blank}{denied}{shift}"


NAME_ENDS: Final = r"(?:(?<=[\u4e00-\u9fff])|(?![a-z_]))"  # "8卡zero3": a Chinese name may touch a Latin word


@cache
def names_of(place: int, *, value_first: bool) -> re.Pattern[str] | None:
    """The names of one setting: in front of a value, or behind it."""
    entry = knowledge()["numbers"][place]
    if value_first:
        if entry.get("order") not in ("value", "both"):
            return None
        return re.compile(
            rf"\s?-?(?:的\s?|个\s?|of\s)?(?:{'|'.join(entry.get('values_after') or entry['names'])}){NAME_ENDS}"
        )
    if not entry["names"]:
        return None
    names = "|".join(entry["names"]).replace("[_ ]", "[_ -]")
    # The tail of a hyphenated option ("max-model-len") is not a name of its own.
    return re.compile(rf"(?<![a-z0-9_])(?<![a-z]-)(?:{names}){NAME_ENDS}{entry.get('after', '')}")


@cache
def value_behind(kind: str, *, plain: bool, bordered: bool) -> re.Pattern[str]:
    """What stands between a name and its value, and the value; `plain`: only an equals sign or "is" between."""
    link = r"\s?(?:[=:：是为]|is|are)\s?" if plain else links()
    number, after = (SHARE, SHARE_AFTER) if kind == "share" else (NUMBER, AFTER)
    return re.compile(link + number + (after if bordered else ""))


VALUE: Final = re.compile(rf"(?<![a-z0-9_.*×])(?!(?<=\d,)\d{{3}}(?!\d)){NUMBER}")
