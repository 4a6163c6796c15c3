"""The yes or no that a response claims, never one that it denies, doubts or makes conditional."""

from __future__ import annotations

import re
from dataclasses import replace

from harness.grading.extraction.choices import plain
from harness.grading.extraction.result import NOTHING, SENTENCE_END, TAIL, Extraction
from harness.grading.extraction.retractions import retractions
from harness.grading.parsing.normalize import truth

#: How much of the last line is read.
_MAX_LINE = 300

_WORD = re.compile(r"(?<![\w-])(?:true|false|yes|no(?![^\S\n]{1,3}[a-z]|\.\s?\d))(?![\w-])", re.I)
#: Words that are verdicts only where they are said of a statement.
_OF_STATEMENTS = {"correct": "true", "valid": "true", "incorrect": "false", "invalid": "false"}
_SAID_WORD = re.compile(
    rf"{_WORD.pattern}|(?<![\w-])(?:in)?(?:correct|valid)(?![\w-])(?=.{{0,3}}\Z|[.,;:!]|\s(?:because|since|as|for|and|but)\b)",
    re.I,
)
_STATEMENT = re.compile(r"\b(?:statement|claim|assertion|proposition|conjecture|sentence)\b", re.I)
#: What may stand before a verdict that begins a sentence.
_LEAD = re.compile(
    r"[\s\"'\u201c(\[*_#>-]{0,6}(?:(?:so|thus|hence|therefore|then|finally|ultimately|in\s(?:conclusion|short|summary|fact)"
    r"|(?:the\s)?(?:(?:final|correct|right)\s)?(?:answer|verdict|conclusion|result|truth\svalue)(?:\sis)?|it\sis|it['\u2019]s"
    r"|definitely|clearly|certainly|indeed|option|that)[\s,:]{1,3}){0,3}[\s\"'\u201c(\[*_]{0,6}",
    re.I,
)
_CLOSE = r"[\"'\u201d*_)\]]{0,4}"
#: What a sentence that began with its verdict may go on with.
_GOES_ON = re.compile(
    rf"{_CLOSE}(?:\s{{0,3}}\Z|[,.;:!\u2014\u2013](?!\w)|\s[-\u2013\u2014]{{1,2}}\s|\s?\n|\s\(|\s(?:because|since|as|for(?!\s(?:some|only|certain|most|many|[a-z$\\]\b))"
    r"|by|due|given|statement|claim|is\sthe)\b)",
    re.I,
)
_CONDITION = re.compile(
    rf"{_CLOSE}[,;:\s(\u2014-]{{1,4}}(?:(?:but|and|at\sleast|even)\s)?(?:only|if|iff|when|whenever|unless|provided|assuming|except|sometimes|depending"
    r"|partly|partially|as\slong\sas|under|in\s(?:some|certain|most|many|this|that)|in\s(?:the\s)?case"
    r"|for\s(?:some|only|certain|most|many|even|odd|small|large|positive|negative|[a-z$\\](?![a-z'])))(?![\w'])",
    re.I,
)
_FALSE_END = re.compile(
    rf"{_CLOSE}\s?(?:\?|/|or\b|and\s(?:false|true)\b|that\b|of\b|(?:is|was)\b(?!\s(?:the|my|our)\s))",
    re.I,
)
#: What stands before a verdict that a sentence says of its subject.
_SAID_OF = re.compile(
    r"(?<![\w'\u2019])(?:is|are|be|it['\u2019]s|that['\u2019]s|remains|(?:classified|evaluated|considered|labell?ed|marked)\sas|to|so|thus|hence|therefore|answers?|conclude|value)"
    r"[\s,:]{1,3}(?:(?:therefore|thus|hence|then|also|indeed|clearly|certainly|definitely|actually|in\sfact|always|simply|just|still"
    r"|logically|vacuously|trivially|generally|consequently|considered|considered\sto\sbe|evaluated\sas|indeed|a|the\sstatement\sis)[\s,]{1,3}){0,3}"
    r"[\"'\u201c(\[*_:\s]{0,5}\Z|[:=\u2192]\s{0,2}[\"'\u201c(\[*_]{0,4}\Z",
    re.I,
)
#: A reason or a concession before the claim: what it says is not said of the statement.
_REASON = re.compile(
    r"\A[\s*]{0,4}(?:(?:so|thus|hence|therefore|and|but),?\s)?(?:because|since|as|given|by|from|due\sto|(?:even\s)?though|although|while|whereas|despite)(?![\w'])[^,]{1,250},\s",
    re.I,
)
_CONCLUDES = re.compile(
    r"[\s*]{0,4}(?:therefore|thus|hence|so|in\sconclusion|consequently)(?![^\W_])", re.I
)
#: "is not" and "isn't" before a verdict turn it round; no other denial does.
_NOT = re.compile(
    r"(?<![\w'\u2019])(?:(?:is|are)\s(?:(?:clearly|therefore|thus|hence|indeed|definitely|actually)\s)?not|isn['\u2019]t|it['\u2019]s\snot"
    r"|aren['\u2019]t)\s[\"'\u201c(*_]{0,4}\Z|\A\s{0,3}not\s[\"'\u201c(*_]{0,4}\Z",
    re.I,
)
#: Words by which a clause claims nothing of the statement, or something else.
_HEDGE = re.compile(
    r"n['\u2019]t(?!\w)|(?<![\w'\u2019])(?:not|never|cannot|hardly|scarcely|barely|rarely|seldom|far\sfrom|nothing|none|no(?!\sdoubt)|neither|nor"
    r"|fail(?:s|ed)?|if|unless|whether|suppose|assume|assuming|were|(?<!answer\s)would|could|might|may|can(?!\s(?:conclude|see|say|infer|be\s(?:seen|shown|concluded)))|seems?|appears?|sometimes|often|usually"
    r"|mostly|half|part(?:ly|ially)|nearly|almost|only|doubt(?:s|ful)?|unclear|unsure|converse|inverse|opposite|negation|contrary"
    r"|contrapositive|believed?|thinks?|claims?\sthat|false|true|untrue|wrong|incorrect|either|or|when|for\ssome|many|some|people"
    r"|because|since|although|though|while|whereas|where|even|premise|assumption|antecedent|lemma|base\scase|condition|other"
    r"|latter|former|first|second|next|rest|thought\s(?:to|that|it)|supposed|(?:want|need|remains?|have|try|trying)\sto|prove(?!s|d|n)|verify|goal"
    r"|few|at\s(?:least|most)|too|probability|same|reverse)(?![\w'\u2019])",
    re.I,
)
_OTHER_CLAIM = re.compile(r"\b(?:converse|inverse|opposite|negation|contrary|reverse)\b", re.I)
#: What may follow a verdict that a sentence says of its subject.
_ENDS = re.compile(
    rf"{_CLOSE}(?:\s{{0,3}}\Z|[,.;:!)\u2014\u2013]|\s[-\u2013\u2014(]|\s?\n|\s(?:because|since|as\s(?:we|shown|it|the|can|required)|for|in|by|due|given"
    r"|and|but|under|according|with|here|statement|answer|everywhere|regardless|always|too|when|where|whenever|on|over|at|is\sthe)(?![^\W_]))",
    re.I,
)
_NO_DOUBT = re.compile(
    r"\b(?:no|without(?:\sa)?|beyond(?:\sa)?)\sdoubts?(?:\sabout\sit)?[:,]?", re.I
)
#: Where a new clause begins that may have a verdict of its own.
_CLAUSE = re.compile(
    r"[;:\u2014]\s|,\s(?:so|and|but|yet|hence|thus|therefore|then|which\smeans|we)?(?![\w'])|(?<![\w'\u2019])(?:but|hence|thus|therefore|so)(?=\s)",
    re.I,
)


def extract_yes_no(text: str, found: Extraction) -> Extraction:
    """Find a yes or no.

    Args:
        text: The response.
        found: What the response marks as its answer; empty if nothing.

    Returns:
        The verdict that is marked, else that of the last sentence, else the one that the response
        begins with. Nothing where two of them contradict each other.
    """
    if _SAID_WORD.search(found.answer):
        verdict = _verdict(plain(found.answer))
        at = text.rfind(found.answer)
        after = text[at + len(found.answer) :] if at >= 0 else ""
        verdict = _kept(verdict, after)
        return replace(found, answer=verdict) if verdict else NOTHING
    first = _opening(text)
    last_line = text[text.rfind("\n") + 1 :][-_MAX_LINE:]
    sentences = [part for part in _sentences(plain(last_line)) if part.strip()]
    last = sentences[-1] if sentences else ""
    if not _SAID_WORD.search(last):
        # "Therefore the statement is false. Take n = 2."
        last = next((part for part in reversed(sentences) if _CONCLUDES.match(part)), "")
    verdict = _verdict(last) if _SAID_WORD.search(last) else ""
    if first and verdict and truth(first) is not truth(verdict):
        return NOTHING
    verdict = verdict or first
    if verdict:
        return Extraction(verdict, "last_word", complete=False)
    return NOTHING if _SAID_WORD.search(last) else found


def _sentences(text: str) -> list[str]:
    """Split a text into sentences, each with the mark that ends it."""
    ends = [match.end() for match in SENTENCE_END.finditer(text)]
    return [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True)]


def _opening(text: str) -> str:
    """Return the verdict that a response begins with, unless it is taken back."""
    head, _, rest = text.lstrip()[:TAIL].partition("\n")
    head = plain(head)
    verdict, end = _at_once(head)
    return _kept(verdict, head[end:] + "\n" + rest) if verdict else ""


def _kept(verdict: str, after: str) -> str:
    """Return a verdict; empty where the text behind it takes it back."""
    after = _ASKED.sub("?", plain(after[:TAIL]))
    for retraction in retractions(after):
        other = _verdict(_sentences(retraction.instead)[0])
        if retraction.denies or (other and truth(other) is not truth(verdict)):
            return ""
    return verdict


def _verdict(sentence: str) -> str:
    """Return the yes or no that a sentence claims; empty where it claims none, or both."""
    sentence = _NO_DOUBT.sub(" ", sentence.strip())
    verdict, end = _at_once(sentence)
    if end:
        return _kept(verdict, sentence[end:])
    said = {}
    reason = _REASON.match(sentence)
    sentence = sentence[reason.end() :] if reason else sentence
    for match in _SAID_WORD.finditer(sentence):
        word = _said(sentence, match)
        if word:
            said[truth(word)] = word
    return said.popitem()[1] if len(said) == 1 else ""


def _at_once(sentence: str) -> tuple[str, int]:
    """Return the verdict that a sentence begins with, empty if it is conditional, and its end."""
    lead = _LEAD.match(sentence)
    word = _WORD.match(sentence, lead.end() if lead else 0)
    if word is None:
        return "", 0
    end = word.end()
    if _CONDITION.match(sentence, end):
        return "", end
    if not _GOES_ON.match(sentence, end):
        return "", 0
    joint = _JOINT.match(sentence, end)
    other = _WORD.match(sentence, joint.end() if joint else end)
    if other and truth(other[0]) is not truth(word[0]):
        return "", end
    return word[0], end


#: The answer to the response's own question, and not to the task's.
_ASKED = re.compile(r"\?\s{0,3}(?:no|yes|true|false)(?![^\W_])", re.I)
_JOINT = re.compile(r"[\s,.;:\"'*_)(\[\]-]{0,6}(?:(?:and|or)\s)?[\"'*_(]{0,3}", re.I)


def _said(sentence: str, word: re.Match[str]) -> str:
    """Return the verdict that a word of a sentence is, "false" for "not true"; else nothing."""
    start, end = word.span()
    if _CONDITION.match(sentence, end) or _FALSE_END.match(sentence, end):
        return ""
    clauses = list(_CLAUSE.finditer(sentence, 0, start))
    starts = [
        match.end()
        for match in clauses
        if match[0][0] == ":" or not sentence.startswith(",", match.end())
    ]
    since = starts[-1] if starts else 0
    before = sentence[since:start]
    denied = _NOT.search(before)
    if denied:
        before = before[: denied.start()]
    elif not _SAID_OF.search(sentence, max(0, start - 80), start):
        return ""
    if _HEDGE.search(before) or _OTHER_CLAIM.search(sentence, 0, start):
        return ""
    if not _ENDS.match(sentence, end):
        return ""
    said = word[0]
    if said.lower() in _OF_STATEMENTS:
        if not _STATEMENT.search(before):
            return ""
        said = _OF_STATEMENTS[said.lower()]
    if not denied:
        return said
    return "false" if truth(said) else "true"
