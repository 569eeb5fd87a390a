"""What was said, read page by page; and statuses that name a message by Meta's id alone."""

from conversations.stores import ConversationStore, Position

from .customer import Customer


def test_pages_of_the_timeline_hold_everything_once_newest_first(customer: Customer) -> None:
    customer.sends(*({"text": {"body": f"mensagem {number}"}} for number in range(7))).is_served()
    store, before, texts = ConversationStore(), None, []
    while page := store.get_messages(customer.user_key, limit=3, before=before):
        texts += [message.text for message in page]
        before = Position.of(page[-1])
    assert texts[1:] == [f"mensagem {number}" for number in reversed(range(7))]
    assert texts[0] == customer.replies[0].text


def test_a_status_without_our_own_id_finds_its_message(customer: Customer) -> None:
    customer.writes("oi").is_served()
    customer.status_arrives("", "read", wamid="wamid.out1")
    assert set(customer.replies[0].status_at) == {"read"}
    assert customer.states == ["SENT"]
