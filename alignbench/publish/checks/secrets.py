"""Keys, tokens and passwords, wherever they stand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

from alignbench.publish.checks.readings import CODED, ESCAPED, decoded, literal, readings

CHECK = "secrets"
THEN = {
    "": "no key may be published: withdraw it where it was issued, for it is known now, take it out of where it came "
    "from, then build the folder again",
}

_QUOTE = r"[\\\"'`]{0,8}"
# Shapes of keys as they are generally known; their issuers describe them at the addresses below, and gitleaks and
# GitHub's secret scanning, which look for the same, list more (none of these pages was read for this):
# https://github.com/gitleaks/gitleaks/blob/master/config/gitleaks.toml
# https://docs.github.com/en/code-security/reference/secret-security/supported-secret-scanning-patterns
# No shape looks ahead or behind, so that RE2 reads them too.
_SHAPES: Mapping[str, str] = {
    "anthropic-key": r"sk-ant-[A-Za-z0-9_-]{16,}",
    # https://platform.openai.com/docs/api-reference/authentication; sk- and letters and digits is the older form, which
    # DeepSeek, Moonshot and others took over; sk-or-v1- is OpenRouter's.
    "openai-key": r"sk-(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{16,}|sk-(?:or-v1-)?[A-Za-z0-9]{20,}",
    # https://huggingface.co/docs/hub/security-tokens
    "hugging-face-token": r"(?:hf|api_org)_[A-Za-z0-9]{30,}",
    # https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/
    "github-token": r"gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,}",
    "gitlab-token": r"gl(?:pat|ptt|rt|dt)-[A-Za-z0-9_-]{20,}",
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
    "aws-key": r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}",
    "aws-secret": r"(?i:aws)[^\s]{0,40}[=:\s\\\"']{1,8}[A-Za-z0-9/+]{40}",
    # https://cloud.google.com/docs/authentication/api-keys; GOCSPX- is the secret of a client, ya29. an access token
    "google-key": r"AIza[A-Za-z0-9_-]{35}|GOCSPX-[A-Za-z0-9_-]{28}|ya29\.[A-Za-z0-9_-]{20,}",
    # https://api.slack.com/authentication/token-types
    "slack-token": r"xox[abeoprs]-[A-Za-z0-9-]{10,}|xapp-[0-9]-[A-Za-z0-9-]{10,}"
    r"|hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9+/]{20,}",
    # https://docs.stripe.com/keys
    "stripe-key": r"[sr]k_(?:live|test)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/]{24,}",
    "groq-key": r"gsk_[A-Za-z0-9]{40,}",
    "replicate-token": r"r8_[A-Za-z0-9]{37}",
    "sendgrid-key": r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}",
    "npm-token": r"npm_[A-Za-z0-9]{36}",
    "pypi-token": r"pypi-AgE[A-Za-z0-9_-]{50,}",
    "azure-key": r"AccountKey=[A-Za-z0-9+/]{86}==",
    # RFC 7519: a header and a claim set are JSON objects, so both begin with the base64 of `{"`.
    "json-web-token": r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    # RFC 7468 and RFC 4880
    "private-key": r"-{2,5}BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----[A-Za-z0-9+/=]*",
    # RFC 6750 and RFC 7617
    "authorization-header": r"(?i:authorization)" + _QUOTE + r"\s{0,4}[:=]\s{0,4}" + _QUOTE + r"(?i:bearer|basic|token)"
    r"\s{1,4}[A-Za-z0-9._~+/=-]{8,}",
    # RFC 3986, section 3.2.1
    "password-in-a-url": r"[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s/:@\"'<>\\]{0,200}:[^\s/:@\"'<>\\]{3,200}@[A-Za-z0-9\[][\w.:\]-]*",
    # What no shape tells, the name of its field does.
    "named-secret": r"(?i:api_?-?key|access_?-?key|secret_?-?key|secret|token|password|passwd)"
    + _QUOTE
    + r"\s{0,4}[:=]\s{0,4}[\\\"'`]{1,8}[A-Za-z0-9_./+=~-]{16,}[\\\"'`]",
}
_GROUPS = {kind.replace("-", "_"): kind for kind in _SHAPES}
_PATTERN = re.compile(
    "(?<![A-Za-z0-9])(?:"
    + "|".join(f"(?P<{group}>{_SHAPES[kind]})" for group, kind in _GROUPS.items())
    + ")(?![A-Za-z0-9])"
)
# These stand for words too, so what they match must look drawn by lot.
_DRAWN = {"openai-key", "aws-secret", "authorization-header", "named-secret"}
_LAST_WORD = re.compile(r"[A-Za-z0-9_./+=~-]{8,}(?=[\\\"'`]*$)")
_HEX = re.compile(r"[0-9a-f]+")
_SHORTEST = 8
_COUNTED = re.compile(r"\{(\d+)(?:,\d*)?\}")
_CREDENTIAL = re.compile(r"(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?)S?(?:_|\d|$)", re.IGNORECASE)


class Secret(NamedTuple):
    """A secret that was found: its kind and what may be said of it."""

    kind: str
    shown: str


@dataclass(frozen=True, slots=True)
class Secrets:
    """What is a secret here: keys of known shapes, and the values of environment variables that hold one.

    Attributes:
        values: The name of the variable, by its value.
    """

    values: Mapping[str, str]

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """With the values of the variables whose names say KEY, TOKEN, SECRET or PASSWORD."""
        held = {value: name for name, value in environment.items() if _CREDENTIAL.search(name)}
        return cls({value: name for value, name in held.items() if len(value) >= _SHORTEST})

    @property
    def pattern(self) -> str:
        """Marks, for RE2, all strings in which `find` can find something."""
        return "|".join([*map(_cue, _SHAPES.values()), *(literal(value) for value in self.values), ESCAPED, CODED])

    def find(self, text: str) -> Iterator[Secret]:
        """The secrets in a string, also those in its escapes, percent-encodings and base64; a kind once."""
        found: dict[str, Secret] = {}
        for reading in (text, *readings(text), *decoded(text)):
            for secret in self._in(reading):
                found.setdefault(secret.kind, secret)
        yield from found.values()

    def _in(self, text: str) -> Iterator[Secret]:
        for value, name in self.values.items():
            if value in text:
                yield Secret(f"value-of-{name}", f"the value of the environment variable {name}, {_mask(value)},")
        for match in _PATTERN.finditer(text):
            kind = _GROUPS[match.lastgroup or ""]
            if kind not in _DRAWN or _looks_drawn(kind, match[0]):
                yield Secret(kind, f"what looks like a secret ({kind.replace('-', ' ')}), {_mask(match[0])},")


def _mask(secret: str) -> str:
    start = secret[:4] if len(secret) >= 2 * _SHORTEST else secret[:1]
    return f"{start!a}... of {len(secret)} characters"


def _looks_drawn(kind: str, found: str) -> bool:
    last = _LAST_WORD.search(found)
    word = last[0] if last else found
    if kind == "aws-secret":
        word = word[-40:]
        mixed = any(char.isupper() for char in word) and any(char.isdigit() for char in word)
        return mixed and not _HEX.fullmatch(word)
    return any(char.isdigit() for char in word) and any(char.isalpha() for char in word)


def _cue(shape: str) -> str:
    # Counted repeats, of which RE2 makes a state for each count, become any number: it matches more, and is fast.
    return _COUNTED.sub(lambda found: "*" if found[1] == "0" else "+", shape)
