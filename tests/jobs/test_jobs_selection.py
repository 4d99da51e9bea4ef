from __future__ import annotations

from collections.abc import Callable

import pytest

from hvbackup.errors import InvalidRequest
from hvbackup.jobs.selection import select_vms
from hvbackup.models import Method, Vm

MakeVm = Callable[..., Vm]


def names(vms: tuple[Vm, ...]) -> list[str]:
    return [vm.name for vm in vms]


def test_without_patterns_all_vms_are_chosen_in_order_of_their_names(make_vm: MakeVm) -> None:
    vms = [make_vm("web02", 2), make_vm("Db01", 3), make_vm("web01", 1)]

    assert ["Db01", "web01", "web02"] == names(select_vms(vms).vms)


def test_patterns_know_no_case_and_excludes_win(make_vm: MakeVm) -> None:
    vms = [make_vm("web01", 1), make_vm("WEB02", 2), make_vm("db01", 3)]

    assert ["web01"] == names(select_vms(vms, include=["Web*"], exclude=["web02"]).vms)


def test_brackets_quotes_and_other_letters_mean_themselves(make_vm: MakeVm) -> None:
    odd = ["files [old]", 'o\'neil "neu"', "Büro", "a+b(c)"]
    vms = [make_vm(name, number) for number, name in enumerate(odd, 1)]

    for name in odd:
        assert [name] == names(select_vms(vms, include=[name]).vms)


def test_a_question_mark_is_one_letter(make_vm: MakeVm) -> None:
    vms = [make_vm("web1", 1), make_vm("web12", 2)]

    assert ["web1"] == names(select_vms(vms, include=["web?"]).vms)


def test_two_vms_of_one_name_are_told_apart_by_guid(make_vm: MakeVm) -> None:
    vms = [make_vm("twin", 1), make_vm("twin", 2)]

    both = select_vms(vms, include=["twin"]).vms
    one = select_vms(vms, include=["{00000002-0000-4000-8000-000000000000}"]).vms

    assert 2 == len(both)
    assert ["00000002-0000-4000-8000-000000000000"] == [vm.id for vm in one]


def test_the_manner_of_the_vss_plugin_names_the_method(make_vm: MakeVm) -> None:
    vms = [make_vm("web01", 1), make_vm("old", 2)]
    methods = {vms[0].id: Method.ONLINE, vms[1].id: Method.OFFLINE}

    assert ["old"] == names(select_vms(vms, include=["Offline/*"], methods=methods).vms)
    assert ["old"] == names(select_vms(vms, include=["offline\\old"], methods=methods).vms)
    assert ["web01"] == names(select_vms(vms, include=["*/web01"], methods=methods).vms)


def test_a_pattern_that_fits_nothing_is_an_error_with_near_names(make_vm: MakeVm) -> None:
    with pytest.raises(InvalidRequest) as caught:
        select_vms([make_vm("web01", 1)], include=["wed01"])

    assert "'wed01'" in caught.value.message
    assert "'web01'" in (caught.value.hint or "")


def test_an_exclude_that_fits_nothing_is_told(make_vm: MakeVm) -> None:
    assert ("ghost",) == select_vms([make_vm("web01", 1)], exclude=["ghost"]).idle_excludes
