"""A rule of one's own: clients that no block closes."""

import ast

from workbench.checking.record import Exercise, WrongAnswer, expect


def unclosed_clients(source):
    """Return the lines, from 1 and in order, where an httpx.AsyncClient(...) is not entered."""
    lines = enumerate(source.splitlines(), start=1)
    return [number for number, line in lines if "httpx.AsyncClient(" in line and "with" not in line]


def solution(source):
    """Return the lines, from 1 and in order, where an httpx.AsyncClient(...) is not entered."""
    entered, calls = [], []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.AsyncWith):
            entered += [item.context_expr for item in node.items]
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute) and node.func.attr == "enter_async_context":
                entered += node.args
            if ast.unparse(node.func) == "httpx.AsyncClient":
                calls.append(node)
    return sorted(call.lineno for call in calls if call not in entered)


def _calls(tree):
    """Yield the node of each call of httpx.AsyncClient."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "httpx.AsyncClient":
            yield node


def _heads(tree, *kinds):
    """Return what stands in the heads of these blocks."""
    blocks = (node for node in ast.walk(tree) if isinstance(node, kinds))
    return [item.context_expr for block in blocks for item in block.items]


def _given_to(tree, name="enter_async_context"):
    """Return what is given to functions in whose name this stands."""
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return [each for call in calls if name in ast.unparse(call.func) for each in call.args]


def _others(tree, *entered):
    return sorted(node.lineno for node in _calls(tree) if node not in entered)


def names_every_call(source):
    return _others(ast.parse(source))


def knows_async_with_only(source):
    tree = ast.parse(source)
    return _others(tree, *_heads(tree, ast.AsyncWith))


def looks_at_the_first_item(source):
    tree = ast.parse(source)
    blocks = (node for node in ast.walk(tree) if isinstance(node, ast.AsyncWith))
    return _others(tree, *(block.items[0].context_expr for block in blocks), *_given_to(tree))


def takes_a_plain_with(source):
    tree = ast.parse(source)
    return _others(tree, *_heads(tree, ast.With, ast.AsyncWith), *_given_to(tree))


def takes_every_stack(source):
    tree = ast.parse(source)
    return _others(tree, *_heads(tree, ast.AsyncWith), *_given_to(tree, "enter"))


def takes_whatever_is_inside_a_block(source):
    inside = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.AsyncWith):
            inside |= set(range(node.lineno, node.end_lineno + 1))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "enter_async_context":
            inside.add(node.lineno)
    return sorted({node.lineno for node in _calls(ast.parse(source))} - inside)


def goes_by_the_lines(source):
    tree = ast.parse(source)
    left, all_calls = solution(source), [node.lineno for node in _calls(tree)]
    return [line for line in left if all_calls.count(line) == 1]


def takes_any_package(source):
    tree = ast.parse(source)
    own = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    others = {name for name in own if name.endswith(".AsyncClient")} - {"httpx.AsyncClient"}
    for name in others:
        source = source.replace(name, "httpx.AsyncClient")
    return solution(source)


def looks_into_the_heads(source):
    tree = ast.parse(source)
    heads = (node for head in _heads(tree, ast.AsyncWith) for node in ast.walk(head))
    return _others(tree, *heads, *_given_to(tree))


def knows_the_stack_by_its_name(source):
    tree = ast.parse(source)
    given = _given_to(tree, "stack.enter_async_context")
    return _others(tree, *_heads(tree, ast.AsyncWith), *given)


def asks_for_a_name(source):
    tree = ast.parse(source)
    blocks = (node for node in ast.walk(tree) if isinstance(node, ast.AsyncWith))
    items = [item for block in blocks for item in block.items]
    return _others(tree, *[i.context_expr for i in items if i.optional_vars], *_given_to(tree))


def looks_into_functions_only(source):
    tree = ast.parse(source)
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    inside = {
        call.lineno for node in ast.walk(tree) if isinstance(node, kinds) for call in _calls(node)
    }
    return [line for line in solution(source) if line in inside]


def forgets_the_first(source):
    return solution(source)[1:]


def counts_from_zero(source):
    return [line - 1 for line in solution(source)]


def says_yes_or_no(source):
    return bool(solution(source))


def with_a_visitor(source):
    class Visitor(ast.NodeVisitor):
        def __init__(self):
            self.found, self.entered = set(), set()

        def visit_AsyncWith(self, node):
            self.entered.update(id(item.context_expr) for item in node.items)
            self.generic_visit(node)

        def visit_Call(self, node):
            match node.func:
                case ast.Attribute(attr="enter_async_context"):
                    self.entered.update(id(argument) for argument in node.args)
                case ast.Attribute(value=ast.Name(id="httpx"), attr="AsyncClient"):
                    if id(node) not in self.entered:
                        self.found.add(node.lineno)
            self.generic_visit(node)

    visitor = Visitor()
    visitor.visit(ast.parse(source))
    return sorted(visitor.found)


# What the source is, the source, and the lines.
CASES = (
    ("a client that is entered", "async with httpx.AsyncClient() as client:\n    pass\n", []),
    (
        "two clients in one `async with`",
        "async with httpx.AsyncClient() as a, httpx.AsyncClient() as b:\n    pass\n",
        [],
    ),
    (
        "a client given to an exit stack",
        "client = await stack.enter_async_context(httpx.AsyncClient(timeout=3))\n",
        [],
    ),
    ("a client that is assigned", "\n\nclient = httpx.AsyncClient()\n", [3]),
    ("a client in a plain `with`", "with httpx.AsyncClient() as client:\n    pass\n", [1]),
    ("a name that ends in `with`", "client_for_with = httpx.AsyncClient()\n", [1]),
    (
        "a client in a comment and in a text",
        'text = """\nclient = httpx.AsyncClient()\n"""  # = httpx.AsyncClient()\n',
        [],
    ),
    (
        "a client made and used at once",
        "async with asyncio.timeout(1):\n    await httpx.AsyncClient().get(url)\n",
        [2],
    ),
    (
        "two clients that are left open",
        "def make():\n    return httpx.AsyncClient(\n        timeout=3,\n    )\n\n"
        "spare: httpx.AsyncClient = httpx.AsyncClient()\n",
        [2, 6],
    ),
    (
        "a client in a head of several lines",
        "async with (\n    asyncio.timeout(1),\n    httpx.AsyncClient() as a,\n):\n    pass\n",
        [],
    ),
    ("a client for `enter_context`", "stack.enter_context(httpx.AsyncClient())\n", [1]),
    (
        "an entered client and another one on a line",
        "async with httpx.AsyncClient() as a: await httpx.AsyncClient().get(url)\n",
        [1],
    ),
    ("an `AsyncClient` of another package", "client = other.AsyncClient()\n", []),
    (
        "a client that is wrapped into what is entered",
        "async with traced(httpx.AsyncClient()) as client:\n    pass\n",
        [1],
    ),
    (
        "a client given to a stack of another name",
        "client = await self.exits.enter_async_context(httpx.AsyncClient())\n",
        [],
    ),
    ("a client without a name that is entered", "async with httpx.AsyncClient():\n    pass\n", []),
    ("a client outside of any function", "CLIENT = httpx.AsyncClient()\n", [1]),
    ("no client of httpx's", "client = httpx.Client()\nother = AsyncClientPool()\n", []),
)


async def check(attempt, server):
    for what, body, lines in CASES:
        # As a whole module: `await` and `async with` stand in a function.
        source = "import httpx\n\nasync def main(url, stack):\n"
        source += "".join(f"    {line}" for line in body.splitlines(keepends=True))
        if '"""' in body or body.startswith("CLIENT"):
            source = "import httpx\n\n\n" + body
        expected = [line + 3 for line in lines]
        found = attempt(source)
        words = f"`{expected}` for {what}."
        expect(
            isinstance(found, list),
            "A list of the lines' numbers.",
            happened=f"It returned an object of type `{type(found).__name__}`, not a list.",
        )
        expect(found == expected, words, happened=f"It returned `{found}` for this:\n\n{source}")


EXERCISE = Exercise(
    id="11-found-without-running-1",
    title="A rule of your own",
    task="Each place where `httpx.AsyncClient(...)` is called is to be named by its line, unless "
    "the call is what an `async with` enters, or is given to `enter_async_context(...)`.",
    starter=unclosed_clients,
    hints=[
        "`ast.walk(ast.parse(source))` gives all nodes. `ast.unparse(node.func)` of an `ast.Call` "
        'is the text of what is called, such as `"httpx.AsyncClient"`.',
        "The heads of an `ast.AsyncWith` are `item.context_expr for item in node.items`. They are "
        "the same objects as the calls that the walk gives.",
        "Collect what is entered, collect the calls, and return the `lineno` of the calls that are "
        "not among the entered.",
    ],
    wrong=[
        WrongAnswer(names_every_call, "`[]` for a client that is entered"),
        WrongAnswer(looks_at_the_first_item, "`[]` for two clients in one"),
        WrongAnswer(knows_async_with_only, "`[]` for a client given to an exit stack"),
        WrongAnswer(takes_a_plain_with, "for a client in a plain `with`"),
        WrongAnswer(takes_whatever_is_inside_a_block, "for a client made and used at once"),
        WrongAnswer(
            forgets_the_first,
            "It returned `[]` for this:\n\nimport httpx\n\nasync def main(url, stack):\n    \n",
        ),
        WrongAnswer(takes_every_stack, "for a client for `enter_context`"),
        WrongAnswer(takes_any_package, "for an `AsyncClient` of another package"),
        WrongAnswer(looks_into_the_heads, "for a client that is wrapped"),
        WrongAnswer(knows_the_stack_by_its_name, "for a client given to a stack of another name"),
        WrongAnswer(asks_for_a_name, "for a client without a name that is entered"),
        WrongAnswer(looks_into_functions_only, "for a client outside of any function"),
        WrongAnswer(goes_by_the_lines, "for an entered client and another one on a line"),
        WrongAnswer(says_yes_or_no, "an object of type `bool`"),
        WrongAnswer(counts_from_zero, "It returned `[5]`"),
    ],
    solution=solution,
    why="A tree knows what a text only looks like: which call is the head of which block, and what "
    "is a comment.",
    check=check,
    right=[with_a_visitor],
)
