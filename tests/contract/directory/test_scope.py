"""Who is in scope, read from a real Active Directory."""

from __future__ import annotations

import pytest

from profile_image_sync.errors import DirectoryMisconfigured, InvalidSpec
from profile_image_sync.worker.directory import Directory
from testkit.people import sample_people
from testkit.samba.administrator import Administrator
from testkit.samba.domain_controller import DomainController
from testkit.samba.provision import NAMING_CONTEXT
from tests.contract.directory.conftest import Connect

DOMAIN_USERS = "513"  # the primary group of whoever is made

ODD_NAMES = (
    'Müßig-Ängström, Jörg "Jojo"',
    "plus + equals = hash #",
    "#starts with a hash",
    " starts with a blank",
    "back\\slash / slash",
    "less < greater > semicolon ;",
    "star * bracket ( ) *)(uid=*",
    "漢字 и кириллица",
    "x" * 64,
)


def labels(directory: Directory) -> list[str]:
    """Return the account names of everyone in scope (people of these tests have no mail)."""
    return sorted(person.label.split("@")[0] for person in directory.people())


def test_the_domain_is_known_by_its_guid_and_name(connect: Connect) -> None:
    """State is bound to the GUID of the domain, people are told its name."""
    first, second = connect().domain, connect().domain
    assert first == second
    assert first.name == "ad.test"
    assert first.naming_context == "DC=ad,DC=test"


def test_without_search_bases_the_whole_domain_is_read(
    connect: Connect, administrator: Administrator, organizational_unit: str
) -> None:
    """Default scope: every person, wherever they are; neither computers nor groups."""
    anyone = administrator.add_person("anyone", organizational_unit)
    administrator.add_group("anything", organizational_unit)
    everybody = {person.guid for person in connect().people()}
    assert {anyone, administrator.find("Administrator")} <= everybody
    assert administrator.find("DC1$") not in everybody
    assert administrator.find("anything") not in everybody


def test_overlapping_search_bases_give_a_person_once(
    connect: Connect, administrator: Administrator, organizational_unit: str
) -> None:
    """A base within another one, or spelled otherwise, does not double people."""
    inner = administrator.add_organizational_unit("Inner", organizational_unit)
    administrator.add_person("outside", organizational_unit)
    administrator.add_person("inside", inner)
    bases = [organizational_unit, inner, inner.lower()]
    assert labels(connect(searchBases=bases)) == ["inside", "outside"]


def test_a_search_base_that_does_not_exist_is_named(
    connect: Connect, organizational_unit: str
) -> None:
    """A typing error in a base ends the run, with field and name: it must not mean "nobody"."""
    directory = connect(searchBases=[organizational_unit, f"OU=Nowhere,{organizational_unit}"])
    with pytest.raises(
        DirectoryMisconfigured, match=r"spec\.activeDirectory\.searchBases\[1\]"
    ) as caught:
        next(directory.people())
    assert f"there is no entry 'OU=Nowhere,{organizational_unit}'" in str(caught.value)


@pytest.mark.parametrize("base", ["DC=other,DC=test", "OU=People,=,DC=ad", "OU=a,,b"])
def test_a_search_base_of_another_domain_or_no_name_at_all_is_named(
    connect: Connect, base: str
) -> None:
    """So does a base that lies elsewhere or is no distinguished name."""
    with pytest.raises(DirectoryMisconfigured, match=r"searchBases\[0\]"):
        next(connect(searchBases=[base]).people())


def test_a_user_filter_narrows_the_scope(
    connect: Connect, administrator: Administrator, organizational_unit: str
) -> None:
    """The filter is and-ed to "is a person"."""
    administrator.add_person("lawyer", organizational_unit, department="Legal")
    administrator.add_person("clerk", organizational_unit, department="Post")
    legal = connect(
        searchBases=[organizational_unit], userFilter="(|(department=Legal)(department=Law))"
    )
    assert labels(legal) == ["lawyer"]


def test_a_user_filter_that_cannot_be_read_is_refused_before_anything_is_asked(
    connect: Connect,
) -> None:
    """A filter that would end early, and so widen the scope, is a mistake in the spec."""
    with pytest.raises(InvalidSpec, match=r"spec\.activeDirectory\.userFilter"):
        connect(userFilter="(cn=a))(|(cn=*)", servers=["ldaps://nowhere.invalid"])


def test_disabled_people_are_left_out_unless_wanted(
    connect: Connect, administrator: Administrator, organizational_unit: str
) -> None:
    """A leaver's account is disabled first: their picture is no longer kept up to date."""
    administrator.add_person("present", organizational_unit)
    administrator.disable(administrator.add_person("left", organizational_unit))
    assert labels(connect(searchBases=[organizational_unit])) == ["present"]
    assert labels(connect(searchBases=[organizational_unit], includeDisabled=True)) == [
        "left",
        "present",
    ]


def test_groups_limit_the_scope_to_their_members_nested_ones_too(
    connect: Connect, administrator: Administrator, organizational_unit: str
) -> None:
    """People in a group within the group are members; people in neither group are not."""
    direct, nested, outsider = (
        administrator.add_person(name, organizational_unit)
        for name in ("direct", "nested", "outsider")
    )
    inner = administrator.add_group("Inner (old), \\ #1", organizational_unit, [nested])
    outer = administrator.add_group("Outer", organizational_unit, [direct, inner])
    other = administrator.add_group("Other", organizational_unit, [outsider])
    assert labels(connect(groups=[administrator.dn(outer)])) == ["direct", "nested"]
    assert labels(connect(groups=[administrator.dn(inner)])) == ["nested"]
    both = [administrator.dn(inner), administrator.dn(other)]
    assert labels(connect(groups=both)) == ["nested", "outsider"]


def test_who_has_a_group_as_primary_group_is_a_member_of_it(
    connect: Connect, administrator: Administrator, organizational_unit: str
) -> None:
    """Active Directory does not list them as members: "Domain Users" would show nobody; nested groups too."""
    unit = organizational_unit
    users = f"CN=Domain Users,CN=Users,{NAMING_CONTEXT}"
    outer = administrator.add_group("Outer", unit)
    inner = administrator.add_group("Inner", unit)
    administrator.add_members(outer, [inner])
    primary, other = (administrator.add_person(name, unit) for name in ("primary", "other"))
    administrator.add_members(inner, [primary])
    administrator.set(primary, "primaryGroupID", str(administrator.relative_id(inner)))
    try:
        for group in (inner, outer):
            directory = connect(searchBases=[unit], groups=[administrator.dn(group)])
            assert [person.guid for person in directory.people()] == [primary]
        everyone = connect(searchBases=[unit], groups=[users])
        assert {person.guid for person in everyone.people()} == {primary, other}
    finally:  # Samba deletes no group that is somebody's primary group
        administrator.set(primary, "primaryGroupID", DOMAIN_USERS)


def test_a_group_that_does_not_exist_is_named(
    connect: Connect, administrator: Administrator, organizational_unit: str
) -> None:
    """A missing group would show nobody: the run stops and names the field instead."""
    group = administrator.dn(administrator.add_group("Team", organizational_unit))
    with pytest.raises(DirectoryMisconfigured, match=r"spec\.activeDirectory\.groups\[1\]"):
        next(connect(groups=[group, f"CN=Nobody,{organizational_unit}"]).people())


def test_a_group_that_is_a_person_is_named(
    connect: Connect, administrator: Administrator, organizational_unit: str
) -> None:
    """So does an entry that is not a group."""
    person = administrator.dn(administrator.add_person("somebody", organizational_unit))
    with pytest.raises(DirectoryMisconfigured, match=r"groups\[0\]: 'CN=.*' is not a group"):
        next(connect(groups=[person]).people())


def test_people_with_odd_names_are_read_like_others(
    connect: Connect, administrator: Administrator, organizational_unit: str
) -> None:
    """Commas, quotes, blanks, brackets, other alphabets in a name: nothing special."""
    everyone = {
        administrator.add_person(
            name, organizational_unit, sAMAccountName=f"odd{index}", thumbnailPhoto=b"x"
        )
        for index, name in enumerate(ODD_NAMES)
    }
    directory = connect(searchBases=[organizational_unit])
    assert {person.guid for person in directory.people()} == everyone
    assert {directory.picture(guid, "thumbnailPhoto")[1] for guid in everyone} == {b"x"}


def test_search_bases_with_odd_names_are_found(
    connect: Connect, administrator: Administrator, organizational_unit: str
) -> None:
    """A base is sent as it is written, escapes included."""
    odd = administrator.add_organizational_unit('Kö, "x" + y', organizational_unit)
    administrator.add_person("somebody", odd)
    assert labels(connect(searchBases=[odd])) == ["somebody"]


def test_the_keys_of_a_person_are_the_match_attributes(
    connect: Connect, administrator: Administrator, organizational_unit: str
) -> None:
    """One key a rule, in their order: the primary address of proxyAddresses, single values trimmed."""
    guid = administrator.add_person(
        "keys",
        organizational_unit,
        mail=" Keys@Firm.Example ",
        employeeID="007",
        proxyAddresses=["smtp:old@firm.example", "SMTP:new@firm.example", "X500:/o=firm"],
        otherTelephone=["1", "2"],
    )
    match = ("EMPLOYEEID", "mail", "proxyAddresses", "otherTelephone", "title", "objectGUID")
    (person,) = connect(searchBases=[organizational_unit], match=match).people()
    assert person.guid == guid
    assert person.keys == (
        "007",
        "Keys@Firm.Example",
        "new@firm.example",
        None,
        None,
        str(guid),
    )
    assert person.label == "Keys@Firm.Example"


def test_the_invented_staff_are_read_as_they_were_entered(
    connect: Connect,
    administrator: Administrator,
    organizational_unit: str,
    domain_controller: DomainController,
) -> None:
    """Everyone who is enabled, with their addresses; over LDAPS and over StartTLS alike."""
    guids = {
        administrator.add_sample_person(person, organizational_unit): person
        for person in sample_people()
    }
    for url in (domain_controller.url, domain_controller.start_tls_url):
        found = {
            person.guid: person
            for person in connect(servers=[url], searchBases=[organizational_unit]).people()
        }
        assert found.keys() == {guid for guid, person in guids.items() if person.enabled}
        for guid, person in found.items():
            assert person.keys == (guids[guid].mail, guids[guid].upn)
            assert person.images == tuple(
                name for name in ("thumbnailPhoto",) if name in guids[guid].photos
            )
