"""The grammar from which templates_fuzz.py draws templates and their variables: what chat templates use, and its neighbours."""

import random

ROLES = ("user", "assistant", "system", "tool")
WORDS = ("hello World", "", "Zoë ß 世界", "a\n\n  b \nc", " 42 ", "-7.5", "x<y>&'\"", "Ünï 🎉", "l", "tab\tend ", "the quick brown fox",
         "{{ x }} %s {0}", "ABC", "abc", "<think>\nhm\n</think>\nyes", "1_000", "%d{}")


class Pair:
    """One template and its variables, drawn from a grammar of what chat templates use."""

    def __init__(self, seed):
        self.r = random.Random(seed)
        self.macros = []
        self.loops = 0

    def pick(self, *choices):
        return self.r.choice(choices)

    # --- the context ---

    def scalar(self):
        return self.pick(self.r.choice(WORDS), self.r.choice(WORDS), self.r.randint(-9, 30), self.pick(2.5, 0.1, -3.0, 1e16, 1e-5),
                         True, False, None)

    def context(self):
        row = lambda: {"v": self.r.randint(0, 3), "w": self.r.choice(("b", "A", "c"))} if self.r.random() < 0.85 else {"v": 2}  # noqa: E731
        return {"n": self.r.randint(-5, 12), "f": self.pick(2.5, -0.5, 3.0, 1e16, 1e-5, 0.1), "t": self.pick(True, False), "nil": None,
                "s": self.r.choice(WORDS), "u": self.r.choice(WORDS), "any": self.scalar(),
                "l": [self.r.randint(-3, 9) for _ in range(self.r.randint(0, 4))],
                "ls": [self.r.choice(("b", "A", "c", "a", "é")) for _ in range(self.r.randint(0, 4))],
                "mix": [self.scalar() for _ in range(self.r.randint(0, 3))],
                "d": {k: self.scalar() for k in self.r.sample(("a", "b", "k", "B", "items"), self.r.randint(1, 4))},
                "rows": [row() for _ in range(self.r.randint(0, 4))],
                "tree": [{"name": "p", "kids": [{"name": "q", "kids": []}, {"name": "r"}]}, {"name": "o", "kids": []}]}

    def messages(self):
        made = []
        for _ in range(self.r.randint(0, 3)):
            content = self.pick(self.r.choice(WORDS), self.r.choice(WORDS), [{"type": "text", "text": self.r.choice(WORDS)}, {"type": "image"}], None)
            message = {"role": self.r.choice(ROLES), "content": content}
            if self.r.random() < 0.25:
                message["tool_calls"] = [{"function": {"name": "f", "arguments": {"x": self.scalar(), "y": [1]}}}]
            if self.r.random() < 0.15:
                message["reasoning_content"] = self.r.choice(WORDS)
            made.append(message)
        return made

    # --- expressions ---

    def text(self):
        return self.pick("'ab'", "\"x y\"", "s", "u", "'a' 'b'", r"'\n'", r"'t\té\'\u00e9'", "'l'", "''", "any", "messages[0].content",
                         "messages[-1]['role']", "bos_token")

    def number(self):
        return self.pick("n", "f", "1", "2", "10", "0.5", "1e3", "3.0", "-2", "7 // 2", "1_000", "0", "l[0]", "n | abs")

    def sequence(self):
        return self.pick("l", "ls", "d", "rows", "mix", "[1, 'a', none]", "(1, 2)", "[]", "range(4)", "range(5, 0, -2)", "s", "messages",
                         "{'k': 1, 2: 'v'}", "d.items()", "d.keys() | list", "(n,)", "ls[1:]", "rows | map(attribute='v')", "d.values()")

    def atom(self):
        return self.pick(self.text(), self.number(), self.sequence(), "t", "nil", "false", "missing", "d.a", "d['k']", "d.nope", "l[-1]",
                         "rows[0].w", "s[1:4]", "u[::-1]", "u[2]", "loop.index", "ns.x", "x", "y", "any", "ns", "messages[0].tool_calls",
                         "m.role", "m.content", "item", "add_generation_prompt", "tools")

    def test(self):
        return self.pick("defined", "undefined", "none", "string", "number", "integer", "float", "mapping", "iterable", "sequence", "boolean",
                         "true", "false", "odd", "even", "divisibleby(2)", "divisibleby 3", "in [1, 'a', 3]", "eq 3", "ne('x')", "lt 2", "ge(2)",
                         "lower", "upper", "sameas none", "callable", "equalto 'b'", "filter", "escaped", "in s", "sameas(true)", "== n")

    def filter(self):
        return self.pick(
            "trim", "upper", "lower", "title", "capitalize", "length", "count", "join", "join(', ')", "default('D')", "d('D', true)", "tojson",
            "tojson(indent=2)", "tojson(ensure_ascii=true)", "tojson(indent=1, sort_keys=true)", "first", "last", "list", "reverse | list",
            "replace('l', 'L')", "replace('', '.', 2)", "string", "int", "float", "int(-1)", "int(base=16)", "items | list", "dictsort", "indent(2)",
            "indent(2, true)", "indent('> ', blank=true)", "indent(width=3)", "round", "round(1)", "round(1, 'floor')", "round(method='ceil')", "abs",
            "sort", "sort(reverse=true)", "sort(case_sensitive=true)", "unique | list", "e", "safe", "map('string') | list",
            "map('upper') | join('+')", "select | list", "select('string') | list", "reject('odd') | list", "map(attribute='v') | list",
            "map(attribute='w', default='?') | list", "selectattr('v', 'eq', 2) | list", "selectattr('w', 'defined') | map(attribute='w') | join",
            "rejectattr('w') | list", "sort(attribute='v')", "sort(attribute='v,w')", "min", "max", "sum", "sum(attribute='v')", "sum(start=10)",
            "batch(2) | list", "batch(3, '-') | list", "trim('ab')", "dictsort(by='value')", "dictsort(reverse=true)", "dictsort(true)", "wordcount",
            "tojson(separators=(',', ':'))", "attr('a')", "unique(attribute='v') | list", "unknownfilter", "slice(2) | list", "slice(3, 'F') | list",
            "groupby('v') | list", "groupby('v') | map('first') | list", "groupby('w', default='Z') | map(attribute='grouper') | list",
            "groupby(attribute='w', case_sensitive=true) | map('last') | map('length') | list", "center(20)", "center(9) | length",
            "truncate(8)", "truncate(8, true)", "truncate(6, false, '…', 0)", "urlencode", "forceescape", "format(1)",
            "join(', ', attribute='w')", "min(attribute='v')", "max(case_sensitive=true)", "map('default', '?') | list", "map('length') | list",
            "select('in', [1, 2, 'b']) | list", "map('tojson') | join(';')", "replace('a', n)",
            "map('first') | list", "rejectattr('v', 'odd') | list | length", "map(attribute='role') | list", "selectattr('role', '==', 'user') | list | length",
            "map('replace', 'a', 'b') | list", "map('round', 1) | list", "reject('none') | join(',')")

    def method(self):
        return self.pick(
            "strip()", "strip('a')", "lstrip()", "rstrip('\\n')", "split()", "split('l')", "split('l', 1)", "split(maxsplit=1)", "rsplit(' ', 1)",
            "startswith('h')", "endswith(('d', 'b'))", "upper()", "lower()", "title()", "capitalize()", "replace('l', 'LL', 1)", "find('o')",
            "rfind('l')", "join(ls)", "count('l')", "splitlines()", "splitlines(true)", "isdigit()", "isupper()", "isspace()", "partition(' ')",
            "removeprefix('he')", "removesuffix('d')", "zfill(8)", "center(9, '*')", "swapcase()", "index('h')", "get('a')", "get('q', 'Q')", "items()",
            "keys()", "values()", "append(1)", "nope()", "isalpha()", "rpartition('l')", "ljust(6, '.')", "rjust(6)", "startswith('e', 1)",
            "split('</think>')[-1]", "format(1, 2)", "istitle()", "isalnum()", "isnumeric()", "expandtabs(4)", "casefold()",
             "copy()", "index(3)", "count(1)", "find('l', -3)", "strip().split('\\n')[0]", "islower()", "update({})")

    def formatted(self):
        spec = self.pick("{}", "{0}", "{0!r}", "{:>8}", "{:<6}|", "{:^7}", "{:*^9}", "{:05d}", "{:.2f}", "{:,}", "{a}", "{a:>5}", "{0[0]}", "{0.a}",
                         "{{}}", "{:+}", "{:x}", "{:e}", "{:g}", "{:s}", "{:.3}", "{:%}", "{", "}", "{1}", "{}{}", "{0}{}", "{:5}", "{!s:>4}", "{:08.3f}", "{:b}")
        return f"'<{spec}>'.format({self.pick(self.atom(), self.number(), self.text())}{self.pick('', ', a=' + self.atom())})"

    def percent(self):
        spec = self.pick("%s", "%r", "%d", "%5d|", "%-5s|", "%05.1f", "%.2f", "%x", "%%", "%(a)s", "%s %s", "%e", "%g", "%i", "%+d", "%.3s", "%c", "%o", "%X")
        values = self.pick(self.atom(), f"({self.atom()},)", f"({self.number()}, {self.text()})", "{'a': 1}", "d", self.number())
        return f"'<{spec}>' % {values}"

    def expr(self, depth):
        if depth <= 0 or self.r.random() < 0.15:
            return self.atom()
        sub = lambda: self.expr(depth - 1)  # noqa: E731
        kind = self.r.randrange(24)
        if kind == 0:
            if self.r.random() < 0.2:  # powers of large numbers do not fit into 64 bits
                return self.pick("n ** 2", "f ** 2", "f ** -1", "2 ** 0.5", "2 ** n")
            return f"({sub()} {self.pick('+', '-', '*', '/', '//', '%')} {self.pick(self.number(), self.text())})"
        if kind == 1:
            return f"{self.number()} {self.pick('+', '-', '*', '/', '//', '%')} {self.number()}"
        if kind == 2:
            return f"{self.atom()} {self.pick('==', '!=', '<', '>=', 'in', 'not in')} {self.atom()}"
        if kind == 3:
            return f"{sub()} {self.pick('and', 'or')} {sub()}"
        if kind == 4:
            return f"not {self.atom()}"
        if kind == 5:
            return f"{self.atom()} is {self.pick('', 'not ')}{self.test()}"
        if kind in (6, 7, 8, 9):
            return f"{self.pick(self.sequence(), self.sequence(), self.text(), self.number(), self.atom())} | {self.filter()}"
        if kind in (10, 11):
            return f"{self.pick(self.text(), self.text(), 'd', 'l')}.{self.method()}"
        if kind == 12:
            return f"{sub()} ~ {self.atom()}"
        if kind == 13:
            return f"({sub()} if {sub()}{self.pick('', ' else ' + self.atom())})"
        if kind == 14:
            bounds = f"{self.pick('', '1', '-2', '0', 'n')}:{self.pick('', '2', '-1')}{self.pick('', ':2', ':-1', ':')}"
            return f"{self.pick('l', 's', 'u', 'ls', '(1, 2, 3)', 'messages', 'range(6)', 'rows')}[{bounds}]"
        if kind == 15:
            return f"1 {self.pick('<', '<=')} {self.number()} {self.pick('<', '!=', '>')} {self.number()}"
        if kind == 16:
            return f"({sub()}) | {self.filter()}"
        if kind == 17:
            return f"({self.atom()} is {self.test()}) {self.pick('and', 'or')} {self.atom()} is {self.pick('', 'not ')}{self.test()}"
        if kind == 18:
            return self.formatted()
        if kind == 19:
            return self.percent()
        if kind == 20 and self.macros:
            return self.macro_call(depth)
        if kind == 21:
            return self.pick(f"[{sub()}, {self.atom()}]", f"({sub()}, {self.atom()})", f"{{'a': {sub()}, 'b': {self.atom()}}}",
                             f"dict(a={self.atom()}, b=1)", f"dict(d, z={self.atom()})", f"namespace(x={self.atom()}).x",
                             f"[*{self.sequence()}]" if self.r.random() < 0.05 else "dict([('a', 1)])")
        if kind == 22:
            return self.pick("loop.index0", "loop.last", "loop.cycle('o', 'e')", f"loop.changed({self.atom()})", "loop.nextitem", "loop.previtem",
                             "loop.length", "loop.depth", "loop.depth0", "loop.revindex", "loop.first", "loop.nope")
        return f"{self.pick('d', 'rows[0]', 'messages[0]', '{1: 2}')}[{self.pick(self.atom(), repr('role'), '1')}]"

    def macro_call(self, depth):
        arguments = [self.expr(depth - 1) for _ in range(self.r.randint(0, 3))]
        if self.r.random() < 0.3:
            arguments.append(f"q={self.atom()}")
        if self.r.random() < 0.1:
            arguments.append(f"other={self.atom()}")
        if self.r.random() < 0.1:
            arguments.append(self.pick("*l", "**d", "**{'q': 2}", "*(1, 2)"))
        return f"{self.pick(*self.macros)}({', '.join(arguments)})"

    # --- statements ---

    def space(self):
        return self.pick("", "", " ", "\n", "  \n", "\n  ", "-", "\n\n", "\t")

    def tag(self, inside):
        return "{%" + self.pick("", "", "-", "+") + " " + inside + " " + self.pick("", "", "-", "+") + "%}"

    def print(self, depth=2):
        return "{{" + self.pick("", "-") + f" {self.expr(depth)} " + self.pick("", "-") + "}}"

    def loop(self, depth):
        head, seq = self.pick(("x", self.sequence()), ("k, v", self.pick("d.items()", "d | dictsort", "rows", "[(1, 2), 'ab']")),
                              ("x", f"{self.sequence()} if x"), ("x", f"{self.sequence()} if x is string"), ("m", "messages"),
                              ("m", "messages if m.role != 'system'"), ("item", f"{self.sequence()}"), ("x", f"{self.sequence()} | {self.filter()}"),
                              ("x", "l if loop is defined"), ("k, (v, y)", "[(1, (2, 3)), (4, 'ab')]"))
        self.loops += 1
        body = self.block(depth - 1)
        if self.r.random() < 0.25:
            body += self.tag("if loop.index > 1") + self.tag(self.pick("break", "continue")) + self.tag("endif")
        self.loops -= 1
        body += "{{ loop." + self.pick("index", "last", "length", "revindex0", "previtem", "nextitem", "first") + " }}"
        return self.tag(f"for {head} in {seq}") + body + self.pick("", self.tag("else") + "none") + self.tag("endfor")

    def recursive(self, depth):
        return (self.tag("for item in tree recursive") + "<" + self.pick("{{ item.name }}", "{{ loop.depth }}", "{{ loop.depth0 }}{{ item.name }}")
                + self.tag("if item.kids") + "{{ loop(item.kids) }}" + self.tag("endif") + self.pick("", self.print(1)) + ">" + self.tag("endfor"))

    def macro(self, depth):
        name = f"mac{len(self.macros)}"
        parameters = self.pick("p", "p, q='Q'", "p, q=p", "", "p=1, q=n", "q=x")
        body = self.pick("<{{ p }}{{ q }}>", "[{{ p }}|{{ varargs }}|{{ kwargs }}]", "({{ q }}{{ caller() if caller }})", "{{ x }}{{ p }}", "") + self.block(depth - 1)
        text = self.tag(f"macro {name}({parameters})") + body + self.tag("endmacro")
        self.macros.append(name)
        return text

    def call_block(self, depth):
        if not self.macros:
            return "{{ 'no macro' }}"
        parameters = self.pick("", "", "(a)", "(a, b=2)")
        return self.tag(f"call{parameters} {self.macro_call(1)}") + "<" + self.pick("{{ a }}", "c") + self.block(depth - 1) + ">" + self.tag("endcall")

    def statement(self, depth):
        kind = self.r.randrange(22) if depth > 0 else self.r.randrange(3)
        if kind <= 2 or kind == 21:
            return self.print()
        if kind in (3, 4):
            middle = self.pick("", self.tag("else") + self.block(depth - 1), self.tag(f"elif {self.expr(1)}") + self.block(depth - 1))
            return self.tag(f"if {self.expr(1)}") + self.block(depth - 1) + middle + self.tag("endif")
        if kind in (5, 6, 7):
            return self.loop(depth)
        if kind in (8, 9):
            return self.tag(f"set {self.pick('x', 'y', 'x', 'item')} = {self.expr(2)}")
        if kind == 10:
            return self.tag(f"set ns.{self.pick('x', 'x', 'y')} = {self.expr(1)}")
        if kind == 11:
            return self.tag("set x" + self.pick("", " | upper", " | trim | length")) + self.block(depth - 1) + self.tag("endset")
        if kind == 12:
            return self.macro(depth)
        if kind == 13:
            return self.call_block(depth)
        if kind == 14:
            return self.tag(f"filter {self.pick('upper', 'trim', 'replace(1, 2)', 'indent(2) | upper', 'length')}") + self.block(depth - 1) + self.tag("endfilter")
        if kind == 15:
            return self.tag(f"with {self.pick('x = 1', 'x = n, y = x', 'y = x', '')}") + self.block(depth - 1) + self.tag("endwith")
        if kind == 16:
            return self.tag("generation") + self.block(depth - 1) + self.tag("endgeneration")
        if kind == 17:
            return self.recursive(depth)
        if kind == 18:
            return self.tag(f"set {self.pick('x, y', 'y, x')} = {self.pick('1, 2', 'l', 's', '(n, f)', 'y, x', 'd.items()')}")
        if kind == 19:
            return self.pick("{% raw %}{{ no }} {% endraw %}", "{#" + self.pick("", "-") + " note " + self.pick("", "-", "+") + "#}",
                             self.tag("if n > 100") + "{{ raise_exception('no') }}" + self.tag("endif"))
        return self.tag(f"if x is {self.test()}") + self.tag(f"set x = {self.atom()}") + self.tag("endif") + "{{ x }}"

    def block(self, depth):
        parts = []
        for _ in range(self.r.randint(1, 3)):
            parts.append(self.statement(depth))
            parts.append(self.pick("", "a ", "\n", " b\n", "  ", self.space()))
        return "".join(parts)

    def template(self):
        head = self.pick("{% set ns = namespace(x=1) %}\n", "{%- set ns = namespace(x=l, y='') -%}", "{% set ns = namespace() %}")
        if self.r.random() < 0.5:
            head += self.macro(1)
        return head + self.block(self.pick(1, 2, 2, 3))
