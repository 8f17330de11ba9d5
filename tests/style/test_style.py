"""The style rules that a machine can check, read from the source text. Each message says what to do."""

import pathlib
import re
import subprocess

import lizard
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 800
FORBIDDEN_NAMES = {"util", "utils", "common", "manager", "helper", "helpers", "core", "misc"}
CODE = {".cc", ".h", ".py", ".js", ".cmake", ".sh"}


def repository_files():
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, check=True, stdout=subprocess.PIPE
    )
    names = [name for name in listed.stdout.decode().split("\0") if name]
    return [ROOT / name for name in names if (ROOT / name).is_file()]


FILES = repository_files()
SOURCES = [f for f in FILES if f.suffix in CODE or f.name in ("dev", "CMakeLists.txt")]
CPP = [f for f in FILES if f.suffix in (".cc", ".h")]


def short(path):
    return str(path.relative_to(ROOT))


def text_of(path):
    return path.read_text(encoding="utf-8")


# --- who may include whom ---------------------------------------------------------------------------


def folders_of_the_build():
    """{folder: folders it may include}, from the linarite_folder lines of CMakeLists.txt."""
    text = re.sub(r"#.*", "", text_of(ROOT / "CMakeLists.txt"))
    allowed = {}
    for name, arguments in re.findall(r"\blinarite_folder\(\s*(\w+)([^)]*)\)", text):
        words = arguments.split("DEPENDS", 1)[1].split("LIBRARIES", 1)[0].split()
        allowed[name] = set(words)
    return allowed


def folders_of_the_document():
    """The same from the table of CONTRIBUTING.md, between its two markers."""
    text = text_of(ROOT / "CONTRIBUTING.md")
    table = re.search(r"<!-- include-table -->\s*```\w*\n(.*?)```", text, re.DOTALL).group(1)
    allowed = {}
    for line in filter(None, map(str.strip, table.splitlines())):
        names, _, rights = line.partition(":")
        for name in names.replace(",", " ").split():
            allowed[name] = set(rights.split()) - {"nothing"}
    return allowed


def includes_of(path):
    return re.findall(r'^\s*#\s*include\s+"([^"]+)"', text_of(path), re.MULTILINE)


def folder_of(path):
    parts = path.relative_to(ROOT).parts
    if parts[0] == "src":
        return parts[1]
    return parts[0] if parts[0] in ("sdk", "cli") else None


def test_the_build_and_the_document_agree_on_who_includes_whom():
    assert folders_of_the_build() == folders_of_the_document()


def test_no_folder_reaches_itself():
    allowed = folders_of_the_build()
    order = {}

    def depth(name, above=()):
        assert name not in above, f"{name} includes itself through {' -> '.join(above)}"
        if name not in order:
            order[name] = 1 + max((depth(n, (*above, name)) for n in allowed[name]), default=0)
        return order[name]

    for name in allowed:
        depth(name)


def test_includes_follow_the_table():
    allowed = folders_of_the_build()
    wrong = []
    for path in CPP:
        folder = folder_of(path)
        if folder is None or path.name == "main.cc":
            continue
        for include in includes_of(path):
            target = include.split("/", 1)[0]
            if target != folder and target not in allowed.get(folder, set()):
                wrong.append(f"{short(path)} includes {include}")
    assert not wrong, "\n".join(wrong)


def test_the_command_line_uses_the_sdk_as_an_application_does():
    """Only <linarite/...>; tests may use the SDK's fakes."""
    wrong = [
        f"{short(path)} includes {include}"
        for path in CPP
        if folder_of(path) == "cli" and not path.stem.endswith("_test") and not path.name.startswith("fake_")
        for include in includes_of(path)
        if include.startswith("sdk/")
    ]
    assert not wrong, "\n".join(wrong)


def test_includes_name_their_folder():
    wrong = [
        f'{short(path)}: "{include}" should be "folder/file.h"'
        for path in CPP
        for include in includes_of(path)
        if folder_of(path) and ("/" not in include or ".." in include)
    ]
    assert not wrong, "\n".join(wrong)


def test_every_folder_of_src_is_a_target():
    on_disk = {folder_of(path) for path in CPP} - {None}
    assert on_disk <= set(folders_of_the_build())


def test_only_net_opens_sockets_and_engines_have_no_clock():
    """Protocol engines take bytes and times; nothing below may ask the machine for either."""
    forbidden = {
        "mqtt": r"boost/asio|sys/socket|<thread>|<mutex>|<chrono>|steady_clock::now|system_clock::now",
        "amqp": r"boost/asio|sys/socket|<thread>|<mutex>|steady_clock::now|system_clock::now",
        "http": r"sys/socket|<thread>|<mutex>|steady_clock::now|system_clock::now",
        "wire": r"boost/asio|sys/socket|<thread>|<mutex>|steady_clock::now|system_clock::now",
        "hub": r"boost/asio|sys/socket|<thread>|<mutex>|steady_clock::now|system_clock::now",
    }
    wrong = []
    for path in CPP:
        pattern = forbidden.get(folder_of(path))
        if pattern is None or path.stem.endswith(("_test", "_fuzz")):
            continue
        code = re.sub(r"//.*", "", text_of(path))
        wrong += [f"{short(path)}: {match}" for match in re.findall(pattern, code)]
    assert not wrong, "\n".join(wrong)


# --- sizes ------------------------------------------------------------------------------------------


def test_functions_fit_a_screen():
    wrong = []
    for path in SOURCES:
        if path.suffix not in (".cc", ".h", ".py", ".js"):
            continue
        for function in lizard.analyze_file(str(path)).function_list:
            lines = function.end_line - function.start_line + 1
            if lines > FUNCTION_LINES_MAX:
                wrong.append(f"{short(path)}:{function.start_line} {function.name} has {lines} lines")
    assert not wrong, f"at most {FUNCTION_LINES_MAX} lines in a function:\n" + "\n".join(wrong)


def test_files_stay_small():
    wrong = []
    for path in SOURCES:
        lines = len(text_of(path).splitlines())
        if lines > FILE_LINES_MAX:
            wrong.append(f"{short(path)} has {lines} lines")
    assert not wrong, f"at most {FILE_LINES_MAX} lines in a file:\n" + "\n".join(wrong)


# --- names and words --------------------------------------------------------------------------------


def test_no_file_is_named_after_nothing():
    wrong = []
    for path in SOURCES:
        words = set(re.split(r"[_\-.]", path.name.lower())) | {path.parent.name.lower()}
        if words & FORBIDDEN_NAMES:
            wrong.append(short(path))
    assert not wrong, "name what it holds instead:\n" + "\n".join(wrong)


def test_cpp_files_are_snake_case():
    wrong = [short(p) for p in CPP if not re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*\.(cc|h)", p.name)]
    assert not wrong, "\n".join(wrong)


def test_headers_are_included_once():
    wrong = [short(p) for p in CPP if p.suffix == ".h" and "#pragma once" not in text_of(p)]
    assert not wrong, "\n".join(wrong)


def test_nothing_is_left_for_later():
    here = pathlib.Path(__file__).resolve()
    mark = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    wrong = []
    for path in SOURCES:
        if path == here:
            continue
        for number, line in enumerate(text_of(path).splitlines(), 1):
            if mark.search(line):
                wrong.append(f"{short(path)}:{number}: {line.strip()}")
    assert not wrong, "write an issue instead:\n" + "\n".join(wrong)


def test_no_test_is_switched_off():
    here = pathlib.Path(__file__).resolve()
    off = re.compile(r"GTEST_SKIP|\bDISABLED_|pytest\.skip|mark\.(skip|xfail)|\b(?:it|test|describe)\.skip\b")
    wrong = [short(path) for path in SOURCES if path != here and off.search(text_of(path))]
    assert not wrong, "\n".join(wrong)


# --- deliberate bugs --------------------------------------------------------------------------------


def mutated_in(path):
    return re.findall(r"\bmutated\(Mutation::(k\w+)\)", text_of(path))


def test_the_build_of_the_mutants_compiles_what_has_a_bug():
    listed = re.search(r"set\(mutated_sources\s([^)]*)\)", text_of(ROOT / "tests/mutants/CMakeLists.txt")).group(1)
    asking = [short(path) for path in CPP if folder_of(path) and mutated_in(path)]
    assert sorted(f"src/{name}" for name in listed.split()) == sorted(asking)


def test_every_deliberate_bug_is_somewhere():
    declared = re.findall(r"^  (k\w+),", text_of(ROOT / "src/base/mutation.h"), re.MULTILINE)
    placed = {name for path in CPP for name in mutated_in(path)}
    assert set(declared) - {"kNone", "kCount"} == placed


# --- fuzzers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fuzzer", [f for f in CPP if f.stem.endswith("_fuzz")], ids=lambda f: f.stem)
def test_every_fuzzer_has_a_corpus(fuzzer):
    corpus = ROOT / "tests" / "corpus" / fuzzer.stem.removesuffix("_fuzz")
    kept = list(corpus.iterdir()) if corpus.is_dir() else []
    assert kept, f"put the inputs that {fuzzer.stem} starts from into {short(corpus)}/"


# --- documents --------------------------------------------------------------------------------------


def names_of_all_tests():
    names = set()
    for path in FILES:
        if path.stem.endswith("_test") and path.suffix == ".cc":
            found = re.findall(r"^(?:TYPED_)?TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\)", text_of(path), re.MULTILINE)
            names |= {".".join(pair) for pair in found}
        elif path.stem.endswith("_fuzz"):
            names.add(path.stem)
        elif path.suffix == ".py" and path.name.startswith("test_"):
            names |= set(re.findall(r"^def (test_\w+)", text_of(path), re.MULTILINE))
    return names


def test_the_tests_that_the_documents_name_exist():
    known = names_of_all_tests()
    wrong = []
    for path in FILES:
        if path.suffix == ".md":
            named = re.findall(r"`(\w+_fuzz|[A-Z]\w*\.[A-Z]\w+|test_\w+)`", text_of(path))
            wrong += [f"{short(path)}: {name}" for name in named if name not in known]
    assert not wrong, "\n".join(wrong)


def test_links_of_the_documents_lead_somewhere():
    wrong = []
    for path in FILES:
        if path.suffix == ".md":
            for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text_of(path)):
                if not (path.parent / target).exists():
                    wrong.append(f"{short(path)}: {target}")
    assert not wrong, "\n".join(wrong)
