"""Prints the names of all tests of CPython's own suite for asyncio, in the order of its sources.

Run by the Python whose suite it is: `python3.13 tests.py > ../ledger/tests.txt`. A test is a method; where subclasses run
it again with other classes of tasks, selectors or watchers, it is one test still.
"""

import ast
import pathlib
import test.test_asyncio

for folder in test.test_asyncio.__path__:
    for file in sorted(pathlib.Path(folder).glob("test_*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        for node in sorted(classes, key=lambda node: node.lineno):
            for method in node.body:
                if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef) and method.name.startswith("test"):
                    print(f"{file.stem} {node.name}.{method.name}")
