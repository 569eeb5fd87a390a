"""Every query that the code issues, by its shape. Whoever adds one lists it here: a test finds those that are missing.

Firestore's indexes and those of the embedded table are made from this list (see `indexes`).
"""

from .indexes import Shape

SHAPES = (
    # conversations: the admin's lists
    Shape("conversations", order_by=(("last_message_at", "desc"),)),
    Shape("conversations", (("mode", "=="),), (("last_message_at", "desc"),)),
    Shape("handoffs", order_by=(("opened_at", "desc"),)),
    Shape("handoffs", (("status", "=="),), (("opened_at", "desc"),)),
    Shape("sessions", order_by=(("started_at", "desc"),)),
    Shape("sessions", (("status", "=="),), (("started_at", "desc"),)),
    Shape("webhook_quarantine", order_by=(("received_at", "desc"),)),
    # conversations: timeline, what waits in one conversation, what waits in all, statuses, timeouts
    Shape("messages", order_by=(("timestamp", "desc"), ("seq", "desc"))),
    Shape("messages", order_by=(("due.at", "asc"),)),
    Shape("messages", (("due.at", "<="), ("due.shard", "in")), (("due.at", "asc"),), group=True),
    Shape("messages", (("provider_message_key", "in"),), group=True),
    Shape("sessions", (("expires_at", "<="),), (("expires_at", "asc"),)),
    # profiles
    Shape("user_profiles", order_by=(("last_interaction", "desc"),)),
    Shape("merges", (("source", "=="),)),
    Shape("merges", (("target", "=="),)),
    # audit: one chain, its tail, an event by its id, all chains; the admin's lists
    Shape("audit_logs", (("__name__", ">"), ("conversation_id", "==")), ()),
    Shape("audit_logs", (("conversation_id", "=="),), (("seq", "desc"),)),
    Shape("audit_logs", (("conversation_id", "=="), ("event_id", "==")), ()),
    Shape("audit_logs"),
    Shape("audit_logs", (("__name__", ">"),)),
    Shape("audit_logs", (("__name__", "<"), ("__name__", ">"))),
    Shape("audit_logs", order_by=(("timestamp", "desc"),)),
)

# Fields that no query looks at and whose index would cost much: long or encrypted texts, maps with many fields, and
# times that grow with every write of a whole collection (a hot spot above 500 writes a second).
UNINDEXED = {
    "audit_logs": ("canonical", "changes", "current_hash", "metadata", "previous_hash"),
    "classifications": ("created_at", "masked_text", "raw_answer"),
    "conversations": ("audit_head", "flood", "last_message_preview", "updated_at"),
    "handoffs": ("lead", "requirements", "summary"),
    "identities": ("created_at",),
    "messages": (
        "claimed_at", "claimed_by", "context", "correlation_id", "errors", "media", "payload", "provider_message_id", "received_at", "sender", "status_at",
        "text", "turn_id",
    ),
    "sessions": ("asked", "collected", "intents", "last_user_at", "summary"),
    "user_profiles": ("bsuid", "metadata", "phone", "updated_at", "username", "wa_id"),
    "webhook_quarantine": ("body",),
}  # fmt: skip

EXPIRING = {"dedupe": "expires_at"}  # collection: the field after whose time Firestore may delete a document
