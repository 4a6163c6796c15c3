"""Grammar of atoms: numbers, names, roots, function calls."""

from __future__ import annotations

from fractions import Fraction

from harness.grading.parsing.functions import DIRECT, called
from harness.grading.parsing.structures import END, Structures
from harness.grading.parsing.tokenizer import NORM, Token
from harness.grading.parsing.tree import DecimalLiteral, Node, ParseError, number

#: Letters that are read as functions when a bracket follows them.
_FUNCTION_LETTERS = frozenset("fghFGH")
_GREEK_FUNCTIONS = frozenset(("Gamma", "zeta"))
#: Letters beside which a capital I may be the imaginary unit.
_BESIDE_I = frozenset((*"iexyzwE", "theta"))
_NUMBER_SETS = {
    **dict.fromkeys(("Z^+", "Z_+", "Z_>0", "N^*", "N_+", "N^+", "Z_>=1", "N_>0", "N_>=1"), "Z+"),
    **dict.fromkeys(("Z_>=0", "N_0", "Z^+_0", "Z+_0", "N_>=0"), "Z0+"),
    **dict.fromkeys(("R^+", "R_+", "R_>0"), "R+"),
    **dict.fromkeys(("R_>=0", "R^+_0", "R+_0"), "R0+"),
    **dict.fromkeys(("Z^-", "Z_-", "Z_<0"), "Z-"),
    **dict.fromkeys(("R^-", "R_-", "R_<0"), "R-"),
}  # fmt: skip


def _conjugated(node: Node) -> Node:
    """Conjugate an expression of complex numbers and unknowns."""
    if node.kind == "sym":
        return Node("sym", value=f"overline({node.value})")
    if node.kind == "const" and node.value == "i":
        return Node("neg", (node,))
    if node.kind in ("num", "const"):
        return node
    whole = node.kind == "pow" and node.args[1].kind == "num"
    if node.kind not in ("add", "mul", "div", "neg") and not whole:
        raise ParseError("a bar over something else")
    return Node(node.kind, tuple(_conjugated(arg) for arg in node.args), node.value)


class Atoms(Structures):
    """Rules for atoms."""

    def _number(self) -> Node:
        text = self._expect("number").value
        if len(text) > 4000:
            raise ParseError("too many digits")
        value: Fraction = DecimalLiteral.read(text) if "." in text else Fraction(int(text))
        following = self.peek()
        if following.kind == "sym" and following.value in "eE" and not following.spaced:
            exponent = self._float_exponent()
            if exponent is not None:
                power = Node("pow", (number(10), number(exponent)))
                return Node("mul", (Node("num", (), value), power))
        return Node("num", (), value)

    def _is_complex(self) -> bool:
        """Say whether a capital I is SymPy's imaginary unit; else it is a name, as in V = IR."""
        letters = {token.value for token in self._tokens if token.kind == "sym"} - {"I"}
        if letters <= _BESIDE_I:
            return True
        multiplied = self._is("op", "*") or self._is("op", "*", ahead=-2)
        return multiplied and all(letter.islower() and len(letter) == 1 for letter in letters)

    def _float_exponent(self) -> int | None:
        """Read the ``e-07`` of ``3.54e-07``; "2e" alone is two times Euler's number."""
        sign = self.peek(1)
        signed = sign.kind == "op" and sign.value in "+-"
        digits = self.peek(2 if signed else 1)
        spaced = digits.spaced or sign.spaced
        if digits.kind != "number" or spaced or not digits.value.isdigit():
            return None
        if len(digits.value) > 4:
            raise ParseError("exponent too large")
        self._at += 3 if signed else 2
        return -int(digits.value) if sign.value == "-" else int(digits.value)

    def _primary(self) -> Node:
        token = self.peek()
        match token.kind:
            case "number":
                return self._number()
            case "sym":
                return self._symbol()
            case "const":
                self._next()
                return Node("const", value=token.value)
            case "frac":
                self._next()
                return Node("div", (self._tex_argument(), self._tex_argument()))
            case "binom":
                self._next()
                return Node("fn", (self._tex_argument(), self._tex_argument()), "binom")
            case "sqrt":
                return self._root()
            case "fn":
                return self._function()
            case "conj":
                return self._conjugate()
            case "named":
                return self._named_function()
            case "int":
                return self._integral()
            case "open":
                return self._bracketed()
            case "group":
                return self._group()
            case "series":
                return self._series()
            case "begin":
                return self._environment()
            case "realset":
                return self._number_set()
            case "text" | "word":
                return self._words()
            case "op" if token.value in ("|", NORM):
                return self._absolute()
        raise ParseError(f"unexpected {token.value!r}")

    def _words(self) -> Node:
        words = [self._next().value]
        while self.peek().kind in ("text", "word") and self.peek().value not in ("and", "or", "to"):
            words.append(self._next().value)
        return Node("words", value=" ".join(words))

    def _symbol(self) -> Node:
        name = self._next().value
        unit = name in ("e", "i") or (name == "I" and self._is_complex())
        if unit and not self._is("op", "_") and name not in self._indices:
            return Node("const", value="e" if name == "e" else "i")
        letter = name.partition("(")[2][:1] or name
        if self._accept("op", "_"):
            name = f"{name}_{self._subscript()}"
        if self._is("op", "^") and self._starred():
            self._next()
            name += f"^{self._subscript()}"
        primes = self._primes()
        name += primes
        if letter in _FUNCTION_LETTERS and self._inverse_called():
            name += "^{-1}"
        if primes or letter in _FUNCTION_LETTERS or name in _GREEK_FUNCTIONS:
            arguments = self._called_with()
            if arguments:
                return Node("apply", arguments, name)
        if letter.isupper() and len(letter) == 1 and self._is("open", "("):
            event = self._event()
            if event:
                return Node("apply", (Node("sym", value=event),), name)
        return Node("sym", value=name)

    def _starred(self) -> bool:
        """Say whether a star or mark follows the power sign, as part of a name."""
        at = 2 if self._is("group", "{", ahead=1) else 1
        star = self._is("op", "*", ahead=at) or self._is("mark", ahead=at)
        return star and (at == 1 or self._is("group", "}", ahead=3))

    def _called_with(self) -> tuple[Node, ...]:
        r"""Read the arguments behind a name, in SymPy's braces too: ``f{\left(x\right)}``."""
        braced = self._is("group", "{") and self._is("open", "(", ahead=1)
        self._at += braced
        if not self._accept("open", "("):
            return ()
        arguments = self._arguments("(")
        if braced:
            self._expect("group", "}")
        return arguments

    def _named_function(self) -> Node:
        r"""Read ``\operatorname{erf}(x)``, a function known by its name alone."""
        name = self._next().value
        if self._accept("op", "_"):
            name = f"{name}_{self._subscript()}"
        arguments = self._called_with()
        if arguments:
            return Node("apply", arguments, name)
        if not self._starts_factor():
            return Node("words", value=name)
        return Node("apply", (self._power(),), name)

    def _primes(self) -> str:
        r"""Read the strokes of ``f''`` and ``f^{\prime}``."""
        start, primes = self._at, ""
        raised = self._accept("op", "^")
        group = raised and self._accept("group", "{")
        while self._accept("op", "'"):
            primes += "'"
        if raised and (not primes or (group and not self._accept("group", "}"))):
            self._at = start
            return ""
        return primes

    def _inverse_called(self) -> bool:
        r"""Skip the exponent of ``f^{-1}(x)``, which is no power."""
        inverse = (("op", "^"), ("group", "{"), ("op", "-"), ("number", "1"), ("group", "}"))
        for braces in (True, False):
            signs = [sign for sign in inverse if braces or sign[0] != "group"]
            if all(self._is(kind, value, ahead) for ahead, (kind, value) in enumerate(signs)):
                if not self._is("open", "(", ahead=len(signs)):
                    return False
                self._at += len(signs)
                return True
        return False

    def _event(self) -> str:
        """Read what stands in ``P(X = 2)`` or ``P(A|B)``: no factor, but the name of an event."""
        depth, end = 0, self._at
        while True:
            token = self._tokens[end] if end < len(self._tokens) else END
            if token is END:
                return ""
            depth += (token.kind == "open") - (token.kind == "close")
            end += 1
            if depth == 0:
                break
        content = self._tokens[self._at + 1 : end - 1]
        bars = sum(token.value == "|" for token in content)
        if bars != 1 and not any(token.kind in ("rel", "setop") for token in content):
            return ""
        self._at = end
        return " ".join(token.value or token.kind for token in content)

    def _number_set(self) -> Node:
        r"""Read the name of a set of numbers with its signs: ``\mathbb{Z}^+``."""
        name = self._next().value
        for sign in ("^", "_"):
            if self._accept("op", sign):
                part = self._subscript().replace(" ", "")
                name = _NUMBER_SETS.get(name + sign + part, f"{name}{sign}{part}")
        return Node("realset", value=name)

    def _conjugate(self) -> Node:
        r"""Read ``\overline{AB}``, a segment, or the conjugate of a complex number."""
        self._next()
        start = self._at
        node = self._tex_argument()
        inner = [t for t in self._tokens[start : self._at] if t.kind != "group"]
        if all(t.kind == "sym" and len(t.value) == 1 for t in inner) and len(inner) > 1:
            if all(t.value.isupper() for t in inner):
                return node
            return Node("sym", value="overline(" + "".join(t.value for t in inner) + ")")
        numeral = all(t.kind in ("number", "sym", "const") for t in inner)
        if not inner or numeral and (len(inner) > 1 or inner[0].kind == "number"):
            raise ParseError("a numeral under a bar")
        return _conjugated(node)

    def _subscript(self) -> str:
        if not self._accept("group", "{"):
            return self._next().value
        parts: list[str] = []
        depth = 1
        while True:
            token = self._next()
            if token is END:
                raise ParseError("unbalanced subscript")
            if token.kind == "group":
                depth += 1 if token.value == "{" else -1
                if depth == 0:
                    return "".join(parts)
            # Two numbers side by side are no longer one.
            apart = token.spaced and token.kind == "number" and parts and parts[-1].isdigit()
            parts.append((" " if apart else "") + (token.value or token.kind))

    def _tex_argument(self) -> Node:
        """Read a braced argument, or the single token or digit TeX would take."""
        if self._is("group", "{"):
            return self._group()
        token = self.peek()
        if token.kind == "number" and len(token.value) > 1:
            # "\frac12": TeX takes one digit and leaves the rest.
            self._tokens[self._at] = Token("number", token.value[1:])
            return number(int(token.value[0])) if token.value[0].isdigit() else self._number()
        return self._whole_argument()

    def _whole_argument(self) -> Node:
        """Read a braced argument, a whole number or another single thing."""
        if self._is("group", "{"):
            return self._group()
        if self._is("number"):
            return self._number()
        return self._primary()

    def _root(self) -> Node:
        self._next()
        if self._is("open", "["):
            self._next()
            index = self._sum()
            self._expect("close", "[")
            return Node("fn", (self._radicand(), index), "root")
        return Node("fn", (self._radicand(),), "sqrt")

    def _radicand(self) -> Node:
        r"""Read what a root without a bar covers: one number (``\sqrt12``) or one thing."""
        if self._accept("op", "-"):
            return Node("neg", (self._radicand(),))
        return self._whole_argument()

    def _function(self) -> Node:
        name = self._next().value
        base: Node | None = None
        power: Node | None = None
        if name == "log" and self._is("base"):
            base = self._joined_base()
        for _ in range(2):
            if self._accept("op", "^"):
                power = self._exponent()
            elif self._accept("op", "_"):
                base = self._log_base()
        arguments = (
            (self._radicand(),)
            if name in ("sqrt", "cbrt") and not self._is("open")
            else self._function_arguments(name)
        )
        if base is not None:
            if name != "log" or len(arguments) != 1:
                raise ParseError(f"a subscript at {name}")
            node = Node("fn", (arguments[0], base), "log")
        else:
            node = called(name, arguments)
        if power is None:
            return node
        inverse = power.kind == "neg" and power.args[0].value == 1
        if inverse and name in DIRECT:
            return called("arc" + name, arguments)
        return Node("pow", (node, power))

    def _joined_base(self) -> Node:
        """Read the base of ``log2(8)`` or ``log10 x``; ``log2`` alone is the logarithm of 2."""
        token = self._next()
        if self._is("open") or (self.peek().spaced and self._starts_factor()):
            return number(int(token.value))
        if self._starts_factor():
            raise ParseError("a logarithm whose base or argument is unclear")
        self._at -= 1
        self._tokens[self._at] = Token("number", token.value)
        return Node("const", value="e")

    def _log_base(self) -> Node:
        r"""Read a base; ``\log_25`` is to the base 2, ``\log_10 5`` to the base 10."""
        token = self.peek()
        following = self.peek(1).kind in ("number", "open", "sym", "const", "frac", "sqrt", "group")
        if token.kind == "number" and len(token.value) > 1 and not following:
            return self._tex_argument()
        return self._whole_argument()

    def _function_arguments(self, name: str) -> tuple[Node, ...]:
        if self._is("open", "(") or self._is("open", "["):
            opening = self._next().value
            bars, self._bars = self._bars, 0
            arguments = self._arguments(opening)
            self._bars = bars
            return arguments
        if self._is("group", "{") or self._is("open", "{"):
            node = self._group() if self._is("group") else self._bracketed()
            return node.args if node.kind in ("set", "tuple") else (node,)
        if self._accept("op", "-"):
            return (Node("neg", (self._function_arguments(name)[0],)),)
        node = self._power()
        while self._starts_factor() and not self._is("fn") and not self._is("open"):
            node = Node("mul", (node, self._power()))
        trigonometric = name in DIRECT or name.startswith("arc")
        if trigonometric and self._is("op", "/") and self._is("number", ahead=1):
            # "\sin \pi/6" is the sine of a sixth of pi; "\ln 2/2" is half a logarithm.
            if name in DIRECT and not any(n.kind in ("const", "sym") for n in node.walk()):
                raise ParseError("a quotient in a function or of it")
            if node.kind != "fn":
                self._next()
                node = Node("div", (node, self._power()))
        return (node,)
