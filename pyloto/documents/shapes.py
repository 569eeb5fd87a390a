"""Every query that the code issues, by its shape. Whoever adds one lists it here: a test finds those that are missing.

Firestore's indexes and those of the embedded table are made from this list (see `indexes`).
"""

from .indexes import Shape

SHAPES = (
    # conversations: the admin's lists
    Shape("conversations", order_by=(("last_message_at", "desc"),)),
    Shape("conversations", (("mode", "=="),)),
    Shape("conversations", (("mode", "=="),), (("last_message_at", "desc"),)),
    Shape("conversations", (("paused", "=="),), (("last_message_at", "desc"),)),
    Shape("conversations", (("conversation_id", "=="),)),
    Shape("conversations", (("assigned_to", "=="),)),
    Shape("conversations", (("assigned_to", "=="),), (("last_message_at", "desc"),)),
    Shape("conversations", (("mode", "=="), ("unread", ">")), (("unread", "desc"), ("last_message_at", "desc"))),
    Shape("handoffs", (("status", "=="),), (("target_at", "asc"),)),
    Shape("handoffs", (("agent_id", "=="), ("status", "==")), (("opened_at", "desc"),)),
    Shape("handoffs", order_by=(("opened_at", "desc"),)),
    Shape("handoffs", (("status", "=="),), (("opened_at", "desc"),)),
    Shape("sessions", order_by=(("started_at", "desc"),)),
    Shape("sessions", (("status", "=="),), (("started_at", "desc"),)),
    Shape("webhook_quarantine", order_by=(("received_at", "desc"),)),
    # conversations: timeline, what waits in one conversation, what waits in all, statuses, timeouts
    Shape("messages", order_by=(("timestamp", "desc"), ("seq", "desc"))),
    Shape("messages", order_by=(("due.at", "asc"),)),
    Shape("messages", (("due.at", "<="), ("due.shard", "in")), (("due.at", "asc"),), group=True),
    Shape("messages", (("media_due.at", "<="), ("media_due.shard", "in")), (("media_due.at", "asc"),), group=True),
    Shape("messages", (("provider_message_key", "in"),), group=True),
    Shape("sessions", (("expires_at", "<="),), (("expires_at", "asc"),)),
    # retention: what is past its time
    Shape("messages", (("received_at", "<="),), (("received_at", "asc"),), group=True),
    Shape("sessions", (("closed_at", "<="),), (("closed_at", "asc"),)),
    Shape("classifications", (("created_at", "<="),), (("created_at", "asc"),)),
    Shape("history", (("at", "<="),), (("at", "asc"),), group=True),
    Shape("webhook_quarantine", (("received_at", "<="),), (("received_at", "asc"),)),
    # profiles
    Shape("user_profiles", order_by=(("last_interaction", "desc"),)),
    Shape("user_profiles", (("name_search", "<"), ("name_search", ">=")), (("name_search", "asc"),)),
    Shape("user_profiles", (("city_search", "<"), ("city_search", ">=")), (("city_search", "asc"),)),
    Shape("user_profiles", (("search_words", "array-contains"),)),
    Shape("user_profiles", (("username_key", "in"),)),
    Shape("history", order_by=(("at", "desc"),)),
    Shape("merges", order_by=(("merged_at", "desc"),)),
    Shape("erasures", order_by=(("requested_at", "desc"),)),
    Shape("user_profiles", (("legal_hold.at", ">"),), (("legal_hold.at", "asc"),)),
    Shape("user_profiles", (("last_interaction", "<="),), (("last_interaction", "asc"),)),
    Shape("identities", (("pepper_version", ">"),), (("pepper_version", "asc"),)),
    Shape("identities", (("pepper_version", "=="),)),
    Shape("identities", (("pepper_version", "=="), ("twin", "<"), ("twin", ">=")), (("twin", "asc"),)),
    Shape("merges", (("source", "=="),)),
    Shape("merges", (("source", "in"),)),
    Shape("merges", (("target", "=="),)),
    Shape("merges", (("target", "in"),)),
    # erasure: all documents of one customer, those that name them, and journals that are not completed
    Shape("classifications", (("user_key", "=="),)),
    Shape("handoffs", (("user_key", "=="),)),
    Shape("history"),
    Shape("identities", (("user_key", "=="),)),
    Shape("messages"),
    Shape("sessions", (("user_key", "=="),)),
    Shape("user_profiles", (("merge_candidates", "array-contains"),)),
    Shape("user_profiles", (("dismissed_candidates", "array-contains"),)),
    Shape("webhook_quarantine"),
    Shape("erasures", (("scan_at", "<="),), (("scan_at", "asc"),)),
    # rotation of keys and peppers: everything encrypted, by the documents' names
    Shape("user_profiles"),
    Shape("history", group=True),
    Shape("messages", group=True),
    Shape("webhook_quarantine"),
    Shape("erasures"),
    # audit: one chain, its tail, an event by its id, all chains; the admin's lists
    Shape("audit_logs", (("__name__", ">"), ("conversation_id", "==")), ()),
    Shape("audit_logs", (("conversation_id", "=="),), (("seq", "desc"),)),
    Shape("audit_logs", (("conversation_id", "=="), ("event_id", "==")), ()),
    Shape("audit_logs", (("conversation_id", "=="), ("metadata.user_key", "==")), ()),
    Shape("audit_logs"),
    Shape("audit_logs", (("__name__", ">"),)),
    Shape("audit_logs", (("__name__", "<"), ("__name__", ">"))),
    Shape("audit_logs", order_by=(("timestamp", "desc"),)),
    # checkpoints: the events since the last one, the newest, those of a time
    Shape("audit_logs", (("timestamp", ">="),), (("timestamp", "asc"),)),
    Shape("audit_checkpoints", order_by=(("number", "desc"),)),
    Shape("audit_checkpoints", (("created_at", ">="),), (("created_at", "asc"),)),
)

# Fields that no query looks at and whose index would cost much: long or encrypted texts, maps with many fields, and
# times that grow with every write of a whole collection (a hot spot above 500 writes a second).
UNINDEXED = {
    "audit_checkpoints": ("frontier", "note", "observed_until", "root"),
    "audit_logs": ("canonical", "changes", "current_hash", "metadata", "previous_hash"),
    "classifications": ("masked_text", "raw_answer"),
    "conversations": ("audit_head", "flood", "last_message_preview", "updated_at"),
    "erasures": ("counts", "done", "identifiers", "places"),
    "handoffs": ("lead", "requirements", "summary"),
    "history": ("changes", "fields"),
    "identities": ("created_at",),
    "messages": (
        "claimed_at", "claimed_by", "context", "correlation_id", "doubted_at", "errors", "media", "payload", "provider_message_id",
        "sender", "status_at", "text", "turn_id",
    ),
    "sessions": ("asked", "collected", "intents", "last_user_at", "summary"),
    "user_profiles": ("bsuid", "metadata", "phone", "updated_at", "username", "wa_id"),
    "webhook_quarantine": ("body",),
}  # fmt: skip

EXPIRING = {"dedupe": "expires_at"}  # collection: the field after whose time Firestore may delete a document
