"""Signed checkpoints: the format of c2sp.org/tlog-checkpoint and c2sp.org/signed-note, to the letter."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.verify_trail import ED25519, NoteError, VerifierKey, parse_note, parse_vkey, verify_note

ROOT = bytes(range(32))
# golang.org/x/mod/sumdb/note: its documented key and message
GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)  # fmt: skip
GO_SIGNATURE = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="


class Signer:
    def __init__(self, name="pyloto/audit"):
        self.private = Ed25519PrivateKey.generate()
        self.vkey = VerifierKey(name, self.private.public_key().public_bytes_raw())

    def line(self, text, name=None):
        signed = self.vkey.key_hash + self.private.sign(text.encode())
        return f"— {name or self.vkey.name} {base64.b64encode(signed).decode()}\n"

    def note(self, text):
        return f"{text}\n{self.line(text)}"


def checkpoint(size="7", origin="pyloto/audit", extensions=""):
    return f"{origin}\n{size}\n{base64.b64encode(ROOT).decode()}\n{extensions}"


@pytest.fixture
def signer():
    return Signer()


def test_a_signed_checkpoint_says_origin_size_root_and_extensions(signer):
    note = verify_note(signer.note(checkpoint(extensions="2026-11-22\nmore\n")), str(signer.vkey))

    assert (note.origin, note.size, note.root) == ("pyloto/audit", 7, ROOT)
    assert note.extensions == ("2026-11-22", "more")
    assert note.text == checkpoint(extensions="2026-11-22\nmore\n")


def test_keys_and_signatures_are_those_of_the_go_implementation():
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    key = parse_vkey(GO_VKEY)
    signed = base64.b64decode(GO_SIGNATURE)

    assert (key.name, str(key)) == ("PeterNeumann", GO_VKEY)
    assert signed[:4] == key.key_hash
    Ed25519PublicKey.from_public_bytes(key.public_key).verify(signed[4:], GO_TEXT.encode())


def test_signatures_of_witnesses_are_not_looked_at(signer):
    text = checkpoint()
    witness = Signer("witness")

    assert verify_note(signer.note(text) + witness.line("another text"), signer.vkey).size == 7
    assert len(parse_note(signer.note(text) + witness.line(text)).signatures) == 2


@pytest.mark.parametrize(
    "forge",
    [
        lambda s: s.note(checkpoint()).replace("\n7\n", "\n8\n"),
        lambda s: Signer().note(checkpoint()),
        lambda s: s.note(checkpoint(origin="another/log")),
        lambda s: checkpoint() + "\n" + s.line("another text"),
        lambda s: checkpoint() + "\n" + s.line(checkpoint(), name="pyloto/other"),
        lambda s: s.note(checkpoint()) + s.line("another text"),
        lambda s: checkpoint() + "\n" + s.line(checkpoint())[:-6] + "\n",
    ],
    ids=["size edited", "another key", "another log", "another text", "another name", "one of two wrong", "cut"],
)
def test_what_the_key_did_not_sign_is_refused(signer, forge):
    with pytest.raises(NoteError):
        verify_note(forge(signer), signer.vkey)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        checkpoint(),
        checkpoint() + "\n",
        checkpoint() + "\nunsigned\n",
        checkpoint() + "\n— pyloto/audit AAAA\n",
        checkpoint() + "\n— pyloto/audit not base64\n",
        *(
            checkpoint(size=size) + "\n— pyloto/audit AAAAAAAA\n"
            for size in ("07", "-1", "1.0", "", " 1", "٣", "9" * 20)
        ),
        checkpoint(extensions="\n") + "\n— pyloto/audit AAAAAAAA\n",
        checkpoint(extensions="tab\there\n") + "\n— pyloto/audit AAAAAAAA\n",
        "pyloto/audit\n7\nAAAA\n\n— pyloto/audit AAAAAAAA\n",
        f"pyloto/audit\n7\n{base64.b64encode(ROOT).decode()[:-2]}9=\n\n— pyloto/audit AAAAAAAA\n",
        checkpoint().replace("\n", "\r\n") + "\r\n— pyloto/audit AAAAAAAA\r\n",
        checkpoint() + "\n— pyloto/audit AAAAAAAA",
        checkpoint() + "\n— pyloto/audit AAAAAAAA\n\n",
    ],
)
def test_what_is_not_exactly_a_checkpoint_is_refused(text):
    with pytest.raises(NoteError):
        parse_note(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        GO_VKEY.replace("c74f20a3", "c74f20a4"),
        GO_VKEY.replace("c74f20a3", "C74F20A3"),
        GO_VKEY.replace("PeterNeumann", "Peter"),
        GO_VKEY.replace("PeterNeumann", "Peter Neumann"),
        GO_VKEY.replace("ARpc", "AQpc"),
        GO_VKEY[:-4],
        "name+00000000+" + base64.b64encode(b"\2" + bytes(32)).decode(),
    ],
)
def test_what_is_no_verifier_key_is_refused(text):
    with pytest.raises(NoteError):
        parse_vkey(text)


def test_a_key_file_may_end_in_a_new_line():
    assert ED25519 == b"\1"
    assert str(parse_vkey(GO_VKEY + "\n")) == GO_VKEY
