"""The documents of a conversation, as architecture §3 lists them: one unmanaged model for each collection."""

from datetime import datetime

from django.db import models

from pyloto.documents.document_model import DocumentModel

from .intents import Outcome


class Mode(models.TextChoices):
    BOT = "BOT", "Bot"
    WAITING_HUMAN = "WAITING_HUMAN", "Aguardando uma pessoa"
    HUMAN = "HUMAN", "Com uma pessoa"


class Actor(models.TextChoices):
    USER = "USER", "Cliente"
    PYLOTO = "PYLOTO", "Bot"
    HUMAN = "HUMAN", "Atendente"


WHATSAPP_APP = "whatsapp_app"  # who a conversation is assigned to while the owner answers on the phone


class Direction(models.TextChoices):
    IN = "in", "recebida"
    OUT = "out", "enviada"


class MessageState(models.TextChoices):
    """Inbound: RECEIVED, then HANDLED. Outbound: the rest; `conversations.outbox` holds the transitions."""

    RECEIVED = "RECEIVED", "Recebida"
    HANDLED = "HANDLED", "Tratada"
    QUEUED = "QUEUED", "Na fila"
    SENDING = "SENDING", "Enviando"
    SENT = "SENT", "Enviada"
    FAILED = "FAILED", "Falhou"
    CANCELLED = "CANCELLED", "Cancelada"
    UNKNOWN = "UNKNOWN", "Entrega incerta"
    NEEDS_HUMAN = "NEEDS_HUMAN", "Precisa de uma pessoa"


TAP_KINDS = frozenset({"button_reply", "list_reply", "template_button"})  # payload kinds of a choice that was tapped


class Conversation(DocumentModel):
    """The header of a conversation, and its version: whoever changes the conversation writes it. Id: `user_key`."""

    class Status(models.TextChoices):
        OPEN = "OPEN", "Aberta"
        ERASED = "ERASED", "Apagada"

    collection = "conversations"
    store_name = "ConversationStore"

    conversation_id = models.CharField("identificador público", max_length=64)
    channel = models.CharField("canal", max_length=32, default="whatsapp")
    tenant_id = models.CharField("empresa", max_length=64, default="default")
    phone_number_id = models.CharField("número da empresa", max_length=64, default="")
    status = models.CharField("situação", max_length=16, choices=Status.choices, default=Status.OPEN)
    merged_into = models.CharField("unida a", max_length=64, null=True, default=None)
    mode = models.CharField("modo", max_length=16, choices=Mode.choices, default=Mode.BOT)
    paused = models.BooleanField("bot em pausa", default=False)
    owner_epoch = models.IntegerField("época do responsável", default=0)
    assigned_to = models.CharField("responsável", max_length=150, null=True, default=None)
    app_until = models.DateTimeField("com o celular da empresa até", null=True, default=None)
    attempt = models.CharField("execução", max_length=64, default="")
    session_id = models.CharField("sessão atual", max_length=64, null=True, default=None)
    routed_until = models.DateTimeField("encaminhada até", null=True, default=None)
    routed_reminded = models.BooleanField("lembrada do canal externo", default=False)
    acknowledged_at = models.DateTimeField("última confirmação ao cliente", null=True, default=None)
    cooldown_until = models.DateTimeField("em silêncio até", null=True, default=None)
    last_user_at = models.DateTimeField("última mensagem do cliente", null=True, default=None)
    last_message_at = models.DateTimeField("última mensagem", null=True, default=None)
    last_message_preview = models.CharField("prévia", max_length=120, default="")
    unread = models.IntegerField("não lidas", default=0)
    flood = models.JSONField("contadores de excesso", default=dict)
    out_seq = models.BigIntegerField("sequência de saída", default=0)
    audit_head = models.JSONField("cabeça da auditoria", default=dict)  # {"seq", "hash"}
    created_at = models.DateTimeField("criada em")
    updated_at = models.DateTimeField("atualizada em")

    class Meta:
        managed = False
        default_permissions = ("view",)
        verbose_name = "conversa"
        verbose_name_plural = "conversas"
        permissions = [
            ("take_conversation", "Pode assumir conversas"),
            ("reply_conversation", "Pode responder a clientes"),
            ("release_conversation", "Pode devolver conversas ao bot"),
            ("pause_conversation", "Pode pausar o bot em uma conversa"),
            ("pause_bot", "Pode pausar o bot para todos"),
        ]

    def __str__(self) -> str:
        return f"Conversa {self.conversation_id[:8]}"

    def is_left_by_owner(self, at: datetime) -> bool:
        """Whether the owner, who answered on the phone, had left it alone for half an hour by then (product.md §5)."""
        is_theirs = self.mode == Mode.HUMAN and self.assigned_to == WHATSAPP_APP
        return is_theirs and self.app_until is not None and self.app_until < at


class Message(DocumentModel):
    """One message below its conversation. Id: `message_key`; path `conversations/{user_key}/messages/{message_key}`."""

    collection = "messages"
    store_name = "ConversationStore"

    provider = models.CharField("canal", max_length=32, default="whatsapp")
    provider_message_id = models.TextField("id no canal (cifrado)", null=True, default=None)
    provider_message_key = models.CharField("chave no canal", max_length=64, null=True, default=None)
    phone_number_id = models.CharField("número da empresa", max_length=64, default="")
    sender = models.TextField("remetente (cifrado)", null=True, default=None)
    direction = models.CharField("direção", max_length=3, choices=Direction.choices)
    actor = models.CharField("autor", max_length=8, choices=Actor.choices)
    type = models.CharField("tipo", max_length=64)
    text = models.TextField("texto", default="")
    payload = models.JSONField("conteúdo", default=dict)  # the type's own fields
    timestamp = models.DateTimeField("hora no canal")
    received_at = models.DateTimeField("recebida em")
    seq = models.BigIntegerField("ordem")
    state = models.CharField("estado", max_length=16, choices=MessageState.choices)
    due = models.JSONField("pendência", null=True, default=None)  # {"shard", "at"}; removed when nothing waits
    claimed_by = models.CharField("execução que envia", max_length=64, null=True, default=None)
    claimed_at = models.DateTimeField("envio iniciado em", null=True, default=None)
    doubted_at = models.DateTimeField("em dúvida desde", null=True, default=None)
    tries = models.IntegerField("tentativas de envio", default=0)
    resends = models.IntegerField("reenvios após dúvida", default=0)
    owner_epoch = models.IntegerField("época do responsável", default=0)
    status_at = models.JSONField("situações de entrega", default=dict)  # {"sent": datetime, …}
    errors = models.JSONField("erros", default=list)  # [{"code", "title"}]
    intent = models.CharField("intenção", max_length=40, null=True, default=None)
    outcome = models.CharField("desfecho", max_length=24, choices=Outcome.choices, null=True, default=None)
    context = models.JSONField("citação", default=dict)  # {"message_key"} of the quoted message, {"forwarded"}
    media = models.JSONField("mídia", default=dict)  # see `conversations.media`
    media_due = models.JSONField("arquivo a baixar", null=True, default=None)  # {"shard", "at"}, as `due`, of its file
    session_id = models.CharField("sessão", max_length=64, null=True, default=None)
    turn_id = models.CharField("turno", max_length=64, null=True, default=None)
    correlation_id = models.CharField("correlação", max_length=64, default="")

    class Meta:
        managed = False
        default_permissions = ("view",)
        verbose_name = "mensagem"
        verbose_name_plural = "mensagens"

    def came_in_after(self, request: datetime) -> bool:
        """Whether it waits and came in after its customer had asked to be erased: then it is somebody new's."""
        return self.state == MessageState.RECEIVED and self.received_at > request


class Session(DocumentModel):
    class Status(models.TextChoices):
        ACTIVE = "ACTIVE", "Ativa"
        CLOSED = "CLOSED", "Encerrada"

    collection = "sessions"
    store_name = "SessionStore"

    user_key = models.CharField("cliente", max_length=64)
    conversation_id = models.CharField("conversa", max_length=64)
    status = models.CharField("situação", max_length=8, choices=Status.choices, default=Status.ACTIVE)
    outcome = models.CharField("desfecho", max_length=24, choices=Outcome.choices, null=True, default=None)
    intents = models.JSONField("intenções", default=list)  # see `conversations.intents.IntentQueue`
    noted = models.JSONField("anotadas", default=list)  # wishes that found no room: [{"intent", "at", "confidence"}]
    collected = models.JSONField("coletado", default=dict)  # {intent: {field: value}}
    asked = models.JSONField("perguntado", default=dict)  # {"field", "misses", "menu", …}: the open question
    started_at = models.DateTimeField("início")
    last_user_at = models.DateTimeField("última mensagem do cliente")
    expires_at = models.DateTimeField("expira em", null=True, default=None)
    closed_at = models.DateTimeField("fim", null=True, default=None)
    summary = models.TextField("resumo", default="")
    prompt_version = models.CharField("versão do prompt", max_length=40, default="")

    class Meta:
        managed = False
        default_permissions = ("view",)
        verbose_name = "sessão"
        verbose_name_plural = "sessões"

    def __str__(self) -> str:
        return f"Sessão {self.pk[:8]}"


class Handoff(DocumentModel):
    """What a human finds waiting (product.md §4). Id: the session's id, so a session opens at most one."""

    class Status(models.TextChoices):
        OPEN = "OPEN", "Aberto"
        TAKEN = "TAKEN", "Em atendimento"
        RESOLVED = "RESOLVED", "Resolvido"

    class Qualification(models.TextChoices):
        LOW = "low", "Baixa"
        MEDIUM = "medium", "Média"
        HIGH = "high", "Alta"

    collection = "handoffs"
    store_name = "HandoffStore"

    user_key = models.CharField("cliente", max_length=64)
    conversation_id = models.CharField("conversa", max_length=64)
    status = models.CharField("situação", max_length=8, choices=Status.choices, default=Status.OPEN)
    lead = models.JSONField("lead", default=dict)  # name, city, is_business, business_name, role; never the phone
    intent_primary = models.CharField("intenção principal", max_length=40)
    intents_detected = models.JSONField("intenções detectadas", default=list)
    resolved_intents = models.JSONField("intenções resolvidas", default=list)
    open_intents = models.JSONField("intenções em aberto", default=list)
    summary = models.TextField("resumo", default="")
    requirements = models.JSONField("requisitos", default=dict)
    deadline = models.CharField("prazo", max_length=200, null=True, default=None)
    routing = models.CharField("fila", max_length=40)
    confidence = models.FloatField("confiança", default=0.0)
    qualification_level = models.CharField("qualificação", max_length=8, choices=Qualification.choices)
    qualification_reasons = models.JSONField("motivos da qualificação", default=list)
    lead_score = models.IntegerField("pontuação", null=True, default=None)  # see `profiles.scoring`
    lead_score_reasons = models.JSONField("motivos da pontuação", default=list)
    agent_id = models.CharField("atendente", max_length=150, null=True, default=None)
    opened_at = models.DateTimeField("aberto em")
    taken_at = models.DateTimeField("assumido em", null=True, default=None)
    first_reply_at = models.DateTimeField("primeira resposta em", null=True, default=None)
    resolved_at = models.DateTimeField("resolvido em", null=True, default=None)
    target_at = models.DateTimeField("responder até", null=True, default=None)

    class Meta:
        managed = False
        default_permissions = ("view",)
        verbose_name = "atendimento humano"
        verbose_name_plural = "atendimentos humanos"

    def __str__(self) -> str:
        return f"Atendimento {self.pk[:8]}"


class Quarantined(DocumentModel):
    """Signed bytes that could not be understood."""

    collection = "webhook_quarantine"
    store_name = "QuarantineStore"

    body = models.TextField("conteúdo (cifrado)", default="")
    file = models.CharField("arquivo (cifrado)", max_length=100, default="")  # its name, where body is empty
    size_bytes = models.IntegerField("tamanho em bytes")
    reason = models.CharField("motivo", max_length=200)
    phone_number_id = models.CharField("número da empresa", max_length=64, default="")
    correlation_id = models.CharField("correlação", max_length=64, default="")
    received_at = models.DateTimeField("recebido em")

    class Meta:
        managed = False
        default_permissions = ("view",)
        verbose_name = "entrega em quarentena"
        verbose_name_plural = "entregas em quarentena"
