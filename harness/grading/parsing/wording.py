"""Answers in words: which wordings are the same, and what words beside a number may say."""

from __future__ import annotations

import itertools
import re
from fractions import Fraction

from harness.grading.parsing.nouns import COUNTABLE
from harness.grading.parsing.tokenizer import FUNCTIONS, GREEK_LETTERS
from harness.grading.parsing.tree import Node, words

_WRAPPED = re.compile(
    r"\\(?:text|textnormal|textbf|textit|textrm|textsf|mbox|hbox|mathrm|mathbf|mathit|operatorname"
    r"|rm)(?![A-Za-z])\s*\{((?:[^{}]++|\{[^{}]*+\})*+)\}"
)


def unwrapped(text: str) -> str:
    r"""Replace ``\text{…}`` and its like by what they contain."""
    for _ in range(4):
        shorter = _WRAPPED.sub(r" \1 ", text)
        if shorter == text:
            break
        text = shorter
    return text


# -- the same wording ------------------------------------------------------------------------

_TOKEN = re.compile(r"\d+(?:\.\d+)?|\\[A-Za-z]+|\\.|[^\W\d_]+(?:['\u2019][^\W\d_]+)?|\S")
#: Shorter runs of letters are products of symbols, but for these.
_SHORT_WORDS = frozenset(
    words(
        "the an and or not no yes of in on at to by is are for all any odd non one two six ten it "
        "as be if but has was red day man men boy cat dog cow pig hen ace sum set who may mon tue "
        "wed thu fri sat sun jan feb mar apr jun jul aug sep oct nov dec"
    )
)
_ARTICLES = ("the", "an", "a", "A")
#: No article stands before these: the A of "A or B" is a letter.
_AFTER_LETTERS = frozenset(words("and or is are in if"))
#: Dropped between words; beside anything else they may be part of a formula.
_PUNCTUATION = frozenset(",;:.\"'!?-\u2018\u2019\u201c\u201d") | {"and"}
_NAMES = frozenset((*FUNCTIONS, *GREEK_LETTERS))
_GREEK_LETTER = re.compile(r"[\u0370-\u03ff\u2126]")
_OPENINGS = (["yes"], ["no"])


def same_wording(gold: str, answer: str) -> bool:
    """Compare two answers in words: case, articles and punctuation between words do not count.

    Whatever is not a word (digits, operators, brackets, single letters) must be the same, token
    by token, and texts without a word are never the same wording.
    """
    ours, theirs = _tokens(gold), _tokens(answer)
    if ours == theirs:
        return any(_is_word(token) for token in ours)
    # "No, it is odd" may leave out its first word, but not turn it round.
    openings = [t[:2] in (["yes", ","], ["no", ","]) for t in (ours, theirs)]
    if openings[0] == openings[1]:
        return False
    ours, theirs = (t[2:] if o else t for t, o in zip((ours, theirs), openings, strict=True))
    return ours == theirs and any(_is_word(token) for token in ours)


def _tokens(text: str) -> list[str]:
    text = re.sub(r"\bnon[- ]+(?=[a-z])", "non", unwrapped(text))
    found = _TOKEN.findall(text)
    # Among longer words only, three letters are a word too: "New York".
    worded = any(_is_word(t) and len(t) > 3 for t in found) and all(
        t in _PUNCTUATION or (t[0].isalpha() and len(t) > 1) or t in _ARTICLES for t in found
    )
    found = [t.lower() if _is_word(t, worded) else t for t in found]
    while len(found) > 2 and (found[0], found[-1]) in (("(", ")"), ("{", "}")):
        if any(token in "(){}" for token in found[1:-1]):
            break
        found = found[1:-1]
    following = [""] * (len(found) + 1)
    for i in range(len(found) - 1, -1, -1):
        following[i] = following[i + 1] if found[i] in _PUNCTUATION else found[i]
    kept: list[str] = []
    depth = 0
    for i, token in enumerate(found):
        depth += (token in ("(", "[", "{")) - (token in (")", "]", "}"))
        after = following[i + 1]
        if token in _ARTICLES and _is_word(after, worded):
            before = kept[-1] if kept else ""
            worded_before = not before or before in _PUNCTUATION or _is_word(before, worded)
            if worded_before and found[i + 1] not in _AFTER_LETTERS:
                continue
        if token in _PUNCTUATION and depth == 0 and not (token == "," and kept in _OPENINGS):
            neighbours = (kept[-1] if kept else "", after)
            if all(not other or _is_word(other, worded) for other in neighbours):
                continue
        kept.append(token)
    return kept


def _is_word(token: str, worded: bool = False) -> bool:
    if not token[:1].isalpha() or token in _NAMES:
        return False
    if not token.isascii():
        # Greek letters are symbols: a resistance Ω is no frequency ω.
        caseless = token.lower() == token.upper()
        return (caseless or len(token) > 1) and not _GREEK_LETTER.search(token)
    if token.lower() in _SHORT_WORDS:
        return len(token) != 2 or not token.isupper()  # AT is a segment
    # "ABCD" names corners and is not "abcd".
    return len(token) > 5 or (len(token) > (2 if worded else 3) and not token.isupper())


# -- what words say --------------------------------------------------------------------------

#: Words that turn round, bound or scale what they stand beside, or state something else about it.
_CHANGING = frozenset(
    words(
        # negation and doubt
        "not no non never neither nor none nothing without except excluding but wrong incorrect "
        "false untrue invalid isn't aren't wasn't weren't cannot can't doesn't don't didn't fake "
        "impossible maybe perhaps possibly probably likely unlikely unknown unclear undefined "
        "doubtful supposedly allegedly instead rather otherwise actually originally "
        # comparison and approximation
        "less more fewer greater smaller larger bigger higher lower least most minimum maximum "
        "over under above below between beyond than exceeds exceeding up down about around "
        "approximately roughly nearly almost approx circa within short shy off too plus minus "
        "negative inclusive exclusive remaining remainder missing extra additional further also "
        # quantity
        "half halves third thirds quarter quarters fourth fourths fifth fifths sixth sixths "
        "seventh sevenths eighth eighths ninth ninths tenth tenths hundredth hundredths "
        "thousandth thousandths millionth millionths twice thrice double triple quadruple single "
        "dozen dozens score scores gross hundred hundreds thousand thousands million millions "
        "billion billions trillion trillions lakh lakhs crore crores tens ones zero zeros one two "
        "three four five six seven eight nine ten eleven twelve twenty thirty forty fifty percent "
        "percentage percents percentages percentile pct per point points each every all any some "
        "both either first second last next other another several many few "
        # operations
        "squared cubed square cubic cube squares cubes root roots factorial factorials power "
        "powers modulo mod base bases inverse inverses reciprocal reciprocals opposite opposites "
        "logarithm log ln sin cos tan divided multiplied added subtracted raised equal equals "
        "infinite infinity infinitely pi degree degrees radian radians "
        # connectives and verbs
        "of and or if unless when where while whereas since because until only then else versus "
        "vs is are was were be been being am has have had do does did can could would should may "
        "might must will shall fails lies seems appears looks works means makes gives needs "
        "becomes remains stays holds says from to into by as at in on for with it this that these "
        "those there here its always sometimes yes besides towards perhaps thus so hence"
    )
)
_WORD_SHAPE = re.compile(r"[A-Za-z]+(?:['\u2019-][A-Za-z]+)*")


#: Of these, the words that no remark and no name of a value may hold.
_DENYING = frozenset(
    words(
        "not no non never neither nor none nothing without except excluding but wrong incorrect "
        "false untrue invalid isn't aren't wasn't weren't cannot can't doesn't don't didn't fake "
        "impossible maybe perhaps possibly probably likely unlikely unknown unclear undefined "
        "doubtful supposedly allegedly instead rather otherwise originally or than minus negative "
        "half twice double triple more less over under above below approximately roughly nearly "
        "almost about exceeds actually however though although unless"
    )
)


def denies(text: str) -> bool:
    """Say whether words deny, doubt or bound what they stand beside."""
    found = [word.lower() for word in _WORD_SHAPE.findall(text)]
    bounds = any(pair in (("at", "least"), ("at", "most")) for pair in itertools.pairwise(found))
    return bounds or any(word in _DENYING for word in found)


_NUMBER = r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:/\d+)?"
_REMARKED = re.compile(
    rf"(?P<value>(?P<number>{_NUMBER})(?: ?[a-z]{{3,20}})?)\s*"
    r"(?:\((?P<bracketed>[\w\s,.'=+*/-]+)\)"
    rf"|,\s*(?:and )?not (?P<other>{_NUMBER})"
    r"|,? (?:in total|in all|altogether|overall)"
    r"(?:,? (?P<after>so|since|because|as)\b(?P<more>.*))?"
    r"|, (?P<clause>so|since|because|as|which is)\b(?P<rest>[^;{}\\]*))\.?"
)
#: Clauses without a number that only say that this is the answer.
_SAYS_SO = re.compile(
    r"so (?:all is well|we are done|(?:this|that) is (?:the|our) answer)"
    r"|as (?:required|desired|expected|claimed|needed|wanted|stated|shown|above|we wanted)"
    r"|which is (?:the|our) (?:final |correct )?(?:answer|result|total)"
)
#: The number again, as what a reason ends in: "since 8*9 = 72", "so Bob has 72 apples".
_ENDS_IN = (
    r"(?:\s[-+*/×·.()^\d\s]*\d[)\s]*=|\b(?:is|are|equals|makes?|gives?|has|have|gets?))"
    r" *\$?{}(?: (?P<noun>[a-z ]+))?\Z"
)
_BARE_LINKS = frozenset(words("of from in and by the with for to total"))
_REASONING = frozenset(
    words(
        "so since because as which is are equals make makes give gives has have get gets it this "
        "that there here and of for by with in from to on"
    )
)


def without_remark(text: str) -> str:
    """Take off what explains a number behind it: "72 (8 rows of 9)", "72, since 8*9 = 72"."""
    found = _REMARKED.fullmatch(text) if len(text) < 300 else None
    if found is None:
        return text
    if found["other"]:
        return found["value"] if found["other"] != found["number"] else text
    if found["bracketed"] is not None:
        said = {word.lower() for word in _WORD_SHAPE.findall(found["bracketed"])}
        counts = bool(said) and said <= COUNTABLE | _BARE_LINKS
        return found["value"] if counts and "=" not in found["bracketed"] else text
    clause, rest = found["clause"] or found["after"], found["rest"] or found["more"] or ""
    if clause and not _confirms(found["number"], f"{clause}{rest}".lower().rstrip(" .")):
        return text
    return found["value"]


def _confirms(value: str, clause: str) -> bool:
    """Say whether a reason ends in the value itself and claims nothing else."""
    if _SAYS_SO.fullmatch(clause):
        return True
    said = set(_WORD_SHAPE.findall(clause)) - _REASONING
    ending = re.search(_ENDS_IN.format(re.escape(value)), clause)
    if ending is None or re.search(r"[<>≠≤≥≈~]", clause):
        return False
    if not says_nothing_else(" ".join(said)):
        return False
    if ending["noun"] and not is_counted_noun(ending["noun"].strip()):
        return False
    return not said & _CLAIMING or set(re.findall(_NUMBER, clause)) == {value}


#: Words of a reason that claim an answer.
_CLAIMING = frozenset(words("answer answers result solution value correct right true final"))


def says_nothing_else(text: str) -> bool:
    """Say whether words beside a value leave the value what it is: no negation, no quantity."""
    found = [word.lower() for word in _WORD_SHAPE.findall(text)]
    if any(word in _CHANGING or _NUMBER_WORD.fullmatch(word) for word in found):
        return False
    return re.search(r"[^\sA-Za-z'\u2019,.;-]", text) is None


#: "twelfths", "quintillion", "tenfold", "thirteen", "ten-thousandths"
_NUMBER_WORD = re.compile(
    r".*(?:(?:teen|tie|elf|ven|ten|nin|fif|six|eigh|four|hundred|thousand|illion)ths?|illions?|fold"
    r"|teen)"
)


def is_counted_noun(text: str) -> bool:
    """Say whether words behind a number are what it counts ("7 red apples"), and nothing more."""
    found = text.split()
    if not 1 <= len(found) <= 3:
        return False
    # A lone letter is a factor: "14 x years".
    if not all(_WORD_SHAPE.fullmatch(word) and len(word) > 2 for word in found):
        return False
    last = found[-1].lower()
    if last == "times":
        return len(found) == 1
    if found[-2:-1] == ["ordered"]:
        return last in ("pairs", "triples")
    return last in COUNTABLE and says_nothing_else(text)


def begins_with_factor(text: str) -> bool:
    """Say whether words behind a number begin with a letter that multiplies it: "12 x apples"."""
    return re.match(r"\s*[b-zB-Z](?![\w'\u2019.-])", text) is not None


def same_noun(gold: str, answer: str) -> bool:
    """Compare what two numbers count: the same noun; adjectives may be missing, not differ."""
    ours, theirs = ([_singular(w) for w in _WORD_SHAPE.findall(t)] for t in (gold, answer))
    if ours == theirs:
        return bool(ours) and re.sub(r"[A-Za-z\s]", "", gold) == re.sub(r"[A-Za-z\s]", "", answer)
    shorter, longer = sorted((ours, theirs), key=len)
    if not shorter or shorter[-1] != longer[-1] or not set(shorter) <= set(longer):
        return False
    if begins_with_factor(gold) or begins_with_factor(answer):
        return False
    return says_nothing_else(gold) and says_nothing_else(answer)


#: What may open a remark behind a counted noun: "12 penguins are still left".
_REMARK = re.compile(
    r"(?P<noun>(?:[a-z-]+ ){0,2}?[a-z-]+s|people|men|women|children) "
    r"(?:(?:of|in|left|for|from|by) (?P<rest>[a-z' ,-]+)"
    r"|(?:are|were|have been|will be|can be) (?:still )?(?:left|needed|required|sold|used|made)"
    r"|left|long|wide|tall|deep|old|apart)"
)


def is_remark(text: str) -> bool:
    """Say whether words behind a number are a noun and a remark that leaves the number alone."""
    found = _REMARK.fullmatch(text.strip().rstrip(".").lower())
    if text.strip() in ("total", "in total", "in all", "altogether", "overall"):
        return True
    if found is None or len(text) > 100:
        return False
    rest = [word for word in _WORD_SHAPE.findall(found["rest"] or "") if word not in _PLAIN_LINKS]
    return is_counted_noun(found["noun"]) and says_nothing_else(" ".join(rest))


#: Words that change a number where they stand beside it, but not in a remark behind its noun.
_PLAIN_LINKS = frozenset(
    words("of in on at for with by the this that it its to from is are was were will be been")
)
_NO_NAME = frozenset(words("answer result value solution total final the is are"))
#: What a value may be called where nothing else names it: a quantity, by itself or of something.
_QUANTITIES = frozenset(
    words(
        "sum area perimeter circumference volume probability length width height radius diameter "
        "distance speed velocity acceleration mass weight time cost price age profit revenue angle "
        "slope number amount quantity average mean median mode temperature force energy power work "
        "difference product ratio remainder root coordinate center centre vertex interval domain "
        "range equation function formula limit derivative integral determinant rank set point"
    )
)
#: What may stand before these: "Minimum value: 5", but not "Minimum: 5", which may be a bound.
_EXTREMES = frozenset(words("maximum minimum largest smallest greatest least exact"))
#: "Area: 5" for A = 5
_INITIALS = {
    "a": "area acceleration age", "c": "circumference cost", "d": "distance diameter",
    "e": "energy", "f": "force", "h": "height", "l": "length", "m": "mass slope",
    "n": "number", "p": "perimeter probability price", "r": "radius", "s": "sum",
    "t": "time temperature", "v": "volume velocity speed", "w": "width weight work",
}  # fmt: skip


def same_label(gold: str | Node, answer: str | Node) -> bool:
    """Compare the names of two values, of which at least one is in words."""
    texts = [n if isinstance(n, str) else "" for n in (gold, answer)]
    names = [_label_words(text) for text in texts]
    if all(texts):
        numbers = [re.findall(r"\d+", text) for text in texts]
        if (names[0] == names[1] and numbers[0] == numbers[1]) or set(names[1]) <= _NO_NAME:
            return True
        return set(names[0]) <= _NO_NAME and is_plain_label(texts[1])
    words_of, symbol = (names[0], answer) if texts[0] else (names[1], gold)
    assert isinstance(symbol, Node)
    if set(words_of) <= _NO_NAME:
        return True
    if symbol.kind != "sym":
        return False
    meanings = words(_INITIALS.get(symbol.value.lower(), ""))
    return all(name in meanings or name in _NO_NAME for name in words_of) or (
        texts[1] != "" and is_plain_label(texts[1]) and texts[1].split()[-1] == symbol.value
    )


def is_plain_label(text: str) -> bool:
    """Say whether words before a value only name it: "Answer", "Total cost", "Area of the roof"."""
    name, of, rest = " ".join(unwrapped(text).split()).partition(" of ")
    said = _label_words(name)
    said = said[1:] if said[1:] and said[0] in _EXTREMES else said
    if not set(said) <= _NO_NAME | _QUANTITIES or re.search(r"\d", name):
        return False
    return not of or (says_nothing_else(rest) and not denies(rest))


def _label_words(text: str) -> list[str]:
    found = [_singular(word) for word in _WORD_SHAPE.findall(unwrapped(text))]
    return [word if word.isupper() else word.lower() for word in found]


def is_proper_name(text: str) -> bool:
    """Say whether a word may be whose value follows: "Paolo", or what it counts: "apples"."""
    name = unwrapped(text).strip()
    return is_counted_noun(name) or (
        re.fullmatch(r"[A-Z][a-z]+", name) is not None
        and says_nothing_else(name)
        and not denies(name)
        and name.lower() not in _JUDGING
    )


_JUDGING = frozenset(
    words(
        "guess guessed error avoid avoided counterexample reject rejected discard discarded drop "
        "dropped eliminate eliminated exclude excluded ruled estimate estimated bound upper limit "
        "incorrectly wrongly extraneous invalidated mistake trap previous attempt numerator "
        "denominator"
    )
)


def _singular(word: str) -> str:
    if len(word) < 4:  # a symbol, perhaps
        return word
    word = word.lower()
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "sses", "xes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


# -- phrases that stand for something in mathematics ---------------------------------------------

_NO_BOUND = re.compile(
    r"(?:an )?infinit(?:ely many|e|y)(?: (?:number of )?(?:solutions?|values?|pairs?|ways))?"
)
_NOTHING = re.compile(
    r"none|(?:the )?empty set|(?:there (?:is|are|exists?) )?no (?:such )?(?:real )?"
    r"(?:integer )?(?:positive )?"
    r"(?:solutions?|roots?|zeros?|values?|numbers?|integers?|functions?|pairs?)"
    r"(?: (?:exists?|in (?:the )?reals?))?"
)
_ALL_OF = re.compile(
    r"(?P<every>(?:[a-z] (?:is|can be) |for )?(?:the set of )?(?:all|any|every|each) "
    r"(?:of )?(?:the )?"
    r"|the set of )?(?P<sign>positive |nonnegative |negative )?"
    r"(?P<kind>real|integer|rational|complex|natural)(?P<plural>s?)"
    r"(?P<numbers> numbers?| values?)?(?: of)?(?: [a-z])?"
)
_SETS = {"real": "R", "integer": "Z", "rational": "Q", "complex": "C", "natural": "N"}
_SIGNS = {None: "", "positive ": "+", "nonnegative ": "0+", "negative ": "-"}
_PROPERTY = (
    r"(?P<sign>positive )?(?P<property>odd|even|prime|composite|perfect square)s?"
    r"(?: (?:positive )?(?:integers?|numbers?|naturals?|values?)(?: of)?)?"
)
_PROPERTIES = (
    re.compile(rf"(?:all |any |every |for all |for )?{_PROPERTY}(?: (?P<name>[A-Za-z]))?"),
    re.compile(rf"(?P<name>[A-Za-z]) (?:(?:is|are|must be|should be) )?(?:an? |any )?{_PROPERTY}"),
)
_FAMILY = re.compile(
    r"(?:all )?(?:the )?(?:[A-Za-z] is an? )?(?:(?:integer )?(?P<kind>multiple|power)s? of"
    r"|(?:integers?|numbers?|[A-Za-z] is) divisible by) (?P<base>\d{1,9})"
)


def phrase(text: str) -> Node | None:
    """Read a whole answer in words that names a set, a property or a family of numbers."""
    bare = re.sub(r"\s+", " ", unwrapped(text[:120])).strip(" .,")
    lowered = re.sub(r"non[- ]", "non", bare.lower())
    if len(text) > 120 or not lowered:
        return None
    if _NO_BOUND.fullmatch(lowered):
        return Node("const", value="inf")
    if _NOTHING.fullmatch(lowered):
        return Node("realset", value="empty")
    named = _ALL_OF.fullmatch(re.sub(r"(?<=tive) (?=numbers)", " real ", lowered))
    if named and (named["every"] or named["plural"] or (named["numbers"] or "").endswith("s")):
        return Node("realset", value=_SETS[named["kind"]] + _SIGNS[named["sign"]])
    for pattern in _PROPERTIES:
        found = pattern.fullmatch(bare) or pattern.fullmatch(bare[0].lower() + bare[1:])
        if found:
            stated = (found["sign"] or "") + found["property"]
            return Node("property", value=(stated, found["name"]))
    family = _FAMILY.fullmatch(lowered)
    if family:
        base, index = Node("num", value=Fraction(family["base"])), Node("sym", value="k")
        return Node("pow" if family["kind"] == "power" else "mul", (base, index))
    return None


def same_words(gold: Node, answer: Node) -> bool:
    """Compare two answers of which at least one is in words."""
    if gold.kind == answer.kind == "property":
        names = {gold.value[1], answer.value[1]} - {None}
        return bool(gold.value[0] == answer.value[0]) and len(names) < 2
    if gold.kind == answer.kind == "words":
        return same_wording(gold.value, answer.value)
    return False
