"""Words by which a lesson is found: stems, parts of names, and the field's synonyms.

A sentence embedder knows that "clip" and "floor" are near in general, not that in this field they are one
thing. A word that begins like one of a family brings the family's name along, so that a question in other
words than the lesson's still shares words with it.
"""

from __future__ import annotations

import re
from functools import lru_cache

_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|\w+\+?")
"""Chinese and Japanese are written without spaces: there a character counts as a word."""
_PART = re.compile(r"[^\W\d_]{3,}")
_COMMON = frozenset(
    "a an and are as at be by can do does for from has have how i if in is it its of on or our should than "
    "that the then there this to was we what when where which why will with s t "
    "el la los las de del un una en y que le les des et du est il der die das und ist ein eine".split()
)
_FAMILIES = {
    name: tuple(roots.split())
    for name, roots in {
        "floor": "floor clip clamp truncat nonnegat negativ threshold zero",
        "discount": "discount decay forget fade downweigh",
        "early": "early earli old past initial first",
        "average": "averag mean iterate mittel durchschnitt promedi moyenn",
        "weigh": "weigh weight quadrati linear gewicht",
        "optimism": "optimis predict anticipat lookahead extrapolat",
        "turn": "alternat turn simultan sequential gleichzeit abwechsel",
        "softmax": "softmax exponential hedge entrop boltzmann multiplicativ",
        "restart": "restart reset reinitial reinici neustart discard",
        "overflow": "nan overflow inf infinit numerical nonfinite",
        "cost": "cost expensiv comput runtime slowest bottleneck seconds",
        "cross": "cross combin recombin parent child hybrid merge",
        "noise": "noise noisy random perturb stochastic dirichlet jitter rausch ruido bruit",
        "scale": "scale rescal invarian unit normalis normaliz magnitude",
        "power": "square root sqrt exponent power",
        "unstable": "diverg unstable instab oscillat explod blow chaotic",
        "fast": "fast speed accelerat quick sooner",
        "harm": "hurt harm slow wors degrad lower lost lose loss drop fail",
        "help": "help improv better rais gain benefi useful boost",
        "diverse": "divers cover widen explor variety",
        "policy": "policy polici strateg",
        "reward": "reward payoff utilit",
        "late": "late delay warm burn",
        "last": "last final",
        "transfer": "transfer carry generalis generaliz",
        "same": "same clone duplicat identical redundan",
        "limit": "limit exceed killed timeout stopped abort",
        "momentum": "momentum inertia velocity",
        "large": "large larger big above bigger rais increas high higher",
        "small": "small smaller decreas tiny",
        "sensitive": "sensitiv robust matter",
        "simple": "simpl ablat remov delet prun",
    }.items()
}
_ROOTS: dict[str, list[tuple[str, str]]] = {}
"""(root, family) by the root's first three letters."""
for _name, _roots in _FAMILIES.items():
    for _root in _roots:
        _ROOTS.setdefault(_root[:3], []).append((_root, f"~{_name}"))


def words(text: str) -> frozenset[str]:
    """Stems, parts of names (``liars_dice5``: liars, dice), and families, each marked with ``~``."""
    found: set[str] = set()
    for word in _WORD.findall(text.casefold()):
        if word not in _COMMON:
            found |= _of(word)
    return frozenset(found)


@lru_cache(maxsize=50_000)
def _of(word: str) -> frozenset[str]:
    parts = [part for part in _PART.findall(word) if part != word] if re.search(r"[\d_]", word) else []
    stems = {_stem(word), *map(_stem, parts)}
    families = (name for w in (word, *parts) for root, name in _ROOTS.get(w[:3], ()) if _begins(w, root))
    return frozenset(stems.union(families))


def _begins(word: str, root: str) -> bool:
    return word.startswith(root) if len(root) > 3 else word == root


def _stem(word: str) -> str:
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) > len(ending) + 3:
            return word.removesuffix(ending)
    return word
