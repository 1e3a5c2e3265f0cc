"""README.md, docs/ and CHANGELOG.md against the code that they speak of."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

import training.errors
from monitor import errors
from monitor.broker.topics import topic_specs
from monitor.config import Settings, load_settings
from monitor.detect import snapshots
from monitor.formats import beats, chunks, events, profiles, reviews
from monitor.model.model import load_model
from monitor.worker import positions
from tests.support.deploy_files import options, subcommands
from tests.support.project import ROOT
from tests.torture.sections import SECTIONS

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def read(name: str) -> str:
    """A page's text."""
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(page: Path, language: str) -> list[str]:
    """The page's fenced blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)


def table(name: str, *header: str) -> list[list[str]]:
    """Rows of the page's table with these first column heads, back-ticks removed."""
    text = read(name)
    start = text.index("| " + " | ".join(header) + " |")
    lines = text[start:].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines]


def quoted_commands() -> Iterator[list[str]]:
    """Command lines of our two programs in the pages' shell blocks and inline code, as words."""
    for page in PAGES:
        inline = re.findall(r"`((?:ecg-monitor|ecg-train) [^`]*)`", page.read_text(encoding="utf-8"))
        for line in [*inline, *"\n".join(blocks(page, "sh")).splitlines()]:
            words = shlex.split(line, comments=True)
            if words and words[0] in ("ecg-monitor", "ecg-train"):
                yield words


def test_quoted_commands_exist() -> None:
    """Every command and option of ours that a page shows is one that the program takes."""
    seen = set()
    for program, name, *rest in quoted_commands():
        commands = subcommands(program)
        assert name in commands, (program, name)
        given = {word.split("=")[0] for word in rest if word.startswith("--")}
        assert given <= options(commands[name]), (program, name, given)
        seen.add((program, name))
    assert {("ecg-monitor", "run"), ("ecg-monitor", "scan"), ("ecg-train", "data")} <= seen


def test_demo_options_in_the_readme_exist() -> None:
    """What the README says that the demo takes, it takes."""
    line = next(line for line in read("README.md").splitlines() if line.startswith("`make demo ARGS="))
    given = set(re.findall(r"--[a-z-]+", line))
    assert given == {"--ward", "--no-web", "--speed", "--keep", "--record", "--bootstrap-servers", "--output"}
    assert given <= options(subcommands("ecg-monitor")["demo"])


def test_make_targets_exist() -> None:
    """Every `make TARGET` in a page is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z]+):", read("Makefile"), re.M))
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        named = re.findall(r"`make ([a-z]+)", text)
        named += re.findall(r"^make ([a-z]+)", "\n".join(blocks(page, "sh")), re.M)
        assert set(named) <= targets, page


def test_readme_settings_load(tmp_path: Path) -> None:
    """The worker.toml in the README is one that the daemon takes."""
    (toml,) = blocks(ROOT / "README.md", "toml")
    (tmp_path / "worker.toml").write_text(toml, encoding="utf-8")
    assert load_settings(tmp_path / "worker.toml").kafka.sasl_mechanism == "SCRAM-SHA-512"


def test_settings_named_exist() -> None:
    """Every setting that operations.md explains, and every variable named in a page, exists."""
    rows = [row[0] for row in table("docs/operations.md", "setting", "turn it")]
    pages = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    variables = re.findall(r"ECG_MONITOR_([A-Z]+)__([A-Z_]+)", pages)
    assert variables
    for section, key in [row.split(".") for row in rows] + [(a.lower(), b.lower()) for a, b in variables]:
        assert key in type(getattr(Settings(), section)).model_fields, (section, key)


def test_changelog_has_this_version() -> None:
    """The version in pyproject.toml has its section."""
    assert f"## [{PROJECT['version']}]" in read("CHANGELOG.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link and picture of a page is a file in the repository."""
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


def test_what_shows_a_promise_is_there() -> None:
    """Every test and section of the torture that reliability.md names exists, and no section is left out."""
    text = read("docs/reliability.md")
    for path, name in re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text):
        assert (ROOT / path).is_file(), path
        assert not name or f"def {name}(" in read(path), (path, name)
    rows = [row[0] for row in table("docs/reliability.md", "section", "what is done")]
    assert rows == list(SECTIONS)
    assert set(re.findall(r"torture `(\w+)`", text)) <= set(rows)


def test_exit_codes_are_those_of_the_errors() -> None:
    """The table of exit codes is errors.py's."""
    rows = {row[1]: int(row[0]) for row in table("docs/operations.md", "code", "error") if row[1]}
    there = [*vars(errors).values(), *vars(training.errors).values()]
    classes = {one for one in there if isinstance(one, type) and issubclass(one, errors.MonitorError)}
    # A DecodeError ends in the dead-letter topic, never in an exit.
    assert rows == {one.__name__: one.exit_code for one in classes - {errors.DecodeError}}


def test_vocabulary_is_that_of_the_events() -> None:
    """Kinds, priorities and what they speak of are as in events.py."""
    rows = {row[0]: (int(row[1]), row[2]) for row in table("docs/formats.md", "kind", "priority")}
    wanted = {
        str(kind): (events.PRIORITY[kind], "technical" if kind in events.TECHNICAL else "physiological")
        for kind in events.Kind
    }
    assert rows == wanted


def test_event_fields_are_those_of_the_events() -> None:
    """The table of an event's data names each field that encode_event writes, and no other."""
    text = read("docs/formats.md")
    section = text[text.index("Fields of `data`") : text.index("## Scored windows")]
    first_cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    named = {name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)}
    assert named == {*events.Event.__struct_fields__, "priority", "technical", "first_time", "last_time"}


def test_lead_fields_are_those_of_the_messages() -> None:
    """The table of a lead's fields has their names and defaults."""
    text = read("docs/formats.md")
    section = text[text.index("A lead:") : text.index("`samples` in **MessagePack**")]
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^ ,|]+)", section, re.M))
    fields = msgspec.structs.fields(chunks.Lead)
    assert rows == {one.name: "required" if one.required else str(one.default) for one in fields}


def test_json_example_decodes() -> None:
    """The chunk shown in formats.md is one that the worker takes."""
    (example,) = blocks(ROOT / "docs/formats.md", "json")
    chunk = chunks.decode_chunk(example.encode(), chunks.JSON, b"bed-7")
    assert chunk.leads == ("II", "V5")
    assert chunk.valid.tolist() == [[True, True], [True, False]]


def test_dead_letter_reasons_are_those_of_the_code() -> None:
    """Every reason that decoding or the detector gives has its row."""
    rows = {row[0] for row in table("docs/formats.md", "reason", "the record")}
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "monitor").rglob("*.py"))
    given = set(re.findall(r'(?:DecodeError|Rejected)\([^"()]*"(\w+)"', code)) | {"not_finite", "malformed"}
    assert rows == given


def test_topics_are_those_of_the_code() -> None:
    """The table of topics has the names and times of what `ecg-monitor topics` creates."""
    rows = {row[0]: row[3] for row in table("docs/formats.md", "topic", "key")}
    specs = {spec.name: spec.config for spec in topic_specs(Settings().kafka.topics)}
    assert set(rows) == set(specs)
    for name, config in specs.items():
        days = int(config.get("retention.ms", 0)) // 86_400_000
        assert rows[name] == (f"deleted after {days} days" if days else "compacted")


def test_the_schemas_of_an_upgrade_are_those_of_the_code() -> None:
    """What is written, and that it is read again."""
    rows = {row[0]: row[1:] for row in table("docs/operations.md", "format", "schema written")}
    written = {
        "ecg.signal": chunks.CHUNK_SCHEMA,
        "commit metadata": positions.METADATA_SCHEMA,
        "ecg.state": snapshots.STATE_SCHEMA,
        "ecg.beats": beats.BEATS_SCHEMA,
        "ecg.profiles": profiles.PROFILE_SCHEMA,
        "ecg.feedback": reviews.FEEDBACK_SCHEMA,
    }
    assert {name: int(row[0]) for name, row in rows.items()} == written
    assert all(row[0] in row[1].split(", ") for row in rows.values())
    assert rows["ecg.beats"][1] == ", ".join(map(str, beats.SCHEMAS))


def test_beats_columns_are_those_of_the_code() -> None:
    """The table of columns names every one that encode_beats writes."""
    text = read("docs/formats.md")
    section = text[text.index("## Scored windows") : text.index("## State")]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    named = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    assert named == set(beats.ScoredWindows.__dataclass_fields__)


@pytest.mark.parametrize(
    ("section", "end", "record"),
    [
        ("## Settings of a stream", "## Verdicts", profiles.Profile),
        ("## Verdicts", "## Dead letters", reviews.Review),
    ],
)
def test_fields_of_what_a_person_says_are_those_of_the_code(
    section: str, end: str, record: type[msgspec.Struct]
) -> None:
    """Profiles and verdicts: the table names every field of the record."""
    text = read("docs/formats.md")
    part = text[text.index(section) : text.index(end)]
    assert re.findall(r"^\| `(\w+)` \|", part, re.M) == sorted(
        record.__struct_fields__, key=lambda name: name != "schema"
    )


def test_files_named_in_the_architecture_exist() -> None:
    """Every module that architecture.md names by its room lies there."""
    named = set(re.findall(r"\b[a-z_]+/[\w/]+\.py\b", read("docs/architecture.md")))
    assert len(named) > 20
    assert not [name for name in named if not (ROOT / "monitor" / name).is_file()]


def test_the_architecture_has_a_line_a_room() -> None:
    """The walk through the folders leaves none out, and names none that is gone."""
    text = read("docs/architecture.md")
    walks = (
        text[text.index("`monitor/`, from") : text.index("`training/`, likewise")],
        text[text.index("`training/`, likewise") :],
    )
    for package, walk in zip(("monitor", "training"), walks, strict=True):
        rooms = {path.parent.name for path in (ROOT / package).glob("*/__init__.py")}
        assert set(re.findall(r"^- `(\w+)/`", walk, re.M)) == rooms


def test_every_table_of_the_results_has_a_command() -> None:
    """A section of docs/results.md with a table shows what prints it; a module that it names exists."""
    sections = re.split(r"^## ", read("docs/results.md"), flags=re.M)[1:]
    with_tables = [section for section in sections if re.search(r"^\| ?-", section, re.M)]
    assert len(with_tables) > 10
    for section in with_tables:
        title = section.splitlines()[0]
        assert "```sh\n" in section or "`make " in title, title
        for name in re.findall(r"^python -m (tests\.[\w.]+)", section, re.M):
            assert (ROOT / name.replace(".", "/")).with_suffix(".py").is_file(), name


def test_the_networks_are_as_large_as_the_results_say() -> None:
    """The table of the bundled model's networks names each with its weights, to the next hundred."""
    networks = load_model().networks
    rows = {row[0].split(",")[0]: row[1] for row in table("docs/results.md", "network", "weights")}
    sizes = {name: sum(each.numel() for each in net.parameters()) for name, net in networks.items()}
    assert rows == {name: f"{round(size, -2):,}" for name, size in sizes.items()}
