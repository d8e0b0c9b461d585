"""Words by which a lesson is found: stems, parts of names, and the field's synonyms.

A sentence embedder knows that "clip" and "floor" are near in general, not that in this field they are one
thing. A word that begins like one of a family brings the family's name along, so that a question in other
words than the lesson's still shares words with it. So does a word of another language, which itself only
counts where a lesson has it.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Iterable
from functools import lru_cache

from memory.languages import COMMON, PHRASES, ROOTS

_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|\w+\+?")
"""Chinese and Japanese are written without spaces: there a character counts as a word."""
_ACCENTS = re.compile("[\u0300-\u036f]")
_OTHER = re.compile(r"[\u0400-\u1fff\u3040-\u9fff\uac00-\ud7af]")
"""Letters that are neither Latin nor Greek, which formulas have."""
_KANA = re.compile("[\u3040-\u309f]")
"""What Japanese joins its words with."""
_PART = re.compile(r"[^\W\d_]{3,}")
_COMMON = frozenset(
    "a an and are as at be by can do does for from has have how i if in is it its of on or our should than "
    "that the then there this to was we what when where which why will with s t".split()
)
_FAMILIES = {
    name: tuple(roots.split())
    for name, roots in {
        "floor": "floor clip clamp truncat nonnegat negativ threshold zero",
        "discount": "discount decay forget fade downweigh",
        "early": "early earli old past initial first",
        "average": "averag mean iterate",
        "weigh": "weigh weight quadrati linear",
        "predict": "optimis predict anticipat lookahead extrapolat",
        "alternate": "alternat turn simultan sequential",
        "softmax": "softmax exponential hedge entrop boltzmann multiplicativ",
        "restart": "restart reset reinitial discard",
        "overflow": "nan overflow inf infinit numerical nonfinite",
        "cost": "cost expensiv comput runtime slowest bottleneck seconds",
        "combine": "cross combin recombin parent child hybrid merge",
        "noise": "noise noisy random perturb stochastic dirichlet jitter",
        "scale": "scale rescal invarian unit normalis normaliz magnitude",
        "power": "square root sqrt exponent power",
        "diverge": "diverg unstable instab oscillat explod blow chaotic",
        "fast": "fast speed accelerat quick sooner",
        "harm": "hurt harm slow wors degrad lower lost lose loss drop fail",
        "help": "help improv better rais gain benefi useful boost",
        "diverse": "divers cover widen explor variety",
        "policy": "policy polici strateg",
        "reward": "reward payoff utilit",
        "delay": "late delay warm burn",
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


def _by_beginning(families: dict[str, tuple[str, ...]]) -> dict[str, list[tuple[str, str]]]:
    """(root, family) by the root's first three letters."""
    found: dict[str, list[tuple[str, str]]] = {}
    for name, roots in families.items():
        for root in roots:
            found.setdefault(root[:3], []).append((root, f"~{name}"))
    return found


_ROOTS = _by_beginning(_FAMILIES)
_FOREIGN = _by_beginning({name: tuple(roots.split()) for name, roots in ROOTS.items()})
_PHRASES: dict[str, set[str]] = {}
for _name, _some in PHRASES.items():
    for _phrase in _some.split():
        _PHRASES.setdefault(_phrase, set()).add(f"~{_name}")
FOREIGN = "="
VERSION = zlib.crc32(repr((_FAMILIES, ROOTS, PHRASES, sorted(COMMON))).encode())
"""Of all that ``in_english`` depends on."""
_PHRASE = re.compile("|".join(sorted(_PHRASES, key=lambda phrase: -len(phrase))))


def words(text: str) -> frozenset[str]:
    """Stems, parts of names (``liars_dice5``: liars, dice), and families, each marked with ``~``.

    A word of another language is marked with ``FOREIGN``: it has its families beside it.
    """
    text = _plain(text)
    phrases = set(_PHRASE.findall(text))
    found = {FOREIGN + phrase for phrase in phrases}.union(*(_PHRASES[phrase] for phrase in phrases))
    text = _KANA.sub(" ", _PHRASE.sub(" ", text))
    for word in _WORD.findall(text):
        if word not in _COMMON and word not in COMMON:
            found |= _of(word)
    return frozenset(found)


def in_english(text: str) -> str:
    """A text of one of ``languages`` in English, word by word, as far as the families go; empty when they go
    nowhere and its letters are not Latin. A text in English, or in a language not known here, as it is."""
    plain = _plain(text)
    told = _PHRASE.sub(lambda found: f" {_spoken(_PHRASES[found[0]])} ", plain)
    words, made = _WORD.findall(_KANA.sub(" ", told)), list[str]()
    signs = sum((word in COMMON) - (word in _COMMON) for word in words)
    for word in words:
        named = _named(_FOREIGN, () if _named(_ROOTS, (word,)) else (word,))
        signs += bool(named) and not any(word.startswith(name[1:]) for name in named)
        if named or (word not in COMMON and word.isascii()):
            made.append(_spoken(named) if named else word)
    strange = _OTHER.search(plain) is not None
    return " ".join(made) if strange or signs > 0 else text


def _spoken(families: Iterable[str]) -> str:
    return " ".join(name[1:] for name in sorted(families))


def _plain(text: str) -> str:
    """Without upper case and accents."""
    return unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", text.casefold())))


@lru_cache(maxsize=50_000)
def _of(word: str) -> frozenset[str]:
    parts = [part for part in _PART.findall(word) if part != word] if re.search(r"[\d_]", word) else []
    families = _named(_ROOTS, (word, *parts))
    if not families and (foreign := _named(_FOREIGN, (word,))):
        return foreign | {FOREIGN + word}
    return families.union({_stem(word)}, map(_stem, parts), _named(_FOREIGN, parts))


def _named(roots: dict[str, list[tuple[str, str]]], some: Iterable[str]) -> frozenset[str]:
    """The families of words."""
    return frozenset(family for w in some for root, family in roots.get(w[:3], ()) if _begins(w, root))


def _begins(word: str, root: str) -> bool:
    return word.startswith(root) if len(root) > 3 and root[-1] != "$" else word == root.rstrip("$")


def _stem(word: str) -> str:
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) > len(ending) + 3:
            return word.removesuffix(ending)
    return word
