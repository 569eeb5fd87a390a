"""A conversation played through the rules: the documents are plain instances, and no store is asked."""

from datetime import UTC, datetime, timedelta
from typing import Any

from conversations.models import Actor, Conversation, Direction, Handoff, Message, MessageState, Mode, Session
from conversations.pipeline import TurnPlan, plan_failure, plan_timeout, plan_turn
from conversations.replies import Reply
from profiles.models import UserProfile

MONDAY_NOON = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)  # 12:00 in São Paulo, when humans answer


class Talk:
    """One customer. `say` and its like are one turn each and return what the bot replied, or None."""

    def __init__(self, *, now: datetime = MONDAY_NOON, **profile: Any):
        self.now = now
        times = {"created_at": now, "updated_at": now}
        self.conversation = Conversation(id="u1", conversation_id="c1", **times)
        self.profile = UserProfile(id="u1", last_interaction=now, **times, **profile)
        self.sessions: dict[str, Session] = {}
        self.handoffs: list[Handoff] = []
        self.plans: list[TurnPlan] = []
        self.paused = False

    # --- turns --------------------------------------------------------------------------------------------------------
    def say(
        self, *texts: str, after: timedelta = timedelta(seconds=20), late: timedelta = timedelta(0)
    ) -> Reply | None:
        """Write one or several messages, received together; `late` is how long they were on their way."""
        self.now += after
        return self.turn([self.message(text=text, late=late) for text in texts])

    def tap(self, reply_id: str, title: str = "…", late: timedelta = timedelta(0)) -> Reply | None:
        self.now += timedelta(seconds=20)
        return self.turn([self.tapped(reply_id, title, late=late)])

    def send(self, *types: str, after: timedelta = timedelta(seconds=20)) -> Reply | None:
        """Send messages without a text, such as "audio" or "reaction"."""
        self.now += after
        return self.turn([self.message(kind=kind) for kind in types])

    def tapped(self, reply_id: str, title: str = "…", *, late: timedelta = timedelta(0)) -> Message:
        payload = {"kind": "list_reply", "id": reply_id, "title": title}
        return self.message(kind="interactive", text=title, payload=payload, late=late)

    def message(
        self,
        *,
        kind: str = "text",
        text: str = "",
        payload: dict[str, Any] | None = None,
        late: timedelta = timedelta(0),
    ) -> Message:
        return Message(
            id=f"m{len(self.plans)}",
            direction=Direction.IN,
            actor=Actor.USER,
            type=kind,
            text=text,
            payload=payload or {},
            timestamp=self.now - late,
            received_at=self.now,
            seq=len(self.plans),
            state=MessageState.RECEIVED,
        )

    def turn(self, messages: list[Message]) -> Reply | None:
        number = len(self.plans)
        return self.apply(
            plan_turn(
                conversation=self.conversation,
                session=self.session,
                profile=self.profile,
                messages=messages,
                classification=None,
                now=self.now,
                paused=self.paused,
                turn_id=f"t{number}",
                new_session_id=f"s{number}",
            )
        )

    def time_out(self, *, after: timedelta) -> Reply | None:
        """Let the timeouts job look at the open session."""
        self.now += after
        assert self.session is not None
        return self.apply(
            plan_timeout(
                conversation=self.conversation,
                session=self.session,
                profile=self.profile,
                now=self.now,
                turn_id=f"t{len(self.plans)}",
            )
        )

    def fail(self, text: str) -> Reply | None:
        number = len(self.plans)
        return self.apply(
            plan_failure(
                conversation=self.conversation,
                session=self.session,
                profile=self.profile,
                messages=[self.message(text=text)],
                now=self.now,
                turn_id=f"t{number}",
                new_session_id=f"s{number}",
            )
        )

    def apply(self, plan: TurnPlan) -> Reply | None:
        self.plans.append(plan)
        for name, value in plan.conversation.items():
            setattr(self.conversation, name, value)
        for name, value in plan.profile.items():
            setattr(self.profile, name, value)
        for session in plan.sessions:
            session.update_time = self.now
            self.sessions[session.pk] = session
        if plan.handoff:
            self.handoffs.append(plan.handoff)
        assert len(plan.replies) <= 1
        return plan.replies[0] if plan.replies else None

    def release(self) -> None:
        """What the agent's "Devolver ao bot" does."""
        self.conversation.mode = Mode.BOT.value
        self.conversation.session_id = None

    # --- what came of it ----------------------------------------------------------------------------------------------
    @property
    def session(self) -> Session | None:
        return self.sessions.get(self.conversation.session_id or "")

    @property
    def last(self) -> TurnPlan:
        return self.plans[-1]

    @property
    def outcomes(self) -> list[str | None]:
        return [session.outcome for session in self.sessions.values()]

    @property
    def handoff(self) -> Handoff:
        assert len(self.handoffs) == 1
        return self.handoffs[0]

    def collected(self, intent: str) -> dict[str, str]:
        assert self.session is not None
        return dict(self.session.collected.get(intent, {}))

    def event_types(self) -> list[str]:
        return [event.event_type.value for event in self.last.events]


def text_of(reply: Reply | None) -> str:
    assert reply is not None
    return reply.text


def asked_for_users() -> Talk:
    """A talk in which the number of users is asked."""
    talk = Talk()
    for text in ("quero um app", "empresa", "organizar os pedidos da loja", "receber pedidos e avisar o cliente"):
        talk.say(text)
    return talk


_TOLD = {
    "client_type": "Empresa", "problem": "controlar o estoque", "features": "cadastro e relatórios", "users": "10",
    "city": "Castro/PR", "deadline": "até março (03/2027)",
}  # fmt: skip


def told_of_software(count: int) -> dict[str, str]:
    """What a customer has told who answered so many of the questions for a software."""
    return dict(list(_TOLD.items())[:count])
