import os
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from squeezenas.core.reading import (
    DEPTH,
    MIB,
    WORD,
    YAML_LIMIT,
    YAML_NODES,
    check_yaml,
    parse_json,
    read_bytes,
    read_json,
    read_json_lines,
    read_plain_yaml,
    read_text,
    read_yaml,
)

DOUBLING = "\n".join(
    ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40))]
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (DOUBLING, f"more than {YAML_NODES:,} values, aliases written out"),
        ("a: &a [*a]", r"\*a stands within itself"),
        ("a: " + "[" * 5000 + "]" * 5000, f"nested more than {DEPTH} deep"),
        ("a: 1" + ":59" * 10_000, "a value of 30,001 characters"),
        ("a: " + "7" * 5000, "a value of 5,000 characters; put it into quotes"),
        ("a: 0x" + "f" * 5000, "a value of 5,002 characters; put it into quotes"),
        ("a: 1" + ":59" * 300 + ".5", "too large to convert to float"),
        (r'a: "\UFFFFFFFF"', "too large to convert"),
        ("a: !!python/object/apply:os.system [touch x]", "the tag .*os.system' is not read"),
        ("a: !!bool maybe", "the tag 'tag:yaml.org,2002:bool' is not read; take it out"),
        ("a: !!timestamp foo", "the tag 'tag:yaml.org,2002:timestamp' is not read"),
        ('a: !!int ""', "the tag 'tag:yaml.org,2002:int' is not read"),
        (f'a: !!int "1{":59" * 4_000}"', "the tag 'tag:yaml.org,2002:int' is not read"),
        ("a: !!set {b}", "the tag 'tag:yaml.org,2002:set' is not read"),
        ("! {a: b}", "the tag '!' is not read"),
        ("a: '${oc.env:X_ROOT," + "b" * WORD + "}'", "an interpolation in 10,017 characters"),
        (
            "a: [&a '${oc.env:X_ROOT," + "b" * 9000 + "}', *a, *a]",
            f"more than {YAML_NODES:,} values, aliases written out",
        ),
        ("a: '${oc.env:X_ROOT," + "[" * 5000 + "}'", "maximum recursion depth exceeded"),
        ("a: ${oc.env:HOME}", r"'\$\{oc.env:HOME\}' is not understood"),
        (r'a: "\x24{oc.env:HOME}"', "is not understood"),
        ("a: ${oc.env:X_ROOT,${oc.env:HOME}}", "is not understood"),
        ("a: xxxx\nb: ${a}${a}", "is not understood"),
        ('"a: ${oc.env:HOME}"', "is not understood"),
        (r'"a: \x24{oc.env:HOME}"', "is not understood"),
        ('"a: &a [*a]"', "expected `key: value` lines"),
        ('"5"', "expected `key: value` lines"),
        ("a: \0", "special characters are not allowed"),
    ],
)
def test_yaml_that_attacks_is_refused_by_name(tmp_path, text, message):
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"x\.yaml.*{message}"):
        read_yaml(path)


def test_places_of_data_may_come_from_the_environment_and_values_be_repeated(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("root: ${oc.env:CAMVID_ROOT,data/camvid}\na: &a {b: 1}\nc: *a\n")
    assert read_yaml(path)._get_node("root")._value() == "${oc.env:CAMVID_ROOT,data/camvid}"
    assert read_yaml(path)["c"] == {"b": 1}


def test_yaml_as_its_standard_has_it(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("a: 1e-3\n")
    assert read_plain_yaml(path) == {"a": "1e-3"}
    for text, message in [
        ("a: !!float x\n", "the tag 'tag:yaml.org,2002:float' is not read"),
        ("a: 1" + ":59" * 300 + ".5", "too large to convert to float"),
        ("a: 2001-02-30", "day is out of range"),
    ]:
        path.write_text(text)
        with pytest.raises(ValueError, match=rf"x\.yaml: .*{message}.*; correct the YAML"):
            read_plain_yaml(path)


def test_a_card_may_have_more_than_ten_thousand_classes(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("classes: [" + "a, " * 10_450 + "]\n")
    assert len(read_yaml(path)["classes"]) == 10_450


def test_no_memory_is_taken_for_what_a_file_does_not_have(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    tracemalloc.start()
    assert read_bytes(path, 64 * MIB) == b"abc"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * MIB


def test_a_file_is_bounded_and_a_file(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"\xef\xbb\xbfabc")
    assert read_text(path) == "abc"
    assert read_bytes(path, 6) == b"\xef\xbb\xbfabc"
    with pytest.raises(ValueError, match="6 bytes where at most 5 are read"):
        read_bytes(path, 5)
    path.write_bytes(b"ab\xff")
    with pytest.raises(ValueError, match="x: not UTF-8 text at byte 2"):
        read_text(path)
    with pytest.raises(FileNotFoundError, match="none: no such file"):
        read_text(tmp_path / "none")
    with pytest.raises(ValueError, match="a folder, pipe or device"):
        read_text(tmp_path)
    os.mkfifo(tmp_path / "pipe")  # would be waited for
    with pytest.raises(ValueError, match="pipe: a folder, pipe or device"):
        read_text(tmp_path / "pipe")
    path.write_bytes(b"a: 1\n" * (YAML_LIMIT // 5 + 1))
    with pytest.raises(ValueError, match="are read"):
        read_yaml(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, f"x: nested more than {DEPTH} deep"),
        ("[" * 40 + "]" * 40, f"x: nested more than {DEPTH} deep"),
        ("7" * 5000, "x: Exceeds the limit"),
        ('{"a": NaN}', "x: NaN is no number of JSON"),
        ('{"a": 1,\n}', "x, line 2: not JSON"),
    ],
)
def test_json_that_attacks_is_refused_by_name(text, message):
    with pytest.raises(ValueError, match=message):
        parse_json(text, "x")


def test_json_files(tmp_path):
    path = tmp_path / "x.json"
    path.write_text('{"a": [1, {"b": null}]}\n{"a": 2}\n')
    assert read_json_lines(path) == [{"a": [1, {"b": None}]}, {"a": 2}]
    with pytest.raises(ValueError, match=r"x\.json, line 2: not JSON \(Extra data\)"):
        read_json(path)
    path.write_text("[1]\n")
    assert read_json(path) == [1]
    with pytest.raises(ValueError, match="record 1: expected a JSON object"):
        read_json_lines(path)


@given(st.text(max_size=60))
def test_any_text_is_json_or_refused_by_name(text):
    try:
        value = parse_json(text, "somewhere")
    except ValueError as error:
        value = str(error)
        assert value.startswith("somewhere")
    assert value == value


@given(st.text(alphabet="abc&*:[]{}- \n!|>'\"%#?,$1", max_size=60))
def test_any_yaml_is_checked_without_a_crash(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(text)
    try:
        message = str(dict(read_yaml(path)) and "")
    except ValueError as error:
        message = str(error)
        assert str(path) in message
    assert isinstance(message, str)


def test_what_is_checked_is_cheap():
    assert check_yaml("\n".join(f"key{n}: [1, 2, 3]" for n in range(2000)))
    with pytest.raises(ValueError, match="aliases written out"):
        check_yaml(DOUBLING)
