"""The short way to the signature's answer says what the SDK says, whatever comes."""

from urllib.parse import parse_qsl, quote, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator, add_port, remove_port, urlparse

from adapters.contract import HookRequest
from adapters.twilio_signature import FIELDS_MAX, Form, Signatures, pairs

TOKEN = "0123456789abcdef"
BASES = (
    "https://dialer.example", "https://dialer.example/base", "https://dialer.example:8443", "http://127.0.0.1:8080/a/b",
    "http://Dialer.Example", "https://dialer.example:443", "http://dialer.example:80", "https://user:secret@dialer.example:81",
    "http://[::1]:8080", "http://[::1]", "HTTPS://dialer.example", "https://dialer.example/a;b", "https://dialer.example:0",
)  # fmt: skip
words = st.one_of(
    st.text(max_size=8), st.sampled_from(["CallSid", "To", "+8613800000000", "a b&c=d", "%", "", "é", "王丽"])
)
forms = st.lists(st.tuples(words, words), max_size=8)
plain_paths = st.lists(st.text(max_size=6).map(lambda part: quote(part, safe="")), max_size=4).map(
    lambda parts: "/hooks/twilio/" + "/".join(parts)
)
raw_paths = st.text(alphabet="/ab%;:@?#\t\n é.~", max_size=12).map(lambda text: f"/hooks/twilio/{text}")
queries = st.sampled_from(["", "", "a=1&b=%2F", "bodySHA256=" + "0" * 64])


def as_the_sdk_says(request: HookRequest, public_url: str) -> Form | None:
    """What the adapter did before it knew of any shorter way."""
    url = f"{public_url}{request.path}{'?' if request.query else ''}{request.query}"
    validator, signature = RequestValidator(TOKEN), request.headers.get("x-twilio-signature", "")
    try:
        body = request.body.decode()
        if request.headers.get("content-type", "").startswith("application/json"):
            form, signed = Form(""), bool(validator.validate(url, body, signature))
        else:
            form = Form(body)
            signed = bool(validator.validate(url, form, signature))
    except (ValueError, TypeError, IndexError):
        return None
    return form if signed else None


@given(
    base=st.sampled_from(BASES),
    path=st.one_of(plain_paths, raw_paths),
    query=queries,
    form=forms,
    kind=st.sampled_from(["application/x-www-form-urlencoded; charset=UTF-8", "application/json", ""]),
    signed_as=st.sampled_from(["given", "with", "without", "another path", "another token", "nothing", "é", "cut"]),
)
@example(BASES[0], "/hooks/twilio/call/1/0", "", [("To", "+1"), ("To", "+0"), ("A", "")], "", "given")
@example(BASES[2], "/hooks/twilio/call/1/0", "", [("To", "+1")], "", "without")
def test_it_says_what_the_sdk_says(
    base: str, path: str, query: str, form: list[tuple[str, str]], kind: str, signed_as: str
) -> None:
    body = urlencode(form, errors="replace")
    url = f"{base}{path}{'?' if query else ''}{query}"
    signed = signature(url, Form(body), signed_as)
    headers = {"content-type": kind, "x-twilio-signature": signed}
    request = HookRequest("POST", path, query, headers, body.encode())
    found, expected = Signatures(TOKEN).form(request, base), as_the_sdk_says(request, base)
    assert found == expected
    assert (found is None) or found.pairs == expected.pairs  # type: ignore[union-attr]
    if signed_as == "given" and path.startswith("/hooks/twilio/call"):
        assert found is not None


def signature(url: str, form: Form, how: str) -> str:
    if how in ("nothing", "é"):
        return how if how == "é" else ""
    validator = RequestValidator("another token" if how == "another token" else TOKEN)
    try:
        of = {"with": add_port, "without": remove_port}[how](urlparse(url)) if how in ("with", "without") else url
    except ValueError:
        of = url
    made = str(validator.compute_signature(of + ("/x" if how == "another path" else ""), form))
    return made[:-1] if how == "cut" else made


@given(
    st.one_of(
        st.text(alphabet="ab=&+%2Bé;\n", max_size=40),
        st.text(max_size=40),
        forms.map(lambda form: urlencode(form, errors="replace")),
    )
)
def test_a_form_is_read_as_the_standard_library_reads_it(text: str) -> None:
    assert pairs(text) == parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MAX)


def test_a_form_of_too_many_fields_is_none() -> None:
    assert len(pairs("a=1&" * (FIELDS_MAX - 1))) == FIELDS_MAX - 1
    with pytest.raises(ValueError, match="more than"):
        pairs("a=1&" * FIELDS_MAX)
