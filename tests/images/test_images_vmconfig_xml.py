"""XML configurations: read as Hyper-V wrote them, refused where somebody else wrote them."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hvbackup.errors import ImageDamaged, ImageError, ImageUnsupported
from hvbackup.images.source import BytesSource
from hvbackup.images.vmconfig.read import read_configuration
from hvbackup.images.vmconfig.tree import Tree, Unread
from hvbackup.images.vmconfig.xml_configuration import read_xml

TEXT = """<?xml version="1.0" encoding="UTF-16" standalone="yes"?>\r
<configuration>\r
  <properties>\r
    <name type="string">Büro &amp; Lager 你好</name>\r
    <global_id type="string">B90AC31B-C6F8-479F-9B91-07B894A6A3F6</global_id>\r
    <subtype type="integer">1</subtype>\r
    <version type="integer">1280</version>\r
    <highly_available type="bool">True</highly_available>\r
    <blob type="bytes">AAEC\r
/w==</blob>\r
    <notes type="string"></notes>\r
  </properties>\r
  <settings>\r
    <memory><bank><size type="integer">512</size></bank></memory>\r
  </settings>\r
  <nothing/>\r
</configuration>\r
"""


def read(data: bytes) -> Tree:
    return read_xml(BytesSource(data))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8", "utf-8-sig"])
def test_each_encoding_is_read_whatever_the_declaration_says(encoding: str) -> None:
    tree = read(TEXT.encode(encoding))

    assert {
        "configuration": {
            "properties": {
                "name": "Büro & Lager 你好",
                "global_id": "B90AC31B-C6F8-479F-9B91-07B894A6A3F6",
                "subtype": 1,
                "version": 1280,
                "highly_available": True,
                "blob": b"\0\1\2\xff",
                "notes": "",
            },
            "settings": {"memory": {"bank": {"size": 512}}},
            "nothing": {},
        }
    } == tree


def test_an_xml_file_becomes_a_configuration() -> None:
    found = read_configuration(BytesSource(TEXT.encode("utf-16")))

    assert ("xml", "5.0", 2, True) == (found.format, found.version, found.generation, found.clustered)
    assert ("Büro & Lager 你好", None) == (found.name, found.notes)
    assert (512 << 20, None) == (found.memory.startup_bytes, found.processor.count)


def test_text_without_a_type_and_unknown_types_are_told_apart() -> None:
    tree = read(b'<a><b>plain</b><c>  </c><d type="blob">x</d></a>')

    assert {"a": {"b": "plain", "c": {}, "d": Unread("a value of the unknown type 'blob'")}} == tree


@pytest.mark.parametrize(
    ("inside", "match"),
    [
        ('<size type="integer">12 MB</size>', "configuration/settings/size is not of the type integer"),
        ('<size type="integer"></size>', "configuration/settings/size is not of the type integer"),
        (f'<size type="integer">{"9" * 5000}</size>', "settings/size is not of the type integer"),
        ('<on type="bool">1</on>', "configuration/settings/on is not of the type bool"),
        ('<blob type="bytes">AA$=</blob>', "configuration/settings/blob is not of the type bytes"),
        ('<blob type="bytes">ä</blob>', "configuration/settings/blob is not of the type bytes"),
        ("<open>", "line 1, column 55: mismatched tag"),
        ("&other;", "line 1, column 47: undefined entity"),
        ("\x00", "line 1, column 47: not well-formed"),
    ],
)
def test_what_is_wrong_in_a_file_is_damage_at_a_place(inside: str, match: str) -> None:
    text = f"<?xml version='1.0'?><configuration><settings>{inside}</settings></configuration>"

    with pytest.raises(ImageDamaged, match=match):
        read(text.encode())


@pytest.mark.parametrize("data", [b"<a", b"<a>", b"<a></b>", b"<a>\xff\xfe</a>", "<a></a>".encode("utf-16")[:-3]])
def test_a_file_that_was_cut_or_holds_noise_is_damaged(data: bytes) -> None:
    with pytest.raises(ImageDamaged):
        read(data)


BOMB = '<!DOCTYPE a [<!ENTITY b "x"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><configuration>&c;</configuration>'


@pytest.mark.parametrize(
    "text",
    [
        BOMB,
        '<!DOCTYPE a SYSTEM "file:///etc/passwd"><configuration/>',
        '<!DOCTYPE a [<!ENTITY b SYSTEM "http://127.0.0.1/x">]><configuration>&b;</configuration>',
        '<!DOCTYPE a [<!ENTITY % b "x">%b;]><configuration/>',
        "<!DOCTYPE a><configuration/>",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be"])
def test_a_document_type_is_refused(text: str, encoding: str) -> None:
    with pytest.raises(ImageUnsupported, match="a document type, which Hyper-V never writes"):
        read_configuration(BytesSource(text.encode(encoding)))


def test_elements_nested_too_deep_or_too_many_are_refused() -> None:
    with pytest.raises(ImageUnsupported, match="more than 64 deep"):
        read(b"<a>" * 70 + b"</a>" * 70)
    with pytest.raises(ImageUnsupported, match="more than 100000 elements"):
        read(b"<a>" + b"<b/>" * 100_001 + b"</a>")


def test_an_xml_file_of_many_megabytes_is_not_read() -> None:
    class Huge:
        size = 1 << 40

        def read_at(self, _offset: int, size: int) -> bytes:
            assert size <= 4096
            return b"<a>".ljust(size)

    with pytest.raises(ImageUnsupported, match="an XML file of 1099511627776 bytes"):
        read_configuration(Huge())


@pytest.mark.parametrize("text", ["<html><body/></html>", "<configuration/>", "<configuration><a/></configuration>"])
def test_other_xml_files_are_not_the_configuration_of_a_vm(text: str) -> None:
    with pytest.raises(ImageUnsupported, match=r"Virtual Machines|not the configuration|does not hold its settings"):
        read_configuration(BytesSource(text.encode()))


def _fuzz(seeds: range) -> None:
    for seed in seeds:
        chance = random.Random(seed)  # noqa: S311 - test data
        data = bytearray(TEXT.encode(chance.choice(("utf-8", "utf-16"))))
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(data))
            data[at : at + chance.randrange(3)] = chance.choice(
                (b"<", b"&", b"]]>", b"\0", b"\xff", b"<!--", b"9" * 30)
            )
        try:
            with suppress(ImageError):
                read_configuration(BytesSource(data))
        except BaseException as error:
            raise AssertionError(f"seed {seed}: {error!r}") from error


def test_damaged_xml_gives_an_image_error_or_an_answer() -> None:
    _fuzz(range(1000))


@pytest.mark.slow
def test_damaged_xml_gives_an_image_error_or_an_answer_many_times() -> None:
    _fuzz(range(1000, 100_000))


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=100))
def test_any_text_between_tags_is_one_error_or_an_answer(text: str) -> None:
    with suppress(ImageError):
        read(f"<configuration>{text}</configuration>".encode("utf-8", "replace"))
