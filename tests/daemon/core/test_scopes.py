"""Scopes: the whole list, labels, synonyms, what is required, and what was not given."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshmesh_daemon.core.problems import Problem
from meshmesh_daemon.core.scopes import DEFAULT, SCOPES, by_label, check, missing

# `scopes_supported` of login.salesforce.com's discovery document.
DISCOVERED = """
    address api cdp_api cdp_calculated_insight_api cdp_identityresolution_api cdp_ingest_api cdp_profile_api
    cdp_query_api cdp_segment_api chatbot_api chatter_api content custom_permissions eclair_api einstein_gpt_api
    email forgot_password full id interaction_api lightning mcp_api offline_access openid pardot_api phone profile
    pwdless_login_api refresh_token scrt_api sfap_api user_registration_api visualforce wave_api web
"""
SUPPORTED = DISCOVERED.split()


def test_every_scope_that_salesforce_supports_is_known() -> None:
    """The table is the discovery document's list, each scope once."""
    assert [scope.name for scope in SCOPES] == SUPPORTED


def test_every_label_names_its_scope() -> None:
    """Each label is a row of Setup, which ends with the scope's name."""
    assert [scope.name for scope in SCOPES if scope.name not in scope.label.partition("(")[2]] == []


def test_the_default_is_the_least_set() -> None:
    """Nothing asked for means exactly the API and a sign-in that lasts."""
    assert check(None) == DEFAULT == ("api", "refresh_token")


@pytest.mark.parametrize(
    ("scopes", "expected"),
    [
        (["api", "refresh_token"], ("api", "refresh_token")),
        (["api", "offline_access"], ("api", "refresh_token")),
        (["api", "offline_access", "refresh_token"], ("api", "refresh_token")),
        (["refresh_token", "api", "api", "web"], ("refresh_token", "api", "web")),
        ([" API ", "Refresh_Token"], ("api", "refresh_token")),
        (["full", "refresh_token"], ("full", "refresh_token")),
        (
            ["Manage user data via APIs (api)", "Perform requests at any time (refresh_token, offline_access)"],
            ("api", "refresh_token"),
        ),
        (
            ["Access and manage your data (api)", "offline_access", "Access your basic information (id, profile)"],
            ("api", "refresh_token", "id", "profile"),
        ),
    ],
)
def test_names_and_labels_become_names(scopes: Sequence[str], expected: tuple[str, ...]) -> None:
    """Names and labels are taken in any case, once each, with synonyms as one."""
    assert check(scopes) == expected


@pytest.mark.parametrize(
    ("scopes", "field", "words"),
    [
        (["api", "refresh_tokne"], "scopes[1]", "'refresh_token'"),
        (["apis", "refresh_token"], "scopes[0]", "'api'"),
        (["api refresh_token"], "scopes[0]", "on its own"),
        (["api,refresh_token"], "scopes[0]", "on its own"),
        (["api", "refresh_token", "qqqqqq"], "scopes[2]", "no scope of this name."),
        (["api", ""], "scopes[1]", "no scope of this name."),
        (["Something new (telepathy)"], "scopes[0]", "on its own"),
        (["api"], "scopes", "refresh_token must be"),
        (["refresh_token"], "scopes", "api must be"),
        (["full"], "scopes", "refresh_token must be"),
        ([], "scopes", "api and refresh_token must be"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(scopes: Sequence[str], field: str, words: str) -> None:
    """An unknown scope is refused with the nearest one; a missing one is named."""
    with pytest.raises(Problem) as refused:
        check(scopes)

    assert (refused.value.status, refused.value.errors[0].field) == (422, field)
    assert words in refused.value.detail


@given(st.lists(st.text(max_size=30) | st.sampled_from(SUPPORTED), max_size=6))
def test_only_known_scopes_leave(scopes: list[str]) -> None:
    """Whatever was asked for, the answer is a refusal or known scopes, each once, both required ones met."""
    try:
        chosen = check(scopes)
    except Problem:
        return

    assert len(set(chosen)) == len(chosen)
    assert set(chosen) <= set(SUPPORTED)
    assert missing(DEFAULT, chosen) == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Full access (full)", ("full",)),
        (
            "Access the identity URL service (id, profile, email, address, phone)",
            ("id", "profile", "email", "address", "phone"),
        ),
        ("api", ()),
        ("Full access", ()),
        ("Full access (full, telepathy)", ()),
        ("()", ()),
        ("(, )", ()),
    ],
)
def test_a_label_stands_for_the_names_in_its_parentheses(text: str, expected: tuple[str, ...]) -> None:
    """A label is read by its names; a text with a name that is none is no label."""
    assert by_label(text) == expected


@pytest.mark.parametrize(
    ("requested", "granted", "expected"),
    [
        (["api", "refresh_token"], ["api", "refresh_token"], ()),
        (["api", "refresh_token"], ["api", "offline_access"], ()),
        (["api", "offline_access"], ["refresh_token", "api", "id"], ()),
        (["api", "refresh_token"], ["api"], ("refresh_token",)),
        (["api", "web", "refresh_token"], ["full"], ("refresh_token",)),
        (["api", "web", "visualforce"], ["web"], ("api",)),
        (["chatter_api"], ["api"], ()),
        (["api"], ["chatter_api"], ("api",)),
        (["full"], ["api", "web"], ("full",)),
        ([], [], ()),
    ],
)
def test_what_was_not_given_is_told_by_meaning(
    requested: Sequence[str], granted: Sequence[str], expected: tuple[str, ...]
) -> None:
    """Synonyms and wider scopes count as given; nothing else does."""
    assert missing(requested, granted) == expected
