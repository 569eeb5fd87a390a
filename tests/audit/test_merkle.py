"""The Merkle tree of the checkpoints, against RFC 6962 read literally and against Certificate Transparency's vectors."""

import hashlib

import pytest

from audit.verify_trail import Frontier, leaf_hash, node_hash, verify_inclusion

# certificate-transparency-go, merkletree: the leaves of its tests, and the roots over the first 1 to 8 of them
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def naive_root(leaves):
    """RFC 6962, 2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def naive_path(m, leaves):
    """RFC 6962, 2.1.1, word for word."""
    if len(leaves) == 1:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m < k:
        return [*naive_path(m, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_path(m - k, leaves[k:]), naive_root(leaves[:k])]


def grown(leaves):
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf_hash(leaf))
    return frontier


@pytest.mark.parametrize("size", range(1, 9))
def test_the_roots_are_those_of_certificate_transparency(size):
    assert grown(LEAVES[:size]).root().hex() == ROOTS[size - 1]


def test_the_root_of_nothing_is_the_hash_of_nothing():
    assert Frontier().root().hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_roots_of_every_size_are_those_of_the_definition_and_its_proofs_lead_to_them():
    leaves = [b"%d" % number for number in range(40)]
    hashes = [leaf_hash(leaf) for leaf in leaves]
    for size in range(1, len(leaves) + 1):
        root = grown(leaves[:size]).root()
        assert root == naive_root(leaves[:size])
        for index in range(size):
            assert verify_inclusion(hashes[index], index, size, naive_path(index, leaves[:size]), root)


def test_a_frontier_goes_on_from_what_was_stored():
    leaves = [b"%d" % number for number in range(11)]
    for size in range(len(leaves)):
        frontier = Frontier(size, grown(leaves[:size]).to_list())
        for leaf in leaves[size:]:
            frontier.append(leaf_hash(leaf))
        assert frontier.root() == naive_root(leaves)


@pytest.mark.parametrize(
    ("size", "hashes"), [(1, []), (0, ["00" * 32]), (-1, ["00" * 32]), (1, ["00" * 31]), (1, ["zz" * 32])]
)
def test_hashes_that_do_not_fit_the_size_are_refused(size, hashes):
    with pytest.raises(ValueError):
        Frontier(size, hashes)


def test_a_proof_proves_no_other_leaf_place_size_or_root():
    hashes = [leaf_hash(leaf) for leaf in LEAVES]
    root = grown(LEAVES[:7]).root()
    proof = naive_path(4, LEAVES[:7])

    assert verify_inclusion(hashes[4], 4, 7, proof, root)
    assert not verify_inclusion(hashes[3], 4, 7, proof, root)
    assert not verify_inclusion(hashes[4], 5, 7, proof, root)
    assert not verify_inclusion(hashes[4], 4, 4, proof, root)
    assert not verify_inclusion(hashes[4], 7, 7, proof, root)
    assert not verify_inclusion(hashes[4], -1, 7, proof, root)
    assert not verify_inclusion(hashes[4], 4, 7, proof[:-1], root)
    assert not verify_inclusion(hashes[4], 4, 7, [*proof, root], root)
    assert not verify_inclusion(hashes[4], 4, 7, proof[::-1], root)
    assert not verify_inclusion(hashes[4], 4, 7, proof, ROOTS[0].encode())


def test_an_inner_node_cannot_pass_for_a_leaf():
    left, right = leaf_hash(b"a"), leaf_hash(b"b")

    assert leaf_hash(left + right) != node_hash(left, right)
