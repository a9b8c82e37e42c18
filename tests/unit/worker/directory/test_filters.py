"""The filter that says who is in scope."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ldap3.operation.search import AND, FilterNode, compile_filter, parse_filter

from profile_image_sync.errors import InvalidSpec
from profile_image_sync.worker.directory.filters import find_filter, people_filter

PEOPLE = "(sAMAccountType=805306368)"
ENABLED = "(!(userAccountControl:1.2.840.113556.1.4.803:=2))"
MEMBER = "memberOf:1.2.840.113556.1.4.1941:"


def parsed(text: str) -> FilterNode:
    """Return the outermost node of a filter, as ldap3 will send it."""
    root = parse_filter(
        text, None, auto_escape=True, auto_encode=True, validator=None, check_names=False
    )
    node: FilterNode = root.elements[0]
    compile_filter(node)
    return node


@pytest.mark.parametrize(
    ("user_filter", "groups", "include_disabled", "expected"),
    [
        ("", [], False, f"(&{PEOPLE}{ENABLED})"),
        ("", [], True, f"(&{PEOPLE})"),
        (" (department=Legal) ", [], True, f"(&{PEOPLE}(department=Legal))"),
        ("", ["CN=A"], True, f"(&{PEOPLE}(|({MEMBER}=CN=A)))"),
        ("", ["CN=A", "CN=B"], True, f"(&{PEOPLE}(|({MEMBER}=CN=A)({MEMBER}=CN=B)))"),
        ("", ["CN=A\\, (b)*"], True, f"(&{PEOPLE}(|({MEMBER}=CN=A\\5c, \\28b\\29\\2a)))"),
        ("(a=b)", ["CN=A"], False, f"(&{PEOPLE}{ENABLED}(a=b)(|({MEMBER}=CN=A)))"),
    ],
)
def test_the_scope_is_the_conjunction_of_its_parts(
    user_filter: str, groups: list[str], include_disabled: bool, expected: str
) -> None:
    """People, enabled ones unless told otherwise, the administrator's filter, in one of the groups."""
    text = people_filter(user_filter, groups, include_disabled=include_disabled)
    assert text == expected
    assert parsed(text).tag == AND


@pytest.mark.parametrize(
    "user_filter",
    [
        "(department=Legal)",
        "(&(company=Corp)(!(title=Intern))(|(l=Bonn)(l=Köln)))",
        "( & (a=b) (c=d) )",
        "(cn=*)",
        "(cn=a*b*c)",
        "(cn=\\28literal\\29 \\2a)",
        "(whenChanged>=20260101000000.0Z)",
        "(userAccountControl:1.2.840.113556.1.4.803:=512)",
        "(1.2.840.113556.1.4.221=jo)",
        "(!(!(a=b)))",
    ],
)
def test_ordinary_filters_are_taken_as_they_are(user_filter: str) -> None:
    """Nothing is rewritten."""
    assert user_filter in people_filter(user_filter, [], include_disabled=False)


@pytest.mark.parametrize(
    "user_filter",
    [
        "department=Legal",
        "(department=Legal",
        "(a=b)(c=d)",
        "(a=b))(|(c=d)",
        "(a=b)) ((c=d)",
        ")(",
        "()",
        "(&)",
        "(!)",
        "(!(a=b)(c=d))",
        "(!(&(a=b)(c=d))(|(e=f)(g=h)))",
        "(department)",
        "(=Legal)",
        "(a b=c)",
        "(cn=back\\slash)",
        "(cn=end\\)",
        "(a:b:c:d:=e)",
    ],
)
def test_what_is_not_one_filter_is_refused(user_filter: str) -> None:
    """In words, naming the field: also what ldap3 alone would take and send as something else."""
    with pytest.raises(
        InvalidSpec, match=r"^spec\.activeDirectory\.userFilter: is not an LDAP filter"
    ):
        people_filter(user_filter, [], include_disabled=False)


@given(st.text(alphabet="()&|!=*\\2a8:<>~ .,c", max_size=30))
def test_whatever_is_written_can_only_narrow_the_scope(user_filter: str) -> None:
    """Any text is refused, or becomes one more condition beside "is a person"."""
    try:
        text = people_filter(user_filter, [], include_disabled=True)
    except InvalidSpec:
        return
    node = parsed(text)
    assert node.tag == AND
    assert node.elements[0].assertion == {"attr": "sAMAccountType", "value": b"805306368"}
    assert len(node.elements) == (2 if user_filter.strip() else 1)


@given(st.text(max_size=40))
def test_a_group_of_any_name_is_one_comparison(group: str) -> None:
    """Nothing in a distinguished name gets out of its value."""
    node = parsed(people_filter("", [f"CN={group},DC=ad"], include_disabled=True))
    assert [element.tag for element in node.elements[1].elements] == [7]  # extensible match


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ada@x.y", "(|(mail=ada@x.y)(userPrincipalName=ada@x.y)(sAMAccountName=ada@x.y))"),
        ("*)(", "(|(mail=\\2a\\29\\28)(userPrincipalName=\\2a\\29\\28)(sAMAccountName=\\2a\\29\\28))"),
        ("00112233-4455-6677-8899-aabbccddeeff",
         "(objectGUID=\\33\\22\\11\\00\\55\\44\\77\\66\\88\\99\\aa\\bb\\cc\\dd\\ee\\ff)"),
    ],
)  # fmt: skip
def test_a_person_is_found_by_every_name_they_have(text: str, expected: str) -> None:
    """What is typed is a value, never a part of the filter."""
    assert find_filter(text) == f"(&{PEOPLE}{expected})"
    parsed(find_filter(text))
